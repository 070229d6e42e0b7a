"""The muscle-driven twin on refitted walks: how well it follows, what it costs, its activations beside EMG and static optimisation.

    python -m tests.bench.twin_muscles [--keep DIR] [--only CASE ...] [--setting NAME ...] [--mjx]

Walks, floors and definitions are those of ``tests.bench.twin_expert``. Rows: the muscle expert as it is, without reserve torques, and with
the residual bounded to 2 % body weight. ``treadmill60`` comes from a measured walk with EMG of seven muscles of the left leg (Uhlrich et
al. 2022) and published static optimisation of one of its stance phases: both are held against the twin's activations, and so are
those that ``kincast refit`` finds without simulating. ``--mjx`` compares MJX with C on the muscle-driven body instead.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import mujoco
import numpy as np

from kincast.models.body import BodyParameters, build_body
from kincast.models.twin.expert import ExpertConfig
from kincast.models.twin.model import CONTROL_HZ, Twin, build_twin
from kincast.models.twin.muscle_expert import MuscleExpert, MuscleExpertConfig
from kincast.models.twin.muscle_follow import MuscleFollowed, follow_with_muscles
from kincast.models.twin.muscle_model import EXCITATIONS, MuscleTwin, build_muscle_twin
from kincast.models.twin.reference import Reference
from kincast.models.twin.tracking import SKIP_S
from kincast.offline.evaluation.activations import MuscleAgreement, agreement
from kincast.offline.evaluation.drivers import Driven
from kincast.offline.evaluation.evaluate import Run, figures, run_trial
from kincast.offline.evaluation.trials import KeptOut, Trial, results_trials
from kincast.offline.motion_library.clip import Clip
from kincast.offline.motion_library.reference import reference_of
from kincast.streaming.results.storage import Storage, read_storage
from tests.bench import live_accuracy
from tests.bench.live_accuracy import WALKS
from tests.bench.refit_accuracy import people, refitted

LONGEST_S = 10.0
PULL_HZ = MuscleExpertConfig().torque.frequency_hz
SETTINGS = {
    "muscles": MuscleExpertConfig(),
    "no reserve": MuscleExpertConfig(reserve_limit=0.0),
    "residual at most 2 %": MuscleExpertConfig(torque=ExpertConfig(PULL_HZ, residual_limit=0.02)),
}
FIGURES = (
    "failed_trials_pct",
    "all_joints_deg",
    "hip_deg",
    "knee_deg",
    "ankle_deg",
    "joint_velocity_deg_s",
    "pelvis_mm",
    "residual_pct_bw",
    "residual_p95_pct_bw",
    "force_vertical_pct_bw",
    "force_fore_aft_pct_bw",
    "force_lateral_pct_bw",
    "moment_median_pct_bwh",
    "optimised_correlation",
    "reserve_share_pct",
    "reserve_p95_Nm",
)
EMG_CASE, EMG_SOURCE = "treadmill60", "coordretraining_treadmill"
EMG_FROM_S, EMG_TO_S = 8.0, 20.0


@dataclass
class Recorder:
    """The muscle expert, every run of which is kept."""

    config: MuscleExpertConfig
    name: str = "muscle expert"
    runs: list[MuscleFollowed] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def twin(self, clip: Clip) -> MuscleTwin:
        return build_muscle_twin(build_body(clip.body), clip.sole_drop_m)

    def follow(self, twin: Twin, reference: Reference) -> Driven:
        assert isinstance(twin, MuscleTwin)
        begin = time.process_time()
        self.runs.append(follow_with_muscles(twin, MuscleExpert(twin, self.config), reference))
        self.seconds.append((time.process_time() - begin) / max(len(self.runs[-1].activation), 1))
        return Driven(self.runs[-1].motion, twin.muscles, self.runs[-1].activation)


def trials(data: Path, folder: Path, cases: Sequence[str]) -> list[Trial]:
    """The refitted cases with all that was measured of them; those kept out are told."""
    found: list[Trial] = []
    for group in people(cases):
        out = folder / f"refit-{live_accuracy.Run(group[0]).name}"
        places = [out if len(group) == 1 else out / live_accuracy.Run(c).name for c in group]
        if not all((p / "kinematics.mot").exists() for p in places):
            refitted(data, folder, [live_accuracy.Run(c) for c in group])
        for case, place in zip(group, places, strict=True):
            for trial in results_trials(place, data / "multiview" / case, person=case):
                if isinstance(trial, KeptOut):
                    print(f"{case}: kept out, {'; '.join(trial.reasons)}")
                else:
                    found.append(trial)
    return found


def reserve_figures(runs: Sequence[MuscleFollowed]) -> dict[str, float]:
    """Share of the legs' torque (rms) that muscles did not give, and the 95th percentile of its size."""
    skip = int(SKIP_S * CONTROL_HZ)
    runs = [r for r in runs if not r.motion.fell]
    if not runs:
        return {}
    reserve = np.concatenate([r.reserve[skip:] for r in runs])
    whole = reserve + np.concatenate([r.muscle[skip:] for r in runs])
    share = np.sqrt(np.mean(reserve**2) / np.mean(whole**2))
    return {
        "reserve_share_pct": 100.0 * float(share),
        "reserve_p95_Nm": float(np.percentile(np.abs(reserve), 95)),
    }


def row(name: str, found: Mapping[str, float]) -> str:
    cells = (
        f"{k.removesuffix('_pct_bw').removesuffix('_deg')} {found.get(k, float('nan')):.2f}" for k in FIGURES
    )
    return f"{name:34s} " + "  ".join(cells)


def measure(
    data: Path | None, only: Sequence[str] = (), keep: Path | None = None, settings: Sequence[str] = ()
) -> dict[str, float]:
    """Figures over all walks, by setting; errors of those followed to their end."""
    if data is None:
        return {}
    found: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        library = trials(data, folder, [c for c in WALKS if not only or c in only])
        for setting, config in SETTINGS.items():
            if settings and setting not in settings:
                continue
            driver, runs = Recorder(config), list[Run]()
            for trial in library:
                runs.append(run_trial(trial, driver, LONGEST_S))
                here = figures(runs[-1:]).headline() | reserve_figures(driver.runs[-1:])
                fell = runs[-1].followed.fell
                print(
                    row(f"{trial.name}, {setting}", here),
                    fell,
                    f"{1e3 * driver.seconds[-1]:.1f} ms",
                    flush=True,
                )
            total = figures(runs).headline() | reserve_figures(driver.runs)
            print(row(f"ALL, {setting}", total), flush=True)
            found |= {f"twin_muscles.{setting}.{k}": round(total[k], 3) for k in FIGURES if k in total}
        for trial in (t for t in library if t.name.startswith(EMG_CASE)):
            found |= beside_emg(trial, data / EMG_SOURCE, folder)
    return found


def beside_emg(trial: Trial, source: Path, refit: Path) -> dict[str, float]:
    """Twelve seconds of the walk with EMG: the twin's activations and the refit's, each beside EMG and the published optimisation."""
    emg, published = read_storage(source / "emg.sto"), published_optimisation(source)
    clip = trial.clip
    count = int(np.searchsorted(clip.t_ns, (EMG_TO_S + 0.5) * 1e9))
    clip = replace(clip, t_ns=clip.t_ns[:count], q=clip.q[:count], forces=None)
    twin = build_muscle_twin(build_body(clip.body), clip.sole_drop_m)
    rows = slice(int(EMG_FROM_S * CONTROL_HZ), int(EMG_TO_S * CONTROL_HZ))
    reference = Reference(*(values[rows] for values in reference_of(clip, twin)))
    run = follow_with_muscles(twin, MuscleExpert(twin), reference)
    time_s = trial.start_s + EMG_FROM_S + np.arange(len(run.activation)) / CONTROL_HZ
    ours = (time_s, run.activation, twin.muscles)
    found: dict[str, float] = {}
    others = {"twin": ours}
    still = read_storage(refit / f"refit-{EMG_CASE}-pose" / "activations.sto")
    part = (still.time_s >= EMG_FROM_S) & (still.time_s < EMG_TO_S)
    columns = np.stack([still.column(c)[part] for c in still.columns], axis=1)
    others["refit"] = (
        still.time_s[part],
        columns,
        tuple(c.removesuffix("_activation") for c in still.columns),
    )
    for who, signals in others.items():
        for what, against in (("EMG", emg), ("published optimisation", published)):
            told = agreement(*signals, against)
            print(f"{EMG_CASE}, {who} beside {what}: {medians(told)}")
            if what == "EMG":
                for name, a in told.items():
                    print(
                        f"    {name:10s} r {a.correlation:5.2f}, {a.best:5.2f} at {1e3 * a.lag_s:+4.0f} ms, peak {_peak(signals, name):.2f}"
                    )
            found |= {
                f"twin_muscles.{who}.{what}.correlation": round(
                    float(np.median([a.correlation for a in told.values()])), 3
                )
            }
    print(f"{EMG_CASE}, twin beside refit: {medians(agreement(*ours, still))}")
    return found


def published_optimisation(source: Path) -> Storage:
    """Activations (OpenSim's static optimisation of one stance phase) under the muscles' names."""
    states = read_storage(source / "SO" / "states.sto")
    names = [c for c in states.columns if c.endswith("_l/activation")]
    values = np.stack([states.column(c) for c in names], axis=1)
    return replace(states, columns=tuple(c.split("/")[-2] for c in names), values=values)


def medians(found: Mapping[str, MuscleAgreement]) -> str:
    r, best, lag = (
        np.median([getattr(a, n) for a in found.values()]) for n in ("correlation", "best", "lag_s")
    )
    return f"{len(found)} muscles, median r {r:.2f}, {best:.2f} at {1e3 * lag:+.0f} ms"


def _peak(signals: tuple[np.ndarray, np.ndarray, tuple[str, ...]], name: str) -> float:
    return float(signals[1][:, signals[2].index(name)].max())


def step_cost() -> dict[str, float]:
    """Microseconds of processor time of one physics step of a person standing in the air, the least of ten goes."""
    found = {}
    for name, build in (("torque", build_twin), ("muscle", build_muscle_twin)):
        model = build(build_body(BodyParameters())).model
        data, best = mujoco.MjData(model), np.inf
        for _ in range(10):
            mujoco.mj_resetData(model, data)
            begin = time.process_time()
            for _ in range(200):
                mujoco.mj_step(model, data)
            best = min(best, (time.process_time() - begin) / 200)
        found[f"twin_muscles.step.{name}_us"] = round(1e6 * best, 1)
        print(f"one step, {name} driven: {1e6 * best:.0f} us")
    return found


def mjx_beside_c() -> None:
    """Forces and accelerations of MJX and C in one state, and where one step leads."""
    import jax
    from mujoco import mjx

    twin = build_muscle_twin(build_body(BodyParameters()))
    model, data = twin.model, mujoco.MjData(twin.model)
    data.qpos[2] += 0.5
    data.act[:] = np.linspace(0.0, 0.5, len(data.act))
    data.ctrl[EXCITATIONS] = np.linspace(0.5, 0.0, len(data.act))
    device, start = mjx.put_model(model), mjx.put_data(model, data)
    forward = jax.jit(lambda d: mjx.forward(device, d))(start)
    mujoco.mj_forward(model, data)
    for name in ("ten_length", "actuator_force", "qacc"):
        mine, its = np.asarray(getattr(forward, name)), getattr(data, name)
        print(f"{name}: greatest {np.abs(its).max():.4g}, MJX off by {np.abs(mine - its).max():.2g}")
    stepped = jax.jit(lambda d: mjx.step(device, d))(start)
    mujoco.mj_step(model, data)
    off = np.abs(np.asarray(stepped.qvel) - data.qvel).max()
    print(f"velocity after one step: greatest {np.abs(data.qvel).max():.4g}, MJX off by {off:.2g}")


def main() -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="cases")
    parser.add_argument("--keep", type=Path, help="keep, or take, recordings and refits here")
    parser.add_argument("--setting", nargs="*", default=[], choices=list(SETTINGS), help="only these")
    parser.add_argument("--mjx", action="store_true", help="compare MJX with C instead")
    options = parser.parse_args()
    if options.mjx:
        mjx_beside_c()
        return
    step_cost()
    measure(data_dir(), options.only, options.keep, options.setting)


if __name__ == "__main__":
    main()
