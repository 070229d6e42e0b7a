"""``kincast VERB ...``: one file per verb; each is a frozen dataclass (its options) with ``run() -> exit code``."""

from __future__ import annotations

import sys
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
        return 130
    except BrokenPipeError:
        return 0
