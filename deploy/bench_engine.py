"""The engine under measurement: ``python -m kincast.deploy.bench_engine LOAD.mcap SAVE [--body body.json] [--torques] [--real-time]``.

Prints one JSON line when ready (addresses, seconds since start) and one when it has ended (peak memory, stages).
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from kincast.deploy.environment import keep_to_one_core, prepare_process


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT."""
    began_s = time.monotonic()
    prepare_process()
    keep_to_one_core()
    from kincast.models.body import BodyParameters
    from kincast.streaming.engine import EngineConfig
    from kincast.streaming.live import Addresses, LiveSession, LiveSettings
    from kincast.streaming.real_time import real_time_allowed
    from kincast.streaming.recording import read_recording

    parser = argparse.ArgumentParser(prog="python -m kincast.deploy.bench_engine", description=__doc__)
    parser.add_argument("load", type=Path)
    parser.add_argument("save", type=Path)
    parser.add_argument("--body", type=Path, default=None)
    parser.add_argument("--torques", action="store_true")
    parser.add_argument("--real-time", action="store_true")
    options = parser.parse_args(argv)
    header = read_recording(options.load).header
    body = None if options.body is None else BodyParameters.from_json(options.body.read_text())
    loopback = "tcp://127.0.0.1:*"

    def say(**facts: object) -> None:
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()

    def ready(addresses: Addresses) -> None:
        say(
            ingest=addresses.ingest,
            publish=addresses.publish,
            ready_s=time.monotonic() - began_s,
            real_time=options.real_time and real_time_allowed(),
        )

    session = LiveSession(
        header,
        LiveSettings(
            ingest=loopback,
            publish=loopback,
            clock=loopback,
            recording=options.save,
            real_time=options.real_time,
        ),
        body,
        EngineConfig(muscles=not options.torques),
        ready,
    )
    signal.signal(signal.SIGINT, lambda *_: session.stop())
    session.run()
    say(peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, stages=session.times.whole())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
