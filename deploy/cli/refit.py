"""``kincast refit``: the offline path over one or several recordings of one person, into results folders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from kincast.deploy.cli.meta import read_base
from kincast.deploy.cli.run_options import check_options, read_body, recorded_inputs, said_of

if TYPE_CHECKING:
    from kincast.offline.refit import Refit as RefitFound
    from kincast.offline.refitted import RefittedTrial
    from kincast.streaming.results.session import RunFacts


@dataclass(frozen=True)
class Refit:
    """Fit whole recordings at once: the best motion, body and cameras they hold, then kinetics and gait."""

    recordings: Positional[tuple[Path, ...]]
    """One or several recordings (.mcap) of the same person."""
    output: Annotated[Path, arg(aliases=["-o"])]
    """Folder for the results; with several recordings one folder each, by its file name."""
    body: Path | None = None
    """Body of the person (body.json), held as it is; without it the body is estimated."""
    base: Path | None = None
    """What is known of people (a base body of `kincast meta`) when the body is estimated; without it the literature."""
    fix_cameras: bool = False
    """Hold the recorded calibration; without it the cameras are refined where the data demand it."""
    trajectory: Literal["spline", "implicit"] = "spline"
    """How the motion is represented: B-splines, or a network trained for minutes (docs/trajectories.md)."""
    kinetics: Literal["twin", "optimisation"] = "optimisation"
    """Which kinetics feed the results. Only optimisation exists in this version."""
    muscles: bool = False
    """Muscle activations too (the default)."""
    torques: bool = False
    """Joint torques alone, no muscles."""

    def run(self) -> int:
        from kincast.models.body_fit import BodyFitConfig
        from kincast.offline.refit import built_body, refit
        from kincast.offline.refit_config import RefitConfig
        from kincast.offline.refit_results import session_results
        from kincast.streaming.kinetics_config import KineticsConfig
        from kincast.streaming.results.writer import write_results

        check_options(self)
        config = RefitConfig(body=BodyFitConfig(base=read_base(self.base)))
        if self.trajectory == "implicit":
            from kincast.offline.trajectory.implicit import ImplicitFitter

            config = replace(config, fitter=ImplicitFitter())
        body_given = read_body(self.body)
        found = refit(self.recordings, body_given, config, tell=print, fix_cameras=self.fix_cameras)
        body = built_body(found, muscles=not self.torques)
        for refitted, folder in zip(found.trials, self.folders(), strict=True):
            results = session_results(refitted, body, KineticsConfig(muscles=not self.torques))
            facts = self._facts(refitted, found)
            write_results(folder, results, facts, recorded_inputs(refitted.trial.path))
            print(said_of(folder, results))
            for finding in facts.findings:
                print(f"  finding: {finding}")
        return 0

    def folders(self) -> list[Path]:
        """Where each recording's results go."""
        if len(self.recordings) == 1:
            return [self.output]
        taken: dict[str, int] = {}
        folders = []
        for path in self.recordings:
            count = taken[path.stem] = taken.get(path.stem, 0) + 1
            folders.append(self.output / (path.stem if count == 1 else f"{path.stem}-{count}"))
        return folders

    def _facts(self, refitted: RefittedTrial, found: RefitFound) -> RunFacts:
        import hashlib

        from kincast.offline.refit_findings import findings
        from kincast.streaming.results.session import RunFacts

        return RunFacts(
            header=refitted.trial.header,
            body=found.body,
            cameras=refitted.problem.cameras,
            kinetics=self.kinetics,
            input_sha256=hashlib.sha256(refitted.trial.path.read_bytes()).hexdigest(),
            cameras_adjusted=found.cameras_adjusted,
            findings=findings(refitted, found.rig, self.fix_cameras),
            config={
                "recordings": [p.name for p in self.recordings],
                "body": str(self.body or ""),
                "base": str(self.base or ""),
                "fix_cameras": self.fix_cameras,
                "trajectory": self.trajectory,
                "muscles": not self.torques,
                "seconds": {name: round(s, 3) for name, s in found.seconds.items()},
            },
        )
