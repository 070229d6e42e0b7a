"""The twin held against the motions of a library: every clip followed once, figures per clip and over all, KinTwin's beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kincast.models.body import build_body
from kincast.models.errors import UserMistakeError
from kincast.models.twin.expert import Expert, ExpertConfig
from kincast.models.twin.follow import Followed, follow
from kincast.models.twin.model import CONTROL_HZ, Twin, build_twin
from kincast.models.twin.reference import Reference
from kincast.models.twin.tracking import Tracking, summary, tracking_of
from kincast.offline.motion_library.clip import Clip
from kincast.offline.motion_library.index import Library, Split
from kincast.offline.motion_library.reference import reference_of

PUBLISHED: dict[str, dict[str, float]] = {
    "KinTwin torque": {
        "failed_trials_pct": 3.8,
        "all_joints_deg": 0.65,
        "hip_deg": 1.2,
        "knee_deg": 0.9,
        "ankle_deg": 0.7,
        "joint_velocity_deg_s": 8.2,
        "pelvis_mm": 42.0,
        "pelvis_mm_s": 82.0,
    },
    "KinTwin torque, no future": {
        "failed_trials_pct": 6.0,
        "all_joints_deg": 1.45,
        "hip_deg": 2.5,
        "knee_deg": 1.7,
        "ankle_deg": 1.2,
        "joint_velocity_deg_s": 11.2,
        "pelvis_mm": 83.0,
        "pelvis_mm_s": 131.0,
    },
    "KinTwin torque, no residual": {
        "failed_trials_pct": 61.2,
        "all_joints_deg": 1.49,
        "hip_deg": 3.1,
        "knee_deg": 1.9,
        "ankle_deg": 2.2,
        "joint_velocity_deg_s": 15.5,
        "pelvis_mm": 430.0,
        "pelvis_mm_s": 287.0,
    },
}
"""Cotton 2025 (arXiv 2505.13436), people not trained on: other people and clinics than any library here."""


class NothingToEvaluateError(UserMistakeError):
    """A library holds no clip of the split asked for."""


@dataclass(frozen=True)
class Run:
    """One clip followed: ``fitted`` is the motion before its soles were made to respect the floor."""

    clip: Clip
    twin: Twin
    fitted: Reference
    followed: Followed
    tracking: Tracking


@dataclass(frozen=True)
class Evaluation:
    """``clips``: person and name -> figures of :func:`~kincast.models.twin.tracking.summary`; ``fell``: name -> why; ``total`` over all rows."""

    clips: dict[str, dict[str, float]]
    fell: dict[str, str]
    total: dict[str, float]


def run_expert(clip: Clip, config: ExpertConfig | None = None, longest_s: float = float("inf")) -> Run:
    """Follow a clip, or its first ``longest_s`` seconds, with the computed-torque expert."""
    twin = build_twin(build_body(clip.body), clip.sole_drop_m)
    fitted, grounded = reference_of(clip), reference_of(clip, twin)
    rows = min(len(fitted.q), int(min(longest_s, clip.seconds + 1.0) * CONTROL_HZ))
    fitted, grounded = (Reference(*(values[:rows] for values in r)) for r in (fitted, grounded))
    followed = follow(twin, Expert(twin, config), grounded)
    return Run(clip, twin, fitted, followed, tracking_of(followed, fitted, twin.weight_N))


def evaluate(
    library: Library,
    split: Split | None = None,
    config: ExpertConfig | None = None,
    longest_s: float = float("inf"),
    tell: Callable[[str], None] = lambda line: None,
) -> Evaluation:
    """Follow every clip of a library (of one split) with the expert.

    Raises:
        NothingToEvaluateError
        LibraryFormatError, ClipFormatError: a file of the library is missing, changed or damaged.
    """
    if not library.entries(split):
        raise NothingToEvaluateError(f"{library.folder}: no clip in split {split or 'train or test'}")
    clips: dict[str, dict[str, float]] = {}
    fell: dict[str, str] = {}
    trackings = []
    for entry in library.entries(split):
        found = run_expert(library.clip(entry), config, longest_s).tracking
        name = f"{entry.person}: {entry.name}"
        clips[name] = summary([found])
        if found.fell:
            fell[name] = found.fell
        trackings.append(found)
        tell(f"{name}: {found.fell or 'followed to the end'}")
    return Evaluation(clips, fell, summary(trackings))


def table(columns: dict[str, dict[str, float]]) -> str:
    """Figures as text, one line per figure and one column per name; empty where a column has none."""
    figures = list(dict.fromkeys(f for column in columns.values() for f in column))
    lines = [f"{'':24s}" + "".join(f"{name:>29s}" for name in columns)]
    for figure in figures:
        cells = "".join(f"{c[figure]:29.2f}" if figure in c else " " * 29 for c in columns.values())
        lines.append(f"{figure:24s}{cells}".rstrip())
    return "\n".join(lines)
