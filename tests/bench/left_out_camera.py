"""How near the refit comes to the pictures of a camera that it did not use: the real detections of a rig without markers.

    python -m tests.bench.left_out_camera   (about a minute of CPU time)

Cameras are refined with all pictures and then held; each in turn is left out, body and trajectory are estimated without it and
projected into it. ``free points``: triangulated from the same cameras, without a body. ``own pictures``: with all cameras in use.
A method that bends to each detection's error does better in its own pictures and worse in those left out.
All detections with confidence >= 0.5 of the keypoints that two of the used cameras see.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

TRIAL = "pose2sim_balancing"
CONFIDENCE = 0.5


def _seen(data: Path):
    """Header and observations with refined cameras."""
    from kincast.offline.refit_refusals import usable
    from kincast.offline.rig_refined import refined_rig
    from kincast.streaming.importers.options import ImportOptions
    from kincast.streaming.importers.record import write_recording
    from kincast.streaming.importers.source import import_source

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rig.mcap"
        write_recording(import_source(data / TRIAL, ImportOptions()), path)
        header, observations = usable([path]).seen[0]
        return header, refined_rig([path], [observations]).observations[0]


def _without(observations, camera: int | None):
    keypoints = observations.keypoints.copy()
    if camera is not None:
        keypoints[:, camera, :, 2] = 0.0
    return replace(observations, keypoints=keypoints)


def body_points(header, observations) -> np.ndarray:
    """Where the refit puts every keypoint at the instants of the reference camera, (T, K, 3) m."""
    from kincast.models.body import build_body
    from kincast.offline.live_start import live_poses
    from kincast.offline.refit import estimated_body, for_sessions
    from kincast.offline.refit_config import RefitConfig
    from kincast.offline.refit_state import RefitState
    from kincast.offline.refitted import Trial
    from kincast.offline.trajectory.linearise import Linearisation
    from kincast.offline.trajectory.problem import pictures_of

    config = RefitConfig()
    body = for_sessions(estimated_body([(header, observations)], config.body), [header])
    built = build_body(body, "torque", observations.keypoint_set)
    trial = Trial(
        Path("rig"), header, observations, pictures_of(observations), live_poses(built, observations)
    )
    state = RefitState(body, [trial], config)
    for done in range(config.rounds + 1):
        state.fit_trajectories()
        if done < config.rounds:
            state.learn()
            if done in config.body_rounds:
                state.fit_body_again()
    fitted = state.fitted()[0]
    motion = fitted.fit.trajectory.motion(observations.reference_t_ns)
    return Linearisation(fitted.problem, state.body).sites(motion.q, motion.v)[0]


def free_points(observations) -> np.ndarray:
    """Triangulated, (T, K, 3) m; NaN where they cannot be."""
    from kincast.models.triangulation import triangulate

    found = triangulate(observations.cameras, observations.keypoints)
    return np.where(found.valid[..., None], found.points, np.nan)


def distances_px(observations, points: np.ndarray, camera: int, known: np.ndarray) -> np.ndarray:
    """Of the camera's confident detections from the points; infinite where a point is missing."""
    from kincast.models.camera import CameraValues, camera_arrays, project

    rig = camera_arrays([observations.cameras[camera]])
    values = CameraValues(*(None if x is None else x[0] for x in rig))
    pixels = np.asarray(project(values, np.nan_to_num(points).astype(np.float64)))
    distance = np.linalg.norm(observations.keypoints[:, camera, :, :2] - pixels, axis=-1)
    distance = np.where(np.isfinite(points).all(axis=-1), distance, np.inf)
    return distance[known & (observations.keypoints[:, camera, :, 2] >= CONFIDENCE)]


def told(name: str, by_camera: list[np.ndarray]) -> None:
    cells = [np.concatenate(by_camera), *by_camera]
    text = "".join(f"{np.mean(d <= 5):8.2f} /{np.median(d):5.1f}" for d in cells)
    print(f"  {name:32s}{text}", flush=True)


def main() -> None:
    from tests.bench.__main__ import data_dir

    data = data_dir()
    if data is None or not (data / TRIAL).is_dir():
        sys.exit(f"no {TRIAL} here: KINCAST_DATA names the folder of the recordings")
    header, observations = _seen(data)
    cameras = range(len(observations.cameras))
    seen = observations.keypoints[..., 2] >= CONFIDENCE
    print(f"  {'GC_5 / median px':32s}{'all':>15s}" + "".join(f"{c.name:>15s}" for c in observations.cameras))
    methods = {"refit": lambda used: body_points(header, used), "free points": free_points}
    for name, points_of in methods.items():
        everything = points_of(observations)
        known = seen.sum(axis=1) >= 2
        told(f"{name}, own pictures", [distances_px(observations, everything, c, known) for c in cameras])
        left_out = []
        for c in cameras:
            used = _without(observations, c)
            known = np.delete(seen, c, axis=1).sum(axis=1) >= 2
            left_out.append(distances_px(observations, points_of(used), c, known))
        told(f"{name}, left-out pictures", left_out)


if __name__ == "__main__":
    main()
