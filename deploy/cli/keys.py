"""``kincast keys``: the keys with which engine, nodes and display know each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional


@dataclass(frozen=True)
class Keys:
    """Make key pairs (CURVE) for the engine, the display and camera nodes."""

    action: Positional[Literal["init", "add"]]
    """init: the engine, the display and the nodes named; add: further nodes."""
    folder: Positional[Path]
    """Folder of the keys, as named in the rig file."""
    cameras: Positional[tuple[str, ...]] = ()
    """Names of cameras, as in the rig file."""

    def run(self) -> int:
        from kincast.deploy.keys import DISPLAY, ENGINE, create_keys

        names = [ENGINE, DISPLAY, *self.cameras] if self.action == "init" else list(self.cameras)
        create_keys(self.folder, names)
        for name in names:
            print(f"{self.folder / name}.public  {self.folder / name}.secret")
        return 0
