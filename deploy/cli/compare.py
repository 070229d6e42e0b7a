"""``kincast compare``: results beside measured truth, or beside other results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from kincast.models.errors import UserMistakeError


class WrongOrderError(UserMistakeError):
    """The truth was given before the results."""


@dataclass(frozen=True)
class Compare:
    """Compare a results folder with another one, or with optical angles, force plates, events and heels."""

    results: Positional[Path]
    """Folder that replay or refit wrote."""
    other: Positional[Path]
    """Another results folder (live and refit, two sessions, another program's with the same file names), or a trial with
    the truth: a multi-view case, an OpenSim motion (.mot) or its folder, a Pose2Sim trial."""
    skip: float = 0.0
    """Seconds of the session to leave out at the start (a cold start is judged apart)."""
    json: bool = False
    """One JSON object instead of a table."""
    plot: Path | None = None
    """Draw the curves of both into this picture (.png, .pdf or .svg)."""
    offset: float = 0.0
    """Seconds to add to the other's times, where the clocks are known to differ."""
    by: Literal["time", "cycle"] | None = None
    """Two results folders: row by row, or over the gait cycle; found out where not given."""

    def run(self) -> int:
        from kincast.offline.compare_folders import is_results
        from kincast.offline.compare_panels import check_picture

        if self.plot is not None:
            check_picture(self.plot)
        if self.results.exists() and not is_results(self.results) and is_results(self.other):
            raise WrongOrderError(
                f"{self.results} is no results folder; the results come first: kincast compare {self.other} {self.results}"
            )
        return self._folders() if is_results(self.other) else self._truth()

    def _folders(self) -> int:
        from kincast.offline.compare_folders import compare_folders, load_folders
        from kincast.offline.compare_folders_plot import plot_folders
        from kincast.offline.compare_folders_table import folders_table

        comparison = compare_folders(
            self.results, self.other, skip_s=self.skip, offset_s=self.offset, by=self.by
        )
        self._print(comparison.document(), folders_table(comparison))
        if self.plot is not None:
            sides = load_folders(self.results, self.other, skip_s=self.skip, offset_s=self.offset, by=self.by)
            plot_folders(sides, self.plot)
        return 0

    def _truth(self) -> int:
        from kincast.offline.compare import compare, load_sides
        from kincast.offline.compare_plot import plot
        from kincast.offline.compare_table import table

        comparison = compare(self.results, self.other, self.skip, self.offset)
        self._print(comparison.document(), table(comparison))
        if self.plot is not None and comparison.baselines:
            from kincast.offline.compare_points_plot import plot_points

            plot_points(comparison.trial, comparison.baselines, self.plot)
        elif self.plot is not None:
            plot(load_sides(self.results, self.other, self.skip, self.offset), self.plot)
        return 0

    def _print(self, document: dict[str, object], text: str) -> None:
        print(json.dumps(document, allow_nan=False) if self.json else text)
