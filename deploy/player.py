"""A recording sent as if its cameras were there: ``python -m kincast.deploy.player RECORDING INGEST [--clock ADDRESS]``.

Real sockets, true pace: every message is sent when its receive stamp says it arrived, moved to now. Runs in a
process of its own, like the nodes it stands for.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import zmq

from kincast.deploy.environment import prepare_process, use_all_cores
from kincast.models.errors import UserMistakeError
from kincast.streaming import wire
from kincast.streaming.messages import KeypointFrame, MarkerFrame
from kincast.streaming.real_time import INGEST, network_context, prefer_this_thread
from kincast.streaming.recording import read_recording
from kincast.streaming.transport import connected

SETTLE_S = 0.5
"""A PUB socket drops what it sends before its subscription has arrived."""


def pictures(path: Path) -> Iterator[tuple[KeypointFrame | MarkerFrame, int]]:
    """What came from cameras or markers, with receive stamps, in order."""
    for message, receive_ns in read_recording(path).inputs():
        if isinstance(message, KeypointFrame | MarkerFrame):
            yield message, receive_ns


def play(path: Path, socket: zmq.Socket, repeats: int | None) -> tuple[int, dict[int, int]]:
    """Send the recording ``repeats`` times (None: for ever); running numbers and stamps keep rising.

    Returns:
        The shift of the last turn (ns, recording to now), and for every instant sent in it (t_ns as sent) the
        stamp just before its last picture went out.
    """
    shift_ns: int | None = None
    last_sent: dict[int, int] = {}
    sent: dict[str, int] = {}
    turn = 0
    while repeats is None or turn < repeats:
        turn += 1
        shift_ns = None
        last_sent = {}
        for message, receive_ns in pictures(path):
            if shift_ns is None:
                shift_ns = time.time_ns() + 20_000_000 - receive_ns
            wait_s = (receive_ns + shift_ns - time.time_ns()) * 1e-9
            if wait_s > 0:
                time.sleep(wait_s)
            topic = message.camera if isinstance(message, KeypointFrame) else ""
            sent[topic] = sent.get(topic, -1) + 1
            t_ns = message.t_ns + shift_ns
            now_ns = time.time_ns()
            socket.send(wire.encode(replace(message, seq=sent[topic], t_ns=t_ns, sent_ns=now_ns)))
            last_sent[t_ns] = now_ns
    return shift_ns or 0, last_sent


def main(argv: Sequence[str] | None = None) -> int:
    """Play; 0 at the end or when interrupted, 2 where the recording cannot be read."""
    prepare_process()
    use_all_cores()
    parser = argparse.ArgumentParser(prog="python -m kincast.deploy.player", description=__doc__)
    parser.add_argument("recording", type=Path)
    parser.add_argument("ingest", help="address of the engine, tcp://host:port")
    parser.add_argument("--repeats", type=int, default=None, help="how often (default: until stopped)")
    parser.add_argument("--log", type=Path, default=None, help="write when what was sent here (.npz)")
    parser.add_argument("--real-time", action="store_true", help="before all ordinary threads, if allowed")
    options = parser.parse_args(argv)
    if options.real_time:
        prefer_this_thread(INGEST)  # part of a measurement: what is logged as sent must be on its way
    context = network_context(options.real_time)
    try:
        socket = connected(context, zmq.PUB, options.ingest)
        time.sleep(SETTLE_S)
        shift_ns, last_sent = play(options.recording, socket, options.repeats)
        if options.log is not None:
            instants = np.array(sorted(last_sent.items()), dtype=np.int64).reshape(-1, 2)
            np.savez(options.log, shift_ns=shift_ns, t_ns=instants[:, 0], sent_ns=instants[:, 1])
    except UserMistakeError as mistake:
        sys.stderr.write(f"{mistake}\n")
        return 2
    except KeyboardInterrupt:
        return 0
    finally:
        context.destroy(linger=300)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
