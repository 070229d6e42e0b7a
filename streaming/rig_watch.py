"""The rig's aim, watched while a person is followed: cameras whose calibration is off by a constant shift.

Runs beside the solver in float64 a few times a second (:mod:`kincast.models.rig_shift`). A rig that is calibrated well is left
exactly as it is. Where shifts stand out, the cameras in use are the corrected ones, which is told (findings, flags,
cameras.toml) and not hidden: the rig should be calibrated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from kincast.models.camera import Camera, camera_arrays, project_with_jacobian
from kincast.models.rig_shift import (
    MIN_CAMERAS,
    RigShiftConfig,
    focal_px,
    is_real,
    most_likely_shift,
    shift_terms,
    shifted,
    too_far,
)

REMAINING_SHARE = 0.4
"""Of the newest look in what is remembered of the residuals."""


@dataclass(frozen=True)
class RigWatchConfig:
    """A look every ``every_s``, after ``early_s`` every ``later_s``; the first verdict after ``after_s``; older looks
    fade over ``memory_s``.

    The cameras in use change only when some shift moved by ``step_px``, so that the world does not creep.
    """

    shift: RigShiftConfig = field(default_factory=RigShiftConfig)
    every_s: float = 0.1
    after_s: float = 0.25
    early_s: float = 2.0
    later_s: float = 1.0
    memory_s: float = 20.0
    step_px: float = 1.0
    max_keypoints: int = 32


class RigWatch:
    """``cameras``: those to use. ``shift_px`` (C, 2): their shifts against the given calibration, zero mostly.
    ``too_far`` (C,): shifts beyond correction."""

    def __init__(self, cameras: Sequence[Camera], config: RigWatchConfig) -> None:
        self._config = config
        self._given = tuple(cameras)
        self._values = camera_arrays(self._given) if cameras else None
        self._focal_px = focal_px(self._given)
        count = len(self._given)
        self._matrix = np.zeros((2 * count, 2 * count))
        self._rhs = np.zeros(2 * count)
        self._weight = 0.0
        self._remaining_px = 0.0
        self._believed_px = np.zeros((count, 2))
        self._since_s = np.inf
        self._watched_s = 0.0
        self._looks = 0
        self.cameras = self._given
        self.shift_px: Float[np.ndarray, "camera 2"] = np.zeros((count, 2))
        self.too_far: Bool[np.ndarray, " camera"] = np.zeros(count, bool)

    def due(self, interval_s: float) -> bool:
        """Whether the snapshot ``interval_s`` after the one before should be looked at."""
        self._since_s += interval_s
        self._watched_s += interval_s
        config = self._config
        wait_s = config.every_s if self._watched_s < config.early_s else config.later_s
        return len(self._given) >= MIN_CAMERAS and self._since_s >= wait_s

    def look(
        self,
        pixels: Float[np.ndarray, "camera keypoint 2"],
        seen: Bool[np.ndarray, "camera keypoint"],
        sites_m: Float[np.ndarray, "camera keypoint 3"],
    ) -> bool:
        """Take in one picture per camera and the model's sites at each camera's instant; whether ``cameras`` changed.

        ``seen``: detections that count; leave out cameras that were knocked.
        """
        config = self._config
        elapsed_s = min(self._since_s, config.later_s)
        self._since_s = 0.0
        step = max(1, -(-pixels.shape[1] // config.max_keypoints))
        some = slice(self._looks % step, None, step)
        self._looks += 1
        pixels, seen, sites_m = pixels[:, some], seen[:, some], sites_m[:, some]
        if ((seen.sum(axis=0) >= MIN_CAMERAS).sum()) < 5:
            return False
        assert self._values is not None
        projected, jacobian = project_with_jacobian(self._values, sites_m.astype(np.float64))
        residual = pixels - np.asarray(projected)
        terms = shift_terms(residual, np.asarray(jacobian), seen, self._believed_px, config.shift)
        keep = float(np.exp(-elapsed_s / config.memory_s))
        self._matrix = keep * self._matrix + step * terms.matrix
        self._rhs = keep * self._rhs + step * terms.rhs
        self._weight = keep * self._weight + 1.0
        self._believed_px = most_likely_shift(
            self._matrix / self._weight, self._rhs / self._weight, self._focal_px, config.shift
        )
        share = max(REMAINING_SHARE, 1.0 / self._looks)
        self._remaining_px += share * (terms.remaining_px(self._believed_px) - self._remaining_px)
        return self._watched_s >= config.after_s and self._decide()

    def _decide(self) -> bool:
        config = self._config
        already = bool(self.shift_px.any() or self.too_far.any())
        wanted, far = np.zeros_like(self.shift_px), np.zeros_like(self.too_far)
        if is_real(self._believed_px, self._remaining_px, config.shift, already):
            far = too_far(self._believed_px, self._focal_px, config.shift)
            wanted = np.where(far[:, None], 0.0, self._believed_px)
        moved = np.linalg.norm(wanted - self.shift_px, axis=1).max(initial=0.0)
        if moved < config.step_px and (far == self.too_far).all():
            return False
        self.shift_px, self.too_far = wanted, far
        self.cameras = shifted(self._given, wanted) if wanted.any() else self._given
        return True
