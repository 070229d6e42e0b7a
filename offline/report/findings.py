"""What is wrong or doubtful about a session, in plain words: severity, stable code, one sentence, ordered remedies."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kincast.models.coordinates import COORDINATES, JOINT_COORDINATES
from kincast.offline.report.motion import residual_force
from kincast.offline.report.session import ReportSession, number
from kincast.offline.report.strides import SIDES, ReportStride

Severity = Literal["error", "warning", "note"]
Concern = Literal["motion", "forces", "both"]

FEW_STRIDES = 5
"""Below this many strides of a side a mean says little about how the person walks."""
RESIDUAL_LIMIT_PCT_BW = 15.0
"""Kinetics count as valid up to this residual force at the pelvis."""
MOSTLY, HALF = 0.9, 0.5
POOR_REPROJECTION_PX = 15.0
CAMERA_FACTOR, CAMERA_EXCESS_PX = 2.0, 3.0
SCALE_SD = 0.05
AT_LIMIT_DEG = 0.5
AT_LIMIT_SHARE = 0.05


@dataclass(frozen=True)
class Finding:
    """``code`` never changes its meaning; ``remedies`` in the order to try them."""

    severity: Severity
    code: str
    concern: Concern
    sentence: str
    remedies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """``usable``, ``with care`` or ``not usable`` for angles and gait measures, and for forces, moments, muscles."""

    motion: str
    forces: str
    findings: tuple[Finding, ...]


def judge(session: ReportSession, strides: Sequence[ReportStride]) -> Verdict:
    """All findings, the gravest first, and what follows from them."""
    rank = {"error": 0, "warning": 1, "note": 2}
    found = sorted(_findings(session, strides), key=lambda f: rank[f.severity])

    def word(concern: Concern) -> str:
        severities = {f.severity for f in found if f.concern in (concern, "both")}
        return "not usable" if "error" in severities else "with care" if "warning" in severities else "usable"

    return Verdict(word("motion"), word("forces"), tuple(found))


def _findings(session: ReportSession, strides: Sequence[ReportStride]) -> Iterator[Finding]:
    yield from _said(session)
    yield from _coverage(session)
    yield from _gait(session, strides)
    yield from _kinetics(session, strides)
    yield from _cameras(session)
    yield from _input(session)
    yield from _body(session)


def _said(session: ReportSession) -> Iterator[Finding]:
    """What the run itself found and wrote into summary.json: sentences that end in what to do about it."""
    said = session.summary.get("findings")
    for text in said if isinstance(said, Sequence) and not isinstance(said, str) else ():
        if isinstance(text, str) and text.strip():
            sentence, _, remedy = text.strip().partition("; ")
            yield Finding(
                "warning",
                "FOUND_WHILE_FITTING",
                "both",
                f"{sentence[0].upper()}{sentence[1:].rstrip('.')}.",
                (f"{remedy[0].upper()}{remedy[1:].rstrip('.')}.",) if remedy else (),
            )


def _coverage(session: ReportSession) -> Iterator[Finding]:
    valid = session.valid
    if not valid.stated:
        yield Finding(
            "error",
            "VALIDITY_UNKNOWN",
            "both",
            "The folder does not say which instants are valid, so nothing is counted.",
            ("Make the results again with kincast replay or refit.",),
        )
        return
    unreadable = int((~session.finite).sum())
    if unreadable:
        yield Finding(
            "warning",
            "NUMBERS_UNREADABLE",
            "both",
            f"{unreadable} instants hold impossible numbers and are treated as invalid.",
            ("Make the results again from the recording.",),
        )
    share = float(valid.kinematics.mean()) if len(valid.kinematics) else 0.0
    if share < MOSTLY:
        yield Finding(
            "error" if share < HALF else "warning",
            "ANGLES_OFTEN_INVALID",
            "both",
            f"Joint angles are valid for {share:.0%} of the session only.",
            (
                "Check that at least three cameras see the whole person all the time.",
                "Start the recording with a few seconds of quiet standing, or give the person's body file.",
                "Refit the session offline.",
            ),
        )
    lost = number(session.summary.get("lost_count"))
    if lost and lost > 0:
        times = "once" if lost == 1 else f"{lost:.0f} times"
        yield Finding(
            "warning",
            "TRACKING_LOST",
            "both",
            f"The person was lost from view {times}.",
            ("Move or add a camera where the person was lost.", "Keep other people out of view."),
        )


def _gait(session: ReportSession, strides: Sequence[ReportStride]) -> Iterator[Finding]:
    events = session.results.events
    if not strides:
        walked = events is not None and len(events.rows) > 2
        yield Finding(
            "warning" if walked else "note",
            "NO_STRIDES",
            "motion" if walked else "both",
            "No complete stride was found: there are no gait measures and no gait curves."
            if walked
            else "No walking was found in this session.",
            ("Record at least five steps of each side at a steady pace.",) if walked else (),
        )
        return
    counts = {side: sum(s.counted for s in strides if s.side == side) for side in SIDES}
    if min(counts.values()) == 0:
        yield Finding(
            "error" if max(counts.values()) == 0 else "warning",
            "NO_VALID_STRIDES",
            "motion",
            "No stride counts"
            + (":" if max(counts.values()) == 0 else f" on the {min(counts, key=lambda s: counts[s])}:")
            + " none was valid throughout and straight ahead.",
            ("Record more steps in full view of the cameras.", "Refit the session offline."),
        )
    elif min(counts.values()) < FEW_STRIDES:
        yield Finding(
            "warning",
            "FEW_STRIDES",
            "motion",
            f"Only {counts['left']} left and {counts['right']} right strides count: averages are uncertain.",
            (f"Record at least {FEW_STRIDES} straight strides of each side.",),
        )


def _kinetics(session: ReportSession, strides: Sequence[ReportStride]) -> Iterator[Finding]:
    if session.external_force_unknown:
        yield Finding(
            "error",
            "UNKNOWN_EXTERNAL_FORCE",
            "forces",
            f"Support by {session.external_support}: unknown external force, so moments are not shown.",
            (
                "Repeat without support if that is safe.",
                "With a harness, state its lift: external_support = harness(<newtons>).",
            ),
        )
        return
    if session.results.ground_forces is None and session.results.torques is None:
        yield Finding("note", "NO_KINETICS", "forces", "The results hold no forces and moments.")
        return
    mean = _residual_pct_bw(session)
    if mean is not None and mean > RESIDUAL_LIMIT_PCT_BW:
        yield Finding(
            "error",
            "RESIDUAL_HIGH",
            "forces",
            f"{mean:.0f} % of body weight stays unexplained where forces are said valid: do not trust them.",
            (
                "Check the body mass and that the floor is at height zero in the calibration.",
                "Check whether the person held on to something.",
                "Refit the session offline.",
            ),
        )
    counted = [s for s in strides if s.counted]
    if counted:
        share = sum(s.kinetics_counted for s in counted) / len(counted)
        what = "of the counted strides"
    else:
        share = float(session.valid.kinetics.mean()) if len(session.valid.kinetics) else 0.0
        what = "of the session"
    if session.valid.stated and share < MOSTLY:
        yield Finding(
            "error" if share == 0.0 else "warning",
            "FORCES_OFTEN_INVALID",
            "forces",
            f"Forces and moments are valid for {share:.0%} {what}.",
            (
                "Check for a seat, rail, stairs or a helping hand: their forces are not measured.",
                "Check the floor of the calibration.",
            ),
        )
    mass_sd = 0.0 if session.results.body is None else float(session.results.body.mass_sd_kg)
    if mass_sd > 0:
        yield Finding(
            "warning",
            "MASS_ESTIMATED",
            "forces",
            f"The body mass is an estimate (± {mass_sd:.0f} kg): forces in newtons scale with it.",
            ("Weigh the person and import the recording with --mass.",),
        )


def _residual_pct_bw(session: ReportSession) -> float | None:
    """Mean residual over the rows with valid kinetics (a seat or a rail explains it elsewhere); the summary's without rows."""
    residual = residual_force(session)
    if residual is None:
        return number(session.summary.get("residual_pct_bw_mean"))
    valid = session.valid.kinetics
    return 100.0 * float(residual[valid].mean()) if valid.any() else None


def _cameras(session: ReportSession) -> Iterator[Finding]:
    median = number(_object(session.summary.get("reprojection_px")).get("median"))
    if median is not None and median > POOR_REPROJECTION_PX:
        yield Finding(
            "warning",
            "BODY_OFF_IMAGES",
            "both",
            f"The body lies {median:.0f} px (median) beside what the cameras saw.",
            ("Calibrate the cameras again.", "Refit the session: it corrects the cameras' places."),
        )
    figures = {
        name: number(_object(entry).get("median_px"))
        for name, entry in _object(session.summary.get("cameras")).items()
    }
    known = {name: px for name, px in figures.items() if px is not None}
    for name, px in figures.items():
        others = [v for n, v in known.items() if n != name]
        if px is None:
            yield Finding(
                "warning",
                "CAMERA_WITHOUT_DATA",
                "motion",
                f"Camera {name} contributed nothing.",
                (f"Check that {name} runs, is sharp and sees the person.",),
            )
        elif others and px > max(
            CAMERA_FACTOR * statistics.median(others), statistics.median(others) + CAMERA_EXCESS_PX
        ):
            yield Finding(
                "warning",
                "CAMERA_DISAGREES",
                "motion",
                f"Camera {name} disagrees with the others ({px:.0f} px against {statistics.median(others):.0f}).",
                (
                    f"Check whether {name} was knocked, and calibrate again.",
                    "Refit the session: it corrects the cameras' places.",
                ),
            )
    if figures and len(known) < 3:
        yield Finding(
            "error" if len(known) < 2 else "warning",
            "FEW_CAMERAS",
            "both",
            f"{len(known)} camera(s) saw the person: depth is "
            + ("not measured." if len(known) < 2 else "measured poorly."),
            ("Use at least three cameras around the person.",),
        )


def _input(session: ReportSession) -> Iterator[Finding]:
    lost = _object(session.summary.get("lost"))
    messages, seconds = number(lost.get("messages")) or 0.0, number(lost.get("seconds")) or 0.0
    if messages > 0 or seconds > 0:
        share = seconds / session.duration_s if session.duration_s > 0 else 1.0
        yield Finding(
            "warning" if share > 0.01 else "note",
            "INPUT_LOST",
            "motion",
            f"{messages:.0f} pictures ({seconds:.1f} s of the worst camera) never arrived.",
            ("Check network and disk of the camera computers.",),
        )


def _body(session: ReportSession) -> Iterator[Finding]:
    body = session.results.body
    if body is None:
        yield Finding(
            "warning",
            "BODY_MISSING",
            "both",
            "The folder holds no body: there are no foot curves, drawings and body masses.",
            ("Make the results again with kincast replay or refit.",),
        )
        return
    stated = session.summary.get("body_sha256")
    if isinstance(stated, str) and stated and stated != body.sha256:
        yield Finding(
            "warning",
            "BODY_OF_OTHER_RUN",
            "both",
            "body.json is not the body that these results were made with.",
            ("Make the results again into an empty folder.",),
        )
    uncertain = [name for name, sd in body.scales_sd.items() if sd > SCALE_SD * body.scales[name]]
    if uncertain:
        yield Finding(
            "note",
            "BODY_UNCERTAIN",
            "both",
            f"Body size is uncertain by more than {SCALE_SD:.0%} ({', '.join(uncertain)}).",
            ("Make a body file from a recording of standing and a few steps: kincast body.",),
        )
    limited = _at_limit(session)
    if limited:
        yield Finding(
            "warning",
            "JOINT_AT_LIMIT",
            "motion",
            f"{', '.join(limited[:3])} {'lie' if len(limited) > 1 else 'lies'} at the end of the model's range.",
            (
                "Look at the overlays: a misplaced foot or swapped leg shows there.",
                "Refit the session offline.",
            ),
        )


def _at_limit(session: ReportSession) -> tuple[str, ...]:
    """Leg coordinates at a limit of the body for more than 5 % of the valid rows."""
    if session.body is None or not session.valid.kinematics.any():
        return ()
    model = session.body.mj_model
    found = []
    for name in JOINT_COORDINATES[:14]:
        low, high = np.rad2deg(model.joint(name).range)
        values = session.coordinates[session.valid.kinematics, COORDINATES.index(name)]
        if np.mean((values < low + AT_LIMIT_DEG) | (values > high - AT_LIMIT_DEG)) > AT_LIMIT_SHARE:
            found.append(name)
    return tuple(found)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
