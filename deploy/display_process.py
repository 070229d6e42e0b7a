"""The display as a process of its own: ``python -m kincast.deploy.display_process PUBLISH [--host H] [--port P] [--keys DIR]``.

Prints its address as one line when the page can be opened. ``--expose NAME`` (with ``--host`` and ``--keys``) lets
other computers in, by TLS and login only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kincast.deploy.environment import prepare_process, use_all_cores

if TYPE_CHECKING:
    from kincast.streaming.display.access import Access


def access_for(host: str, port: int, keys: Path | None, expose: str) -> Access:
    """Where the display listens; with ``expose`` with the certificate and the logins of the folder ``keys``.

    Raises:
        UnprotectedDisplayError, AuthorityError, LoginsError
    """
    from kincast.streaming.display.access import Access

    if not expose or keys is None:
        return Access(host=host, port=port)
    from kincast.deploy.authority import display_certificate
    from kincast.deploy.logins import read_logins

    certificate = display_certificate(keys, expose)
    return Access(
        host=host,
        port=port,
        names=(expose.lower(), *(name for name in certificate.names if name != expose.lower())),
        tls_certificate=certificate.certificate,
        tls_key=certificate.key,
        logins=read_logins(keys),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped; 2 where it must not or cannot listen."""
    prepare_process()
    use_all_cores()
    from kincast.deploy.keys import DISPLAY, client_keys
    from kincast.models.body import BodyParameters
    from kincast.models.errors import UserMistakeError
    from kincast.streaming.display.person import person_scene
    from kincast.streaming.display.server import DisplayConfig, serve
    from kincast.streaming.display.sources import engine_messages, with_scenes

    parser = argparse.ArgumentParser(prog="python -m kincast.deploy.display_process", description=__doc__)
    parser.add_argument("publish", help="address where the engine publishes, tcp://host:port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7480)
    parser.add_argument("--keys", type=Path, default=None, help="folder made by `kincast keys init`")
    parser.add_argument("--expose", default="", help="name by which browsers on the network reach it")
    options = parser.parse_args(argv)

    def ready(url: str) -> None:
        sys.stdout.write(url + "\n")
        sys.stdout.flush()

    try:
        config = DisplayConfig(access=access_for(options.host, options.port, options.keys, options.expose))
        keys = None if options.keys is None else client_keys(options.keys, DISPLAY)
        scene = person_scene(BodyParameters(), None)
        source = with_scenes(engine_messages(options.publish, keys), scene)
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(serve(source, scene, config, ready))
    except UserMistakeError as mistake:
        sys.stderr.write(f"{mistake}\n")
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
