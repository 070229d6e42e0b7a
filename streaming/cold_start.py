"""Gathering the first seconds of an unknown person, from which the body is estimated aside."""

from __future__ import annotations

import numpy as np

from kincast.models.fit_result import FitResult
from kincast.models.observations import Observations
from kincast.streaming.messages import SessionHeader
from kincast.streaming.snapshot import Snapshot

BODY_AFTER_S = (0.5, 5.0)
"""A first body soon, so that something sensible is on the screen; a better one from more steps, then frozen."""
RETRY_S = 5.0
MIN_SNAPSHOTS = 15
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
        cameras = len(header.cameras)
        # made at once (the system gives the memory as it is touched): nothing is copied when the body is wanted
        self._count = 0
        self._t_ns = np.zeros((MAX_SNAPSHOTS, max(cameras, 1)), np.int64)
        self._views = np.zeros((MAX_SNAPSHOTS, cameras, keypoints, 3), np.float32)
        self._markers = np.zeros((0 if cameras else MAX_SNAPSHOTS, keypoints, 4), np.float32)
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
        seen = (
            self._keep_markers(snapshot) if snapshot.markers is not None else self._keep_views(snapshot, fit)
        )
        self._last_ns = snapshot.t_ns
        if seen and self._first_ns is None:
            self._first_ns = snapshot.t_ns
        enough = self._count >= MIN_SNAPSHOTS
        if enough and self._stages_ns and snapshot.t_ns - (self._first_ns or 0) >= self._stages_ns[0]:
            del self._stages_ns[0]
            self.ready = True

    def observations(self) -> Observations:
        """What was gathered so far; ``ready`` is false until more has come. Later snapshots do not change it."""
        self.ready = False
        count = self._count
        if not self._header.cameras:
            return Observations(
                self._header.keypoint_set,
                (),
                np.zeros((count, 0), np.int64),
                np.zeros((count, 0, self._keypoints, 3), np.float32),
                self._markers[:count],
                self._t_ns[:count, 0],
            )
        return Observations(
            self._header.keypoint_set, self._header.cameras, self._t_ns[:count], self._views[:count]
        )

    def _keep_markers(self, snapshot: Snapshot) -> bool:
        assert snapshot.markers is not None
        seen = bool(np.any(snapshot.markers[:, 3] > 0))
        if seen and self._count < MAX_SNAPSHOTS:
            self._markers[self._count] = snapshot.markers
            self._t_ns[self._count] = snapshot.t_ns
            self._count += 1
        return seen

    def _keep_views(self, snapshot: Snapshot, fit: FitResult) -> bool:
        """The person followed, if two cameras or more see it."""
        chosen = fit.cameras.person_index
        seen = int((chosen >= 0).sum()) >= 2
        if seen and self._count < MAX_SNAPSHOTS:
            view = self._views[self._count]
            for camera, person in enumerate(chosen):
                if 0 <= person < len(snapshot.people[camera]):
                    view[camera] = snapshot.people[camera][person]
            self._t_ns[self._count] = snapshot.camera_t_ns
            self._count += 1
        return seen
