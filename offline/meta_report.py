"""What a learned base body says, in a few lines for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kincast.models.base_body import BaseBody, generic_base
from kincast.models.body import SCALES
from kincast.models.body.sites import sites_of
from kincast.offline.meta import moved_mm

FEW_PEOPLE = 20
MOST_MOVED = 6


def report_lines(base: BaseBody, before: BaseBody | None, left_out: Mapping[str, str]) -> tuple[str, ...]:
    """People, the sites that moved most, how people differ, and who was left out and why."""
    first = before or generic_base(base.keypoint_set)
    moved = 1000 * (base.mean - first.mean)[8:].reshape(-1, 3)
    sd = np.sqrt(np.diag(base.covariance))
    spread = 1000 * sd[8:].reshape(-1, 3)
    names = tuple(sites_of(base.keypoint_set))
    lines = [
        f"{base.keypoint_set}: {base.people} people, {base.recordings} recordings; sites moved {moved_mm(first, base):.1f} mm (rms)"
    ]
    for i in np.argsort(-np.linalg.norm(moved, axis=1))[:MOST_MOVED]:
        place = " ".join(f"{v:+6.1f}" for v in moved[i])
        people = " ".join(f"{v:5.1f}" for v in spread[i])
        lines.append(f"{names[i]:14s} {place} mm (x ahead, y up, z right), between people sd {people} mm")
    lines += [
        f"{n:14s} {np.exp(m):6.3f}  sd {s:.3f}" for n, m, s in zip(SCALES, base.mean[:8], sd[:8], strict=True)
    ]
    if base.people < FEW_PEOPLE:
        lines.append(
            f"{base.people} people are few: most of the spread, and what keypoints do not show, is still that of the earlier base"
        )
    lines += [f"left out: {name}: {why}" for name, why in left_out.items()]
    return tuple(lines)
