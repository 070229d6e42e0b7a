"""``kincast compare``: results beside measured truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional


@dataclass(frozen=True)
class Compare:
    """Compare a results folder with optical angles, force plates, inverse dynamics, events and heels."""

    results: Positional[Path]
    """Folder that replay or refit wrote."""
    truth: Positional[Path]
    """Trial with the truth: a multi-view case, an OpenSim motion (.mot) or its folder, a Pose2Sim trial."""
    skip: float = 0.0
    """Seconds of the session to leave out at the start (a cold start is judged apart)."""
    json: bool = False
    """One JSON object instead of a table."""
    plot: Path | None = None
    """Draw the curves next to the truth into this picture (.png)."""

    def run(self) -> int:
        from kincast.offline.compare import compare, load_sides
        from kincast.offline.compare_plot import plot
        from kincast.offline.compare_table import table

        comparison = compare(self.results, self.truth, self.skip)
        print(json.dumps(comparison.document(), allow_nan=False) if self.json else table(comparison))
        if self.plot is not None:
            plot(load_sides(self.results, self.truth, self.skip), self.plot)
        return 0
