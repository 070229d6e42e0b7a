"""A results folder and the truth as a picture: main angles, moments, forces and the residual over time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kincast.offline.angle_errors import MAIN
from kincast.offline.compare import Sides
from kincast.offline.compare_panels import Panel, Trace, draw
from kincast.offline.force_errors import forward_axes, in_walking_axes, our_feet

SHOWN_S = 8.0
"""Of a long session the first seconds that are compared are shown."""


def plot(sides: Sides, path: Path) -> None:
    """Write the picture; where the truth begins later than our rows, so does it.

    Raises:
        PictureError: an unknown format, or the file cannot be written.
    """
    times = sides.ours.kinematics.time_s
    truth_s = sides.truth.motion.time_s - sides.start_s
    begin, end = max(times[0], truth_s[0]), min(times[-1], truth_s[-1])
    if begin >= end:
        begin, end = times[0], times[-1]
    draw(
        list(_panels(sides)),
        path,
        names=("kincast", "truth"),
        note=f"{sides.truth.name}; band: 2 sd; grey: plates do not see the foot",
        x_label="session time (s)",
        x_range=(float(begin), float(min(end, begin + SHOWN_S))),
    )


def _panels(sides: Sides) -> Iterator[Panel]:
    for name in MAIN:
        yield _angle(sides, name)
    for name in MAIN:
        yield _moment(sides, f"{name}_moment")
    yield from _forces(sides)
    residuals = sides.ours.residuals
    if residuals is not None:
        force = np.linalg.norm(np.stack([residuals.column(c) for c in ("FX", "FY", "FZ")]), axis=0)
        yield Panel("pelvis residual force (N)", Trace(residuals.time_s, force), None)


def _angle(sides: Sides, name: str) -> Panel:
    ours, sd, truth = sides.ours.kinematics, sides.ours.kinematics_sd, sides.truth
    mine = theirs = None
    if name in ours.columns:
        known = sd is not None and name in sd.columns and len(sd.time_s) == len(ours.time_s)
        mine = Trace(ours.time_s, ours.column(name), sd.column(name) if sd is not None and known else None)
    if name in truth.motion.columns:
        sign = truth.knee_sign if name.startswith("knee_angle") else 1
        theirs = Trace(truth.motion.time_s - sides.start_s, sign * truth.motion.column(name))
    return Panel(f"{name} (deg)", mine, theirs)


def _moment(sides: Sides, name: str) -> Panel:
    torques, moments = sides.ours.torques, sides.truth.moments
    mine = theirs = None
    if torques is not None and name in torques.columns:
        sd = sides.ours.torques_sd
        known = sd is not None and name in sd.columns and len(sd.time_s) == len(torques.time_s)
        mine = Trace(
            torques.time_s, torques.column(name), sd.column(name) if sd is not None and known else None
        )
    if moments is not None and name in moments.columns:
        sign = sides.truth.knee_sign if name.startswith("knee_angle") else 1
        theirs = Trace(moments.time_s - sides.start_s, sign * moments.column(name))
    return Panel(f"{name} (N m)", mine, theirs)


def _forces(sides: Sides) -> Iterator[Panel]:
    grf, plates = sides.ours.ground_forces, sides.truth.forces
    mine = theirs = None
    if grf is not None:
        mine = in_walking_axes(our_feet(grf)[0], forward_axes(sides.truth, grf.time_s + sides.start_s))
    if plates is not None:
        theirs = in_walking_axes(plates.force, forward_axes(sides.truth, plates.time_s))
    sd = sides.ours.ground_forces_sd
    for foot, side in enumerate(("right", "left")):
        up = f"ground_force_{side[0]}_vy"
        known = sd is not None and grf is not None and up in sd.columns and len(sd.time_s) == len(grf.time_s)
        for axis, name in ((2, "vertical"), (0, "fore-aft"), (1, "mediolateral")):
            yield Panel(
                f"{side} force, {name} (N)",
                None
                if grf is None or mine is None
                else Trace(
                    grf.time_s,
                    mine[:, foot, axis],
                    sd.column(up) if sd is not None and known and axis == 2 else None,
                ),
                None
                if plates is None or theirs is None
                else Trace(plates.time_s - sides.start_s, theirs[:, foot, axis]),
                None if plates is None else plates.time_s - sides.start_s,
                None if plates is None else ~plates.plates_see[:, foot],
            )
