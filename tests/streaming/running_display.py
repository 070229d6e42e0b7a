"""A display server in a thread of its own, fed by the test through an in-process queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from kincast.streaming.display.scene import Scene
from kincast.streaming.display.server import DisplayConfig, serve
from kincast.streaming.display.sources import Item, queue_source


@dataclass
class RunningDisplay:
    url: str
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[Item | None]

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def put(self, *items: Item) -> None:
        """Hand messages to the server, as the engine would."""
        for item in items:
            self.loop.call_soon_threadsafe(self.queue.put_nowait, item)


@contextmanager
def running_display(scene: Scene, config: DisplayConfig) -> Iterator[RunningDisplay]:
    """Serve on a port the system chooses until the block ends."""
    config = replace(config, access=replace(config.access, port=0))
    ready = threading.Event()
    box: list[RunningDisplay] = []
    failures: list[BaseException] = []
    stop: list[asyncio.Task[None]] = []

    async def main() -> None:
        queue: asyncio.Queue[Item | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def announce(url: str) -> None:
            box.append(RunningDisplay(url, loop, queue))
            ready.set()

        stop.append(asyncio.create_task(serve(queue_source(queue), scene, config, announce)))
        with suppress(asyncio.CancelledError):
            await stop[0]

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as failure:
            failures.append(failure)
        finally:
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(30)
    if failures:
        raise failures[0]
    assert box, "the server did not start"
    try:
        yield box[0]
    finally:
        box[0].loop.call_soon_threadsafe(stop[0].cancel)
        thread.join(10)
        assert not thread.is_alive(), "the server did not stop"
