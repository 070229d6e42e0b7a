"""The scaled OpenSim models behind the multi-view cases: joint centre distances, and where keypoints sit in their segments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from kincast.models.body import BodyParameters, build_body
from kincast.streaming.results.storage import read_storage
from kincast.streaming.results.trc import read_trc

MODELS = {
    "walking1": "opencap_subject4_markers/Models/optimized_scale_and_markers.osim",
    "subject01_walk": "opensim_subject01_walk/subject01.osim",
    "camargo_levelground": "camargo_levelground/Models/final.osim",
    "treadmill60": "coordretraining_treadmill/model.osim",
}
"""By the first trial of each person."""
JOINTS: dict[str, tuple[str, str, str]] = {
    "pelvis width": ("pelvis", "femur_r", "femur_l"),
    **{f"femur {s}": (f"femur_{s}", f"femur_{s}", f"tibia_{s}") for s in "rl"},
    **{f"tibia {s}": (f"tibia_{s}", f"tibia_{s}", f"talus_{s}") for s in "rl"},
    **{f"foot {s}": (f"calcn_{s}", f"calcn_{s}", f"toes_{s}") for s in "rl"},
    **{f"upper arm {s}": (f"humerus_{s}", f"humerus_{s}", f"ulna_{s}") for s in "rl"},
}
"""Length: the segment that scales it, and the two bodies whose origins are its joint centres."""
LEG_POINTS = {
    f"{s.upper()}{point}": f"{body}_{s}"
    for s in "rl"
    for point, body in (("Hip", "femur"), ("Knee", "tibia"), ("Ankle", "talus"))
}


def source_lengths_m(path: Path) -> dict[str, float]:
    """Joint centre distances of an OpenSim model with all coordinates 0; those that it has."""
    model, state = _opened(path)
    coordinates = model.getCoordinateSet()
    for i in range(coordinates.getSize()):
        if not coordinates.get(i).getLocked(state):
            coordinates.get(i).setValue(state, 0.0, False)
    model.realizePosition(state)
    at = {name: place for name, (place, _) in _bodies(model, state).items()}
    return {
        name: float(np.linalg.norm(at[a] - at[b]))
        for name, (_, a, b) in JOINTS.items()
        if a in at and b in at
    }


def generic_lengths_m() -> dict[str, float]:
    """The same of our generic body."""
    body = build_body(BodyParameters())
    data = mujoco.MjData(body.mj_model)
    data.qpos[:] = body.full_qpos(np.concatenate([[0, 0, 1, 1, 0, 0, 0], np.zeros(34)]))
    mujoco.mj_kinematics(body.mj_model, data)
    return {
        name: float(np.linalg.norm(data.body(a).xpos - data.body(b).xpos))
        for name, (_, a, b) in JOINTS.items()
    }


def attachments_m(data: Path, case: str, instants: int = 12) -> dict[str, np.ndarray]:
    """Where the keypoints of hips, knees and ankles sit in the axes of their segments, from the segment's origin."""
    model, state = _opened(data / MODELS[case])
    truth = data / "multiview" / case / "truth"
    motion, points = read_storage(truth / "ik.mot"), read_trc(truth / "keypoints_3d.trc")
    world = json.loads((truth / "subject.json").read_text())["world_from_opensim"]
    rotation, translation = np.array(world["rotation"]), np.array(world["translation"])
    found: dict[str, list[np.ndarray]] = {name: [] for name in LEG_POINTS}
    rows = np.linspace(0, len(points.time_s) - 1, instants).astype(int)
    for row in rows:
        _pose(model, state, motion, float(points.time_s[row]))
        bodies = _bodies(model, state)
        for name, body in LEG_POINTS.items():
            place, turn = bodies[body]
            seen = points.points_m[row, points.markers.index(name)]
            found[name].append((rotation @ turn).T @ (seen - rotation @ place - translation))
    return {name: np.nanmean(values, axis=0) for name, values in found.items()}


def _pose(model: Any, state: Any, motion: Any, time_s: float) -> None:
    coordinates = model.getCoordinateSet()
    for i in range(coordinates.getSize()):
        coordinate = coordinates.get(i)
        name = coordinate.getName()
        if name not in motion.columns or coordinate.isDependent(state):
            continue
        value = float(np.interp(time_s, motion.time_s, motion.column(name)))
        turning = not name.startswith(("pelvis_tx", "pelvis_ty", "pelvis_tz"))
        coordinate.setValue(state, np.radians(value) if motion.in_degrees and turning else value, False)
    model.assemble(state)
    model.realizePosition(state)


def _opened(path: Path) -> tuple[Any, Any]:
    import opensim

    opensim.Logger.removeFileSink()
    opensim.Logger.setLevelString("Off")
    model = opensim.Model(str(path))
    return model, model.initSystem()


def _bodies(model: Any, state: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Origin (m) and orientation of every body in OpenSim's ground."""
    found = {}
    for i in range(model.getBodySet().getSize()):
        body = model.getBodySet().get(i)
        transform = body.getTransformInGround(state)
        place = np.array([transform.p().get(k) for k in range(3)])
        turn = np.array([[transform.R().get(a, b) for b in range(3)] for a in range(3)])
        found[body.getName()] = place, turn
    return found
