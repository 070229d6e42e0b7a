"""What a base body learned from other people does for a person left out: live, with the body of their first 3 s.

    python -m tests.bench.meta_people [--cohort 100] [--real] [--optical] [--seed 1] [--jobs 2]

Before: the base of the literature. After: the base learned from others alone. Generated people are posed instant by
instant with the body held (cheap), measured ones by the live window fitter. Every person's evidence is a fit with the literature's base, so nothing of a person is in the base they are judged with.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from kincast.models.base_body import BaseBody, generic_base
from kincast.models.body import Body, BodyParameters, build_body, log_scales, site_offsets
from kincast.models.body.scaling import segment_scale
from kincast.models.body_fit import BodyFit, BodyFitConfig
from kincast.models.body_prior import POSTURE, pose_prior, posture_table
from kincast.models.body_problem import MeasuredAngles
from kincast.models.camera import camera_arrays, project
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.observations import Observations, synchronised_keypoints
from kincast.models.pose_fit import BatchKinematics, PosePrior, fit_poses, posture
from kincast.models.rough_start import rough_poses
from kincast.models.seen_points import seen_points
from kincast.offline.angle_errors import MAIN
from kincast.offline.live_start import live_poses
from kincast.offline.meta import Person, moved_mm, person_evidence, person_fit
from kincast.offline.people_file import measured_angles
from kincast.offline.population import Evidence, PopulationConfig, evidence_of, learned_base
from kincast.offline.truth import read_truth
from tests.bench.cohort import CohortConfig, common_offsets, generated_person, measured_motions

LIVE_S = 3.0
FOLDS = 4
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
FIGURES = ("raw", "mean removed", "reprojection px", "length %")
SEGMENTS = ("pelvis", "femur_r", "femur_l", "tibia_r", "tibia_l", "humerus_r", "humerus_l")


@dataclass(frozen=True)
class Case:
    """A person's recording with the true angles (deg) of the main coordinates, and lengths over the generic adult's."""

    name: str
    observations: Observations
    angles: Callable[[np.ndarray], dict[str, np.ndarray]]
    scales: dict[str, float]
    measured: MeasuredAngles


def judged(case: Case, body: BodyParameters, window: bool) -> dict[str, float]:
    """Errors of one person with the body of their first seconds: by the live window fitter, or instant by instant (cheap)."""
    built = build_body(body, "torque", case.observations.keypoint_set)
    if window:
        live = live_poses(built, case.observations)
        t_ns, q = live.t_ns[live.tracked], live.q[live.tracked]
    else:
        t_ns, q = single_poses(case.observations, built)
    angles = np.degrees(q[:, 7:])
    errors = {n: angles[:, JOINT_COORDINATES.index(n)] - v for n, v in case.angles(t_ns).items()}
    lengths = [np.log(segment_scale(body.scales, s) / v) for s, v in case.scales.items()]
    out = {
        "raw": float(np.median([np.sqrt(np.nanmean(e**2)) for e in errors.values()])),
        "mean removed": float(np.median([np.nanstd(e) for e in errors.values()])),
        "reprojection px": _median_px(built, case.observations, t_ns, q),
        "length %": float(100 * np.mean(np.abs(lengths))),
    }
    return out | {f"bias {n}": float(np.nanmean(e)) for n, e in errors.items()}


def first_fit(case: Case, base: BaseBody, frames: int, optical: bool = False) -> BodyFit:
    """The body of the first seconds, as a session that begins with a stranger has it (``optical``: angles known)."""
    t = case.observations.reference_t_ns
    first = case.observations.rows(np.flatnonzero(t - t[0] <= LIVE_S * 1e9))
    measured = (case.measured,) if optical else ()
    return person_fit(Person(case.name, (first,), measured=measured), base, BodyFitConfig(max_frames=frames))


def single_poses(
    observations: Observations, built: Body, instants: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """Instants (ns) and the pose of each by itself with the body held and any posture possible."""
    kinematics = BatchKinematics(built.skeleton)
    rows = np.unique(np.linspace(0, len(observations.t_ns) - 1, 3 * instants).astype(int))
    seen = seen_points(observations.rows(rows))
    enough = np.flatnonzero(seen.valid.sum(axis=1) >= 10)
    seen = seen.rows(enough[np.unique(np.linspace(0, len(enough) - 1, instants).astype(int))])
    scales, offsets = log_scales(built.parameters), site_offsets(built.parameters, built.skeleton)
    q = rough_poses(kinematics, scales, seen, offsets)
    q, _, _ = fit_poses(kinematics, scales, offsets, q, seen.points, seen.information, live_prior())
    return seen.t_ns, q


def live_prior() -> PosePrior:
    """As the live fit has it: the usual posture, loosely."""
    spread = 1.5 * posture_table()[2]
    spread[POSTURE.index("pelvis_tilt")] = np.radians(20.0)  # sitting must stay possible
    spread[POSTURE.index("lumbar_extension")] = np.radians(10.0)
    return replace(pose_prior(), sd=spread)


def _median_px(built: Body, observations: Observations, t_ns: np.ndarray, q: np.ndarray) -> float:
    """Of detections with confidence from 0.5 on, pictures moved to the poses' instants."""
    rows = np.searchsorted(observations.reference_t_ns, t_ns).clip(0, len(observations.t_ns) - 1)
    pictures = synchronised_keypoints(observations)[rows]
    scales, offsets = log_scales(built.parameters), site_offsets(built.parameters, built.skeleton)
    sites, _ = BatchKinematics(built.skeleton).poses(scales, offsets, q)
    cameras = camera_arrays(observations.cameras)
    flat = np.repeat(sites.reshape(1, -1, 3), len(observations.cameras), axis=0)
    pixels = project(cameras, flat).reshape(len(observations.cameras), len(q), -1, 2)
    apart = np.linalg.norm(np.moveaxis(pixels, 0, 1) - pictures[..., :2], axis=-1)
    return float(np.median(apart[pictures[..., 2] >= 0.5]))


# ---------------------------------------------------------------- the generated cohort


def cohort_case(config: CohortConfig, number: int, motions) -> Case:
    made = generated_person(config, number, motions)

    def angles(t_ns: np.ndarray) -> dict[str, np.ndarray]:
        true = np.degrees(made.q[:, 7:])
        return {n: np.interp(t_ns, made.t_ns, true[:, JOINT_COORDINATES.index(n)]) for n in MAIN}

    scales = {s: segment_scale(made.body.scales, s) for s in SEGMENTS}
    known = posture(made.q)[0]
    known[:, :2] = np.nan  # as of an optical system: models define the pelvis apart
    measured = MeasuredAngles(made.t_ns, known)
    return Case(made.person.name, made.person.observations[0], angles, scales, measured)


COHORT_FRAMES = 40


def cohort_before(
    config: CohortConfig, data: Path, optical: bool, number: int
) -> tuple[Evidence, dict[str, float]]:
    """What the first seconds say, and how the person fares with the literature's base."""
    case, base = cohort_case(config, number, measured_motions(data)), generic_base(config.keypoint_set)
    fit = first_fit(case, base, COHORT_FRAMES)
    known = first_fit(case, base, COHORT_FRAMES, optical=True) if optical else fit
    return evidence_of(known, base), judged(case, fit.parameters, window=False)


def cohort_after(config: CohortConfig, data: Path, number: int, base_json: str) -> dict[str, float]:
    case = cohort_case(config, number, measured_motions(data))
    fit = first_fit(case, BaseBody.from_json(base_json), COHORT_FRAMES)
    return judged(case, fit.parameters, window=False)


# ---------------------------------------------------------------- measured people


def real_case(data: Path, person: str, case: str, seconds: float = 8.0) -> Case:
    from tests.bench.body_fit_accuracy import first_seconds, recorded

    folder = data / "multiview" / case
    truth = read_truth(folder, case)

    def angles(t_ns: np.ndarray) -> dict[str, np.ndarray]:
        names = [n for n in MAIN if n in truth.motion.columns]
        columns = truth.motion.at(t_ns * 1e-9, names).T
        return {
            n: c * (truth.knee_sign if n.startswith("knee") else 1)
            for n, c in zip(names, columns, strict=True)
        }

    seen = first_seconds(recorded(folder, "pose"), seconds)
    return Case(case, seen, angles, model_scales(data, person), measured_angles(folder, case))


def model_scales(data: Path, person: str) -> dict[str, float]:
    """Lengths of the measured person's OpenSim model over the generic adult's: joint centre to joint centre."""
    import opensim

    opensim.Logger.setLevelString("Off")
    model = opensim.Model(str(data / MODELS[person]))
    state = model.initSystem()
    at = {
        name: np.array([model.getBodySet().get(name).getPositionInGround(state).get(k) for k in range(3)])
        for name in ("femur_r", "femur_l", "tibia_r", "tibia_l", "talus_r", "talus_l")
    }
    generic = build_body(BodyParameters())
    import mujoco

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


def real_evidence(data: Path, optical: bool, person: str) -> Evidence:
    cases = [real_case(data, person, case) for case in PEOPLE[person]]
    measured = tuple(c.measured for c in cases) if optical else ()
    who = Person(person, tuple(c.observations for c in cases), measured=measured)
    return person_evidence(who, generic_base(who.observations[0].keypoint_set), BodyFitConfig())


def real_judged(data: Path, person: str, case: str, base_json: str | None) -> dict[str, float]:
    found = real_case(data, person, case)
    base = (
        generic_base(found.observations.keypoint_set) if base_json is None else BaseBody.from_json(base_json)
    )
    return judged(found, first_fit(found, base, 120).parameters, window=True)


# ---------------------------------------------------------------- both


def leave_one_out(
    evidence: dict[str, Evidence], keypoint_set: str, population: PopulationConfig
) -> dict[str, BaseBody]:
    """For everyone a base learned from others alone: all people of the other folds."""
    first, names = generic_base(keypoint_set), list(evidence)
    bases: dict[str, BaseBody] = {}
    for fold in range(min(FOLDS, len(names))):
        left_out = names[fold::FOLDS]
        base = learned_base(first, [e for name, e in evidence.items() if name not in left_out], population)
        bases |= dict.fromkeys(left_out, base)
    return bases


def table(title: str, before: dict[str, dict], after: dict[str, dict]) -> dict[str, float]:
    """Medians over people, before and after, and how many are better."""
    out = {}
    for figure in FIGURES:
        b, a = (np.array([d[figure] for d in group.values()]) for group in (before, after))
        out[f"{title}: {figure}, before"], out[f"{title}: {figure}, after"] = (
            float(np.median(b)),
            float(np.median(a)),
        )
        print(
            f"{title:12s} {figure:16s} median {np.median(b):6.2f} -> {np.median(a):6.2f} ({np.median(a) / np.median(b) - 1:+.0%})"
            f"  mean {b.mean():6.2f} -> {a.mean():6.2f} ({a.mean() / b.mean() - 1:+.0%})  better {np.mean(a < b):.0%}",
            flush=True,
        )
    return out


def cohort(
    data: Path, config: CohortConfig, count: int, optical: bool, pool, population: PopulationConfig
) -> dict[str, float]:
    """``count`` generated people, judged with the base of the other folds."""
    numbers = [str(i) for i in range(count)]
    found = list(pool.map(partial(cohort_before, config, data, optical), range(count)))
    evidence = {name: e for name, (e, _) in zip(numbers, found, strict=True)}
    before = {name: d for name, (_, d) in zip(numbers, found, strict=True)}
    bases = leave_one_out(evidence, config.keypoint_set, population)
    common = common_offsets(config)
    learned = learned_base(generic_base(config.keypoint_set), list(evidence.values()), population)
    left = learned.mean[8:].reshape(-1, 3) - common
    print(
        f"cohort: common displacement {1000 * np.sqrt((common**2).sum(1).mean()):.1f} mm, left after learning"
        f" {1000 * np.sqrt((left**2).sum(1).mean()):.1f} mm (moved {moved_mm(generic_base(config.keypoint_set), learned):.1f} mm)",
        flush=True,
    )
    texts = [bases[name].to_json() for name in numbers]
    after = dict(
        zip(numbers, pool.map(partial(cohort_after, config, data), range(count), texts), strict=True)
    )
    return table("cohort", before, after)


def real(data: Path, optical: bool, pool, population: PopulationConfig) -> dict[str, float]:
    """The measured people, each judged with the base of the other three."""
    names = list(PEOPLE)
    evidence = dict(zip(names, pool.map(partial(real_evidence, data, optical), names), strict=True))
    bases = leave_one_out(evidence, "HALPE_26", population)
    runs = [(person, case) for person, cases in PEOPLE.items() for case in cases]
    judge = partial(real_judged, data)
    people, cases = zip(*runs, strict=True)
    before = dict(zip(cases, pool.map(judge, people, cases, [None] * len(runs)), strict=True))
    after = dict(
        zip(cases, pool.map(judge, people, cases, [bases[p].to_json() for p in people]), strict=True)
    )
    for case in cases:
        cells = "  ".join(f"{f} {before[case][f]:.2f} -> {after[case][f]:.2f}" for f in FIGURES)
        print(f"{case:20s} {cells}", flush=True)
        for label, found in (("before", before), ("after", after)):
            print(
                f"   bias {label:7s}"
                + " ".join(f"{v:5.1f}" for k, v in found[case].items() if k.startswith("bias"))
            )
    return table("real", before, after)


def measure(data: Path | None) -> dict[str, float]:
    """Medians over the measured people's cases and over 20 generated people."""
    if data is None or not (data / "multiview").is_dir():
        return {}
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        figures = real(data, True, pool, PopulationConfig())
        return figures | cohort(data, CohortConfig(), 20, True, pool, PopulationConfig())


def main() -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohort", type=int, default=0, help="so many generated people")
    parser.add_argument("--real", action="store_true", help="the measured people of multiview")
    parser.add_argument(
        "--optical", action="store_true", help="learn with the people's optical joint angles known"
    )
    parser.add_argument(
        "--seed", type=int, default=CohortConfig.seed, help="of the cohort's common displacement"
    )
    parser.add_argument("--common-mm", type=float, default=10.0, help="sd of the common displacement")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    data = data_dir()
    if data is None:
        raise SystemExit("no recordings here; set KINCAST_DATA")
    figures: dict[str, float] = {}
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        if options.real:
            figures |= real(data, options.optical, pool, PopulationConfig())
        if options.cohort:
            config = replace(CohortConfig(), seed=options.seed, common_sd_m=options.common_mm / 1000)
            figures |= cohort(data, config, options.cohort, options.optical, pool, PopulationConfig())
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
