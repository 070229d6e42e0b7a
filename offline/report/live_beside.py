"""What the live path said of the same recording, beside the results of this report: a few figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kincast.offline.angle_errors import MAIN
from kincast.offline.compare_difference import Difference
from kincast.offline.compare_folders import RowComparison, body_weight_N, compare_folders


def live_beside(live: Path, folder: Path) -> tuple[tuple[str, str], ...]:
    """Label and figure, live minus this report; empty where the two share no time.

    Raises:
        FileMissingError and the readers' errors.
    """
    found = compare_folders(live, folder)
    return () if found.time is None else tuple(_figures(found.time, body_weight_N(found)))


def _figures(rows: RowComparison, weight_N: float | None) -> Iterator[tuple[str, str]]:
    angles = [rows.angles_deg[n] for n in MAIN if n in rows.angles_deg]
    if angles:
        within, raw = (float(np.median([getattr(d, k) for d in angles])) for k in ("sd", "rmse"))
        yield "Hip, knee and ankle, median RMSE", f"{raw:.1f}°; mean removed {within:.1f}°"
    if weight_N:
        for name in ("vertical", "fore-aft"):
            share = _both_feet([rows.forces_N.get(f"{side} {name}") for side in ("left", "right")], weight_N)
            if share is not None:
                yield f"Force on the feet, {name}, RMSE", f"{share:.1f} % BW"
    for kind, word in (("foot_strike", "Foot strikes"), ("foot_off", "Foot offs")):
        events = rows.events.get(kind)
        if events is not None and events.median_abs_ms is not None:
            one_side = events.only_first + events.only_second
            alone = f"; {one_side} on one side only" if one_side else ""
            yield f"{word}, median difference", f"{events.median_abs_ms:.0f} ms ({events.both}{alone})"


def _both_feet(feet: list[Difference | None], weight_N: float) -> float | None:
    known = [d.rmse for d in feet if d is not None]
    return 100.0 * float(np.sqrt(np.mean(np.square(known)))) / weight_N if known else None
