"""Accuracy of body calibration on the multi-view cases: joint angles of the calibrated body against the optical ones.

    python -m tests.bench.body_fit_accuracy [CASE ...] [--stream pose_clean] [--body OTHER_CASE ...]

Every instant's pose is fitted by itself with the body frozen (no smoothing over time), so the raw error shows the
body and the mean-removed one an upper bound of what the fitters reach. Without ``--body`` the body comes from the
same trial (of a long one, its first 10 s). Only keypoints and calibration enter the fit.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from kincast.models.body import log_scales, site_offsets
from kincast.models.body.skeleton import skeleton_of
from kincast.models.body_fit import BodyFit, fit_body
from kincast.models.body_prior import POSTURE, pose_prior, posture_table
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.observations import Observations
from kincast.models.pose_fit import BatchKinematics, fit_poses, posture
from kincast.models.rough_start import rough_poses
from kincast.models.seen_points import seen_points
from kincast.offline.angle_errors import MAIN
from kincast.offline.observe import observe
from kincast.offline.truth import read_truth
from kincast.streaming.importers.multiview import import_multiview
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.importers.record import write_recording

CASES = (
    "walking1",
    "walkingTI1",
    "walkingTS2",
    "subject01_walk",
    "camargo_levelground",
    "STS1",
    "treadmill60",
)
BODY_SECONDS = 10.0
MAX_INSTANTS = 150


def recorded(folder: Path, stream: str) -> Observations:
    """The case as ``kincast import`` and ``kincast body`` see it."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "session.mcap"
        write_recording(import_multiview(folder, ImportOptions(stream=stream)), path)
        return observe(path)[1]


def first_seconds(observations: Observations, seconds: float) -> Observations:
    t = observations.reference_t_ns
    return observations.rows(np.flatnonzero(t - t[0] <= seconds * 1e9))


def single_poses(observations: Observations, fit: BodyFit) -> tuple[np.ndarray, np.ndarray]:
    """Instants (ns) and the pose of each by itself, with the body frozen."""
    skeleton = skeleton_of(observations.keypoint_set)
    kinematics = BatchKinematics(skeleton)
    seen = seen_points(observations)
    rows = np.flatnonzero(seen.valid.sum(axis=1) >= 10)
    seen = seen.rows(rows[np.unique(np.linspace(0, len(rows) - 1, MAX_INSTANTS).astype(int))])
    scales, offsets = log_scales(fit.parameters), site_offsets(fit.parameters, skeleton)
    q = rough_poses(kinematics, scales, seen, offsets)
    spread = 1.5 * posture_table()[2]
    spread[POSTURE.index("pelvis_tilt")] = np.radians(20.0)  # sitting must stay possible
    spread[POSTURE.index("lumbar_extension")] = np.radians(10.0)
    prior = replace(pose_prior(), mean=fit.mean_posture, sd=spread)
    q, _, _ = fit_poses(kinematics, scales, offsets, q, seen.points, seen.information, prior)
    return seen.t_ns, q


def angle_errors_deg(folder: Path, t_ns: np.ndarray, q: np.ndarray) -> dict[str, np.ndarray]:
    """Ours minus the optical angle, per main coordinate."""
    truth = read_truth(folder, folder.name)
    angles = np.degrees(posture(q)[0][:, 2:])
    time_s = t_ns * 1e-9
    inside = (time_s >= truth.motion.time_s[0]) & (time_s <= truth.motion.time_s[-1])
    names = [name for name in MAIN if name in truth.motion.columns]
    expected = truth.motion.at(time_s[inside], names)
    return {
        name: angles[inside, JOINT_COORDINATES.index(name)]
        - column * (truth.knee_sign if name.startswith("knee") else 1)
        for name, column in zip(names, expected.T, strict=True)
    }


def figures(errors: dict[str, np.ndarray]) -> tuple[float, float]:
    """Median over the main coordinates of the RMSE: raw, mean removed (deg)."""
    raw = np.median([np.sqrt(np.mean(e**2)) for e in errors.values()])
    return float(raw), float(np.median([e.std() for e in errors.values()]))


def run(root: Path, cases: tuple[str, ...], stream: str, bodies: tuple[str, ...]) -> dict[str, float]:
    given = None
    if bodies:
        given = fit_body([first_seconds(recorded(root / b, stream), BODY_SECONDS) for b in bodies])
    out: dict[str, float] = {}
    for case in cases:
        observations = first_seconds(recorded(root / case, stream), 3 * BODY_SECONDS)
        start = time.perf_counter()
        fit = given or fit_body(first_seconds(observations, BODY_SECONDS))
        seconds = time.perf_counter() - start
        errors = angle_errors_deg(root / case, *single_poses(observations, fit))
        raw, within = figures(errors)
        bias = " ".join(f"{e.mean():5.1f}" for e in errors.values())
        print(f"{case:20s} raw {raw:5.2f}  mean removed {within:5.2f}  fit {seconds:5.1f} s  bias {bias}")
        out[f"{case}.raw_deg"], out[f"{case}.mean_removed_deg"] = raw, within
    return out


def measure(data: Path | None) -> dict[str, float]:
    """Medians over the cases, body of the same trial and of other trials of the person."""
    if data is None or not (data / "multiview").is_dir():
        return {}
    root = data / "multiview"
    result: dict[str, float] = {}
    for stream in ("pose", "pose_clean"):
        found = run(root, CASES, stream, ())
        for kind in ("raw_deg", "mean_removed_deg"):
            result[f"body.{stream}.{kind}"] = float(
                np.median([v for k, v in found.items() if k.endswith(kind)])
            )
    others = run(root, ("STS1",), "pose", ("walking1", "walkingTI1", "walkingTS2"))
    result |= {f"body.walks_to_sitting.{k.split('.')[1]}": v for k, v in others.items()}
    return result


def main() -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--stream", default="pose")
    parser.add_argument("--body", nargs="*", default=[])
    options = parser.parse_args()
    data = data_dir()
    if data is None:
        raise SystemExit("no recordings here; set KINCAST_DATA")
    found = run(data / "multiview", tuple(options.cases), options.stream, tuple(options.body))
    for kind in ("raw_deg", "mean_removed_deg"):
        print(f"median {kind}: {np.median([v for k, v in found.items() if k.endswith(kind)]):.2f}")


if __name__ == "__main__":
    main()
