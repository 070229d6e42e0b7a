"""How much of a session never reached the results: torn recordings, dropped and unreadable messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from kincast.streaming.messages import Dropped, KeypointFrame, MarkerFrame, Message

MARKERS = "markers"


class LossAccount:
    """Watches the input messages of a session go by; read the sums at the end."""

    def __init__(self) -> None:
        self.by_camera: Counter[str] = Counter()
        self._spans: dict[str, tuple[int, int, int]] = {}

    def watch(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Pass the messages on, counting."""
        for message in messages:
            self.add(message)
            yield message

    def add(self, message: Message) -> None:
        """Count one message."""
        if isinstance(message, Dropped):
            self.by_camera[message.camera] += max(0, message.count)
        elif isinstance(message, KeypointFrame):
            if message.dropped > 0:
                self.by_camera[message.camera] += message.dropped
            self._extend(message.camera, message.t_ns)
        elif isinstance(message, MarkerFrame):
            self._extend(MARKERS, message.t_ns)

    def _extend(self, camera: str, t_ns: int) -> None:
        first, last, count = self._spans.get(camera, (t_ns, t_ns, 0))
        self._spans[camera] = (min(first, t_ns), max(last, t_ns), count + 1)

    @property
    def messages(self) -> int:
        """Pictures and marker frames told to be lost: by ``Dropped``, and by the count that camera nodes send along."""
        return sum(self.by_camera.values())

    @property
    def seconds(self) -> float:
        """The same as time, for the camera that lost most."""
        periods = {c: (last - first) * 1e-9 / max(n - 1, 1) for c, (first, last, n) in self._spans.items()}
        usual = sorted(periods.values())[len(periods) // 2] if periods else 0.0
        return max((count * periods.get(c, usual) for c, count in self.by_camera.items()), default=0.0)
