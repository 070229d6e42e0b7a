"""``python -m kincast.deploy.demo.generate [--output FILE.mcap] [--seed N]``: make the bundled session anew."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kincast.deploy.environment import prepare_process


def main(argv: Sequence[str] | None = None) -> int:
    """Write the session; exit code 2 where the file cannot be written."""
    prepare_process()
    from kincast.deploy.demo.session import RECORDING, DemoConfig, generate_session, write_session
    from kincast.models.errors import UserMistakeError

    parser = argparse.ArgumentParser(prog="python -m kincast.deploy.demo.generate", description=__doc__)
    parser.add_argument("--output", type=Path, default=RECORDING)
    parser.add_argument("--seed", type=int, default=DemoConfig.seed)
    options = parser.parse_args(argv)
    try:
        write_session(generate_session(DemoConfig(seed=options.seed)), options.output, overwrite=True)
    except UserMistakeError as mistake:
        sys.stderr.write(f"{mistake}\n")
        return 2
    size_mb = options.output.stat().st_size / 1e6
    sys.stdout.write(f"{options.output}: {size_mb:.2f} MB\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
