"""The verbs and their order in the help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

import tyro

from kincast.deploy.cli.bench import Bench
from kincast.deploy.cli.body import Body
from kincast.deploy.cli.compare import Compare
from kincast.deploy.cli.demo import Demo
from kincast.deploy.cli.evaluate import Evaluate
from kincast.deploy.cli.export import Export
from kincast.deploy.cli.import_ import Import
from kincast.deploy.cli.keys import Keys
from kincast.deploy.cli.library import Library
from kincast.deploy.cli.live import Live
from kincast.deploy.cli.meta import Meta
from kincast.deploy.cli.refit import Refit
from kincast.deploy.cli.replay import Replay
from kincast.deploy.cli.report import Report
from kincast.deploy.cli.train import Train


class Command(Protocol):
    """A parsed verb."""

    def run(self) -> int:
        """Do it; the exit code."""
        ...


VERBS: dict[str, type] = {
    "demo": Demo,
    "live": Live,
    "import": Import,
    "body": Body,
    "replay": Replay,
    "refit": Refit,
    "meta": Meta,
    "library": Library,
    "train": Train,
    "evaluate": Evaluate,
    "report": Report,
    "export": Export,
    "compare": Compare,
    "keys": Keys,
    "bench": Bench,
}


def parse(arguments: Sequence[str]) -> Command:
    """The verb that the arguments name, with its options; prints help and exits where they name none."""
    verbs: Any = None
    for name, command in VERBS.items():
        option = Annotated[command, tyro.conf.subcommand(name, prefix_name=False)]
        verbs = option if verbs is None else verbs | option  # type: ignore[operator]
    return tyro.cli(
        tyro.conf.OmitSubcommandPrefixes[tyro.conf.FlagCreatePairsOff[verbs]],
        prog="kincast",
        description="Live biomechanics from calibrated cameras. Research software, not a medical device.",
        args=list(arguments),
        use_underscores=False,
    )
