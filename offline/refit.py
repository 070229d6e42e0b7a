"""``kincast refit``: the best motion of one person that one or several recordings hold, all of each known at once.

    recordings -> observations -> body -> live fit (start) -> trajectory <-> detector noise -> kinetics, gait

The trajectory's representation is a :class:`~kincast.offline.trajectory.interface.TrajectoryFitter`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

import numpy as np

from kincast.models.body import Body, BodyParameters, build_body
from kincast.models.body_fit import BodyFitConfig, fit_body
from kincast.models.errors import UserMistakeError
from kincast.models.observations import Observations
from kincast.offline.bundle import CLOCK
from kincast.offline.live_start import live_poses
from kincast.offline.refit_config import RefitConfig
from kincast.offline.refit_refusals import (
    require_no_change,
    require_one_body,
    require_one_person,
    usable,
)
from kincast.offline.refit_state import RefitState
from kincast.offline.refitted import RefittedTrial, Trial
from kincast.offline.rig_refined import RefinedRig, refined_rig
from kincast.offline.trajectory.problem import pictures_of
from kincast.streaming.messages import SessionHeader

Tell = Callable[[str], None]
"""Where progress is told, a short line at a time."""


class NothingToRefitError(UserMistakeError):
    """No recording was given, or none shows the person."""


@dataclass(frozen=True)
class Refit:
    """The person, the cameras they were seen by, every usable recording's trajectory with what of it was not used, and why
    others were left out."""

    body: BodyParameters
    trials: tuple[RefittedTrial, ...]
    rig: RefinedRig
    cameras_held: bool
    seconds: dict[str, float]
    notes: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)
    left_out: Mapping[Path, str] = field(default_factory=dict)

    @property
    def cameras_adjusted(self) -> bool:
        return self.rig.adjusted and not self.cameras_held


def refit(
    paths: Sequence[Path],
    body: BodyParameters | None = None,
    config: RefitConfig | None = None,
    tell: Tell = lambda line: None,
    fix_cameras: bool = False,
) -> Refit:
    """Refit all recordings of one person together. A ``body`` given is held; otherwise it is estimated.

    Of several recordings those that hold nothing usable are left out. The calibration is replaced where the recordings
    contradict it, unless ``fix_cameras``.

    Raises:
        NothingToRefitError, TooFewViewsError, DifferentPeopleError, DifferentKeypointSetsError, NotARecordingError,
        NothingRecordedError
        TooLittleSeenError, UnlikePersonError: see :func:`kincast.models.body_fit.fit_body`.
    """
    config = config or RefitConfig()
    if not paths:
        raise NothingToRefitError("refit needs at least one recording (.mcap)")
    clock = _Clock()
    found = usable(paths)
    for why in found.left_out.values():
        tell(f"left out: {why}")
    require_one_person([header for header, _ in found.seen])
    paths, seen = found.paths, list(found.seen)
    names = [path.stem for path in paths]
    clock.lap("read")
    rig = refined_rig(paths, [observations for _, observations in seen], body=body)
    if not fix_cameras:
        seen = [(header, found) for (header, _), found in zip(seen, rig.observations, strict=True)]
    for line in rig_lines(rig, fix_cameras):
        tell(line)
    clock.lap("cameras")
    body_given = body is not None
    headers = [header for header, _ in seen]
    for name, (header, observations) in zip(names, seen, strict=True):
        require_no_change(name, header, observations, config.body.base)
    if body is None:
        require_one_body([o for _, o in seen], names, config.body.base)
        clock.lap("one person")
        body = estimated_body(seen, config.body)
        tell(f"body from {len(seen)} recording{'s' if len(seen) > 1 else ''}")
    body = for_sessions(body, headers)
    clock.lap("body")
    tell("live fit, where the trajectories start")
    built = build_body(body, "torque", seen[0][1].keypoint_set)
    trials = [
        Trial(path, header, observations, pictures_of(observations), live_poses(built, observations))
        for path, (header, observations) in zip(paths, seen, strict=True)
    ]
    clock.lap("live fit")
    state = RefitState(body, trials, config)
    for left in reversed(range(config.rounds + 1)):
        tell(f"trajectories, round {config.rounds + 1 - left} of {config.rounds + 1}")
        state.fit_trajectories()
        clock.lap("trajectory")
        if left:
            state.learn()
            clock.lap("noise, posture, view bias")
            if not body_given and config.rounds - left in config.body_rounds:
                state.fit_body_again()
                clock.lap("body")
    fitted = state.fitted()
    for trial in fitted:
        tell(f"{trial.trial.path.stem}: {_words(trial)}")
    return Refit(state.body, fitted, rig, fix_cameras, clock.seconds, found.notes, found.left_out)


def estimated_body(
    seen: Sequence[tuple[SessionHeader, Observations]], config: BodyFitConfig
) -> BodyParameters:
    """The body from all recordings; a mass or height recorded in any of them counts."""
    headers = [header for header, _ in seen]
    fit = fit_body(
        [observations for _, observations in seen],
        mass_kg=_first(h.mass_kg for h in headers),
        height_m=_first(h.height_m for h in headers),
        config=config,
    )
    return fit.parameters


def for_sessions(body: BodyParameters, headers: Sequence[SessionHeader]) -> BodyParameters:
    """With what the sessions state: a measured mass and a declared support win."""
    mass = _first(h.mass_kg for h in headers)
    if mass is not None:
        body = replace(body, mass_kg=float(mass), mass_sd_kg=0.0)
    support = next((h.external_support for h in headers if h.external_support != "none"), None)
    return body if support is None else replace(body, external_support=support)


def built_body(refitted: Refit, muscles: bool) -> Body:
    """The refitted person for kinetics."""
    keypoint_set = refitted.trials[0].problem.keypoint_set
    return build_body(refitted.body, "muscle" if muscles else "torque", keypoint_set)


def _first(values: Iterable[float | None]) -> float | None:
    return next((float(v) for v in values if v is not None), None)


def rig_lines(rig: RefinedRig, held: bool = False) -> list[str]:
    """What adjustment found, in words."""
    lines = []
    for bundle in rig.bundles:
        if bundle is None:
            continue
        before, after = bundle.median_px
        if bundle.size_off:
            done = "put right" if bundle.demanded and not held else "kept: either it or the body is wrong"
            longer = "longer" if bundle.size_off < 0 else "shorter"
            lines.append(
                f"cameras: legs look {100 * abs(np.expm1(-bundle.size_off)):.1f} % {longer} than the body given has them;"
                f" the rig's size is {done}"
            )
        if not bundle.demanded:
            lines.append(f"cameras: calibration kept ({before:.1f} px, {after:.1f} at best)")
            continue
        done = "kept as asked, refined it would go" if held else "refined"
        lines.append(
            f"cameras: calibration contradicts the pictures, {done} ({before:.1f} -> {after:.1f} px median)"
        )
        lines += [
            f"  {c.name}: {c.median_px[0]:.1f} -> {c.median_px[1]:.1f} px, turned {c.turn_deg:.2f} deg,"
            f" moved {1000 * c.shift_m:.0f} mm, clock {1000 * c.change[CLOCK]:+.1f} ms"
            for c in bundle.changes
        ]
    return lines


def _words(trial: RefittedTrial) -> str:
    used = trial.problem.information > 0
    median = float(np.median(trial.fit.errors.error_px[used])) if used.any() else float("nan")
    return f"{trial.tracked.mean():.0%} tracked, {median:.1f} px median, {trial.fit.iterations} iterations"


class _Clock:
    """Seconds of every step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._at = perf_counter()

    def lap(self, name: str) -> None:
        now = perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._at
        self._at = now
