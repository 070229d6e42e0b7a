"""The twin's first expert on refitted walks: KinTwin's table, the residual it needs, its forces, moments and steps against the laboratory.

    python -m tests.bench.twin_expert [--keep DIR] [--only CASE ...] [--setting NAME ...] [--plot DIR]

Every walk is refitted from its noisy pictures (``kincast refit``), put on a floor and followed in C MuJoCo (480 Hz physics, 120 Hz
control) by computed torque, as ``kincast evaluate`` does. Errors are against the fitted motion before soles were made to respect the
floor. Rows: the expert as it is, with the residual bounded to 2 % body weight, and without any (KinTwin's ablation). The expert knows
the motion's future as far as a zero-phase filter and the shift of :mod:`kincast.models.twin.balance` do.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from kincast.models.twin.expert import ExpertConfig
from kincast.offline.evaluation.drivers import ExpertDriver
from kincast.offline.evaluation.evaluate import Run as Followed
from kincast.offline.evaluation.evaluate import evaluate, label
from kincast.offline.evaluation.table import markdown
from kincast.offline.evaluation.trials import KeptOut, Trial, results_trials
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
    "force_vertical_pct_bw",
    "force_fore_aft_pct_bw",
    "force_lateral_pct_bw",
    "moment_median_pct_bwh",
    "foot_strike_ms",
    "foot_off_ms",
    "events_f1",
    "stride_mm",
)


def trials(data: Path, folder: Path, cases: Sequence[str]) -> Iterator[Trial | KeptOut]:
    """The refitted cases with their truth."""
    for group in people(cases):
        out = folder / f"refit-{Run(group[0]).name}"
        places = [out if len(group) == 1 else out / Run(c).name for c in group]
        if not all((p / "kinematics.mot").exists() for p in places):
            refitted(data, folder, [Run(c) for c in group])
        for case, place in zip(group, places, strict=True):
            yield from results_trials(place, data / "multiview" / case, person=group[0])


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
        walks = list(trials(data, folder, [c for c in WALKS if not only or c in only]))
    for setting, config in SETTINGS.items():
        if settings and setting not in settings:
            continue

        def picture(run: Followed, setting: str = setting) -> None:
            if plot is not None:
                from kincast.offline.evaluation.plot import plot_run

                name = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{label(run)}-{setting}")
                plot_run(plot / f"{name}.png", run)

        found = evaluate(walks, ExpertDriver(config, setting), LONGEST_S, tell=print, each=picture)
        print(markdown(found), flush=True)
        headline = found.total.headline()
        figures |= {f"twin.{setting}.{k}": round(headline[k], 3) for k in FIGURES if k in headline}
    return figures


def main() -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="cases")
    parser.add_argument("--keep", type=Path, help="keep, or take, recordings and refits here")
    parser.add_argument("--plot", type=Path, help="curves of every run as PNG into this folder")
    parser.add_argument("--setting", nargs="*", default=[], choices=list(SETTINGS), help="only these")
    options = parser.parse_args()
    print(measure(data_dir(), options.only, options.keep, options.plot, options.setting))


if __name__ == "__main__":
    main()
