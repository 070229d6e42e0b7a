"""What a base body learned from other people does for a person left out: live, with the body of their first 3 s.

    python -m tests.bench.meta_people [--real] [--cohort 100] [--mix both own common] [--picture limits.png] [--jobs 2]

Rows: the literature's base (before), bases learned from other people's keypoints alone and with their optical angles, and what
bounds any base. Measured people: ``own angles`` is the body of the same 3 s fitted with the person's own
optical angles known. Generated people: ``population known`` is the displacement that all share given; ``true body``, the person's
own scales and sites given; ``and no view bias``, the detector's bias by view taken off too. Everyone is judged with a base of the
other groups (:mod:`kincast.offline.meta_check`), by the live window fitter.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from kincast.models.base_body import BaseBody, generic_base
from kincast.models.body import BodyParameters, build_body
from kincast.models.body_fit import BodyFitConfig
from kincast.models.body_problem import MeasuredAngles
from kincast.models.pose_fit import posture
from kincast.offline.meta import Person, person_fit
from kincast.offline.meta_check import (
    FIGURES,
    JUDGED_S,
    LIVE_S,
    RAW,
    Trial,
    bases_of_others,
    first_body,
    first_rows,
    lengths_of,
    live_figures,
)
from kincast.offline.people_file import measured_angles
from kincast.offline.population import Evidence, PopulationConfig, evidence_of
from tests.bench.cohort import CohortConfig, Generated, common_offsets, generated_person, measured_motions

PEOPLE = {
    "subject4": ("walking1", "walkingTI1", "walkingTS2", "STS1"),
    "subject01": ("subject01_walk",),
    "camargo": ("camargo_levelground",),
    "coordination": ("treadmill60",),
}
MODELS = {
    "subject4": "opencap_subject4_markers/Models/optimized_scale_and_markers.osim",
    "subject01": "opensim_subject01_walk/subject01.osim",
    "camargo": "camargo_levelground/Models/final.osim",
    "coordination": "coordretraining_treadmill/model.osim",
}
BEFORE, KEYPOINTS, OPTICAL = "literature", "keypoints alone", "with optical angles"
OWN_ANGLES = "bound: own angles"
POPULATION, TRUE_BODY, NO_VIEW_BIAS = (
    "bound: population known",
    "bound: true body",
    "bound: and no view bias",
)
Row = dict[str, dict[str, float]]


def first_evidence(trial: Trial, base: BaseBody, fit: BodyFitConfig, optical: bool) -> Evidence:
    """What the first seconds say of a person."""
    seen = first_rows(trial.observations, LIVE_S)
    measured = (trial.measured,) if optical else ()
    return evidence_of(person_fit(Person("", (seen,), measured=measured), base, fit), base)


# ---------------------------------------------------------------- generated people

MIXES = {"both": (0.010, 1.0), "own": (0.0, 1.0), "common": (0.010, 0.0)}
"""sd of the displacement that all share (m, per axis), and how much of the usual own displacement there is."""
COHORT_FIT = BodyFitConfig(max_frames=40)


def cohort_config(mix: str, seed: int) -> CohortConfig:
    common_sd_m, own = MIXES[mix]
    return replace(CohortConfig(), seed=seed, common_sd_m=common_sd_m, own=own)


def cohort_trial(made: Generated) -> Trial:
    known = posture(made.q)[0]
    known[:, :2] = np.nan  # as of an optical system: models define the pelvis apart
    return Trial(made.person.observations[0], MeasuredAngles(made.t_ns, known), lengths_of(made.body))


@dataclass(frozen=True)
class Before:
    """A person before anything is learned: what they say, and the figures of the literature's base and of the bounds."""

    keypoints: Evidence
    optical: Evidence
    figures: Row


def cohort_before(config: CohortConfig, data: Path, number: int) -> Before:
    motions = measured_motions(data)
    made, base = generated_person(config, number, motions), generic_base(config.keypoint_set)
    trial = cohort_trial(made)
    fit = first_body(trial, base, COHORT_FIT)
    population = replace(base, mean=base.mean + np.append(np.zeros(8), common_offsets(config)))
    unbiased = generated_person(replace(config, errors=replace(config.errors, bias_px=0.0)), number, motions)
    figures = {
        BEFORE: live_figures(trial, fit.parameters),
        POPULATION: live_figures(trial, first_body(trial, population, COHORT_FIT).parameters),
        TRUE_BODY: live_figures(trial, made.body),
        NO_VIEW_BIAS: live_figures(cohort_trial(unbiased), made.body),
    }
    return Before(evidence_of(fit, base), first_evidence(trial, base, COHORT_FIT, optical=True), figures)


def cohort_after(config: CohortConfig, data: Path, number: int, base: BaseBody) -> dict[str, float]:
    trial = cohort_trial(generated_person(config, number, measured_motions(data)))
    return live_figures(trial, first_body(trial, base, COHORT_FIT).parameters)


def cohort(data: Path, mix: str, count: int, seed: int, pool: Executor) -> dict[str, Row]:
    """Person -> row -> figures."""
    config, first = cohort_config(mix, seed), generic_base(CohortConfig().keypoint_set)
    before = list(pool.map(partial(cohort_before, config, data), range(count)))
    names = [str(i) for i in range(count)]
    found: dict[str, Row] = {name: dict(b.figures) for name, b in zip(names, before, strict=True)}
    for row, said in ((KEYPOINTS, [b.keypoints for b in before]), (OPTICAL, [b.optical for b in before])):
        bases = bases_of_others(first, dict(zip(names, said, strict=True)), PopulationConfig())
        after = pool.map(partial(cohort_after, config, data), range(count), [bases[n] for n in names])
        for name, figures in zip(names, after, strict=True):
            found[name][row] = figures
    return found


# ---------------------------------------------------------------- measured people


def real_trial(data: Path, person: str, case: str) -> Trial:
    from tests.bench.body_fit_accuracy import recorded

    folder = data / "multiview" / case
    seen = first_rows(recorded(folder, "pose"), JUDGED_S)
    return Trial(seen, measured_angles(folder, case), model_lengths(data, person))


def model_lengths(data: Path, person: str) -> dict[str, float]:
    """Lengths of the measured person's OpenSim model over the generic adult's: joint centre to joint centre."""
    import mujoco
    import opensim

    opensim.Logger.setLevelString("Off")
    model = opensim.Model(str(data / MODELS[person]))
    state = model.initSystem()
    at = {
        name: np.array([model.getBodySet().get(name).getPositionInGround(state).get(k) for k in range(3)])
        for name in ("femur_r", "femur_l", "tibia_r", "tibia_l", "talus_r", "talus_l")
    }
    generic = build_body(BodyParameters())
    model_, data_ = generic.mj_model, mujoco.MjData(generic.mj_model)
    data_.qpos[:] = generic.full_qpos(np.concatenate([[0, 0, 1, 1, 0, 0, 0], np.zeros(34)]))
    mujoco.mj_kinematics(model_, data_)
    ours = {name: data_.body(name).xpos.copy() for name in at}
    pairs = {"pelvis": ("femur_r", "femur_l")}
    pairs |= {f"femur_{s}": (f"femur_{s}", f"tibia_{s}") for s in "rl"}
    pairs |= {f"tibia_{s}": (f"tibia_{s}", f"talus_{s}") for s in "rl"}
    return {
        name: float(np.linalg.norm(at[a] - at[b]) / np.linalg.norm(ours[a] - ours[b]))
        for name, (a, b) in pairs.items()
    }


def real_evidence(data: Path, person: str, optical: bool) -> Evidence:
    trials = [real_trial(data, person, case) for case in PEOPLE[person]]
    measured = tuple(t.measured for t in trials) if optical else ()
    base = generic_base(trials[0].observations.keypoint_set)
    who = Person(person, tuple(t.observations for t in trials), measured=measured)
    return evidence_of(person_fit(who, base, BodyFitConfig()), base)


def real_before(data: Path, person: str, case: str) -> Row:
    trial = real_trial(data, person, case)
    base = generic_base(trial.observations.keypoint_set)
    seen = first_rows(trial.observations, LIVE_S)
    own = person_fit(Person("", (seen,), measured=(trial.measured,)), base, BodyFitConfig())
    return {
        BEFORE: live_figures(trial, first_body(trial, base).parameters),
        OWN_ANGLES: live_figures(trial, own.parameters),
    }


def real_after(data: Path, person: str, case: str, base: BaseBody) -> dict[str, float]:
    trial = real_trial(data, person, case)
    return live_figures(trial, first_body(trial, base).parameters)


def real(data: Path, pool: Executor) -> dict[str, Row]:
    """Case -> row -> figures, each with the base of the other three people."""
    names = list(PEOPLE)
    who = [person for person, cases in PEOPLE.items() for _ in cases]
    cases = [case for cases in PEOPLE.values() for case in cases]
    found = dict(zip(cases, pool.map(partial(real_before, data), who, cases), strict=True))
    for row, optical in ((KEYPOINTS, False), (OPTICAL, True)):
        said = pool.map(partial(real_evidence, data), names, [optical] * len(names))
        bases = bases_of_others(
            generic_base("HALPE_26"), dict(zip(names, said, strict=True)), PopulationConfig()
        )
        after = pool.map(partial(real_after, data), who, cases, [bases[p] for p in who])
        for case, figures in zip(cases, after, strict=True):
            found[case][row] = figures
    return found


# ---------------------------------------------------------------- tables


def table(title: str, found: Mapping[str, Row]) -> dict[str, float]:
    """Median over people of every row and figure; raw against the literature's in percent, and for how many it is lower."""
    rows = [BEFORE, KEYPOINTS, OPTICAL]
    rows += [row for row in next(iter(found.values())) if row.startswith("bound")]
    print(f"{title} ({len(found)}; medians)" + "".join(f"{f:>18s}" for f in FIGURES), flush=True)
    before = np.array([person[BEFORE][RAW] for person in found.values()])
    out = {}
    for row in rows:
        medians = {f: float(np.median([person[row][f] for person in found.values()])) for f in FIGURES}
        raw = np.array([person[row][RAW] for person in found.values()])
        print(
            f"  {row:26s}"
            + "".join(f"{v:18.2f}" for v in medians.values())
            + f"   raw {medians[RAW] / np.median(before) - 1:+.0%}, mean {before.mean():.2f} -> {raw.mean():.2f}, lower for {np.mean(raw < before):.0%}",
            flush=True,
        )
        out |= {f"meta {title}, {row}: {f}": v for f, v in medians.items()}
    return out


def each(found: Mapping[str, Row]) -> None:
    for name, rows in found.items():
        for row, figures in rows.items():
            bias = " ".join(f"{v:5.1f}" for k, v in figures.items() if k.startswith("bias"))
            print(f"  {name:20s} {row:26s} raw {figures[RAW]:5.2f}  bias {bias}")


def picture(groups: Mapping[str, Mapping[str, Row]], place: Path) -> None:
    """Raw error of every row per group of people: medians, quartiles, and a quarter less than the first (dashed)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(groups), figsize=(4.2 * len(groups), 3.6), sharey=True, squeeze=False)
    for axis, (title, found) in zip(axes[0], groups.items(), strict=True):
        rows = sorted(next(iter(found.values())), key=lambda r: (r.startswith("bound"), r != BEFORE))
        values = [np.array([person[row][RAW] for person in found.values()]) for row in rows]
        middle = np.array([np.median(v) for v in values])
        low, high = (np.array([np.percentile(v, q) for v in values]) for q in (25, 75))
        colours = ["#999999" if r.startswith("bound") else "#2b5c8a" for r in rows]
        axis.bar(range(len(rows)), middle, color=colours, yerr=[middle - low, high - middle], capsize=3)
        axis.axhline(0.75 * middle[0], color="#b03030", linestyle="--", linewidth=1)
        axis.set_xticks(range(len(rows)), [r.replace("bound: ", "") for r in rows], rotation=40, ha="right")
        axis.set_title(f"{title} ({len(found)})")
    axes[0, 0].set_ylabel("raw error (deg)")
    figure.tight_layout()
    figure.savefig(place, dpi=130)


def measure(data: Path | None) -> dict[str, float]:
    """Medians over the measured people's cases and over 16 generated people."""
    if data is None or not (data / "multiview").is_dir():
        return {}
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        figures = table("measured people", real(data, pool))
        return figures | table("generated, both", cohort(data, "both", 16, CohortConfig().seed, pool))


def main(arguments: Sequence[str] | None = None) -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohort", type=int, default=0, help="so many generated people")
    parser.add_argument("--mix", nargs="+", choices=list(MIXES), default=["both"])
    parser.add_argument("--real", action="store_true", help="the measured people of multiview")
    parser.add_argument("--seed", type=int, default=CohortConfig().seed, help="of the common displacement")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--each", action="store_true", help="every person's figures too")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args(arguments)
    data = data_dir()
    if data is None:
        raise SystemExit("no recordings here; set KINCAST_DATA")
    groups: dict[str, dict[str, Row]] = {}
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        if options.real:
            groups["measured people"] = real(data, pool)
        for mix in options.mix if options.cohort else ():
            groups[f"generated, {mix}"] = cohort(data, mix, options.cohort, options.seed, pool)
    figures: dict[str, float] = {}
    for title, found in groups.items():
        figures |= table(title, found)
        if options.each:
            each(found)
    if options.picture:
        picture(groups, options.picture)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
