"""A subscriber that notes when what arrived: ``python -m kincast.deploy.bench_listener PUBLISH LOG [--real-time]``, until SIGINT."""

from __future__ import annotations

import pickle
import signal
import sys
import time
from pathlib import Path

import zmq

from kincast.streaming.real_time import INGEST, network_context, prefer_this_thread
from kincast.streaming.transport import connected


def main(publish: str, log: str, real_time: bool) -> int:
    """Write [(arrival stamp, frame)] to ``log`` when told to stop."""
    stopping: list[bool] = []
    signal.signal(signal.SIGINT, lambda *_: stopping.append(True))
    if real_time:
        prefer_this_thread(INGEST)  # an instrument: its own delays are not the engine's
    context = network_context(real_time)
    socket = connected(context, zmq.SUB, publish)
    socket.subscribe(b"out/")
    arrived: list[tuple[int, bytes]] = []
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    while not stopping:
        if socket.poll(50):
            frame = socket.recv()
            arrived.append((time.time_ns(), frame))
    Path(log).write_bytes(pickle.dumps(arrived))
    context.destroy(linger=0)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2], "--real-time" in sys.argv[3:]))
