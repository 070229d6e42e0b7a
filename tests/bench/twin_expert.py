"""The twin's first expert on refitted walks: how well it follows, what residual it needs, its forces against the plates.

    python -m tests.bench.twin_expert [--keep DIR] [--only CASE ...] [--plot DIR]

Every walk is refitted from its noisy pictures (``kincast refit``), put on a floor and followed in C MuJoCo (480 Hz physics, 120 Hz
control) by computed torque. Errors are against the fitted motion before soles were made to respect the floor. Rows: the
expert as it is, with the residual bounded to 2 % body weight, and without any (KinTwin's ablation). The expert knows the
motion's future only as far as a zero-phase filter does.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from kincast.models.twin.expert import ExpertConfig
from kincast.models.twin.tracking import summary
from kincast.offline.motion_library.build import judged
from kincast.offline.motion_library.clip import Clip
from kincast.offline.motion_library.from_results import motions_of_results
from kincast.offline.truth import read_truth
from kincast.offline.twin_evaluation import run_expert
from tests.bench.live_accuracy import WALKS, Run
from tests.bench.refit_accuracy import people, refitted

LONGEST_S = 10.0
SETTINGS = {
    "expert": ExpertConfig(),
    "residual at most 2 %": ExpertConfig(residual_limit=0.02),
    "no residual": ExpertConfig(residual_limit=0.0),
}
FIGURES = (
    "failed_trials_pct",
    "all_joints_deg",
    "hip_deg",
    "knee_deg",
    "ankle_deg",
    "joint_velocity_deg_s",
    "pelvis_mm",
    "pelvis_mm_s",
    "residual_pct_bw",
    "residual_p95_pct_bw",
    "servo_share_pct",
    "vertical_pct_bw",
    "fore_aft_pct_bw",
    "lateral_pct_bw",
)


def clips(data: Path, folder: Path, cases: Sequence[str]) -> dict[str, Clip]:
    """The refitted cases as clips with the plates' forces; those kept out are told."""
    found: dict[str, Clip] = {}
    for group in people(cases):
        out = folder / f"refit-{Run(group[0]).name}"
        places = [out if len(group) == 1 else out / Run(c).name for c in group]
        if not all((p / "kinematics.mot").exists() for p in places):
            refitted(data, folder, [Run(c) for c in group])
        for case, place in zip(group, places, strict=True):
            forces = read_truth(data / "multiview" / case, case).forces
            for motion in motions_of_results(place, case, plates=forces):
                answer = judged(motion)
                if answer.clip is None:
                    print(f"{motion.name}: kept out, {'; '.join(r.sentence for r in answer.reasons)}")
                else:
                    found[motion.name] = answer.clip
    return found


def row(name: str, figures: dict[str, float]) -> str:
    cells = (
        f"{k.removesuffix('_pct_bw').removesuffix('_deg')} {figures.get(k, float('nan')):.2f}"
        for k in FIGURES
    )
    return f"{name:32s} " + "  ".join(cells)


def measure(
    data: Path | None,
    only: Sequence[str] = (),
    keep: Path | None = None,
    plot: Path | None = None,
    settings: Sequence[str] = (),
) -> dict[str, float]:
    """Figures over all walks, by setting; errors of those followed to their end."""
    if data is None:
        return {}
    figures: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        library = clips(data, folder, [c for c in WALKS if not only or c in only])
    for setting, config in SETTINGS.items():
        if settings and setting not in settings:
            continue
        trials = []
        for name, clip in library.items():
            run = run_expert(clip, config, LONGEST_S)
            print(row(f"{name}, {setting}", summary([run.tracking])), run.tracking.fell, flush=True)
            trials.append(run.tracking)
            if plot is not None:
                from tests.bench.twin_plot import plot_run

                plot_run(
                    plot / f"{name}-{setting.replace(' ', '-').replace('%', 'pct')}.png",
                    run.twin,
                    run.fitted,
                    run.followed,
                )
        found = summary(trials)
        print(row(f"ALL, {setting}", found), flush=True)
        figures |= {f"twin.{setting}.{k}": round(found[k], 3) for k in FIGURES if k in found}
    return figures


def main() -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="cases")
    parser.add_argument("--keep", type=Path, help="keep, or take, recordings and refits here")
    parser.add_argument("--plot", type=Path, help="curves of every run as PNG into this folder")
    parser.add_argument("--setting", nargs="*", default=[], choices=list(SETTINGS), help="only these")
    options = parser.parse_args()
    measure(data_dir(), options.only, options.keep, options.plot, options.setting)


if __name__ == "__main__":
    main()
