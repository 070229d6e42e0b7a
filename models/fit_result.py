"""What the window fitter says after every snapshot. Plain NumPy; imports no JAX."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64


class FitCode(enum.IntEnum):
    """Outcome of one step; a live loop looks at codes, it does not catch exceptions."""

    OK = 0
    INITIALISING = 1
    """Nobody was found yet; poses are the last known (or the rest pose) and marked untracked."""
    NOT_ENOUGH_VIEWS = 2
    """Too few keypoints at this instant; the pose is predicted by the motion model."""
    DIVERGED = 3
    """The solver produced a non-finite pose; the window was restarted from its last finite pose."""
    LOST = 4
    """The pose no longer explains the pictures; a new start is being sought."""


@dataclass(frozen=True)
class SettledPose:
    """The fit's last word on the instant ``t_ns`` of snapshot ``seq``.

    ``qpos`` and ``qvel`` as in :mod:`kincast.models.coordinates`. ``sd`` and ``sd_within`` are standard
    deviations of the 40 file coordinates (order ``COORDINATES``, radians and metres): total, and around the
    trial's own mean (without the part that body shape and keypoint attachment shift for the whole trial).
    ``tracked`` is false while no person was being followed; the numbers are then the last known.
    """

    seq: int
    t_ns: int
    qpos: Float64[np.ndarray, "41"]
    qvel: Float64[np.ndarray, "40"]
    sd: Float64[np.ndarray, "40"]
    sd_within: Float64[np.ndarray, "40"]
    tracked: bool


@dataclass(frozen=True)
class CameraStatistics:
    """Per camera, at the snapshot's newest pose. ``error_px`` is NaN where a keypoint was not detected.

    ``weight`` is the slow trust in the camera (1 normal, towards 0 for one that was moved or died);
    ``knocked`` says it disagrees with the others for long enough to be flagged.
    """

    present: Bool[np.ndarray, "camera"]
    person_index: Int64[np.ndarray, "camera"]
    median_px: Float32[np.ndarray, "camera"]
    inlier_share: Float32[np.ndarray, "camera"]
    swapped: Bool[np.ndarray, "camera"]
    weight: Float32[np.ndarray, "camera"]
    knocked: Bool[np.ndarray, "camera"]
    error_px: Float32[np.ndarray, "camera keypoint"]
    confidence: Float32[np.ndarray, "camera keypoint"]


@dataclass(frozen=True)
class WindowState:
    """The poses still being refined, oldest first, the last one at the snapshot's own instant."""

    seq: Int64[np.ndarray, "window"]
    t_ns: Int64[np.ndarray, "window"]
    qpos: Float64[np.ndarray, "window 41"]
    qvel: Float64[np.ndarray, "window 40"]


@dataclass(frozen=True)
class FitResult:
    """Answer to one snapshot.

    ``now_qpos`` is the pose at the snapshot's own instant (for drawing); ``settled`` holds the poses that
    became final with this step, one per step once the stream has warmed up, in order, none twice. Poses of
    ``window`` newer than the settled ones may still change.
    """

    seq: int
    t_ns: int
    code: FitCode
    now_qpos: Float64[np.ndarray, "41"]
    window: WindowState
    settled: tuple[SettledPose, ...]
    cameras: CameraStatistics
