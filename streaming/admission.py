"""Which pictures may enter: each message is used, mended or refused, and every refusal is counted by its reason.

Broken senders are ordinary in a clinic (a node restarted with a wrong clock, a detector that emits NaN). A
keypoint that is not finite or lies far outside the picture becomes absent; a picture whose time runs
backwards, repeats, or runs ahead of everybody else's is refused whole.
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from kincast.models.body.sites import sites_of
from kincast.streaming.marker_columns import MarkerColumns
from kincast.streaming.messages import KeypointFrame, MarkerFrame, SessionHeader

People = Float32[np.ndarray, "people keypoint 3"]

MARKERS = "markers"
"""What a Dropped message calls the source of markers."""
MAX_PEOPLE = 32
MAX_MARKER_DISTANCE_M = 100.0
PICTURE_MARGIN = 0.5
"""Detectors place limbs a little outside the picture; half a picture's size outside is still believed."""
CLOCK_ERROR_NS = 5_000_000
"""Clocks of a working rig agree better than this; a picture that is further in the future is suspicious."""
AHEAD_NS = 50_000_000
"""A suspicious picture this much less delayed than the median camera's has a clock that runs ahead."""
JUMP_NS = 1_000_000_000
"""With fewer than three cameras to compare, only a jump of one camera's own clock by this much is seen."""


class Refusal(enum.StrEnum):
    """Why a message, or a keypoint of it, was not used."""

    UNKNOWN_CAMERA = "unknown_camera"
    KEYPOINT_SET = "keypoint_set"
    KEYPOINT_COUNT = "keypoint_count"
    TOO_MANY_PEOPLE = "too_many_people"
    TIME_BACKWARDS = "time_backwards"
    DUPLICATE = "duplicate"
    CLOCK_AHEAD = "clock_ahead"
    KEYPOINT_NOT_FINITE = "keypoint_not_finite"
    KEYPOINT_OUTSIDE = "keypoint_outside_picture"


@dataclass
class Intake:
    """What came from one camera so far; ``refused`` counts pictures and, for ``keypoint_*``, keypoints."""

    size_px: tuple[int, int]
    frames: int = 0
    last_t_ns: int | None = None
    delay_ns: int | None = None
    dropped: int = 0
    refused: Counter[Refusal] = field(default_factory=Counter)


class Admission:
    """The door of the engine; a function of the messages and their receive stamps alone.

    Raises:
        UnknownSiteSetError: the session's keypoint or marker set is not known.
    """

    def __init__(self, header: SessionHeader) -> None:
        self._keypoint_set = header.keypoint_set
        self._keypoints = len(sites_of(header.keypoint_set))
        self.marker_columns = MarkerColumns.of(header)
        self._index = {camera.name: i for i, camera in enumerate(header.cameras)}
        self.cameras = tuple(Intake(camera.size_px) for camera in header.cameras)
        self.refused: Counter[Refusal] = Counter()
        """Messages of no camera of the rig, and markers."""
        self.dropped_markers = 0
        self._last_marker_t_ns: int | None = None

    def dropped(self, camera: str, count: int) -> None:
        """Whole pictures of ``camera`` (or MARKERS) never came here: skipped while the engine was behind, or unreadable."""
        index = self._index.get(camera)
        if index is not None:
            self.cameras[index].dropped += max(0, count)
        elif camera == MARKERS:
            self.dropped_markers += max(0, count)

    def picture(self, frame: KeypointFrame, receive_ns: int) -> tuple[int, People] | Refusal:
        """(camera index, cleaned people) of an admitted picture, or why it is refused."""
        index = self._index.get(frame.camera)
        if index is None:
            self.refused[Refusal.UNKNOWN_CAMERA] += 1
            return Refusal.UNKNOWN_CAMERA
        intake = self.cameras[index]
        refusal = self._refusal(frame, intake, receive_ns)
        if refusal is not None:
            intake.refused[refusal] += 1
            return refusal
        intake.frames += 1
        intake.last_t_ns = frame.t_ns
        intake.delay_ns = receive_ns - frame.t_ns
        intake.dropped += max(0, frame.dropped)
        return index, _cleaned(frame.people, intake)

    def markers(self, frame: MarkerFrame) -> Float32[np.ndarray, "site 4"] | Refusal:
        """Cleaned markers of an admitted instant in the order of the sites, or why it is refused."""
        last = self._last_marker_t_ns
        if frame.markers.shape[0] != len(self.marker_columns.names):
            refusal = Refusal.KEYPOINT_COUNT
        elif last is not None and frame.t_ns <= last:
            refusal = Refusal.DUPLICATE if frame.t_ns == last else Refusal.TIME_BACKWARDS
        else:
            self._last_marker_t_ns = frame.t_ns
            return self.marker_columns.to_sites(self._cleaned_markers(frame.markers))
        self.refused[refusal] += 1
        return refusal

    def _refusal(self, frame: KeypointFrame, intake: Intake, receive_ns: int) -> Refusal | None:
        if frame.keypoint_set != self._keypoint_set:
            return Refusal.KEYPOINT_SET
        if frame.people.shape[1] != self._keypoints:
            return Refusal.KEYPOINT_COUNT
        if frame.people.shape[0] > MAX_PEOPLE:
            return Refusal.TOO_MANY_PEOPLE
        if intake.last_t_ns is not None and frame.t_ns <= intake.last_t_ns:
            return Refusal.DUPLICATE if frame.t_ns == intake.last_t_ns else Refusal.TIME_BACKWARDS
        if self._runs_ahead(intake, receive_ns - frame.t_ns):
            return Refusal.CLOCK_AHEAD
        return None

    def _runs_ahead(self, intake: Intake, delay_ns: int) -> bool:
        """A picture from the future by our clock, and not because our clock is the wrong one."""
        if delay_ns >= -CLOCK_ERROR_NS:
            return False
        others = sorted(c.delay_ns for c in self.cameras if c is not intake and c.delay_ns is not None)
        if len(others) >= 2:
            return delay_ns < others[len(others) // 2] - AHEAD_NS
        return intake.delay_ns is not None and delay_ns < intake.delay_ns - JUMP_NS

    def _cleaned_markers(self, markers: Float32[np.ndarray, "marker 4"]) -> Float32[np.ndarray, "marker 4"]:
        claimed = ~(markers[:, 3] <= 0)
        finite = np.all(np.isfinite(markers), axis=1)
        near = np.all(np.abs(markers[:, :3]) <= MAX_MARKER_DISTANCE_M, axis=1)
        self.refused[Refusal.KEYPOINT_NOT_FINITE] += int(np.sum(claimed & ~finite))
        self.refused[Refusal.KEYPOINT_OUTSIDE] += int(np.sum(claimed & finite & ~near))
        cleaned = np.where((claimed & finite & near)[:, None], markers, np.float32(0))
        cleaned[:, 3] = np.minimum(cleaned[:, 3], np.float32(1))
        return cleaned


def _cleaned(people: People, intake: Intake) -> People:
    """Keypoints that are not finite or far outside become absent; confidence at most 1."""
    size = np.array(intake.size_px, np.float32)
    pixels, confidence = people[..., :2], people[..., 2]
    # every comparison with NaN is false
    inside = np.all((pixels >= -PICTURE_MARGIN * size) & (pixels <= (1 + PICTURE_MARGIN) * size), axis=-1)
    if np.all(inside & (confidence >= 0) & (confidence <= 1)):
        return people
    finite = np.all(np.isfinite(people), axis=-1)
    claimed = ~(confidence <= 0)  # a detector's "absent" is not an error, whatever its pixels say
    intake.refused[Refusal.KEYPOINT_NOT_FINITE] += int(np.sum(claimed & ~finite))
    intake.refused[Refusal.KEYPOINT_OUTSIDE] += int(np.sum(claimed & finite & ~inside))
    cleaned = np.where((claimed & finite & inside)[..., None], people, np.float32(0))
    cleaned[..., 2] = np.minimum(cleaned[..., 2], np.float32(1))
    return cleaned
