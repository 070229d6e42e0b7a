"""``kincast export``: a results folder as one file for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg


@dataclass(frozen=True)
class Export:
    """Write a results folder as C3D (Vicon, Mokka, Visual3D), one CSV table, TRC, or OpenSim MOT or STO."""

    results: Positional[Path]
    """Folder that replay or refit wrote."""
    output: Annotated[Path, arg(aliases=["-o"])]
    """The file to write."""
    to: Literal["c3d", "csv", "trc", "mot", "sto"]
    """Format of the file."""
    content: Literal[
        "kinematics", "kinematics_sd", "grf", "grf_sd", "torques", "torques_sd", "residuals", "activations", "activations_sd",
    ] = "kinematics"  # fmt: skip
    """Which series a mot or sto file holds."""
    rate: float | None = None
    """Rows at even steps of this rate (Hz); c3d is always even, at the session's own rate by default."""

    def run(self) -> int:
        from kincast.offline.export import ExportOptions, export

        rows = export(self.results, self.output, ExportOptions(self.to, self.content, self.rate))
        print(f"{self.output}: {rows} rows")
        return 0
