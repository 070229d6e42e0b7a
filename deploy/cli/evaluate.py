"""``kincast evaluate``: the twin follows a library's motions; its errors, residual and forces, KinTwin's published ones beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg


@dataclass(frozen=True)
class Evaluate:
    """Follow every clip of a motion library in simulation with the computed-torque expert and report how well."""

    library: Positional[Path]
    """Folder that `kincast library` wrote."""
    split: Literal["train", "validation", "test", "all"] = "test"
    """Whose motions: people trained on, kept for choosing or for testing, or all. The expert is trained on nobody."""
    residual: float = float("inf")
    """Greatest residual force at the pelvis, in body weights."""
    longest: float = float("inf")
    """Only so many seconds of each clip."""
    output: Annotated[Path | None, arg(aliases=["-o"])] = None
    """All figures as JSON into this file."""

    def run(self) -> int:
        import json

        from kincast.models.twin.expert import ExpertConfig
        from kincast.offline.motion_library.index import Library
        from kincast.offline.twin_evaluation import PUBLISHED, evaluate, table

        split = None if self.split == "all" else self.split
        config = ExpertConfig(residual_limit=self.residual)
        found = evaluate(Library(self.library), split, config, self.longest, tell=print)
        print(table({"computed-torque expert": found.total, **PUBLISHED}))
        if self.output is not None:
            document = {
                "policy": "computed-torque expert",
                "split": self.split,
                "residual_limit_bw": None if self.residual == float("inf") else self.residual,
                "total": found.total,
                "fell": found.fell,
                "clips": found.clips,
                "published": PUBLISHED,
            }
            self.output.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            print(self.output)
        return 0
