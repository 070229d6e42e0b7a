"""From a recording to one person's observations, for everything that is fitted in one go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kincast.models.association import AssociatedPerson, associate, selected_person
from kincast.models.body.sites import sites_of
from kincast.models.camera import Camera
from kincast.models.errors import UserMistakeError
from kincast.models.observations import Observations
from kincast.streaming.admission import Admission, Refusal
from kincast.streaming.align import Aligner
from kincast.streaming.messages import KeypointFrame, MarkerFrame, SessionHeader
from kincast.streaming.recording import Recording, read_recording
from kincast.streaming.snapshot import Snapshot

MAX_JUMP_M = 0.5
"""Between two pictures a person does not move further; who does is somebody else."""


class NothingRecordedError(UserMistakeError):
    """The recording holds no picture and no marker of the session."""


def observe(path: Path, cameras: tuple[Camera, ...] | None = None) -> tuple[SessionHeader, Observations]:
    """What the cameras (or the marker system) of a recording saw of the person, one row per Snapshot.

    Where pictures show several people, the one seen by most cameras at first is followed by place. ``cameras``: a
    better calibration of the same cameras than the recorded one.

    Raises:
        NotARecordingError, NothingRecordedError
    """
    recording = read_recording(path)
    header = recording.header
    snapshots = list(_snapshots(recording))
    if not snapshots:
        raise NothingRecordedError(f"{path} holds no keypoints and no markers")
    sites = len(sites_of(header.keypoint_set))
    if header.marker_names:
        rows = [s for s in snapshots if s.markers is not None]
        count = len(rows)
        return header, Observations(
            header.keypoint_set,
            (),
            np.zeros((count, 0), np.int64),
            np.zeros((count, 0, sites, 3), np.float32),
            np.stack([s.markers for s in rows if s.markers is not None]),
            np.array([s.t_ns for s in rows], np.int64),
        )
    cameras = cameras or header.cameras
    follower = _Follower(cameras)
    views = [follower.view(snapshot) for snapshot in snapshots]
    return header, Observations(
        header.keypoint_set,
        cameras,
        np.stack([s.camera_t_ns for s in snapshots]),
        np.stack(views).astype(np.float32),
    )


def _snapshots(recording: Recording) -> Iterator[Snapshot]:
    header = recording.header
    admission = Admission(header)
    aligner = Aligner(len(header.cameras), len(sites_of(header.keypoint_set)))
    for message, receive_ns in recording.inputs():
        if isinstance(message, KeypointFrame):
            closed = aligner.advance(receive_ns)
            if closed is not None:
                yield closed
            admitted = admission.picture(message, receive_ns)
            if not isinstance(admitted, Refusal):
                camera, people = admitted
                yield from aligner.picture(camera, message.t_ns, people, receive_ns)
        elif isinstance(message, MarkerFrame):
            markers = admission.markers(message)
            if not isinstance(markers, Refusal):
                yield from aligner.markers(message.t_ns, markers)
    last = aligner.close()
    if last is not None:
        yield last


class _Follower:
    """Keeps to one person from picture to picture by where they stand."""

    def __init__(self, cameras: tuple[Camera, ...]) -> None:
        self._cameras = cameras
        self._place: np.ndarray | None = None

    def view(self, snapshot: Snapshot) -> np.ndarray:
        """(C, K, 3) keypoints of the person followed, zeros where a camera does not see them."""
        people = snapshot.people
        if all(len(p) <= 1 for p in people):
            return selected_person(people, np.array([len(p) - 1 for p in people]))
        found = associate(self._cameras, people)
        if not found:
            return selected_person(people, np.full(len(people), -1))
        person = found[0] if self._place is None else min(found, key=self._distance)
        if self._place is not None and self._distance(person) > MAX_JUMP_M:
            return selected_person(people, np.full(len(people), -1))
        self._place = _place(person)
        return person.keypoints

    def _distance(self, person: AssociatedPerson) -> float:
        return float(np.linalg.norm(_place(person) - self._place))


def _place(person: AssociatedPerson) -> np.ndarray:
    return np.median(person.triangulated.points[person.triangulated.valid], axis=0)[:2]
