"""What a worker does of a refit: one person's fit, then each recording's kinetics, gait and files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kincast.models.body_fit import BodyFitConfig
from kincast.offline.job_folder import filled
from kincast.offline.jobs import RefitJob, RefitOptions
from kincast.offline.refit import Refit, built_body, refit
from kincast.offline.refit_config import RefitConfig
from kincast.offline.refit_findings import body_findings, findings, knows_lengths
from kincast.offline.refit_results import session_results
from kincast.streaming.kinetics_config import KineticsConfig
from kincast.streaming.recording import read_recording
from kincast.streaming.results.session import RunFacts
from kincast.streaming.results.writer import write_results

Tell = Callable[[str], None]


@dataclass(frozen=True)
class WrittenTrial:
    """What a results folder came to, or why the recording was left out."""

    folder: Path
    rows: int = 0
    valid_share: float = 0.0
    events: int = 0
    strides: int = 0
    findings: tuple[str, ...] = ()
    lost_messages: int = 0
    lost_seconds: float = 0.0
    left_out: str = ""


def fit_person(job: RefitJob, tell: Tell) -> tuple[Refit, ...]:
    """The motion of every recording, each with the body and the cameras that all of them gave; none for one left out."""
    options = job.options
    found = refit(
        job.recordings, options.body, config_of(options), tell=tell, fix_cameras=options.fix_cameras
    )
    rig = replace(found.rig, observations=())
    return tuple(
        replace(found, trials=tuple(t for t in found.trials if t.trial.path == path), rig=rig)
        for path in job.recordings
    )


def write_trial(job: RefitJob, index: int, found: Refit, tell: Tell) -> tuple[WrittenTrial]:
    """Kinetics and gait of one recording, and its results folder; why it was left out where it was."""
    options, folder = job.options, job.folders[index]
    if not found.trials:
        with filled(folder, job):
            return (WrittenTrial(folder, left_out=found.left_out[job.recordings[index]]),)
    (refitted,) = found.trials
    tell(f"{refitted.trial.path.stem}: kinetics and gait")
    body = built_body(found, muscles=options.muscles)
    results = session_results(refitted, body, KineticsConfig(muscles=options.muscles))
    if not knows_lengths(found.rig):
        results = replace(results, kinetics_valid=np.zeros_like(results.kinetics_valid))
    said = (
        *findings(refitted, found.rig, found.cameras_held),
        *(body_findings(options.body, refitted) if options.body is not None else ()),
        *found.notes.get(refitted.trial.path, ()),
        *(f"left out: {why}" for why in found.left_out.values()),
    )
    recording = read_recording(refitted.trial.path)
    for _ in recording.frames():  # to the end, where it is known what was lost
        pass
    lost_messages, lost_seconds = recording.lost.messages, recording.lost.seconds
    with filled(folder, job) as aside:
        facts = RunFacts(
            header=refitted.trial.header,
            body=found.body,
            cameras=refitted.problem.cameras,
            kinetics=options.kinetics,
            input_sha256=job.inputs_sha256[index],
            cameras_adjusted=found.cameras_adjusted,
            lost_messages=lost_messages,
            lost_seconds=lost_seconds,
            findings=said,
            config=_config(job, found),
        )
        write_results(aside, results, facts, (message for message, _ in recording.inputs()))
    rows = len(results.t_ns)
    return (
        WrittenTrial(
            folder,
            rows,
            float(results.kinematics_valid.mean()) if rows else 0.0,
            len(results.events),
            len(results.strides),
            said,
            lost_messages,
            lost_seconds,
        ),
    )


def config_of(options: RefitOptions) -> RefitConfig:
    """The settings that the options mean."""
    config = RefitConfig(body=BodyFitConfig(base=options.base))
    if options.trajectory == "implicit":
        from kincast.offline.trajectory.implicit import ImplicitFitter

        config = replace(config, fitter=ImplicitFitter())
    return config


def _config(job: RefitJob, found: Refit) -> dict[str, object]:
    options = job.options
    return {
        "recordings": [p.name for p in job.recordings],
        "body": options.names.get("body", ""),
        "base": options.names.get("base", ""),
        "fix_cameras": options.fix_cameras,
        "trajectory": options.trajectory,
        "muscles": options.muscles,
        "seconds": {name: round(s, 3) for name, s in found.seconds.items()},
    }
