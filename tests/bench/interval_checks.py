"""Errors beside the standard deviations of a results folder: angles, forces, centre of pressure, moments, events, strides.

What is judged is what the files state, whoever wrote them. Rows of one stance say much the same, so the number of pieces that
count (stances, events, strides) stands beside every figure, and every person has one vote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64
from scipy.stats import binom, norm

from kincast.models.contact_forces import GRAVITY
from kincast.models.gait.strides import heel_clearance, toe_clearance
from kincast.offline.angle_errors import COVERAGES, MAIN, calibration_error
from kincast.offline.event_errors import EDGE_S, KINDS, match, our_events
from kincast.offline.force_errors import (
    EDGE_S as MOMENT_EDGE_S,
)
from kincast.offline.force_errors import MOMENT_RESIDUAL_PCT_BW, at_rows, our_feet
from kincast.offline.stride_errors import MEASURES, _measures, _strike, ground_velocity
from kincast.offline.truth import SIDES, Truth
from kincast.streaming.results.reader import ResultsFolder

LOADED_N = 20.0
MOST_ROWS = 400
JOINTS = (
    "hip_flexion",
    "hip_adduction",
    "hip_rotation",
    "knee_angle",
    "ankle_angle",
    "subtalar_angle",
)
FORCE_AXES = ("horizontal x", "horizontal y", "vertical")
REACH = norm.ppf(0.5 + COVERAGES / 2)
FACTORS = np.geomspace(0.4, 2.5, 60)


@dataclass(frozen=True)
class Check:
    """Errors of one quantity in one trial, its sd, and how many pieces of the trial say something of their own."""

    person: str
    quantity: str
    error: Float64[np.ndarray, " value"]
    sd: Float64[np.ndarray, " value"]
    pieces: int

    @cached_property
    def sorted_z(self) -> Float64[np.ndarray, " value"]:
        """Absolute errors in sd, rising."""
        return np.sort(np.abs(self.error) / np.maximum(self.sd, 1e-12))


def checks(
    results: ResultsFolder, clock_s: Float64[np.ndarray, " row"], truth: Truth, person: str
) -> Iterator[Check]:
    """All that both sides know. ``clock_s``: the results' rows on the truth's clock."""
    for found in (_angles, _forces, _moments, _events, _strides):
        for quantity, error, sd, pieces in found(results, clock_s, truth):
            known = np.isfinite(error) & np.isfinite(sd) & (sd > 0)
            if known.any():
                every = slice(None, None, 1 + int(known.sum()) // MOST_ROWS)
                yield Check(person, quantity, error[known][every], sd[known][every], pieces)


Found = Iterator[tuple[str, Float64[np.ndarray, " value"], Float64[np.ndarray, " value"], int]]


def _angles(ours: ResultsFolder, clock_s: Float64[np.ndarray, " row"], truth: Truth) -> Found:
    names = [n for n in MAIN if n in truth.motion.columns]
    inside = (clock_s >= truth.motion.time_s[0]) & (clock_s <= truth.motion.time_s[-1])
    if ours.kinematics_sd is None or not names or inside.sum() < 3 or truth.motion.values.std() < 1e-6:
        return
    expected = truth.motion.at(clock_s[inside], names)
    expected *= [truth.knee_sign if n.startswith("knee") else 1 for n in names]
    got = np.stack([ours.kinematics.column(n)[inside] for n in names], axis=1)
    raw = (got - expected + 180.0) % 360.0 - 180.0
    moving = expected.std(axis=0) > 1e-6
    for kind, error, suffix in (("within", raw - raw.mean(axis=0), "_within"), ("total", raw, "")):
        sd = np.stack([ours.kinematics_sd.column(f"{n}{suffix}")[inside] for n in names], axis=1)
        yield f"angles {kind}", error[:, moving].ravel(), sd[:, moving].ravel(), len(names)


def _forces(ours: ResultsFolder, clock_s: Float64[np.ndarray, " row"], truth: Truth) -> Found:
    if truth.forces is None or ours.ground_forces is None or ours.ground_forces_sd is None:
        return
    expected, seen = at_rows(truth.forces, clock_s)
    (force, cop), (force_sd, cop_sd) = our_feet(ours.ground_forces), our_feet(ours.ground_forces_sd)
    known = (np.abs(force).max(axis=(1, 2)) > 0)[:, None]
    loaded = seen & known & (np.maximum(force[..., 2], expected[..., 2]) > LOADED_N)
    pieces = _runs(loaded)
    for axis, name in enumerate(FORCE_AXES):
        error = (force - expected)[..., axis][loaded]
        yield f"force {name}", error, np.abs(force_sd[..., axis][loaded]), pieces
    measured = np.stack(
        [
            [np.interp(clock_s, truth.forces.time_s, truth.forces.cop[:, f, a]) for a in range(2)]
            for f in range(2)
        ]
    ).transpose(2, 0, 1)
    both = seen & (np.minimum(force[..., 2], expected[..., 2]) > LOADED_N)
    yield (
        "centre of pressure",
        (cop[..., :2] - measured)[both].ravel(),
        np.abs(cop_sd[..., :2][both]).ravel(),
        pieces,
    )


def _runs(rows: np.ndarray) -> int:
    """Unbroken stretches of True in the columns."""
    return int((np.diff(np.pad(rows.astype(int), ((1, 0), (0, 0))), axis=0) == 1).sum())


def _moments(ours: ResultsFolder, clock_s: Float64[np.ndarray, " row"], truth: Truth) -> Found:
    if truth.moments is None or truth.forces is None or ours.torques is None or ours.torques_sd is None:
        return
    _, seen = at_rows(truth.forces, clock_s)
    residual = np.interp(clock_s, truth.forces.time_s, np.nan_to_num(truth.forces.residual_pct_bw))
    times = truth.moments.time_s
    counted = seen.all(axis=1) & (residual <= MOMENT_RESIDUAL_PCT_BW)
    counted &= (clock_s >= times[0] + MOMENT_EDGE_S) & (clock_s <= times[-1] - MOMENT_EDGE_S)
    if counted.sum() < 3:
        return
    for joint in JOINTS:
        columns = [f"{joint}_{s}_moment" for s in "rl" if f"{joint}_{s}_moment" in truth.moments.columns]
        expected = truth.moments.at(clock_s[counted], columns)
        expected *= truth.knee_sign if joint == "knee_angle" else 1
        if not columns or expected.std() < 1e-6:
            continue
        got, sd = (
            np.stack([storage.column(c)[counted] for c in columns], axis=1)
            for storage in (ours.torques, ours.torques_sd)
        )
        yield f"moment {joint}", (got - expected).ravel(), sd.ravel(), _runs(counted[:, None])


def _events(ours: ResultsFolder, clock_s: Float64[np.ndarray, " row"], truth: Truth) -> Found:
    if truth.events is None or truth.forces is None or ours.events is None or not len(ours.events.rows):
        return
    start_s = float(clock_s[0] - ours.kinematics.time_s[0])
    begin = max(clock_s[0], truth.forces.time_s[0]) + EDGE_S
    end = min(clock_s[-1], truth.forces.time_s[-1]) - EDGE_S
    mine = our_events(ours.events, start_s)
    sd_of = dict(zip([(e.side, e.event, e.time_s) for e in mine], ours.events.numbers("sd_s"), strict=False))
    for kind in KINDS:
        pairs = [
            (o, t)
            for side in SIDES
            for o, t in match(
                [e for e in mine if (e.side, e.event) == (side, kind)],
                [e for e in truth.events if (e.side, e.event) == (side, kind)],
            )
            if begin <= t.time_s <= end
        ]
        error = np.array([o.time_s - t.time_s for o, t in pairs])
        sd = np.array([float(sd_of[o.side, o.event, o.time_s]) for o, _ in pairs])
        yield kind.replace("_", " "), error, sd, len(pairs)


def _strides(ours: ResultsFolder, clock_s: Float64[np.ndarray, " row"], truth: Truth) -> Found:
    keypoints, gait = truth.keypoints, ours.gait
    wanted = {"RHeel", "LHeel", "Hip", "RBigToe", "LBigToe", "RSmallToe", "LSmallToe"}
    if truth.events is None or keypoints is None or gait is None or not wanted <= set(keypoints.markers):
        return
    start_s = float(clock_s[0] - ours.kinematics.time_s[0])
    ground, rows = ground_velocity(truth, keypoints), []
    for i, side in enumerate(gait.text("side")):
        first = _strike(truth, side, float(gait.numbers("foot_strike_s")[i]) + start_s)
        last = _strike(truth, side, float(gait.numbers("next_foot_strike_s")[i]) + start_s)
        if first is None or last is None or first >= last:
            continue
        between = [e for e in truth.events if first < e.time_s < last]
        strikes = [e.time_s for e in between if e.event == KINDS[0] and e.side != side]
        offs = [e.time_s for e in between if e.event == KINDS[1] and e.side == side]
        if len(strikes) != 1 or len(offs) != 1:
            continue
        expected = dict(
            zip(MEASURES, _measures(keypoints, side, first, strikes[0], last, ground), strict=True)
        )
        letter, t, duration = side[0].upper(), keypoints.time_s, last - first
        places = [keypoints.markers.index(f"{letter}{p}") for p in ("Heel", "BigToe", "SmallToe")]
        heights = keypoints.points_m[:, places, 2]
        stance, swing = (t >= first) & (t < offs[0]), (t >= offs[0]) & (t <= last)
        expected |= {
            "speed_m_s": expected["stride_length_m"] / duration,
            "cadence_steps_min": 120.0 / duration,
            "stance_pct": 100.0 * (offs[0] - first) / duration,
            "toe_clearance_min_m": toe_clearance(t, heights, stance, swing),
            "heel_clearance_max_m": heel_clearance(heights[:, 0], stance, swing),
        }
        rows.append({n: (gait.numbers(n)[i] - v, gait.numbers(f"{n}_sd")[i]) for n, v in expected.items()})
    for name in rows[0] if rows else ():
        values = np.array([row[name] for row in rows], float)
        yield f"gait {name}", values[:, 0], values[:, 1], len(rows)


# ------------------------------------------------------------------------------------------- over people


def mean_coverage(found: Sequence[Check], factor: float = 1.0) -> Float64[np.ndarray, " level"]:
    """Share of errors inside each nominal interval of ``factor`` times the sd; every person has one vote."""
    people: dict[str, list[Float64[np.ndarray, " level"]]] = {}
    for c in found:
        inside = np.searchsorted(c.sorted_z, factor * REACH, side="right") / c.sorted_z.size
        people.setdefault(c.person, []).append(inside)
    return np.mean([np.mean(trials, axis=0) for trials in people.values()], axis=0)


def fitted_factor(found: Sequence[Check]) -> float:
    """Of the sd, with which the mean coverage is nearest to the nominal one."""
    return float(min(FACTORS, key=lambda f: float(np.sum((mean_coverage(found, f) - COVERAGES) ** 2))))


def chance_error(people: int) -> float:
    """ECE that true sd show on average where all of a person's errors are one draw (a belt's speed, a person's own clock): the mean
    absolute deviation of a binomial share. Less than this says nothing against an sd whose error is shared so."""
    inside = np.arange(people + 1)
    return float(
        np.mean([binom.pmf(inside, people, c) @ np.abs(inside / people - c) for c in COVERAGES.tolist()])
    )


def figures_of(found: Iterable[Check]) -> dict[str, dict[str, float]]:
    """Per quantity: ECE over people as stated and with a factor fitted without the person; the median and the worst person's."""
    table: dict[str, list[Check]] = {}
    for c in found:
        table.setdefault(c.quantity, []).append(c)
    out = {}
    for quantity, own in table.items():
        people = sorted({c.person for c in own})
        per_person = [
            calibration_error(
                np.concatenate([c.error for c in own if c.person == p]),
                np.concatenate([c.sd for c in own if c.person == p]),
            )
            for p in people
        ]
        out[quantity] = {
            "ece": float(np.mean(np.abs(mean_coverage(own) - COVERAGES))),
            "ece_person": float(np.median(per_person)),
            "ece_worst": float(np.max(per_person)),
            "ece_chance": chance_error(len(people)),
            "people": float(len(people)),
            "pieces": float(sum(c.pieces for c in own)),
            "rms_error": float(np.sqrt(np.mean([np.mean(c.error**2) for c in own]))),
            "rms_sd": float(np.sqrt(np.mean([np.mean(c.sd**2) for c in own]))),
            "factor": fitted_factor(own),
        }
        if len(people) > 1:
            left_out = [
                mean_coverage(
                    [c for c in own if c.person == p], fitted_factor([c for c in own if c.person != p])
                )
                for p in people
            ]
            out[quantity]["ece_left_out"] = float(np.mean(np.abs(np.mean(left_out, axis=0) - COVERAGES)))
    return out


def lines_of(figures: dict[str, dict[str, float]]) -> Iterator[str]:
    """The table as text."""
    heads = (
        "ECE",
        "factor left out",
        "median person",
        "worst",
        "chance if shared",
        "people",
        "pieces",
        "rms error",
        "rms sd",
        "factor",
    )
    yield f"{'':28s}" + "".join(f"{h:>17s}" for h in heads)
    keys = (
        "ece",
        "ece_left_out",
        "ece_person",
        "ece_worst",
        "ece_chance",
        "people",
        "pieces",
        "rms_error",
        "rms_sd",
        "factor",
    )
    for quantity, f in figures.items():
        yield f"{quantity:28s}" + "".join(f"{f.get(k, float('nan')):17.3g}" for k in keys)


def body_weights(found: Iterable[Check], mass_kg: float) -> Iterator[Check]:
    """Forces in body weights and moments in body weights times metre, so that people compare."""
    for c in found:
        heavy = c.quantity.startswith(("force", "moment"))
        scale = 1.0 / (mass_kg * GRAVITY) if heavy else 1.0
        yield Check(c.person, c.quantity, c.error * scale, c.sd * scale, c.pieces)
