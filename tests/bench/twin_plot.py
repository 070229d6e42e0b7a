"""Curves of one run of the twin beside the motion and the plates it is held against."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.twin.follow import Followed
from kincast.models.twin.model import CONTROL_HZ, Twin
from kincast.models.twin.reference import Reference

matplotlib.use("Agg")
SHOWN = ("hip_flexion", "knee_angle", "ankle_angle")


def plot_run(path: Path, twin: Twin, fitted: Reference, followed: Followed) -> None:
    """Forces, joint angles and torques of both legs, and the residual."""
    import matplotlib.pyplot as plt

    n = len(followed.q)
    time_s = np.arange(n) / CONTROL_HZ
    weight = twin.weight_N / 100.0
    figure, axes = plt.subplots(4, 2, figsize=(15, 13), sharex=True)
    for foot, side in enumerate("rl"):
        for line, axis, name in ((0, 2, "vertical"), (1, 0, "x")):
            shown = axes[line, foot]
            plates = np.where(fitted.measured[:n, foot], fitted.force[:n, foot, axis], np.nan)
            shown.plot(time_s, plates / weight, "k", label="plates")
            shown.plot(time_s, followed.force[:, foot, axis] / weight, "r", lw=0.8, label="twin")
            shown.set_ylabel(f"{name} force {side} (% BW)")
        for name, colour in zip(SHOWN, "rgb", strict=True):
            joint = JOINT_COORDINATES.index(f"{name}_{side}")
            axes[2, foot].plot(time_s, np.rad2deg(fitted.q[:n, 7 + joint]), colour + "--", lw=0.8)
            axes[2, foot].plot(time_s, np.rad2deg(followed.q[:, 7 + joint]), colour, lw=0.8, label=name)
            axes[3, foot].plot(time_s, followed.torque[:, joint], colour, lw=0.8)
            axes[3, foot].plot(time_s, followed.servo[:, joint], colour + ":", lw=0.8)
        axes[2, foot].set_ylabel("deg; fitted dashed")
        axes[3, foot].set_ylabel("N m; servos dotted")
    axes[0, 0].plot(
        time_s, np.linalg.norm(followed.residual[:, :3], axis=1) / weight, "g", lw=0.8, label="residual"
    )
    for shown in (axes[0, 0], axes[2, 0]):
        shown.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=55)
    plt.close(figure)
