"""A driver follows every trial once; what came of it, per trial, per person and over all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.twin.follow import Followed
from kincast.models.twin.model import CONTROL_HZ, Twin
from kincast.models.twin.reference import Reference
from kincast.models.twin.tracking import SKIP_S, Tracking, tracking_of
from kincast.offline.evaluation.activations import MuscleAgreement, agreement
from kincast.offline.evaluation.contacts import Loads, Steps, steps_of
from kincast.offline.evaluation.drivers import Driver
from kincast.offline.evaluation.moments import against_inverse_dynamics
from kincast.offline.evaluation.spread import Spread, spread
from kincast.offline.evaluation.trials import KeptOut, NothingToEvaluateError, Trial
from kincast.offline.force_errors import MomentErrors
from kincast.offline.motion_library.clip import Clip
from kincast.offline.motion_library.reference import reference_of

MARGIN_S = 0.5
"""What follows the part that is looked at, for the filters at its end."""
WALKING = ("foot_strike_ms", "foot_off_ms", "stride_mm")


@dataclass(frozen=True)
class Run:
    """One trial followed: ``fitted`` is the motion before its soles were made to respect the floor, ``reference`` what was followed."""

    trial: Trial
    twin: Twin
    fitted: Reference
    reference: Reference
    followed: Followed
    tracking: Tracking
    steps: Steps | None = None
    moments: MomentErrors | None = None
    optimised: Mapping[str, MuscleAgreement] = field(default_factory=dict)
    emg: Mapping[str, MuscleAgreement] = field(default_factory=dict)


@dataclass(frozen=True)
class Figures:
    """``spreads``: errors by name; ``shares``: figures that are one number, in per cent or counts."""

    spreads: Mapping[str, Spread]
    shares: Mapping[str, float]

    def headline(self) -> dict[str, float]:
        """One number per figure: mean absolute error of tracking, root mean square of forces and pressures, as each is usual."""
        found = dict(self.shares)
        for name, value in self.spreads.items():
            found[name] = value.rms if name.startswith(("force_", "pressure_")) else value.mae
        return found


@dataclass(frozen=True)
class Evaluation:
    """``clips`` by person and name; ``people``; ``total`` over all rows of the trials that were followed to their end."""

    driver: str
    total: Figures
    people: Mapping[str, Figures]
    clips: Mapping[str, Figures]
    fell: Mapping[str, str]
    kept_out: Mapping[str, tuple[str, ...]]


def run_trial(trial: Trial, driver: Driver, longest_s: float = float("inf")) -> Run:
    """Follow a trial, or its first ``longest_s`` seconds."""
    clip = first_of(trial.clip, longest_s + MARGIN_S)
    twin = driver.twin(clip)
    fitted, reference = reference_of(clip), reference_of(clip, twin)
    rows = min(len(fitted.q), int(min(longest_s, clip.seconds + 1.0) * CONTROL_HZ))
    fitted, reference = (Reference(*(values[:rows] for values in r)) for r in (fitted, reference))
    driven = driver.follow(twin, reference)
    followed = driven.followed
    time_s = np.arange(len(followed.q)) / CONTROL_HZ
    run = Run(
        trial, twin, fitted, reference, followed, tracking_of(followed, fitted, twin.weight_N),
    )  # fmt: skip
    if followed.fell:
        return run
    found: dict[str, object] = {}
    if trial.plates is not None:
        # forces are means until the next instant
        loads = Loads(time_s + 0.5 / CONTROL_HZ, followed.force, followed.cop)
        found["steps"] = steps_of(loads, trial.plates, SKIP_S)
    if trial.truth is not None:
        found["moments"] = against_inverse_dynamics(twin, followed, trial.truth, trial.start_s, SKIP_S)
    if driven.activation is not None:
        late = time_s >= SKIP_S
        told = (driven.activation[late], driven.muscles)
        if trial.optimised is not None:
            found["optimised"] = agreement(time_s[late], *told, trial.optimised)
        if trial.emg is not None:
            found["emg"] = agreement(time_s[late] + trial.start_s, *told, trial.emg)
    return Run(trial, twin, fitted, reference, followed, run.tracking, **found)  # pyright: ignore[reportArgumentType]


def first_of(clip: Clip, seconds: float) -> Clip:
    """The first seconds of a clip."""
    rows = int(
        np.searchsorted(clip.t_ns - clip.t_ns[0], min(seconds, clip.seconds + 1.0) * 1e9, side="right")
    )
    forces, support = clip.forces, clip.support
    if forces is not None:
        forces = replace(forces, **{f.name: getattr(forces, f.name)[:rows] for f in fields(forces)})
    if support is not None:
        support = replace(support, share=support.share[:rows])
    return replace(clip, t_ns=clip.t_ns[:rows], q=clip.q[:rows], forces=forces, support=support)


def evaluate(
    trials: Iterable[Trial | KeptOut],
    driver: Driver,
    longest_s: float = float("inf"),
    tell: Callable[[str], None] = lambda line: None,
    each: Callable[[Run], None] = lambda run: None,
) -> Evaluation:
    """Follow all trials; ``each`` hears of every run (pictures).

    Raises:
        NothingToEvaluateError: all were kept out.
        What reading the trials raises.
    """
    runs: list[Run] = []
    kept_out: dict[str, tuple[str, ...]] = {}
    for trial in trials:
        if isinstance(trial, KeptOut):
            kept_out[f"{trial.person}: {trial.name}"] = trial.reasons
            tell(f"{trial.person}: {trial.name}: kept out, {'; '.join(trial.reasons)}")
            continue
        run = run_trial(trial, driver, longest_s)
        each(run)
        runs.append(run)
        tell(f"{label(run)}: {run.tracking.fell or 'followed to the end'}")
    if not runs:
        raise NothingToEvaluateError("every motion was kept out; nothing is left to evaluate")
    people = dict.fromkeys(r.trial.person for r in runs)
    return Evaluation(
        driver.name,
        figures(runs),
        {p: figures([r for r in runs if r.trial.person == p]) for p in people},
        {label(r): figures([r]) for r in runs},
        {label(r): r.tracking.fell for r in runs if r.tracking.fell},
        kept_out,
    )


def label(run: Run) -> str:
    return f"{run.trial.person}: {run.trial.name}"


def figures(runs: Sequence[Run]) -> Figures:
    """Over all rows of the runs that did not fail; a failure counts as one and in nothing else."""
    shares = {
        "trials": float(len(runs)),
        "failed_trials_pct": 100.0 * float(np.mean([bool(r.tracking.fell) for r in runs])),
        "lost_trials_pct": 100.0 * float(np.mean([bool(r.tracking.fell) or r.tracking.lost for r in runs])),
    }
    runs = [r for r in runs if not r.tracking.fell and len(r.tracking.pelvis_m)]
    spreads: dict[str, Spread | None] = {}
    if runs:
        tracking = [r.tracking for r in runs]
        spreads |= _tracking_spreads(tracking)
        servo, torque = (np.concatenate([getattr(t, n) for t in tracking]) for n in ("servo", "torque"))
        shares["servo_share_pct"] = 100.0 * float(
            np.sqrt(np.mean(servo**2) / max(float(np.mean(torque**2)), 1e-12))
        )
        shares["residual_p95_pct_bw"] = 100.0 * float(
            np.percentile(np.concatenate([t.residual for t in tracking]), 95)
        )
        spreads |= _step_spreads([r.steps for r in runs if r.steps is not None], shares)
        _moment_shares([r.moments for r in runs if r.moments is not None], shares)
        for kind in ("optimised", "emg"):
            _muscle_shares(kind, [getattr(r, kind) for r in runs], shares)
    return Figures({k: v for k, v in spreads.items() if v is not None}, shares)


def _joints(*names: str) -> list[int]:
    return [JOINT_COORDINATES.index(f"{name}_{side}") for name in names for side in ("r", "l")]


GROUPS = {
    "hip": _joints("hip_flexion", "hip_adduction", "hip_rotation"),
    "knee": _joints("knee_angle"),
    "ankle": _joints("ankle_angle"),
    "hip_flexion": _joints("hip_flexion"),
    "hip_adduction": _joints("hip_adduction"),
    "hip_rotation": _joints("hip_rotation"),
    "subtalar": _joints("subtalar_angle"),
    "toes": _joints("mtp_angle"),
    "lumbar": [i for i, n in enumerate(JOINT_COORDINATES) if n.startswith("lumbar")],
    "neck": [i for i, n in enumerate(JOINT_COORDINATES) if n.startswith("neck")],
    "arm": [i for i, n in enumerate(JOINT_COORDINATES) if n.startswith(("arm", "elbow", "pro_sup", "wrist"))],
}
"""The three first as KinTwin's table, which does not say which coordinates its hip holds: here all three."""


def _tracking_spreads(trials: Sequence[Tracking]) -> dict[str, Spread | None]:
    def pooled(name: str) -> np.ndarray:
        return np.concatenate([getattr(t, name) for t in trials])

    joint = pooled("joint_deg")
    found = {
        "pelvis_mm": spread(pooled("pelvis_m"), 1000.0),
        "pelvis_mm_s": spread(pooled("pelvis_m_s"), 1000.0),
        "pelvis_height_mm": spread(pooled("pelvis_up_m"), 1000.0),
        "all_joints_deg": spread(joint),
        "joint_velocity_deg_s": spread(pooled("joint_rate_deg_s")),
        **{f"{group}_deg": spread(joint[:, columns]) for group, columns in GROUPS.items()},
        "residual_pct_bw": spread(pooled("residual"), 100.0),
        "residual_moment_pct_bw_m": spread(pooled("residual_moment"), 100.0),
    }
    force, measured, pressure = (pooled(n) for n in ("force", "measured", "pressure_m"))
    for axis, name in ((2, "vertical"), (0, "fore_aft"), (1, "lateral")):
        found[f"force_{name}_pct_bw"] = spread(force[..., axis][measured], 100.0)
    for axis, name in enumerate(("fore_aft", "lateral")):
        found[f"pressure_{name}_mm"] = spread(pressure[..., axis], 1000.0)
    return found


def _step_spreads(steps: Sequence[Steps], shares: dict[str, float]) -> dict[str, Spread | None]:
    found = {
        name: spread(np.array([e for s in steps for e in getattr(s, field_)]), 1000.0)
        for name, field_ in zip(WALKING, ("strike_s", "off_s", "stride_m"), strict=True)
    }
    hits, wrong = (sum(getattr(s, n) for s in steps) for n in ("hits", "wrong"))
    if hits + wrong:
        shares["events_f1"] = 2.0 * hits / (2.0 * hits + wrong)
    return found


def _moment_shares(moments: Sequence[MomentErrors], shares: dict[str, float]) -> None:
    """Rms per coordinate over the rows of all trials, and their median."""
    rows = float(sum(m.rows for m in moments))
    names = dict.fromkeys(n for m in moments for n in m.by_coordinate)
    for name in names:
        shares[f"moment_{name}_pct_bwh"] = float(
            np.sqrt(sum(m.rows * m.by_coordinate.get(name, 0.0) ** 2 for m in moments) / rows)
        )
    if names:
        shares["moment_median_pct_bwh"] = float(np.median([shares[f"moment_{n}_pct_bwh"] for n in names]))


def _muscle_shares(
    kind: str, found: Sequence[Mapping[str, MuscleAgreement]], shares: dict[str, float]
) -> None:
    """Medians over the muscles of all trials."""
    each = [a for trial in found for a in trial.values()]
    if each:
        shares[f"{kind}_signals"] = float(len(each))
        shares[f"{kind}_correlation"] = float(np.median([a.correlation for a in each]))
        shares[f"{kind}_best_correlation"] = float(np.median([a.best for a in each]))
        shares[f"{kind}_lag_ms"] = 1000.0 * float(np.median([a.lag_s for a in each]))
        shares[f"{kind}_difference_pct"] = 100.0 * float(np.median([a.difference for a in each]))
