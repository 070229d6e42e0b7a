"""A rig of camera nodes as a process of its own: ``python -m tests.system.sender HEADER_FILE INGEST CLOCK SECONDS``.

Reads the session header's wire bytes from a file and shows its cameras a standing, swaying person in real time.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import zmq

from kincast.streaming import wire
from kincast.streaming.clock import ClockProbe
from kincast.streaming.messages import KeypointFrame, SessionHeader
from kincast.streaming.transport import connected
from tests.streaming.swaying_person import person, seen

FPS = 30


def main(header_file: str, ingest: str, clock: str, seconds: float) -> None:
    header = wire.decode(Path(header_file).read_bytes())
    assert isinstance(header, SessionHeader)
    who, rng = person(header.keypoint_set), np.random.default_rng(1)
    context = zmq.Context()
    socket = connected(context, zmq.PUB, ingest)
    asking = connected(context, zmq.REQ, clock)
    asking.rcvtimeo = 5000
    probe = ClockProbe(header.cameras[0].name)
    time.sleep(0.5)
    for _ in range(3):
        asking.send(probe.question(time.time_ns()))
        probe.answer(asking.recv(), time.time_ns())
    start_ns = time.time_ns() + 50_000_000
    for i in range(int(seconds * FPS)):
        t_ns = start_ns + i * 10**9 // FPS
        time.sleep(max(0.0, (t_ns - time.time_ns()) * 1e-9))
        for camera, people in zip(header.cameras, seen(header, who, i / FPS, rng), strict=True):
            picture = KeypointFrame(camera.name, i, t_ns, time.time_ns(), header.keypoint_set, people)
            socket.send(wire.encode(picture))
            if i == 10:
                socket.send(b"in/camera/nonsense")
    time.sleep(0.3)
    context.destroy(linger=500)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
