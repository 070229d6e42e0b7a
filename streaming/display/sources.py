"""Where the display's messages come from: an in-process queue, or the live engine's publisher over ZeroMQ."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from kincast.streaming.display.scene import Scene
from kincast.streaming.messages import EngineHealth, LiveFrame

Item = LiveFrame | EngineHealth | Scene


async def queue_source(queue: asyncio.Queue[Item | None]) -> AsyncIterator[Item]:
    """Yield what is put into ``queue`` until None."""
    while (item := await queue.get()) is not None:
        yield item
