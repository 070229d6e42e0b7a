"""What a clinician must know about a refit before believing it: findings with what to do."""

from __future__ import annotations

import numpy as np

from kincast.models.base_body import generic_base
from kincast.models.body import BodyParameters
from kincast.models.body.sites import sites_of
from kincast.offline.bundle import Bundle
from kincast.offline.refit_refusals import LEAST_CONFIDENCE
from kincast.offline.refitted import RefittedTrial
from kincast.offline.rig_findings import camera_findings
from kincast.offline.rig_refined import RefinedRig
from kincast.offline.same_person import are_two_people, evidence_of_body, shape_evidence

LITTLE_TRACKED = 0.5
OTHER_RIG_DEG, OTHER_RIG_M = 3.0, 0.06
"""A camera that had to be turned or moved further was not calibrated where it stands; five times what calibrations err by."""
STILL_OFF = 2.0
"""A camera that disagrees so many times as much as the middle one, after adjustment, is not put right by it."""
FAR_PX_SHARE = 0.02
"""Of the picture's height: a camera whose median distance stays beyond still contradicts the others."""


def findings(refitted: RefittedTrial, rig: RefinedRig | None, cameras_held: bool) -> tuple[str, ...]:
    """In plain words, the gravest first, each with what to do."""
    said: list[str] = []
    share = float(refitted.tracked.mean()) if len(refitted.tracked) else 0.0
    if share < LITTLE_TRACKED:
        said.append(
            f"the person was followed in {share:.0%} of the recording only ({_stretches(refitted)}): elsewhere rows are"
            " marked untracked; place the cameras so that two or more see the whole way"
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
        said += camera_findings(bundle)
        if _is_other_rig(bundle):
            said.append(
                "most cameras do not stand where the calibration says, so that neither the floor nor lengths are known: sizes,"
                " stride lengths, speeds and forces are not to be relied on (kinetics are marked invalid); import the"
                " recording with the calibration of its own rig"
            )
        left = [c for c in bundle.changes if c.median_px[1] > STILL_OFF * bundle.median_px[1]]
        if left and not cameras_held:
            listed = ", ".join(f"{c.name} ({c.median_px[1]:.0f} px)" for c in left)
            said.append(
                f"refined, the cameras still disagree: {listed}; the results are not to be relied on before the rig is"
                " calibrated anew"
            )
    said += _far_cameras(refitted)
    return tuple(said)


def knows_lengths(rig: RefinedRig | None) -> bool:
    """Whether the calibration still tells how long a metre is and where the floor lies: most cameras stand where it says."""
    bundles = rig.bundles if rig is not None else ()
    return not any(b is not None and b.demanded and _is_other_rig(b) for b in bundles)


def _is_other_rig(bundle: Bundle) -> bool:
    far = [c.turn_deg > OTHER_RIG_DEG or c.shift_m > OTHER_RIG_M for c in bundle.changes]
    return 2 * sum(far) > len(far)


def _stretches(refitted: RefittedTrial) -> str:
    """When, in seconds of the session; the longest three."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], refitted.tracked.astype(np.int8), [0]])))
    spans = sorted(
        zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True), key=lambda s: s[0] - s[1]
    )
    if not spans:
        return "nowhere"
    seconds = (refitted.trial.live.t_ns - refitted.trial.header.start_ns) * 1e-9
    named = ", ".join(f"{seconds[a]:.1f} to {seconds[b]:.1f} s" for a, b in sorted(spans[:3]))
    return named if len(spans) <= 3 else f"{named} and {len(spans) - 3} shorter stretches"


def body_findings(body: BodyParameters, refitted: RefittedTrial) -> tuple[str, ...]:
    """Whether a body that was given can be that of the person recorded."""
    observations = refitted.trial.observations
    base = generic_base(observations.keypoint_set)
    given, sites = evidence_of_body(body, base), sites_of(base.keypoint_set)
    if given is None:
        known = sum(name in body.site_offsets for name in sites)
        return (
            f"the body given (--body) tells the places of {known} of the {len(sites)} points of {base.keypoint_set}, the others"
            " are those of an average person: estimate it anew from recordings of this set (kincast body)",
        )
    seen = shape_evidence(observations, base)
    if seen is None or not are_two_people(given, seen, base):
        return ()
    return (
        f"the body given (--body) is not that of the person recorded: size {given.size:.2f} of an average adult's, the"
        f" recording shows {seen.size:.2f}, and proportions and points differ; the results are not to be relied on: give the"
        " body of this person, or none",
    )


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
