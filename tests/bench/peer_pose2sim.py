"""Pose2Sim over one trial, stage by stage, timed. Runs in Pose2Sim's own environment; nothing of kincast is imported.

    python peer_pose2sim.py TRIAL WORK [--augmented]

``TRIAL`` holds Config_session.toml, Config_trial.toml, calibration/ and pose/. ``WORK`` is filled with a project of its
own; ``WORK/pose2sim.json`` holds seconds per stage and ``WORK/ik_markers.npz`` where OpenSim's inverse kinematics
put the model's markers (metres, Y up).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import shutil
import time
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
STEPS = ("personAssociation", "triangulation", "filtering", "kinematics")
RENAMED = ("reorder_trc", "handle_LR_swap", "undistort_points", "show_interp_indices", "make_c3d")
"""Options of older versions."""


def project(trial: Path, work: Path) -> Path:
    """A project as Pose2Sim wants it: the calibration and the 2D poses, nothing of earlier results."""
    place = work / "project"
    shutil.rmtree(place, ignore_errors=True)
    (place / "calibration").mkdir(parents=True)
    shutil.copytree(trial / "pose", place / "pose")
    for calibration in (trial / "calibration").glob("*.toml"):
        shutil.copy(calibration, place / "calibration")
    return place


def settings(trial: Path, place: Path, augmented: bool) -> dict:
    """This version's defaults with what the trial's files say; nothing is drawn."""
    rtoml = importlib.import_module("rtoml")
    config: dict = {}
    for name in ("Config_session.toml", "Config_trial.toml"):
        if (trial / name).is_file():
            config = _merged(config, rtoml.load(trial / name))
    people = config.get("markerAugmentation", {})
    person = {k: people[k] for k in ("participant_height", "participant_mass") if k in people}
    association = {k: v for k, v in config.get("personAssociation", {}).items() if k != "single_person"}
    triangulation = {k: v for k, v in config.get("triangulation", {}).items() if k not in RENAMED}
    kept = {"project": config.get("project", {}), "filtering": config.get("filtering", {})}
    mine = {
        "project": {**person, "project_dir": str(place), "frame_range": "all", "multi_person": False},
        "pose": {"pose_model": config["pose"]["pose_model"]},
        "personAssociation": {"single_person": association},
        "triangulation": {**triangulation, "make_c3d": False, "sections_to_keep": "all"},
        "filtering": {"display_figures": False, "save_filt_plots": False, "make_c3d": False},
        "markerAugmentation": {"make_c3d": False},
        "kinematics": {"use_augmentation": augmented},
        "logging": {"use_custom_logging": True},
    }
    return _merged(kept, mine)


def _merged(one: dict, other: dict) -> dict:
    out = dict(one)
    for key, value in other.items():
        nested = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = _merged(out[key], value) if nested else value
    return out


def ik_markers(place: Path, out: Path) -> None:
    """Where inverse kinematics put the markers of the scaled model, from the .mot and the .osim."""
    import numpy as np
    import opensim

    motion, scaled = next((place / "kinematics").glob("*.mot")), next((place / "kinematics").glob("*.osim"))
    model = opensim.Model(str(scaled))
    state = model.initSystem()
    table = opensim.TimeSeriesTable(str(motion))
    degrees = table.getTableMetaDataAsString("inDegrees") == "yes"
    every = [model.getCoordinateSet().get(i) for i in range(model.getNumCoordinates())]
    known = set(table.getColumnLabels())
    columns = []
    for coordinate in (c for c in every if c.getName() in known):
        values = table.getDependentColumn(coordinate.getName()).to_numpy()
        turning = coordinate.getMotionType() == opensim.Coordinate.Rotational
        columns.append((coordinate, np.radians(values) if degrees and turning else values))
    markers = [model.getMarkerSet().get(i) for i in range(model.getMarkerSet().getSize())]
    points_m = np.empty((table.getNumRows(), len(markers), 3))
    for row in range(len(points_m)):
        for coordinate, values in columns:
            coordinate.setValue(state, float(values[row]), False)
        model.assemble(state)
        model.realizePosition(state)
        for m, marker in enumerate(markers):
            points_m[row, m] = marker.getLocationInGround(state).to_numpy()
    names = np.array([marker.getName() for marker in markers])
    np.savez(out, names=names, time_s=np.array(table.getIndependentColumn()), points_m=points_m)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trial", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument(
        "--augmented", action="store_true", help="inverse kinematics on LSTM-augmented markers"
    )
    options = parser.parse_args()
    trial, work = options.trial.resolve(), options.work.resolve()
    place = project(trial, work)
    os.chdir(place)
    config = settings(trial, place, options.augmented)
    stages: dict[str, dict[str, float]] = {}
    wall, cpu = time.perf_counter(), _cpu_s()
    pose2sim = importlib.import_module("Pose2Sim.Pose2Sim")
    steps = [*STEPS[:3], "markerAugmentation", STEPS[3]] if options.augmented else STEPS
    for step in steps:
        getattr(pose2sim, step)(config)
        stages[step] = {"wall_s": time.perf_counter() - wall, "cpu_s": _cpu_s() - cpu}
        wall, cpu = time.perf_counter(), _cpu_s()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ik_markers(place, work / "ik_markers.npz")
    versions = {"pose2sim": version("pose2sim"), "opensim": version("opensim")}
    (work / "pose2sim.json").write_text(
        json.dumps({"versions": versions, "stages": stages, "peak_mb": peak_mb}, indent=1)
    )


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(r.ru_utime + r.ru_stime for r in used)


if __name__ == "__main__":
    main()
