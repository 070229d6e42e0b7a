"""The display as a process of its own: ``python -m kincast.deploy.display_process PUBLISH [--host H] [--port P] [--keys DIR]``.

Prints its address as one line when the page can be opened.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from kincast.deploy.environment import prepare_process, use_all_cores


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped; 2 where it must not or cannot listen."""
    prepare_process()
    use_all_cores()
    from kincast.deploy.keys import DISPLAY, client_keys
    from kincast.models.body import BodyParameters
    from kincast.models.errors import UserMistakeError
    from kincast.streaming.display.access import Access
    from kincast.streaming.display.person import person_scene
    from kincast.streaming.display.server import DisplayConfig, serve
    from kincast.streaming.display.sources import engine_messages, with_scenes

    parser = argparse.ArgumentParser(prog="python -m kincast.deploy.display_process", description=__doc__)
    parser.add_argument("publish", help="address where the engine publishes, tcp://host:port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7480)
    parser.add_argument("--keys", type=Path, default=None)
    options = parser.parse_args(argv)

    def ready(url: str) -> None:
        sys.stdout.write(url + "\n")
        sys.stdout.flush()

    try:
        keys = None if options.keys is None else client_keys(options.keys, DISPLAY)
        scene = person_scene(BodyParameters(), None)
        source = with_scenes(engine_messages(options.publish, keys), scene)
        config = DisplayConfig(access=Access(host=options.host, port=options.port))
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(serve(source, scene, config, ready))
    except UserMistakeError as mistake:
        sys.stderr.write(f"{mistake}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
