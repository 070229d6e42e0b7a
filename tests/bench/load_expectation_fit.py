"""Fits the coefficients of ``models/load_expectation.py`` to trials with force plates, and prints how well they do on
people left out of the fit.

    python -m tests.bench.load_expectation_fit --keep DIR

Trials: the multi-view cases with noisy keypoints, and the marker trials. People weigh alike, whatever their trials'
length. Instants count where the plates carry the person and agree with the vertical force the motion demands.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.body import BodyParameters
from kincast.models.contact_forces import GRAVITY, LoadPrior
from kincast.models.differentiation import MotionState
from kincast.models.feet_motion import FeetMotion
from kincast.models.load_expectation import place_features, share_features
from kincast.offline.force_errors import at_rows
from kincast.offline.truth import TruthForces, read_truth
from kincast.streaming import streams
from kincast.streaming.engine import EngineConfig
from kincast.streaming.kinetics import KineticsStream
from kincast.streaming.messages import Kinetics
from kincast.streaming.replay import Replay
from tests.bench import live_accuracy, marker_trials

RIDGE_SHARE, RIDGE_PLACE = 3.0, 0.1
LOADED_N, CARRIED, AGREES, SKIP_S, SECONDS, RATE_HZ = 100.0, 0.6, 0.2, 0.3, 20.0, 60.0
MISTAKEN = ("HC031A turn",)
"""Trials whose plates cannot be given to the feet."""
PEOPLE = {
    "walking1": "opencap4",
    "walkingTI1": "opencap4",
    "walkingTS2": "opencap4",
    "subject01_walk": "subject01",
    "camargo_levelground": "camargo",
}


class Observing(KineticsStream):
    """Notes how the feet move and what vertical force the motion demands."""

    seen: list[tuple[FeetMotion, float, int, float]] = []  # noqa: RUF012

    def _expected(self, feet: FeetMotion, points: Float64[np.ndarray, "2 point 3"], flat: float) -> LoadPrior:
        self._noted = feet, flat
        return super()._expected(feet, points, flat)

    def _solve(self, motion: MotionState) -> Kinetics:
        row = super()._solve(motion)
        total = float(row.right.force[2] + row.left.force[2] + row.residual[2])
        self.seen.append((*self._noted, motion.t_ns, total))
        return row


@dataclass(frozen=True)
class Rows:
    """One person's instants: features and truth of the sharing, and of the place of the load (per loaded foot)."""

    share_x: Float64[np.ndarray, "row feature"]
    share_y: Float64[np.ndarray, " row"]
    flat: Float64[np.ndarray, " row"]
    standing: bool
    place_x: Float64[np.ndarray, "foot feature"]
    place_y: Float64[np.ndarray, " foot"]
    length_m: Float64[np.ndarray, " foot"]


def rows_of(recording: Path, body: Path, forces: TruthForces, standing: bool) -> Rows | None:
    """Replay the recording and put the plates beside what the feet did; None where nobody was followed."""
    Observing.seen.clear()
    kept, streams.KineticsStream = streams.KineticsStream, Observing
    try:
        run = Replay(recording, BodyParameters.from_json(body.read_text()), EngineConfig(muscles=False))
        for _ in run:
            pass
    finally:
        streams.KineticsStream = kept
    start_ns = run.header.start_ns or 0
    seen = [s for s in Observing.seen if SKIP_S < (s[2] - start_ns) * 1e-9 < SECONDS]
    if len(seen) < 3:
        return None
    time_s = np.array([s[2] for s in seen]) * 1e-9
    force, sight = at_rows(forces, time_s)
    vertical = np.maximum(force[..., 2], 0.0)
    total = vertical.sum(axis=1)
    weight = run.body.mass_kg * GRAVITY
    demanded = np.array([s[3] for s in seen])
    use = sight.all(axis=1) & (total > CARRIED * weight) & (np.abs(total - demanded) < AGREES * weight)
    step = max(1, round(float(1.0 / np.median(np.diff(time_s))) / RATE_HZ))
    use &= np.arange(len(use)) % step == 0
    cop = np.stack(
        [[np.interp(time_s, forces.time_s, forces.cop[:, f, a]) for a in range(2)] for f in range(2)]
    )
    cop = cop.transpose(2, 0, 1)
    feet = [s[0] for s in seen]
    length = np.array([f.length for f in feet])
    place = ((cop - np.array([f.heel for f in feet])) * np.array([f.forward for f in feet])).sum(axis=2)
    place = place / length
    loaded = use[:, None] & (vertical > LOADED_N) & (np.abs(place - 0.4) < 0.8)  # False where it is NaN
    return Rows(
        np.array([share_features(f) for f in feet])[use],
        (vertical[:, 0] / np.maximum(total, 1.0))[use],
        np.array([s[1] for s in seen])[use],
        standing,
        np.array([place_features(f) for f in feet])[loaded],
        place[loaded],
        length[loaded],
    )


def collect(data: Path, folder: Path, only: Sequence[str]) -> Iterator[tuple[str, str, Rows | None]]:
    """(person, trial, rows) of every trial that can be used; ``only`` some by name, all where it is empty."""
    for run in live_accuracy.sets()["walks"] + live_accuracy.sets()["STS1"]:
        if only and run.case not in only:
            continue
        live_accuracy.compared(data, folder, run)
        body_case = live_accuracy.BODY_FROM.get(run.case, run.case)
        truth = read_truth(data / "multiview" / run.case, run.case)
        assert truth.forces is not None
        yield (
            PEOPLE.get(run.case, "opencap4" if run.case == "STS1" else run.case),
            run.case,
            rows_of(
                live_accuracy.recording(data, folder, run, run.case),
                folder / f"{body_case}-pose.body.json",
                truth.forces,
                run.case == "STS1",
            ),
        )
    for trial in marker_trials.trials(data):
        if trial.name in MISTAKEN or "DJ" in trial.name or "circuit" in trial.name:
            continue
        if only and trial.name not in only:
            continue
        body = marker_trials.body_of(folder, trial)
        forces = marker_trials.plates_of(trial, float(BodyParameters.from_json(body.read_text()).mass_kg))
        if forces is not None:
            recording = marker_trials.recording(folder, trial, trial.source)
            standing = any(word in trial.name for word in ("STS", "squat"))
            yield trial.person, trial.name, rows_of(recording, body, forces, standing)


def logistic(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Ridge-regularised logistic regression on shares (Newton's method); features are scaled inside."""
    scale = np.sqrt((x**2).mean(axis=0))
    x = x / scale
    b = np.zeros(x.shape[1])
    for _ in range(25):
        share = 1.0 / (1.0 + np.exp(-np.clip(x @ b, -30, 30)))
        slope = np.maximum(share * (1.0 - share), 0.01)
        hessian = (x * (w * slope)[:, None]).T @ x + RIDGE_SHARE * np.eye(len(b))
        b -= np.linalg.solve(hessian, x.T @ (w * (share - y)) + RIDGE_SHARE * b)
    return b / scale


def linear(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    weighted = x * w[:, None]
    return np.linalg.solve(weighted.T @ x + RIDGE_PLACE * np.eye(x.shape[1]), weighted.T @ y)


def even_people(people: np.ndarray) -> np.ndarray:
    """Weights with which a person of many instants counts a little more than one of few."""
    count = {person: float((people == person).sum()) for person in set(people)}
    return np.array([(200.0 / count[person]) ** 0.7 for person in people])


def main() -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, required=True, help="folder for recordings and bodies")
    parser.add_argument("--only", nargs="*", default=[], help="names of cases and trials; all without it")
    options = parser.parse_args()
    folder: Path = options.keep
    data = data_dir()
    assert data is not None, "KINCAST_DATA"
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):
        found = [(p, t, r) for p, t, r in collect(data, folder, options.only) if r is not None]

    def joined(of: Callable[[Rows], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        parts = [of(rows) for _, _, rows in found]
        people = np.repeat([person for person, _, _ in found], [len(part) for part in parts])
        return np.concatenate(parts), people

    share_x, people = joined(lambda r: r.share_x)
    share_y, flat = joined(lambda r: r.share_y)[0], joined(lambda r: r.flat)[0]
    walking = joined(lambda r: np.full(len(r.share_y), not r.standing))[0]
    place_x, place_people = joined(lambda r: r.place_x)
    place_y, length = joined(lambda r: r.place_y)[0], joined(lambda r: r.length_m)[0]
    share_w = even_people(people) * (1.0 - 0.8 * flat)
    place_w = even_people(place_people)
    print("left out: sharing % (walking), in double support %, place mm (mean)")
    for person in sorted(set(people)):
        out, place_out = people == person, place_people == person
        b = logistic(share_x[~out], share_y[~out], share_w[~out])
        off = 100.0 * (1.0 / (1.0 + np.exp(-share_x[out] @ b)) - share_y[out])
        both: Bool[np.ndarray, " row"] = (share_y[out] > 0.03) & (share_y[out] < 0.97) & walking[out]
        b = linear(place_x[~place_out], place_y[~place_out], place_w[~place_out])
        place = (np.clip(place_x[place_out] @ b, 0, 1) - place_y[place_out]) * length[place_out] * 1e3
        print(
            f"{person:18s} {_rms(off[walking[out]]):5.1f} {_rms(off[both]):5.1f} {_rms(place):4.0f} ({place.mean():.0f})"
        )
    print("SHARE", _numbers(logistic(share_x, share_y, share_w)))
    print("PLACE", _numbers(linear(place_x, place_y, place_w)))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")


def _numbers(values: Sequence[float] | np.ndarray) -> str:
    return ", ".join(f"{v:.3f}" for v in values)


if __name__ == "__main__":
    main()
