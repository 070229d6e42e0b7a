"""Are the refit's intervals true? Fits the table of :mod:`kincast.models.angle_floors` and judges it on people left out.

    python -m tests.bench.interval_calibration [--only walks ...] [--keep DIR] [--live | --results]

With ``--live`` or ``--results``: every sd that the live path, or the refit, writes (angles, forces, centres of pressure, moments,
events, strides), over all people with truth; :mod:`tests.bench.interval_checks`.

Every person's trials are refitted (12 s each at most). Per group of coordinates the floor is that whose coverage, the mean over
people of each set, is nearest to the stated one; the convention's sd is the likeliest; coarse grids, as four people cannot tell
finer. The figures are of people whose own trials had no part in it. ``factor``: by which the fit's own part would have to be multiplied
to come nearest, the floor free beside it; 1 where it is right.
"""

from __future__ import annotations

import argparse
import itertools
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from scipy.stats import norm

from tests.bench.kept_folder import kept_folder
from tests.bench.live_accuracy import Run, recording
from tests.bench.refit_accuracy import people, sets

LONGEST_S = 12.0
FACTORS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5)
FLOORS_DEG = (0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.2, 1.5, 1.9, 2.4, 3.0)
CONVENTIONS_DEG = (0.0, 0.3, 0.6, 0.8, 1.0, 1.2, 1.4, 1.7, 2.0, 2.4, 2.8)
PULL = 0.002
"""Of factor and floor towards what is assumed without people, per squared logarithm."""
FEWEST_PEOPLE = 3
MOST_ROWS = 200
"""Of a trial while fitting: neighbours in time say the same."""


@dataclass(frozen=True)
class Judged:
    """One refitted trial against optical motion; columns as ``names``, degrees; parts as :class:`kincast.offline.posterior.Parts`."""

    person: int
    set_name: str
    case: str
    names: tuple[str, ...]
    error: Float64[np.ndarray, "row coordinate"]
    posterior: Float64[np.ndarray, "row coordinate"]
    varying: Float64[np.ndarray, "row coordinate"]
    constant: Float64[np.ndarray, "row coordinate"]
    joint: bool

    def columns(self, wanted: Iterable[str]) -> list[int]:
        return [self.names.index(n) for n in wanted if n in self.names]

    def spread(
        self, floors_deg: dict[str, float], convention_deg: float
    ) -> tuple[Float64[np.ndarray, "row coordinate"], Float64[np.ndarray, "row coordinate"]]:
        """Total and within of all coordinates, as the refit would state them."""
        from kincast.offline.posterior import COORDINATES, Parts, spread

        columns = [COORDINATES.index(n) for n in self.names]
        posterior, varying, constant = np.zeros((3, len(self.error), 40))
        posterior[:, columns], varying[:, columns], constant[:, columns] = (
            self.posterior,
            self.varying,
            self.constant,
        )
        found = spread(Parts(posterior, varying, constant, self.joint), floors_deg, convention_deg)
        return found.total[:, columns], found.within[:, columns]


def cut_recording(data: Path, folder: Path, run: Run, longest_s: float) -> Path:
    """The run's recording, at most ``longest_s`` of it."""
    from kincast.streaming.importers.record import write_recording
    from kincast.streaming.importers.recording import ImportedRecording
    from kincast.streaming.messages import KeypointFrame
    from kincast.streaming.recording import read_recording

    path = folder / f"{run.name}-{longest_s:g}s.mcap"
    if not path.exists():
        whole = read_recording(recording(data, folder, run, run.case))
        messages = [m for m, _ in whole.inputs() if isinstance(m, KeypointFrame)]
        end_ns = min(m.t_ns for m in messages) + int(longest_s * 1e9)
        kept = [m for m in messages if m.t_ns < end_ns]
        write_recording(ImportedRecording(whole.header, kept), path, overwrite=True)
    return path


def judged(data: Path, folder: Path, set_name: str, runs: Sequence[Run]) -> list[Judged]:
    """Refit a set's people and compare."""
    from kincast.offline.refit import built_body, refit

    out = []
    for person, cases in enumerate(people([r.case for r in runs])):
        by_case = {r.case: r for r in runs}
        found = refit([cut_recording(data, folder, by_case[c], LONGEST_S) for c in cases])
        body = built_body(found, muscles=False)
        for case, trial in zip(cases, found.trials, strict=True):
            out.append(judged_trial(data, person, set_name, case, trial, body))
    return out


def judged_trial(data: Path, person: int, set_name: str, case: str, trial, body) -> Judged:
    """One refitted trial beside the optical motion of its case."""
    from kincast.models.coordinates import JOINT_COORDINATES
    from kincast.offline.posterior import COORDINATES, parts_of
    from kincast.offline.truth import read_truth
    from kincast.streaming.results.pelvis_angles import file_coordinates

    t_ns = trial.trial.live.t_ns
    truth = read_truth(data / "multiview" / case, case)
    time_s = t_ns * 1e-9
    inside = (time_s >= truth.motion.time_s[0]) & (time_s <= truth.motion.time_s[-1])
    motion, covariance = trial.fit.trajectory.motion(t_ns), trial.fit.covariance(t_ns)
    turning = ("pelvis_tilt", "pelvis_list", "pelvis_rotation", *JOINT_COORDINATES)
    names = tuple(n for n in turning if n in truth.motion.columns)
    columns = [COORDINATES.index(n) for n in names]
    expected = truth.motion.at(time_s[inside], list(names))
    expected *= [truth.knee_sign if n.startswith("knee") else 1 for n in names]
    error = file_coordinates(motion.q)[inside][:, columns] - expected
    wrapped = (error + 180.0) % 360.0 - 180.0
    parts = parts_of(trial, body, motion, covariance)
    return Judged(
        person,
        set_name,
        case,
        names,
        wrapped,
        posterior=parts.posterior[inside][:, columns],
        varying=parts.varying[inside][:, columns],
        constant=parts.constant[inside][:, columns],
        joint=parts.joint,
    )


def fitted_group(
    trials: Sequence[Judged], names: Sequence[str], factors: Sequence[float] = (1.0,)
) -> tuple[float, float] | None:
    """Factor and floor (degrees) of one group of coordinates from the trials of some people, or None if too few were measured."""
    from kincast.models.angle_floors import UNCHECKED_DEG
    from kincast.offline.angle_errors import COVERAGES

    reach = norm.ppf(0.5 + COVERAGES / 2)
    data = [
        (
            t.person,
            t.set_name,
            (e - e.mean(axis=0))[every],
            t.posterior[every][:, own],
            t.varying[every][:, own],
        )
        for t in trials
        for own in [t.columns(names)]
        for e in [t.error[:, own]]
        for every in [slice(None, None, 1 + len(e) // MOST_ROWS)]
        if e.size and e.std() > 1e-9 and np.ptp(e, axis=0).min() > 1e-6
    ]
    if len({person for person, *_ in data}) < FEWEST_PEOPLE:
        return None

    def loss(pair: tuple[float, float]) -> float:
        factor, floor = pair
        total = 0.0
        set_names = sorted({s for _, s, *_ in data})
        for name in set_names:
            per_person: dict[int, list] = {}
            for person, s, error, posterior, varying in data:
                if s == name:
                    sd = np.sqrt((factor * posterior) ** 2 + varying**2 + floor**2)
                    z = np.sort(np.abs(error / sd), axis=None)
                    found = np.searchsorted(z, reach, side="right") / z.size
                    per_person.setdefault(person, []).append(found)
            mean = np.mean([np.mean(c, axis=0) for c in per_person.values()], axis=0)
            total += float(np.mean((mean - COVERAGES) ** 2))
        away = np.log(factor) ** 2 + np.log(floor / UNCHECKED_DEG) ** 2
        return total / len(set_names) + PULL * float(away)

    return min(itertools.product(factors, FLOORS_DEG), key=loss)


def fitted_floors(trials: Sequence[Judged]) -> dict[str, float]:
    """Every group's floor."""
    from kincast.models.angle_floors import GROUPS

    found = {group: fitted_group(trials, names) for group, names in GROUPS.items()}
    return {group: pair[1] for group, pair in found.items() if pair is not None}


def fitted_convention(trials: Sequence[Judged], floors_deg: dict[str, float]) -> float:
    """The likeliest sd of the convention (degrees) by the raw errors of the main coordinates; people and sets weigh alike."""
    from kincast.offline.angle_errors import MAIN

    def likelihood(convention_deg: float) -> float:
        per_person: dict[tuple[str, int], list[float]] = {}
        for t in trials:
            columns = t.columns(MAIN)
            sd = t.spread(floors_deg, convention_deg)[0][:, columns]
            own = -0.5 * (t.error[:, columns] / sd) ** 2 - np.log(sd)
            per_person.setdefault((t.set_name, t.person), []).append(float(own.mean()))
        return float(np.mean([np.mean(values) for values in per_person.values()]))

    return max(CONVENTIONS_DEG, key=likelihood)


def errors_of_calibration(
    trial: Judged, floors_deg: dict[str, float], convention_deg: float
) -> tuple[float, float]:
    """Expected calibration error within and in total, main coordinates, as ``kincast compare`` has it."""
    from kincast.offline.angle_errors import MAIN, calibration_error

    columns = trial.columns(MAIN)
    total, within = trial.spread(floors_deg, convention_deg)
    raw = trial.error[:, columns]
    found = calibration_error(raw - raw.mean(axis=0), within[:, columns])
    return found, calibration_error(raw, total[:, columns])


def trials_of(data: Path, only: Sequence[str], keep: Path | None) -> list[Judged]:
    """All sets, refitted once and kept where asked."""
    out: list[Judged] = []
    with kept_folder(keep) as folder:
        for name, runs in sets().items():
            if only and name not in only:
                continue
            kept = folder / f"intervals-{name.replace(' ', '-')}.pkl"
            if not kept.exists():
                kept.write_bytes(pickle.dumps(judged(data, folder, name, runs)))
            out += [replace(t, set_name=name) for t in pickle.loads(kept.read_bytes())]
    return out


def measure(data: Path | None, only: Sequence[str] = (), keep: Path | None = None) -> dict[str, float]:
    """ECE on people left out: before (no floors) and after, median and worst over the trials of a set."""
    if data is None:
        return {}
    trials = trials_of(data, only, keep)
    figures: dict[str, float] = {}
    tables = {}
    for person in {t.person for t in trials}:
        others = [t for t in trials if t.person != person]
        floors = fitted_floors(others)
        tables[person] = floors, fitted_convention(others, floors)
    for name in dict.fromkeys(t.set_name for t in trials):
        own = [t for t in trials if t.set_name == name]
        plain = np.array([errors_of_calibration(t, {}, 0.0) for t in own])
        found = np.array([errors_of_calibration(t, *tables[t.person]) for t in own])
        for k, kind in enumerate(("within", "total")):
            figures[f"intervals {name}: ECE {kind}, uncalibrated"] = float(np.median(plain[:, k]))
            figures[f"intervals {name}: ECE {kind}, left out"] = float(np.median(found[:, k]))
            figures[f"intervals {name}: ECE {kind}, left out, worst trial"] = float(found[:, k].max())
    return figures


def main() -> None:
    from kincast.models.angle_floors import GROUPS
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="sets: " + ", ".join(sets()))
    parser.add_argument("--keep", type=Path, help="keep recordings and refitted trials here")
    parser.add_argument("--live", action="store_true", help="every sd of the live path's results")
    parser.add_argument("--results", action="store_true", help="every sd of the refit's results")
    options = parser.parse_args()
    data = data_dir()
    with kept_folder(options.keep) as keep:
        if (options.live or options.results) and data is not None:
            from tests.bench.interval_checks import figures_of, lines_of
            from tests.bench.interval_people import live_checks, refit_checks

            found = (live_checks if options.live else refit_checks)(data, keep)
            print("\n".join(lines_of(figures_of(found))))
            return
        for figure, value in measure(data, options.only, keep).items():
            print(f"{figure:60s} {value:8.3f}")
        if data is not None:
            trials = trials_of(data, options.only, keep)
            floors = fitted_floors(trials)
            print(f"\nof all people: convention {fitted_convention(trials, floors)} degrees; floors")
            for group, floor in floors.items():
                print(f'    "{group}": {floor},   factor {fitted_group(trials, GROUPS[group], FACTORS)}')


if __name__ == "__main__":
    main()
