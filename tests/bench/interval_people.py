"""Results folders of all people whose truth is known, live or refitted, for :mod:`tests.bench.interval_checks`."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.bench import live_accuracy, marker_trials
from tests.bench.interval_checks import Check, body_weights, checks
from tests.bench.load_expectation_fit import PEOPLE
from tests.bench.refit_accuracy import people

WITHOUT = ("squats", "STS", "DJ")
"""Chairs and jumps carry loads that no foot's motion tells."""


def live_checks(data: Path, folder: Path) -> Iterator[Check]:
    """Every walk with 8 and with 2 cameras, and the marker trials, through the live path."""
    for run in live_accuracy.sets()["walks"] + live_accuracy.sets()["2 cameras"]:
        if not (folder / run.name / "summary.json").exists():
            with contextlib.redirect_stdout(io.StringIO()):
                live_accuracy.compared(data, folder, run)
        yield from _case_checks(data, folder / run.name, run.case)
    for trial in _marker_trials(data):
        out = folder / trial.name.replace(" ", "-")
        if not (out / "summary.json").exists():
            with contextlib.redirect_stdout(io.StringIO()):
                marker_trials.compared(folder, trial)
        yield from _marker_checks(folder, out, trial)


def refit_checks(data: Path, folder: Path) -> Iterator[Check]:
    """The same recordings refitted: all cases of a person together, marker trials with the body of their static trial."""
    from kincast.deploy.cli.refit import Refit

    for runs in (live_accuracy.sets()["walks"], live_accuracy.sets()["2 cameras"]):
        by_case = {run.case: run for run in runs}
        for group in people(list(by_case)):
            out = folder / f"refit-{by_case[group[0]].name}"
            paths = tuple(live_accuracy.recording(data, folder, by_case[c], c) for c in group)
            folders = [out if len(group) == 1 else out / p.stem for p in paths]
            if not all((f / "summary.json").exists() for f in folders):
                with contextlib.redirect_stdout(io.StringIO()):
                    Refit(paths, out, fix_cameras=True, torques=True).run()
            for case, own in zip(group, folders, strict=True):
                yield from _case_checks(data, own, case)
    for trial in _marker_trials(data):
        out = folder / f"refit-{trial.name.replace(' ', '-')}"
        if not (out / "summary.json").exists():
            with contextlib.redirect_stdout(io.StringIO()):
                body = marker_trials.body_of(folder, trial)
                Refit(
                    (marker_trials.recording(folder, trial, trial.source),), out, body=body, torques=True
                ).run()
        yield from _marker_checks(folder, out, trial)


def _marker_trials(data: Path) -> Iterator[marker_trials.MarkerTrial]:
    """One trial of every person who is not in the multi-view cases."""
    seen = set(PEOPLE.values())
    for trial in marker_trials.trials(data):
        if trial.quick and trial.person not in seen and not any(w in trial.name for w in WITHOUT):
            seen.add(trial.person)
            yield trial


def _case_checks(data: Path, out: Path, case: str) -> Iterator[Check]:
    from kincast.offline.truth import read_truth
    from kincast.streaming.results.reader import read_results

    results = read_results(out)
    truth = read_truth(data / "multiview" / case, case)
    clock_s = results.kinematics.time_s + results.summary["start_ns"] * 1e-9
    yield from body_weights(
        checks(results, clock_s, truth, PEOPLE.get(case, case)), float(truth.mass_kg or 1.0)
    )


def _marker_checks(folder: Path, out: Path, trial: marker_trials.MarkerTrial) -> Iterator[Check]:
    from kincast.offline.truth import _plate_events
    from kincast.streaming.results.reader import read_results

    results = read_results(out)
    assert results.body is not None
    mass_kg = float(results.body.mass_kg)
    clock_s = results.kinematics.time_s + results.summary["start_ns"] * 1e-9
    heading = replace(results.kinematics, time_s=clock_s)
    truth = marker_trials.truth_of(trial, heading, mass_kg, folder)
    if truth.forces is not None and truth.events is None:
        truth = replace(truth, events=_plate_events(truth.forces))
    if trial.motion is None:  # our own motion, which tells the heading only
        results = replace(results, kinematics_sd=None)
    yield from body_weights(checks(results, clock_s, truth, trial.person), mass_kg)
