"""Which keypoint set a source is in: said by the user or the project, else by the number of points where that decides."""

from __future__ import annotations

from kincast.models.body.sites import KEYPOINT_SETS
from kincast.streaming.importers.errors import KeypointSetError

POSE2SIM_MODELS = {
    "BODY_WITH_FEET": "HALPE_26",
    "HALPE_26": "HALPE_26",
    "WHOLE_BODY": "COCO_133",
    "WHOLE_BODY_WRIST": "COCO_133",
    "COCO_133": "COCO_133",
    "BODY_25": "BODY_25",
    "BODY_25B": "BODY_25B",
}
"""Pose2Sim's ``pose_model`` (upper case) -> keypoint set."""


def resolve(n_points: int, declared: str | None, where: str) -> str:
    """The name of the set with ``n_points`` points.

    Raises:
        KeypointSetError: ``declared`` is unknown or has another number of points; or nothing was declared
            and no set, or more than one, has that many.
    """
    sizes = {name: len(points) for name, points in KEYPOINT_SETS.items()}
    known = ", ".join(f"{name} ({size})" for name, size in sizes.items())
    if declared is not None:
        if declared not in sizes:
            raise KeypointSetError(f"{where}: keypoint set '{declared}' is unknown; choose from {known}")
        if sizes[declared] != n_points:
            raise KeypointSetError(
                f"{where}: people have {n_points} keypoints, but {declared} has {sizes[declared]}; choose from {known}"
            )
        return declared
    candidates = [name for name, size in sizes.items() if size == n_points]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise KeypointSetError(
            f"{where}: {n_points} keypoints may be {' or '.join(candidates)}; say which with --keypoints"
        )
    raise KeypointSetError(f"{where}: no keypoint set has {n_points} points; choose from {known}")
