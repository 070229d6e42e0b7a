"""Optical marker trials with force plates through the live path: joint angles, forces and moments per trial.

    python -m tests.bench.marker_trials [--only NAME ...] [--keep DIR]

Every trial goes through the same functions as ``kincast import``, ``body`` and ``replay``; its body comes from
a static or another trial of the person where there is one. Beside it: the joint angles that came with the markers
(mean removed), the force plates (RMSE per foot in % body weight), and joint moments, which OpenSim computes here from the
given angles, the person's given model and the plates. C3D files bring plates alone. Which foot stood beside the
plates is guessed from the load they carry, so force figures hold some error of the truth.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kincast.models.errors import UserMistakeError
from kincast.offline.angle_errors import angle_errors
from kincast.offline.force_errors import force_errors, moment_errors
from kincast.offline.plates import carried, feet_forces
from kincast.offline.truth import Truth, TruthForces, degrees
from kincast.streaming.results.reader import read_results
from kincast.streaming.results.storage import Storage, read_storage
from kincast.streaming.results.trc import read_trc
from tests.bench.kept_folder import kept_folder


@dataclass(frozen=True)
class MarkerTrial:
    """``motion``, ``forces``, ``model``: OpenSim files of the person; a C3D file holds its plates itself."""

    name: str
    person: str
    source: Path
    body_from: tuple[Path, ...]
    mass_kg: float | None = None
    height_m: float | None = None
    motion: Path | None = None
    forces: Path | None = None
    model: Path | None = None
    quick: bool = True


OPENCAP4_QUICK = ("walking2", "walkingTO1", "walkingTS1", "STSAsym1", "squats1")


def trials(data: Path) -> Iterator[MarkerTrial]:
    """All trials of the data folder with markers and plates."""
    yield from _opencap(data)
    one = data / "opensim_subject01_walk"
    yield MarkerTrial(
        name="subject01 walk1",
        person="subject01",
        source=one / "subject01_walk1.trc",
        body_from=(one / "subject01_static.trc", one / "subject01_walk1.trc"),
        mass_kg=72.6,
        height_m=1.791,
        motion=one / "subject01_walk1_ik.mot",
        forces=one / "subject01_walk1_grf.mot",
        model=one / "subject01.osim",
    )
    camargo, trial = data / "camargo_levelground", "levelground_ccw_fast_01_01"
    yield MarkerTrial(
        name="camargo circuit",
        person="camargo",
        source=camargo / "MarkerData" / f"{trial}.trc",
        body_from=(camargo / "MarkerData" / f"{trial}.trc",),
        mass_kg=78.1,
        height_m=1.786,
        motion=camargo / "IK" / f"{trial}_ik.mot",
        forces=camargo / "ID" / f"{trial}_grf.mot",
        model=camargo / "Models" / "final.osim",
        quick=False,
    )
    yield from _c3d(data)


def _opencap(data: Path) -> Iterator[MarkerTrial]:
    four, five = data / "opencap_subject4_markers", data / "opencap_subject5_markers"
    markers = four / "MarkerData"
    for source in sorted(markers.glob("*.trc")):
        if source.stem == "static1":
            continue
        other = "walking2" if source.stem == "walking1" else "walking1"
        yield MarkerTrial(
            name=f"opencap4 {source.stem}",
            person="opencap4",
            source=source,
            body_from=(markers / "static1.trc", markers / f"{other}.trc"),
            mass_kg=62.6,
            height_m=1.658,
            motion=four / "IK" / f"{source.stem}_ik.mot",
            forces=four / "ID" / f"{source.stem}_grf.mot",
            model=four / "Models" / "optimized_scale_and_markers.osim",
            quick=source.stem in OPENCAP4_QUICK,
        )
    for stem in ("walking2", "DJ1"):
        motion = five / f"{stem}.mot"
        yield MarkerTrial(
            name=f"opencap5 {stem}",
            person="opencap5",
            source=five / f"{stem}.trc",
            body_from=(five / "squats1.trc", five / "walking2.trc"),
            mass_kg=79.4,
            height_m=1.85,
            motion=motion if motion.exists() else None,
            forces=five / f"{stem}_forces.mot",
            model=five / "scaled.osim",
        )


def _c3d(data: Path) -> Iterator[MarkerTrial]:
    gait = data / "bmc_gait_and_run" / "Gait.c3d"
    yield MarkerTrial("bmc gait", "bmc-gait", gait, (gait,))
    full, lower = data / "btk_fullbody", data / "btk_plugin_gait"
    yield MarkerTrial(
        "btk full body", "btk-full", full / "walk.c3d", (full / "static.c3d", full / "walk.c3d"), 47.5, 1.505
    )
    walk = lower / "PiG_Motion3_FF.c3d"
    yield MarkerTrial("btk plug-in", "btk-pig", walk, (lower / "PiG_Calibration3_FF.c3d", walk), 74.0, 1.76)
    for child in sorted((data / "biomechzoo_children").glob("HC*")):
        static, straight, turn = (
            tuple(sorted((child / kind).glob("*.c3d"))) for kind in ("Static", "Straight", "Turn")
        )
        for kind, sources in (("straight", straight), ("turn", turn)):
            for source in sources:
                name = f"{child.name} {kind}"
                yield MarkerTrial(name, child.name, source, (*static, *straight), quick=kind == "straight")


def recording(folder: Path, trial: MarkerTrial, source: Path) -> Path:
    """The source as a recording; raises what the importer raises."""
    from kincast.streaming.importers.options import ImportOptions
    from kincast.streaming.importers.record import write_recording
    from kincast.streaming.importers.source import import_source

    path = folder / f"{trial.person}-{source.stem}.mcap"
    if not path.exists():
        options = ImportOptions(mass_kg=trial.mass_kg, height_m=trial.height_m)
        write_recording(import_source(source, options), path, overwrite=True)
    return path


def body_of(folder: Path, trial: MarkerTrial) -> Path:
    """The person's body file; sources of the body that cannot be imported are left out."""
    from kincast.deploy.cli.body import Body

    body = folder / f"{trial.person}-{'-'.join(p.stem for p in trial.body_from)}.body.json"
    if not body.exists():
        recordings = []
        for source in trial.body_from:
            with contextlib.suppress(UserMistakeError):
                recordings.append(recording(folder, trial, source))
        Body(tuple(recordings), body).run()
    return body


def truth_of(trial: MarkerTrial, heading: Storage, mass_kg: float, folder: Path) -> Truth:
    """What the trial is held against; ``heading``: our motion, which tells the direction where none was given."""
    from tests.bench.opensim_moments import opensim_moments

    forces = plates_of(trial, mass_kg)
    if trial.motion is None:
        return Truth(trial.name, heading, mass_kg=mass_kg, forces=forces)
    motion = degrees(read_storage(trial.motion))
    moments = None
    if forces is not None and trial.model is not None:
        moments = opensim_moments(trial.model, trial.motion, forces, folder / f"{trial.name}.id")
    knee_sign = -1 if np.median(motion.column("knee_angle_r")) < 0 else 1
    return Truth(trial.name, motion, knee_sign, mass_kg, trial.height_m, forces=forces, moments=moments)


def plates_of(trial: MarkerTrial, mass_kg: float) -> TruthForces | None:
    """Measured forces on the feet."""
    from kincast.offline.c3d_plates import c3d_forces

    if trial.forces is None:
        return c3d_forces(trial.source, mass_kg)
    return opensim_forces(trial.forces, trial.source, mass_kg)


def opensim_forces(path: Path, markers: Path, mass_kg: float) -> TruthForces | None:
    """Plates of an OpenSim file, given to the feet by the markers."""
    storage = read_storage(path)
    found = feet_forces(storage, read_trc(markers))
    if found is None:
        return None
    seen = carried(found[0], mass_kg)
    unknown = np.full(len(seen), np.nan)
    return TruthForces(storage.time_s, *found, np.stack([seen, seen], axis=1), unknown, sight_measured=False)


def compared(folder: Path, trial: MarkerTrial) -> dict[str, float]:
    """Figures of one trial; those that its truth does not allow are absent."""
    from kincast.deploy.cli.replay import Replay

    body = body_of(folder, trial)
    out = folder / trial.name.replace(" ", "-")
    Replay(recording(folder, trial, trial.source), out, body=body, torques=True).run()
    results = read_results(out)
    assert results.body is not None
    mass_kg = float(results.body.mass_kg)
    clock_s = results.kinematics.time_s + results.summary["start_ns"] * 1e-9
    heading = replace(results.kinematics, time_s=clock_s)
    truth = truth_of(trial, heading, mass_kg, folder)
    figures: dict[str, float] = {}
    if trial.motion is not None:
        angles = angle_errors(results.kinematics, results.kinematics_sd, clock_s, truth)
        if angles is not None:
            figures["angles_mean_removed_deg"] = angles.median_mean_removed_deg
    forces = (
        None
        if results.ground_forces is None
        else force_errors(results.ground_forces, clock_s, truth, mass_kg)
    )
    if forces is not None:
        figures |= {
            "vertical_pct_bw": forces.vertical_pct_bw,
            "ap_pct_bw": forces.ap_pct_bw,
            "ml_pct_bw": forces.ml_pct_bw,
            "cop_ap_mm": forces.cop_ap_mm or np.nan,
        }
    if results.torques is not None and trial.height_m and truth.moments is not None:
        moments = moment_errors(results.torques, clock_s, truth, mass_kg, trial.height_m)
        if moments is not None:
            figures["moments_pct_bwh"] = moments.median_pct_bwh
    return figures


def row(trial: MarkerTrial, figures: Mapping[str, float]) -> str:
    cells = "  ".join(f"{name} {value:5.2f}" for name, value in figures.items())
    return f"{trial.name:24s} {cells}"


def measure(
    data: Path | None, only: Sequence[str] = (), keep: Path | None = None, everything: bool = False
) -> dict[str, float]:
    """Medians over the people's trials, and the worst; ``everything``: the long and similar trials too."""
    if data is None:
        return {}
    found: dict[str, list[float]] = {}
    with kept_folder(keep) as folder:
        for trial in trials(data):
            if not (trial.name in only if only else trial.quick or everything):
                continue
            with contextlib.redirect_stdout(io.StringIO()):
                figures = compared(folder, trial)
            print(row(trial, figures), flush=True)
            for name, value in figures.items():
                found.setdefault(name, []).append(value)
    summary: dict[str, float] = {}
    for name, values in found.items():
        summary[f"marker trials: {name}"] = float(np.nanmedian(values))
        summary[f"marker trials: {name}, worst trial"] = float(np.nanmax(values))
    return summary


def main() -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="names of trials")
    parser.add_argument("--all", action="store_true", help="the long and similar trials too")
    parser.add_argument("--keep", type=Path, help="keep recordings, bodies and results here")
    options = parser.parse_args()
    for figure, value in measure(data_dir(), options.only, options.keep, options.all).items():
        print(f"{figure:50s} {value:8.3f}")


if __name__ == "__main__":
    main()
