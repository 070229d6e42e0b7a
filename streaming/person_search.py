"""Looking for the person: detections associated over cameras, triangulated, and a first pose laid onto the points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from kincast.models.association import associate
from kincast.models.body import Body
from kincast.models.camera import Camera
from kincast.models.fit_result import FitCode
from kincast.models.initial_pose import InitialPoseCode, initial_pose
from kincast.streaming.detections import Detections
from kincast.streaming.fitter_config import FitterConfig
from kincast.streaming.snapshot import Snapshot


class PersonSearch:
    """State: every camera's newest picture."""

    def __init__(self, cameras: Sequence[Camera], detections: Detections, config: FitterConfig) -> None:
        self._cameras = tuple(cameras)
        self._detections = detections
        self._config = config
        self._newest: dict[int, tuple[int, np.ndarray]] = {}

    def aim(self, cameras: Sequence[Camera]) -> None:
        """These numbers of the same cameras from now on."""
        self._cameras = tuple(cameras)

    def remember(self, snapshot: Snapshot) -> None:
        """Keep each camera's newest picture, on time or late."""
        for late in snapshot.late:
            self._newest[late.camera_index] = (late.t_ns, late.people)
        for c in np.flatnonzero(snapshot.present):
            self._newest[int(c)] = (int(snapshot.camera_t_ns[c]), snapshot.people[c])

    def completed(self, snapshot: Snapshot) -> Snapshot:
        """Free-running cameras that are not in yet lend their picture before: one alone shows no depth."""
        camera_t_ns, present, people = (
            snapshot.camera_t_ns.copy(),
            snapshot.present.copy(),
            list(snapshot.people),
        )
        for c, (t_ns, seen) in self._newest.items():
            if not present[c] and abs(snapshot.t_ns - t_ns) <= self._config.search_over_s * 1e9:
                camera_t_ns[c], present[c], people[c] = t_ns, True, seen
        return replace(snapshot, camera_t_ns=camera_t_ns, present=present, people=tuple(people))

    def found(
        self, body: Body, snapshot: Snapshot
    ) -> tuple[Float[np.ndarray, "41"] | None, Int[np.ndarray, " camera"], FitCode]:
        """A first pose, which person of each camera it is (-1: none), and why there is none."""
        nobody = np.full(len(self._cameras), -1)
        if snapshot.markers is not None:
            markers = np.asarray(snapshot.markers, np.float64)
            seen = (markers[:, 3] > 0) & np.isfinite(markers).all(axis=1)
            first = initial_pose(body, np.where(seen[:, None], markers[:, :3], 0.0), seen)
            if first.code == InitialPoseCode.OK:
                return first.qpos, nobody, FitCode.OK
        if sum(len(p) > 0 for p in snapshot.people) < 2:
            return None, nobody, FitCode.NOT_ENOUGH_VIEWS
        people = [self._detections.usable(c, p) for c, p in enumerate(snapshot.people)]
        for person in associate(self._cameras, people):
            first = initial_pose(body, person.triangulated.points, person.triangulated.valid)
            if first.code == InitialPoseCode.OK:
                return first.qpos, np.asarray(person.person_index), FitCode.OK
        return None, nobody, FitCode.INITIALISING
