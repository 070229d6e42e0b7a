"""The live fit over recorded observations: where the refit starts, and what it falls back to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from kincast.models.body import Body
from kincast.models.observations import Observations
from kincast.offline.trajectory.bspline import one_sign
from kincast.offline.trajectory.motion import Motion
from kincast.streaming.fitter import WindowFitter
from kincast.streaming.snapshot import Snapshot

START_RATE_HZ = 29.0


@dataclass(frozen=True)
class LivePoses:
    """Settled poses of the live fit at the rows of the observations; a :class:`Trajectory` by interpolation."""

    t_ns: Int64[np.ndarray, " row"]
    q: Float64[np.ndarray, "row 41"]
    tracked: Bool[np.ndarray, " row"]

    def motion(self, t_ns: Int64[np.ndarray, " time"]) -> Motion:
        """Poses between the tracked ones, at rest beyond them; derivatives by differences."""
        keep = self.tracked if self.tracked.any() else np.ones(len(self.t_ns), bool)
        poses = np.concatenate([self.q[keep, :3], one_sign(self.q[keep, 3:7]), self.q[keep, 7:]], axis=1)
        known = (self.t_ns[keep] - self.t_ns[0]).astype(np.float64)
        asked = (t_ns - self.t_ns[0]).astype(np.float64)
        q = np.stack([np.interp(asked, known, column) for column in poses.T], axis=1)
        q[:, 3:7] /= np.linalg.norm(q[:, 3:7], axis=1, keepdims=True)
        rest = np.zeros((len(t_ns), 40))
        return Motion(np.asarray(t_ns, np.int64), q, rest, rest)


def row_times(observations: Observations) -> Int64[np.ndarray, " row"]:
    """One strictly rising instant per row."""
    t_ns = observations.reference_t_ns.copy()
    for i in range(1, len(t_ns)):
        t_ns[i] = max(t_ns[i], t_ns[i - 1] + 1)
    return t_ns


def live_poses(body: Body, observations: Observations) -> LivePoses:
    """Run the window fitter over the rows, in order; poses at all rows.

    It only has to start the refit near the motion, so of faster recordings every n-th row is enough.
    """
    fitter = WindowFitter(body, observations.cameras, observations.keypoint_set)
    fitter.warm()
    t_ns = row_times(observations)
    settled = []
    for i in range(0, len(t_ns), _stride(t_ns)):
        settled.extend(fitter.step(_snapshot(observations, i, int(t_ns[i]))).settled)
    settled.extend(fitter.flush())
    found = LivePoses(
        np.array([s.t_ns for s in settled], np.int64),
        np.array([s.qpos for s in settled]).reshape(-1, 41),
        np.array([s.tracked for s in settled], bool),
    )
    if len(found.t_ns) == len(t_ns):
        return found
    nearest = np.clip(np.searchsorted(0.5 * (found.t_ns[1:] + found.t_ns[:-1]), t_ns), 0, len(found.t_ns) - 1)
    return LivePoses(t_ns, found.motion(t_ns).q, found.tracked[nearest])


def _stride(t_ns: Int64[np.ndarray, " row"]) -> int:
    """Rows per step of the fitter, which then sees at least ``START_RATE_HZ``."""
    if len(t_ns) < 2:
        return 1
    rate_hz = 1e9 / max(float(np.median(np.diff(t_ns))), 1.0)
    return max(1, int(rate_hz / START_RATE_HZ))


def _snapshot(observations: Observations, row: int, t_ns: int) -> Snapshot:
    keypoints = observations.keypoints[row].astype(np.float32)
    seen = (keypoints[..., 2] > 0).any(axis=-1)
    markers = None if observations.markers is None else observations.markers[row].astype(np.float32)
    return Snapshot(
        row,
        t_ns,
        observations.t_ns[row],
        seen,
        tuple(k[None] if s else k[None][:0] for k, s in zip(keypoints, seen, strict=True)),
        markers,
    )
