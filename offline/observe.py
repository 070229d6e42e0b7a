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
from kincast.streaming.health import findings
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
    return observe_with_findings(path, cameras)[:2]


def observe_with_findings(
    path: Path, cameras: tuple[Camera, ...] | None = None
) -> tuple[SessionHeader, Observations, tuple[str, ...]]:
    """The same, and what of the recording could not be used and why, in sentences.

    Raises:
        NotARecordingError, NothingRecordedError
    """
    recording = read_recording(path)
    header = recording.header
    cameras = cameras or header.cameras
    follower = _Follower(cameras)
    door = _Door(header)
    t_ns: list[np.ndarray | int] = []
    seen: list[np.ndarray] = []
    for snapshot in door.snapshots(recording):
        if not header.marker_names:
            t_ns.append(snapshot.camera_t_ns)
            seen.append(follower.view(snapshot).astype(np.float32))
        elif snapshot.markers is not None:
            t_ns.append(snapshot.t_ns)
            seen.append(snapshot.markers)
    said = door.findings()
    if recording.lost.unfinished:
        said = (*said, f"{path.name} was never closed (crash, or copy cut short): its end is missing")
    if not seen:
        why = f": {said[0]}" if said else "; check that the detector ran and was connected"
        more = f" (and {len(said) - 1} more like it)" if len(said) > 1 else ""
        raise NothingRecordedError(f"{path} holds no keypoints and no markers of its session{why}{more}")
    if not header.marker_names:
        return header, Observations(header.keypoint_set, cameras, np.stack(t_ns), np.stack(seen)), said
    rows, sites = len(seen), len(sites_of(header.keypoint_set))
    none = np.zeros((rows, 0), np.int64), np.zeros((rows, 0, sites, 3), np.float32)
    found = Observations(header.keypoint_set, (), *none, np.stack(seen), np.array(t_ns, np.int64))
    return header, found, said


class _Door:
    """Messages become snapshots as in the engine; what is refused is counted."""

    def __init__(self, header: SessionHeader) -> None:
        self._header = header
        self._admission = Admission(header)
        self._aligner = Aligner(len(header.cameras), len(sites_of(header.keypoint_set)))

    def snapshots(self, recording: Recording) -> Iterator[Snapshot]:
        """All of the recording."""
        for message, receive_ns in recording.inputs():
            if isinstance(message, KeypointFrame):
                closed = self._aligner.advance(receive_ns)
                if closed is not None:
                    yield closed
                admitted = self._admission.picture(message, receive_ns)
                if not isinstance(admitted, Refusal):
                    camera, people = admitted
                    yield from self._aligner.picture(camera, message.t_ns, people, receive_ns)
            elif isinstance(message, MarkerFrame):
                markers = self._admission.markers(message)
                if not isinstance(markers, Refusal):
                    yield from self._aligner.markers(message.t_ns, markers)
        last = self._aligner.close()
        if last is not None:
            yield last

    def findings(self) -> tuple[str, ...]:
        """What was refused and why."""
        return findings(self._header, self._admission, self._aligner, {})


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
