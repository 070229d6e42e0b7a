"""Two representations of a motion on the same problems: B-spline with a second-order solver, network with stochastic gradients.

    python -m tests.bench.trajectories [--cases walking1 ...] [--keep DIR] [--plot PNG]

Each case (6 s at most) is refitted as ``kincast refit`` does it; then body, detector noise and posture are held as learned, and
every representation fits the same problem from the same live start. Quality against optical motion as ``kincast compare``;
acceleration error against the optical angles, low-passed at 6 Hz and differentiated twice, of hip, knee and ankle. Nothing of ours
is filtered. ``first`` seconds hold compilation, ``again`` is a second fit of the same shapes.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from jaxtyping import Float64
from scipy.signal import butter, sosfiltfilt

from tests.bench.interval_calibration import cut_recording
from tests.bench.live_accuracy import Run

CASES = ("walking1", "subject01_walk", "treadmill60")
LONGEST_S = 6.0
SPLINE_ITERATIONS = 40
IMPLICIT_ITERATIONS = 24
TRUTH_CUTOFF_HZ = 6.0


@dataclass(frozen=True)
class Fitted:
    """One representation on one case. ``course``: main coordinates (degrees) over time, ours and optical."""

    mean_removed_deg: float
    raw_deg: float
    acceleration_error: float
    loss_per_instant: float
    first_s: float
    again_s: float
    names: tuple[str, ...]
    time_s: Float64[np.ndarray, " row"]
    course: Float64[np.ndarray, "row coordinate"]
    optical: Float64[np.ndarray, "row coordinate"]


def fitters():
    """By name; ``published`` differs from the default in its activation alone, at a size that a laptop trains."""
    from kincast.offline.trajectory.implicit import ImplicitConfig, ImplicitFitter
    from kincast.offline.trajectory.spline import SplineFitter

    return {
        "spline": (SplineFitter(), SPLINE_ITERATIONS),
        "implicit": (ImplicitFitter(), IMPLICIT_ITERATIONS),
        "implicit, relu": (ImplicitFitter(ImplicitConfig(activation="relu")), IMPLICIT_ITERATIONS),
    }


def compared(data: Path, folder: Path, case: str, only: Sequence[str] = ()) -> dict[str, Fitted]:
    """All representations on one case."""
    from kincast.offline.refit import refit

    found = refit([cut_recording(data, folder, Run(case), LONGEST_S)])
    trial = found.trials[0]
    out = {}
    for name, (fitter, iterations) in fitters().items():
        if only and name not in only:
            continue
        seconds = []
        for _ in range(2 if name == "spline" else 1):
            start = perf_counter()
            fit = fitter.fit(trial.problem, found.body, trial.trial.live, iterations)
            seconds.append(perf_counter() - start)
        out[name] = _judged(data, case, trial, found.body, fit, seconds)
    return out


def _judged(data: Path, case: str, trial, body, fit, seconds: list[float]) -> Fitted:
    from kincast.models.coordinates import COORDINATES
    from kincast.offline.angle_errors import MAIN
    from kincast.offline.trajectory.linearise import Linearisation
    from kincast.offline.truth import read_truth
    from kincast.streaming.results.pelvis_angles import file_coordinates

    truth = read_truth(data / "multiview" / case, case)
    t_ns = trial.trial.live.t_ns
    time_s = t_ns * 1e-9
    keep = (time_s >= truth.motion.time_s[0]) & (time_s <= truth.motion.time_s[-1]) & trial.tracked
    motion = fit.trajectory.motion(t_ns[keep])
    names = tuple(n for n in MAIN if n in truth.motion.columns)
    sign = np.array([truth.knee_sign if n.startswith("knee") else 1 for n in names])
    optical = truth.motion.at(time_s[keep], list(names)) * sign
    columns = [COORDINATES.index(n) for n in names]
    course = file_coordinates(motion.q)[:, columns]
    error = (course - optical + 180.0) % 360.0 - 180.0
    fast = truth.motion.time_s
    rate = 1.0 / float(np.median(np.diff(fast)))
    grid = np.arange(fast[0], fast[-1], 1.0 / rate)
    low = sosfiltfilt(
        butter(2, TRUTH_CUTOFF_HZ, fs=rate, output="sos"), truth.motion.at(grid, list(names)) * sign, axis=0
    )
    bend = np.radians(np.gradient(np.gradient(low, grid, axis=0), grid, axis=0))
    expected = np.stack([np.interp(time_s[keep], grid, column) for column in bend.T], axis=1)
    middle = slice(6, -6)
    acceleration = motion.a[:, columns][middle] - expected[middle]
    at = fit.trajectory.motion(trial.problem.pictures.t_ns)
    terms, _ = Linearisation(trial.problem, body).terms(at.q, at.v)
    return Fitted(
        mean_removed_deg=float(np.median(error.std(axis=0))),
        raw_deg=float(np.median(np.sqrt((error**2).mean(axis=0)))),
        acceleration_error=float(np.median(np.sqrt((acceleration**2).mean(axis=0)))),
        loss_per_instant=float(terms.loss.mean()),
        first_s=seconds[0],
        again_s=seconds[-1],
        names=names,
        time_s=time_s[keep],
        course=course,
        optical=optical,
    )


def all_compared(
    data: Path, keep: Path | None, cases: Sequence[str], only: Sequence[str] = ()
) -> dict[str, dict[str, Fitted]]:
    """By case, then by representation."""
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        return {case: compared(data, folder, case, only) for case in cases}


def measure(data: Path | None) -> dict[str, float]:
    """Means over the cases."""
    if data is None:
        return {}
    found = all_compared(data, None, CASES, ("spline", "implicit"))
    figures: dict[str, float] = {}
    for name in ("spline", "implicit"):
        fits = [by_name[name] for by_name in found.values()]
        figures[f"trajectory {name}: angles mean removed"] = float(
            np.mean([f.mean_removed_deg for f in fits])
        )
        figures[f"trajectory {name}: acceleration error"] = float(
            np.mean([f.acceleration_error for f in fits])
        )
    return figures


def plot(found: dict[str, dict[str, Fitted]], png: Path) -> None:
    """Right hip, knee and ankle of every case."""
    import matplotlib.pyplot as plt

    wanted = ("hip_flexion_r", "knee_angle_r", "ankle_angle_r")
    figure, axes = plt.subplots(len(wanted), len(found), figsize=(5 * len(found), 8), squeeze=False)
    for column, (case, by_name) in zip(axes.T, found.items(), strict=True):
        for axis, name in zip(column, wanted, strict=True):
            for label, fit in by_name.items():
                axis.plot(fit.time_s, fit.course[:, fit.names.index(name)], label=label, lw=1)
            one = next(iter(by_name.values()))
            axis.plot(one.time_s, one.optical[:, one.names.index(name)], "k--", label="optical", lw=1)
            axis.set_title(f"{case} {name}", fontsize=8)
    axes[0, 0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(png, dpi=80)


def main() -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--only", nargs="*", default=[], help="representations: " + ", ".join(fitters()))
    parser.add_argument("--keep", type=Path, help="keep recordings here")
    parser.add_argument("--plot", type=Path, help="curves of hip, knee and ankle")
    options = parser.parse_args()
    data = data_dir()
    if data is None:
        return
    found = {}
    for case in options.cases:
        found |= all_compared(data, options.keep, [case], options.only)
        for name, f in found[case].items():
            print(
                f"{case:16s} {name:15s} {f.mean_removed_deg:5.2f} deg mean removed, {f.raw_deg:5.2f} raw,"
                f" acceleration {f.acceleration_error:5.1f} rad/s^2, {f.loss_per_instant:6.2f} nats,"
                f" {f.first_s:5.1f} s (again {f.again_s:.1f})",
                flush=True,
            )
    if options.plot:
        plot(found, options.plot)


if __name__ == "__main__":
    main()
