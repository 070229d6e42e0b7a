"""What every importer hands over: a session in memory, whatever format it came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kincast.streaming.messages import KeypointFrame, MarkerFrame, SessionHeader


@dataclass(frozen=True)
class Lost:
    """What of the source could not be used.

    Attributes:
        messages: whole frames (one picture of one camera, or one marker frame) that were lost.
        seconds: the same as time, for the camera that lost most.
        reasons: reason -> how often; also counts single keypoints, which are not whole messages.
        by_camera: the whole messages per camera ("markers" for marker frames).
    """

    messages: int = 0
    seconds: float = 0.0
    reasons: Mapping[str, int] = field(default_factory=dict)
    by_camera: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ImportedRecording:
    """Header and messages, the messages sorted by their instant. ``notes``: what was assumed, for the user."""

    header: SessionHeader
    messages: Sequence[KeypointFrame | MarkerFrame]
    lost: Lost = Lost()
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """From the first to the last picture."""
        return (self.messages[-1].t_ns - self.messages[0].t_ns) * 1e-9 if self.messages else 0.0


class Losses:
    """Counts while a source is being read."""

    def __init__(self) -> None:
        self.frames: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.notes: list[str] = []

    def frame(self, camera: str, reason: str, count: int = 1) -> None:
        """``count`` whole frames of a camera cannot be used."""
        if count > 0:
            self.frames[camera] += count
            self.reasons[reason] += count

    def detail(self, reason: str, count: int = 1) -> None:
        """Something smaller than a frame cannot be used."""
        if count > 0:
            self.reasons[reason] += count

    def note(self, sentence: str) -> None:
        """Something was assumed that the user should know."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def total(self, frame_period_s: float) -> Lost:
        """The counts so far."""
        worst = max(self.frames.values(), default=0)
        return Lost(
            messages=sum(self.frames.values()),
            seconds=round(worst * frame_period_s, 3),
            reasons=dict(sorted(self.reasons.items())),
            by_camera=dict(sorted(self.frames.items())),
        )
