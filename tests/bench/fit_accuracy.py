"""Joint-angle accuracy of the live fitter on the timestamped multi-view cases, against their optical truth.

    python tests/bench/fit_accuracy.py DATA/multiview [--cases walking1 STS1] [--stream pose] [--cameras 0 2 4 6]

Reads only the pictures' keypoints and calibration to fit; ``truth/ik.mot`` to compare. The body is calibrated
on the same trial's first ``--body-seconds`` unless another case is named with ``--body-case``.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kincast.models.body import BodyParameters, build_body
from kincast.models.body_fit import fit_body
from kincast.models.coordinates import COORDINATES, coordinates_from_pose
from kincast.models.fit_result import FitResult, SettledPose
from kincast.models.observations import Observations
from kincast.streaming.fitter import FitterConfig, WindowFitter
from kincast.streaming.importers.multiview import import_multiview
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.snapshot import Snapshot

JUDGED = [
    f"{name}_{side}"
    for name in ("hip_flexion", "hip_adduction", "knee_angle", "ankle_angle")
    for side in "rl"
]
STILL_DEG = 0.5
"""A truth coordinate that moves less is fixed by its source and not judged."""


@dataclass(frozen=True)
class Recording:
    """Pictures of one case grouped by frame number."""

    name: str
    keypoint_set: str
    cameras: tuple
    t_ns: np.ndarray  # (T, C)
    keypoints: list[list[np.ndarray]]  # per frame, per camera (P, K, 3)
    present: np.ndarray  # (T, C)

    def snapshots(self) -> list[Snapshot]:
        out = []
        for i, people in enumerate(self.keypoints):
            t = int(np.median(self.t_ns[i][self.present[i]]))
            out.append(Snapshot(i, t, self.t_ns[i], self.present[i], tuple(people)))
        return out

    def observations(self, seconds: float) -> Observations:
        k = max(p.shape[1] for p in self.keypoints[0])
        keypoints = np.zeros((*self.t_ns.shape, k, 3))
        for i, people in enumerate(self.keypoints):
            for c, p in enumerate(people):
                if len(p):
                    keypoints[i, c] = p[0]
        rows = (self.t_ns[:, 0] - self.t_ns[0, 0]) < seconds * 1e9
        return Observations(self.keypoint_set, self.cameras, self.t_ns[rows], keypoints[rows])


def load(folder: Path, stream: str, cameras: Sequence[int] | None = None) -> Recording:
    imported = import_multiview(folder, ImportOptions(stream=stream))
    names = [c.name for c in imported.header.cameras]
    keep = list(range(len(names))) if cameras is None else list(cameras)
    index = {names[c]: i for i, c in enumerate(keep)}
    frames: dict[int, dict[int, object]] = {}
    for message in imported.messages:
        if message.camera in index:
            frames.setdefault(message.seq, {})[index[message.camera]] = message
    k = 26
    t_ns = np.zeros((len(frames), len(keep)), np.int64)
    present = np.zeros(t_ns.shape, bool)
    people = []
    for i, seq in enumerate(sorted(frames)):
        row = []
        for c in range(len(keep)):
            m = frames[seq].get(c)
            row.append(np.zeros((0, k, 3), np.float32) if m is None else m.people)
            if m is not None:
                t_ns[i, c], present[i, c] = m.t_ns, True
        people.append(row)
    return Recording(
        folder.name,
        imported.header.keypoint_set,
        tuple(imported.header.cameras[c] for c in keep),
        t_ns,
        people,
        present,
    )


def run(
    fitter: WindowFitter, snapshots: Sequence[Snapshot]
) -> tuple[list[FitResult], list[SettledPose], np.ndarray]:
    results, settled, seconds = [], [], []
    for snapshot in snapshots:
        start = time.perf_counter()
        result = fitter.step(snapshot)
        seconds.append(time.perf_counter() - start)
        results.append(result)
        settled.extend(result.settled)
    settled.extend(fitter.flush())
    return results, settled, np.array(seconds)


def truth_of(folder: Path) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Time, names, values (degrees; knee signs as ours)."""
    lines = (folder / "truth" / "ik.mot").read_text().splitlines()
    head = next(i for i, line in enumerate(lines) if line.strip() == "endheader")
    names = lines[head + 1].split()
    values = np.array([[float(x) for x in line.split()] for line in lines[head + 2 :] if line.strip()])
    subject = json.loads((folder / "truth" / "subject.json").read_text())
    for i, name in enumerate(names):
        if name.startswith("knee_angle"):
            values[:, i] *= subject["knee_sign"]
    return values[:, 0], names[1:], values[:, 1:]


@dataclass(frozen=True)
class Score:
    """Degrees; ``within_ece`` is the calibration error of the interval around the mean."""

    removed: dict[str, float]
    raw: dict[str, float]
    ece: float
    sd_ratio: float

    @property
    def median_removed(self) -> float:
        return float(np.median(list(self.removed.values())))

    @property
    def median_raw(self) -> float:
        return float(np.median(list(self.raw.values())))


def angles_deg(q: np.ndarray) -> np.ndarray:
    return np.degrees(np.array([coordinates_from_pose(row) for row in q]))


def score(
    folder: Path, t_ns: np.ndarray, q: np.ndarray, sd_within: np.ndarray | None, skip_s: float = 0.0
) -> Score:
    time_s, names, truth = truth_of(folder)
    mine = angles_deg(q)
    t = t_ns * 1e-9
    inside = (t >= time_s[0]) & (t <= time_s[-1]) & (t >= t[0] + skip_s)
    removed, raw, z = {}, {}, []
    for name in JUDGED:
        true = np.interp(t[inside], time_s, truth[:, names.index(name)])
        if np.ptp(true) < STILL_DEG:
            continue
        error = mine[inside, COORDINATES.index(name)] - true
        raw[name] = float(np.sqrt(np.mean(error**2)))
        error = error - error.mean()
        removed[name] = float(np.sqrt(np.mean(error**2)))
        if sd_within is not None:
            z.append(error / np.degrees(sd_within[inside, COORDINATES.index(name)]))
    ece, ratio = float("nan"), float("nan")
    if z:
        ece = calibration_error(np.concatenate(z))
        ratio = float(np.sqrt(np.mean(np.square(np.concatenate(z)))))
    return Score(removed, raw, ece, ratio)


def calibration_error(z: np.ndarray) -> float:
    """Mean over nominal levels of |observed - nominal| share inside the central interval of a normal."""
    from scipy.stats import norm

    levels = np.linspace(0.05, 0.95, 19)
    return float(np.mean([abs(np.mean(np.abs(z) <= norm.ppf(0.5 + p / 2)) - p) for p in levels]))


def body_parameters(folder: Path, recording: Recording, seconds: float, cache: Path | None) -> BodyParameters:
    key = f"{folder.name}-{recording.cameras[0].name}-{len(recording.cameras)}-{seconds:g}.json"
    if cache is not None and (cache / key).exists():
        return BodyParameters.from_json((cache / key).read_text())
    parameters = fit_body(recording.observations(seconds)).parameters
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        (cache / key).write_text(parameters.to_json())
    return parameters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--cases", nargs="*")
    parser.add_argument("--stream", default="pose")
    parser.add_argument("--cameras", nargs="*", type=int)
    parser.add_argument("--body-seconds", type=float, default=10.0)
    parser.add_argument("--body-case")
    parser.add_argument("--body-cache", type=Path)
    parser.add_argument("--max-seconds", type=float, default=15.0)
    parser.add_argument("--curves", type=Path, help="folder for a CSV of every case")
    args = parser.parse_args()
    cases = args.cases or sorted(p.name for p in args.root.iterdir() if (p / "truth").is_dir())
    header = ["case", "lag0", "settled", "raw", "ece", "z_rms", "ms_min", "ms_p50", *JUDGED]
    print(" ".join(f"{h[:9]:>9}" for h in header))
    for case in cases:
        folder = args.root / case
        recording = load(folder, args.stream, args.cameras)
        body_folder = args.root / (args.body_case or case)
        body_recording = load(body_folder, args.stream) if args.body_case else recording
        parameters = body_parameters(body_folder, body_recording, args.body_seconds, args.body_cache)
        body = build_body(parameters, keypoint_set=recording.keypoint_set)
        fitter = WindowFitter(body, recording.cameras, recording.keypoint_set, FitterConfig())
        fitter.warm()
        snapshots = [
            s for s in recording.snapshots() if s.t_ns - recording.t_ns[0].min() < args.max_seconds * 1e9
        ]
        results, settled, seconds = run(fitter, snapshots)
        now = score(
            folder, np.array([r.t_ns for r in results]), np.array([r.now_qpos for r in results]), None
        )
        t = np.array([s.t_ns for s in settled])
        q = np.array([s.qpos for s in settled])
        final = score(folder, t, q, np.array([s.sd_within for s in settled]))
        cells = [
            now.median_removed,
            final.median_removed,
            final.median_raw,
            final.ece,
            final.sd_ratio,
            seconds[5:].min() * 1e3,
            np.median(seconds) * 1e3,
            *[final.removed.get(n, np.nan) for n in JUDGED],
        ]
        print(f"{case[:9]:>9} " + " ".join(f"{c:9.2f}" for c in cells), flush=True)
        if args.curves is not None:
            args.curves.mkdir(parents=True, exist_ok=True)
            time_s, names, truth = truth_of(folder)
            mine = angles_deg(q)
            with (args.curves / f"{case}.csv").open("w", newline="") as out:
                writer = csv.writer(out)
                shared = [n for n in COORDINATES if n in names]
                writer.writerow(
                    ["time", *shared, *(f"{n}_true" for n in shared), *(f"{n}_sd" for n in shared)]
                )
                sd = np.degrees(np.array([s.sd_within for s in settled]))
                for i in range(len(t)):
                    true = [np.interp(t[i] * 1e-9, time_s, truth[:, names.index(n)]) for n in shared]
                    columns = [COORDINATES.index(n) for n in shared]
                    writer.writerow([t[i] * 1e-9, *mine[i, columns], *true, *sd[i, columns]])


if __name__ == "__main__":
    main()
