"""Real-time scheduling of a live session's threads, for who asks for it; everything works without.

Priorities by `nice` do not reach beyond a session's own processes where Linux groups processes by session
(autogroup), so that a backup or a browser takes half of the engine's core whatever its niceness. Round-robin real-time scheduling
does; it needs CAP_SYS_NICE or a limit (`LimitRTPRIO=20` in a service unit). Linux itself keeps 5 % of
every core for the others. Never on by itself: a thread of a killed engine was once seen to keep a core to itself
for minutes at this priority, which at the lowest ordinary priority nobody would have noticed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import zmq

NETWORK, INGEST, RECORDER, ENGINE = 12, 11, 10, 10
"""The short tasks first; recorder and engine share Python's interpreter, so neither may keep the other from it."""


def real_time_allowed() -> bool:
    """Whether this process may schedule its threads so."""
    if sys.platform != "linux":
        return False
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    if not prefer_this_thread(NETWORK):
        return False
    os.sched_setscheduler(0, policy, parameters)
    return True


def prefer_this_thread(priority: int) -> bool:
    """The calling thread runs before all ordinary ones; threads and processes it starts are ordinary again."""
    return _prefer(0, priority)


def prefer_existing_threads(priority: int) -> bool:
    """The same for every thread this process has by now (JAX computes in threads of its own)."""
    if not _prefer(0, priority):
        return False
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # ended meanwhile
            if os.sched_getscheduler(int(thread.name)) == os.SCHED_OTHER:
                _prefer(int(thread.name), priority)
    return True


def _prefer(thread: int, priority: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        os.sched_setscheduler(thread, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError:
        return False
    return True


def network_context(real_time: bool) -> zmq.Context:
    """A ZeroMQ context; ``real_time``: its own threads come first where allowed, what is sent does not wait for the next fit."""
    context = zmq.Context()
    if real_time and real_time_allowed():  # libzmq ends the process where it is not
        context.set(zmq.THREAD_SCHED_POLICY, os.SCHED_RR)
        context.set(zmq.THREAD_PRIORITY, NETWORK)
    return context
