"""Show a page in the user's browser: ``python -m kincast.deploy.browser URL``.

A process of its own, with low priority and away from the engine's core: a browser that draws without a graphics card
would otherwise take the time from the engine it shows. Exit code 1: there is no browser, or no screen to show it on.
"""

from __future__ import annotations

import contextlib
import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

NICE = 10


def screen_there() -> bool:
    """Whether a window can be opened; a browser named by ``$BROWSER`` may need none."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))


def _stand_back() -> None:
    """Lower priority, and all cores but those of the parent (the engine keeps to one)."""
    if hasattr(os, "nice"):
        os.nice(NICE)
    # where Linux groups processes by session, niceness counts within the group only, and the group has its own;
    # it is changed only where the group is ours
    if hasattr(os, "getsid") and os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(NICE))
    if hasattr(os, "sched_setaffinity"):
        mine = os.sched_getaffinity(0)
        others = set(range(os.cpu_count() or 1)) - mine
        if len(mine) == 1 and others:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, others)


def main(argv: Sequence[str] | None = None) -> int:
    """0 where a browser took the page."""
    (url,) = sys.argv[1:] if argv is None else argv
    if not screen_there():
        return 1
    _stand_back()
    with contextlib.suppress(KeyboardInterrupt):
        return 0 if webbrowser.open(url) else 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
