"""Curves of one run beside the motion and the plates it is held against."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.twin.model import CONTROL_HZ
from kincast.models.twin.tracking import walking_axes
from kincast.offline.evaluation.evaluate import Run, label

SHOWN = ("hip_flexion", "knee_angle", "ankle_angle")
COLOURS = ("tab:red", "tab:green", "tab:blue")


def plot_run(path: Path, run: Run) -> None:
    """Forces, centre of pressure, joint angles and torques of both legs, pelvis and residual, as PNG."""
    from matplotlib.figure import Figure

    n = len(run.followed.q)
    figure = Figure(figsize=(15, 17))
    axes = figure.subplots(6, 2, sharex=True)
    time_s = np.arange(n) / CONTROL_HZ
    held_s = time_s + 0.5 / CONTROL_HZ
    per_cent = 100.0 / run.twin.weight_N
    frame = walking_axes(np.asarray(run.fitted.q))[:n]
    plates = np.einsum("rij,rfj->rfi", frame, np.asarray(run.fitted.force)[:n]) * per_cent
    ours = np.einsum("rij,rfj->rfi", frame, run.followed.force) * per_cent
    plates[~np.asarray(run.fitted.measured)[:n]] = np.nan
    for foot, side in enumerate("rl"):
        for line, axis, name in ((0, 2, "vertical"), (1, 0, "fore-aft"), (2, 1, "lateral")):
            shown = axes[line, foot]
            shown.plot(time_s, plates[:, foot, axis], "k", label="plates")
            shown.plot(held_s, ours[:, foot, axis], "tab:red", lw=0.9, label="twin")
            shown.set_ylabel(f"{name} force {side} (% BW)")
        for name, colour in zip(SHOWN, COLOURS, strict=True):
            joint = JOINT_COORDINATES.index(f"{name}_{side}")
            axes[3, foot].plot(time_s, np.rad2deg(run.fitted.q[:n, 7 + joint]), color=colour, ls="--", lw=0.9)
            axes[3, foot].plot(
                time_s, np.rad2deg(run.followed.q[:, 7 + joint]), color=colour, lw=0.9, label=name
            )
            axes[4, foot].plot(held_s, run.followed.torque[:, joint], color=colour, lw=0.9)
            axes[4, foot].plot(held_s, run.followed.servo[:, joint], color=colour, ls=":", lw=0.9)
        axes[3, foot].set_ylabel(f"angles {side} (deg), fitted dashed")
        axes[4, foot].set_ylabel(f"torques {side} (N m), servos dotted")
    residual = np.einsum("rij,rj->ri", frame, run.followed.residual[:, :3]) * per_cent
    for axis, name in enumerate(("fore-aft", "lateral", "vertical")):
        axes[5, 0].plot(held_s, residual[:, axis], lw=0.9, label=name)
    axes[5, 0].set_ylabel("residual force (% BW)")
    gap = np.einsum("rij,rj->ri", frame, run.followed.q[:, :3] - np.asarray(run.fitted.q)[:n, :3]) * 1000.0
    for axis, name in enumerate(("ahead", "left", "up")):
        axes[5, 1].plot(time_s, gap[:, axis], lw=0.9, label=name)
    axes[5, 1].set_ylabel("pelvis, twin minus fitted (mm)")
    for shown in (axes[0, 0], axes[3, 0], axes[5, 0], axes[5, 1]):
        shown.legend(fontsize="small")
    for shown in axes[-1]:
        shown.set_xlabel("s")
    figure.suptitle(f"{label(run)}  {run.tracking.fell}".strip(), y=0.995)
    figure.tight_layout(rect=(0.0, 0.0, 1.0, 0.985))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=60)
