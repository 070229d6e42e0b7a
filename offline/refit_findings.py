"""What a clinician must know about a refit before believing it: refusals, and findings with what to do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kincast.models.body_fit import fit_body
from kincast.models.errors import UserMistakeError
from kincast.models.observations import Observations
from kincast.offline.calibrate import DifferentPeopleError
from kincast.offline.refitted import RefittedTrial
from kincast.offline.rig_refined import RefinedRig
from kincast.streaming.messages import SessionHeader

LEAST_CONFIDENCE = 0.3
LEAST_KEYPOINTS = 6
LEAST_INSTANTS = 8
LITTLE_TRACKED = 0.5
FAR_PX_SHARE = 0.02
"""Of the picture's height: a camera whose median distance stays beyond still contradicts the others."""
OTHER_PERSON = 0.08
OTHER_PERSON_SDS = 3.0


class TooFewViewsError(UserMistakeError):
    """Nobody can be reconstructed: no camera, or a single one, sees the person."""


def require_views(name: str, observations: Observations) -> None:
    """Refuse what holds no depth.

    Raises:
        TooFewViewsError: fewer than two cameras see the person.
    """
    if observations.markers is not None:
        return
    seen = (observations.keypoints[..., 2] >= LEAST_CONFIDENCE).sum(axis=2) >= LEAST_KEYPOINTS
    usable = [c.name for c, s in zip(observations.cameras, seen.T, strict=True) if s.sum() >= LEAST_INSTANTS]
    if not usable:
        cameras = ", ".join(c.name for c in observations.cameras) or "none"
        raise TooFewViewsError(
            f"{name}: no camera sees a person (cameras: {cameras}); check that the recording is of this rig, that the"
            " person is in view, and the detector's confidence"
        )
    if len(usable) == 1:
        raise TooFewViewsError(
            f"{name}: only camera {usable[0]} sees the person. One view tells cadence and angles in the picture's plane,"
            " not depth, and so neither joint angles in space nor forces; record with two or more cameras at least 30 degrees apart"
        )


def require_one_person(
    headers: Sequence[SessionHeader], recordings: Sequence[Observations], names: Sequence[str]
) -> None:
    """Refuse recordings of different people: by their subject, measures, or the bodies they show (none: not looked at).

    Raises:
        DifferentPeopleError
    """
    subjects = sorted({h.subject_id for h in headers if h.subject_id})
    if len(subjects) > 1:
        raise DifferentPeopleError(
            f"the recordings are of different people ({', '.join(subjects)}); refit those of one person at a time"
        )
    for what, tolerance, values in (
        ("mass (kg)", 0.05, [h.mass_kg for h in headers]),
        ("height (m)", 0.02, [h.height_m for h in headers]),
    ):
        known = [v for v in values if v is not None]
        if known and max(known) > (1.0 + tolerance) * min(known):
            raise DifferentPeopleError(
                f"the recordings disagree on the person's {what}: {min(known):g} and {max(known):g}"
            )
    sizes = [(n, *size) for n, size in zip(names, map(_size, recordings), strict=False) if size is not None]
    if len(sizes) < 2:
        return
    small, large = min(sizes, key=lambda s: s[1]), max(sizes, key=lambda s: s[1])
    apart = large[1] - small[1]
    if apart > OTHER_PERSON and apart > OTHER_PERSON_SDS * float(np.hypot(small[2], large[2])):
        raise DifferentPeopleError(
            f"{small[0]} and {large[0]} do not show the same person: the bodies in them differ by {apart:.0%} in size;"
            " refit them one by one, or check the calibration of both"
        )


def _size(observations: Observations) -> tuple[float, float] | None:
    """Logarithm of the overall scale and its sd, by one recording alone."""
    try:
        fit = fit_body(observations)
    except UserMistakeError:
        return None
    scale = float(fit.parameters.scales["overall"])
    return float(np.log(scale)), float(fit.parameters.scales_sd["overall"]) / scale


def findings(refitted: RefittedTrial, rig: RefinedRig | None, cameras_held: bool) -> tuple[str, ...]:
    """In plain words, the gravest first, each with what to do."""
    said: list[str] = []
    share = float(refitted.tracked.mean()) if len(refitted.tracked) else 0.0
    if share < LITTLE_TRACKED:
        said.append(
            f"the person was followed in {share:.0%} of the recording only: elsewhere rows are marked untracked; place the cameras"
            " so that two or more see the whole way"
        )
    for bundle in rig.bundles if rig is not None else ():
        if bundle is None or not bundle.demanded:
            continue
        worst = max(bundle.changes, key=lambda c: c.median_px[0] - c.median_px[1])
        before, after = worst.median_px
        done = (
            "the recorded calibration was kept as asked (--fix-cameras)"
            if cameras_held
            else "it was refined from the recording (cameras.toml)"
        )
        said.append(
            f"the calibration contradicts the pictures, camera {worst.name} most ({before:.1f} px, {after:.1f} once turned by"
            f" {worst.turn_deg:.1f} deg and moved by {1000 * worst.shift_m:.0f} mm): {done}; calibrate the rig anew"
        )
    said += _far_cameras(refitted)
    return tuple(said)


def _far_cameras(refitted: RefittedTrial) -> list[str]:
    """Cameras that still disagree with the others."""
    problem, errors = refitted.problem, refitted.fit.errors
    used = (problem.pictures.confidence >= LEAST_CONFIDENCE) & (problem.pictures.row >= 0)[..., None]
    said = []
    for c, camera in enumerate(problem.cameras):
        mine = used & (problem.pictures.camera == c)[..., None]
        if not mine.any():
            said.append(
                f"camera {camera.name} never sees the person: check its aim and that it was recording"
            )
            continue
        median = float(np.median(errors.error_px[mine]))
        if median > FAR_PX_SHARE * max(camera.size_px):
            said.append(
                f"camera {camera.name} disagrees with the others ({median:.0f} px median) and counts for little: it was"
                " moved, or sees somebody else; calibrate it anew"
            )
    return said
