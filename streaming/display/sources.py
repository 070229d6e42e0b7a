"""Where the display's messages come from: the live engine's publisher over ZeroMQ, or an in-process queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import cast

import zmq
import zmq.asyncio

from kincast.streaming import wire
from kincast.streaming.display.scene import Scene
from kincast.streaming.display.scene_keeper import SceneKeeper
from kincast.streaming.messages import EngineHealth, LiveFrame, Message
from kincast.streaming.transport import ClientKeys, connected

Item = LiveFrame | EngineHealth | Scene
TOPICS = (b"out/", b"in/session", b"in/body")
MAX_BEHIND = 16
"""With more frames waiting the display goes on with the newest: what it shows must be the present."""
MAX_BATCH = 4096
_log = logging.getLogger(__name__)


async def queue_source(queue: asyncio.Queue[Item | None]) -> AsyncGenerator[Item]:
    """Yield what is put into ``queue`` until None."""
    while (item := await queue.get()) is not None:
        yield item


async def engine_messages(address: str, keys: ClientKeys | None = None) -> AsyncGenerator[Message]:
    """What the engine that publishes at ``address`` (``tcp://host:port``) says, as long as it says something.

    The engine may start later or restart; messages that cannot be read are logged and left out.
    """
    context = zmq.asyncio.Context()
    socket = cast(zmq.asyncio.Socket, connected(context, zmq.SUB, address, keys))
    try:
        for topic in TOPICS:
            socket.subscribe(topic)
        while True:
            frames = [await socket.recv()]
            while len(frames) < MAX_BATCH and await socket.poll(0):
                frames.append(await socket.recv())
            for message in newest(_decoded(frames)):
                yield message
    finally:
        socket.close()
        context.term()


def _decoded(frames: list[bytes]) -> list[Message]:
    messages = []
    for frame in frames:
        try:
            messages.append(wire.decode(frame))
        except wire.WireError as error:
            _log.warning("a message of the engine was left out: %s", error)
    return messages


def newest(waiting: list[Message]) -> list[Message]:
    """All messages, or without the outdated LiveFrames when too many wait; events and strides are never left out.

    The hole this tears into the stream keeps the strides around it from being counted as feedback.
    """
    live = [message for message in waiting if isinstance(message, LiveFrame)]
    if len(live) <= MAX_BEHIND:
        return waiting
    return [
        message
        for message in waiting
        if not isinstance(message, LiveFrame) or message is live[-1] or message.events or message.strides
    ]


async def with_scenes(messages: AsyncIterator[Message], scene: Scene) -> AsyncGenerator[Item]:
    """Turn the engine's messages into the display's, with a new scene whenever session or body change."""
    keeper = SceneKeeper(scene)
    building: asyncio.Task[Scene | None] | None = None
    try:
        async for message in messages:
            if building is not None and building.done():
                new = building.result()
                building = None
                if new is not None:
                    yield new
            keeper.hear(message)
            if keeper.outdated and building is None:
                building = asyncio.create_task(asyncio.to_thread(keeper.request().build))
            if isinstance(message, LiveFrame | EngineHealth):
                yield message
    finally:
        if building is not None:
            building.cancel()
