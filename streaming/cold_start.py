"""Gathering the first seconds of an unknown person, from which the body is estimated aside."""

from __future__ import annotations

import numpy as np

from kincast.models.fit_result import FitResult
from kincast.models.observations import Observations
from kincast.streaming.messages import SessionHeader
from kincast.streaming.snapshot import Snapshot

BODY_AFTER_S = (1.0, 5.0)
"""A first body soon, so that something sensible is on the screen; a better one from more steps, then frozen."""
RETRY_S = 5.0
MIN_SNAPSHOTS = 30
MAX_SNAPSHOTS = 1200


class BodyGatherer:
    """Keeps what the cameras saw of the person followed, until that is enough for a body.

    ``ready`` becomes true at each of ``after_s`` seconds of stream after the person was first seen.
    ``done`` once the last of them was asked for; :meth:`again` asks for one more attempt later.
    """

    def __init__(self, header: SessionHeader, keypoints: int, after_s: tuple[float, ...]) -> None:
        self._header = header
        self._keypoints = keypoints
        self._stages_ns = [int(s * 1e9) for s in after_s]
        self._first_ns: int | None = None
        self._times: list[np.ndarray] = []
        self._views: list[np.ndarray] = []
        self._markers: list[np.ndarray] = []
        self._marker_t_ns: list[int] = []
        self._last_ns = 0
        self.ready = False

    @property
    def done(self) -> bool:
        """Every stage was asked for and taken."""
        return not self._stages_ns and not self.ready

    def again(self) -> None:
        """The body could not be estimated: try again when more has come."""
        if not self._stages_ns and self._first_ns is not None:
            self._stages_ns.append(self._last_ns - self._first_ns + int(RETRY_S * 1e9))

    def add(self, snapshot: Snapshot, fit: FitResult) -> None:
        """One snapshot and the answer to it."""
        if snapshot.markers is not None:
            seen = bool(np.any(snapshot.markers[:, 3] > 0))
            if seen and len(self._markers) < MAX_SNAPSHOTS:
                self._markers.append(snapshot.markers)
                self._marker_t_ns.append(snapshot.t_ns)
        else:
            chosen = fit.cameras.person_index
            seen = int((chosen >= 0).sum()) >= 2
            if seen and len(self._views) < MAX_SNAPSHOTS:
                view = np.zeros((len(chosen), self._keypoints, 3), np.float32)
                for camera, person in enumerate(chosen):
                    if 0 <= person < len(snapshot.people[camera]):
                        view[camera] = snapshot.people[camera][person]
                self._views.append(view)
                self._times.append(snapshot.camera_t_ns)
        self._last_ns = snapshot.t_ns
        if seen and self._first_ns is None:
            self._first_ns = snapshot.t_ns
        enough = len(self._views) + len(self._markers) >= MIN_SNAPSHOTS
        if enough and self._stages_ns and snapshot.t_ns - (self._first_ns or 0) >= self._stages_ns[0]:
            del self._stages_ns[0]
            self.ready = True

    def observations(self) -> Observations:
        """What was gathered so far; ``ready`` is false until more has come."""
        self.ready = False
        cameras = len(self._header.cameras)
        if self._markers:
            count = len(self._markers)
            return Observations(
                self._header.keypoint_set,
                (),
                np.zeros((count, 0), np.int64),
                np.zeros((count, 0, self._keypoints, 3), np.float32),
                np.stack(self._markers),
                np.array(self._marker_t_ns, np.int64),
            )
        return Observations(
            self._header.keypoint_set,
            self._header.cameras,
            np.stack(self._times).reshape(-1, cameras),
            np.stack(self._views),
        )
