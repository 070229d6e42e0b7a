"""``kincast VERB ...``: one file per verb; each is a frozen dataclass (its options) with ``run() -> exit code``."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb. Exit codes: 0 done, 2 the user can mend it (message on stderr), 130 interrupted."""
    from kincast.deploy.environment import prepare_process

    prepare_process()

    from kincast.deploy.cli.verbs import parse
    from kincast.models.errors import UserMistakeError

    command = parse(sys.argv[1:] if argv is None else argv)
    try:
        return command.run()
    except UserMistakeError as mistake:
        print(f"kincast: {mistake}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        return 0


def _interrupted() -> int:
    """130; at once where a thread still compiles: taking the interpreter down beneath it would abort the process."""
    if threading.active_count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(130)
    return 130
