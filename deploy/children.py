"""Child processes of a live session: started, watched, restarted when they die, ended with it."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

RESTART_PAUSE_S = (0.2, 0.5, 1.0, 2.0, 5.0)
FINE_AFTER_S = 20.0
_log = logging.getLogger(__name__)


class Child:
    """``python -m MODULE ARGUMENTS`` kept alive by a thread until :meth:`stop`.

    ``on_line`` hears every line the child prints. Exit codes 0 and 2 (done; the user's mistake) are final,
    anything else (a crash, a SIGKILL) restarts it, at first at once, then with longer pauses.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], on_line: Callable[[str], None] | None = None
    ) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._module = module
        self._on_line = on_line
        self._stop = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._keep, name=module, daemon=True)
        self.restarts = 0
        self.exit_code: int | None = None
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return None if self._process is None else self._process.pid

    def wait(self) -> None:
        """Until it has ended for good."""
        self._thread.join()

    def stop(self, patience_s: float = 3.0) -> None:
        """End it: asked (SIGTERM, which ends Python without a traceback wherever it is), then forced."""
        self._stop.set()
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                process.wait(patience_s)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join(patience_s)

    def _keep(self) -> None:
        failures = 0
        while not self._stop.is_set():
            began_s = time.monotonic()
            # its own session: a Ctrl-C in the terminal reaches the parent alone, which ends the children in order
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, text=True, start_new_session=True
            )
            assert self._process.stdout is not None
            for line in self._process.stdout:
                if self._on_line is not None:
                    self._on_line(line.rstrip("\n"))
            code = self._process.wait()
            if self._stop.is_set() or code in (0, 2):
                self.exit_code = code
                return
            failures = 0 if time.monotonic() - began_s > FINE_AFTER_S else failures + 1
            self.restarts += 1
            _log.warning("%s ended with %s and is started again", self._module, code)
            self._stop.wait(RESTART_PAUSE_S[min(failures, len(RESTART_PAUSE_S) - 1)])
