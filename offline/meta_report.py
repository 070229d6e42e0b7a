"""What a learned base body says, in a few lines for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kincast.models.base_body import BaseBody, generic_base
from kincast.models.body import SCALES
from kincast.models.body.sites import sites_of
from kincast.models.mirrored_sites import left_right_pairs
from kincast.offline.meta import moved_mm
from kincast.offline.meta_check import MIN_MEASURED, LeftOut

FEW_PEOPLE = 20
MOST_MOVED = 6


VERDICTS = {
    "better": "recommended: people it was not learned from had lower raw joint angle errors with it",
    "worse": "NOT recommended: people it was not learned from had no lower raw joint angle errors with it; --base will refuse it",
    "unverified": f"not verified: fewer than {MIN_MEASURED} people with measured joint angles ([optical]) can tell; keypoints alone cannot",
}


def check_lines(check: LeftOut) -> tuple[str, ...]:
    """People left out, before and after, and the verdict."""
    lines = []
    for figure, (before, after) in check.medians().items():
        better, of = check.better(figure)
        lines.append(
            f"left out: {figure:18s} {before:6.2f} -> {after:6.2f} ({after / before - 1:+.0%}), lower for {better} of {of} people"
        )
    return (*lines, VERDICTS[check.verdict()])


def report_lines(base: BaseBody, before: BaseBody | None, unused: Mapping[str, str]) -> tuple[str, ...]:
    """People, the sites that moved most, and who was not used and why."""
    first = before or generic_base(base.keypoint_set)
    moved = 1000 * (base.mean - first.mean)[8:].reshape(-1, 3)
    names = tuple(sites_of(base.keypoint_set))
    lines = [
        f"{base.keypoint_set}: {base.people} people, {base.recordings} recordings; sites moved {moved_mm(first, base):.1f} mm (rms)"
    ]
    left = {i for i, _ in left_right_pairs(base.keypoint_set)}  # alike
    order = [i for i in np.argsort(-np.linalg.norm(moved, axis=1)) if i not in left]
    for i in order[:MOST_MOVED]:
        place = " ".join(f"{v:+6.1f}" for v in moved[i])
        lines.append(f"{names[i]:14s} {place} mm (x ahead, y up, z right)")
    lines += [f"{n:14s} {np.exp(m):6.3f}" for n, m in zip(SCALES, base.mean[:8], strict=True)]
    if base.people < FEW_PEOPLE:
        lines.append(f"{base.people} people are few: what they hardly show is still that of the earlier base")
    lines += [f"not used: {name}: {why}" for name, why in unused.items()]
    return tuple(lines)
