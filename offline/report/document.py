"""Everything the page says, worked out from results folders; the template only lays it out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kincast.offline.report.charts import (
    THIRD,
    ensemble_plot,
    ensemble_plots,
    gc_plot,
    stance_ends,
    stretches,
)
from kincast.offline.report.curves import (
    FEET,
    FORCES,
    KINEMATIC,
    MOMENTS,
    POWERS,
    RESIDUAL,
    Ensemble,
    activation_ensembles,
    ensembles,
)
from kincast.offline.report.earlier import Change, Visit, changes, in_order
from kincast.offline.report.figures_3d import draw, snapshots, typical_stride
from kincast.offline.report.findings import Verdict, judge
from kincast.offline.report.live_beside import live_beside
from kincast.offline.report.measures import Row, table
from kincast.offline.report.motion import motion_of
from kincast.offline.report.norm_bands import Norms, choose_norms, gait_variable_score
from kincast.offline.report.overlays import Overlay, overlays
from kincast.offline.report.phases import Phase, phases
from kincast.offline.report.ranges import Range, ranges
from kincast.offline.report.session import ReportInputError, ReportSession, load_session, number
from kincast.offline.report.strides import SIDES, ReportStride, rejections, strides_of
from kincast.offline.report.time_figures import (
    change_figures,
    time_activations,
    time_angles,
    time_figures,
    time_forces,
)

KINEMATIC_KEYS = (*(k.key for k in KINEMATIC), next(k.key for k in FEET))
FEET_KEYS = tuple(k.key for k in list(FEET)[1:])
KEY_MEASURES = (
    "speed_m_s", "cadence_steps_min", "step_length_m", "step_width_m", "stance_pct", "double_support_pct",
    "knee_swing", "knee_range", "hip_range", "ankle_push_off", "toe_clearance_min_m", "grf_propulsion",
    "ankle_power_peak",
)  # fmt: skip
OVER_THE_CYCLE = ("first", "kinematics", "feet", "forces", "moments", "activations")
FIRST_PAGE_KEYS = ("hip_flexion", "knee_flexion", "ankle_dorsiflexion")
SHOWN_ASYMMETRIES = 5
CHILD_HEIGHT_M = 1.40
SMALL_NOTE = "This person is smaller than the adults of most norms: step length and speed grow with size."
SAME_SPEED = 0.15
"""Share of the norm's speed within which the curves of healthy people hardly change with it."""


@dataclass(frozen=True)
class ReportOptions:
    """What goes into a report beside the session itself."""

    live: Path | None = None
    video: Path | None = None
    video_start_s: float = 0.0
    earlier: tuple[Path, ...] = ()
    norms: str | Path = "adults"
    """A shipped set by name, a file, or ``none``."""


@dataclass(frozen=True)
class Document:
    """What the template shows. Figures are SVG texts; lists are empty where there is nothing to show."""

    session: ReportSession
    facts: Sequence[tuple[str, str]]
    verdict: Verdict
    strides: Mapping[str, Any]
    key_rows: Sequence[Row]
    asymmetries: Sequence[Row]
    rows: Sequence[Row]
    figures: Mapping[str, Sequence[str]]
    body: Sequence[tuple[str, str]]
    ranges: Sequence[Range]
    phases: Sequence[Phase]
    overlays: Sequence[Overlay]
    gc: Sequence[tuple[str, float | None, float | None]]
    cameras: Sequence[tuple[str, float | None, float | None]]
    live_beside: Sequence[tuple[str, str]]
    invalid: Sequence[tuple[float, float]]
    visits: Sequence[Visit]
    changes: Sequence[Change]
    norms: Norms | None
    norm_scores: Sequence[tuple[str, float | None, float | None]]
    norm_note: str
    judged: int
    markers_mm: float | None
    kinetics_sd: bool
    versions: Sequence[tuple[str, str]] = field(default_factory=tuple)


def make_document(folder: Path, options: ReportOptions) -> Document:
    """Read the folders and work everything out.

    Raises:
        The readers' errors, ReportInputError, NormFileError, VideoMissingError.
    """
    session = load_session(folder)
    norms = choose_norms(str(options.norms))
    live = load_session(options.live) if options.live else None
    if live is not None:
        _same_recording(session, live)
    strides = strides_of(session)
    motion = motion_of(session)
    curves = ensembles(session, motion, strides)
    rows = table(session, strides, curves)
    ends = stance_ends(strides)
    moments = snapshots(session, typical_stride(strides, curves))
    walked = any(s.counted for s in strides)
    visits = _visits(session, rows, curves, options.earlier)
    activations = activation_ensembles(session, motion, strides)
    figures = {
        "first": ensemble_plots(curves, FIRST_PAGE_KEYS, ends, norms),
        "kinematics": ensemble_plots(curves, KINEMATIC_KEYS, ends, norms),
        "feet": ensemble_plots(curves, FEET_KEYS, ends, norms),
        "forces": ensemble_plots(curves, (k.key for k in FORCES), ends, norms, "no stride with valid forces"),
        "moments": ensemble_plots(
            curves,
            (k.key for k in (*MOMENTS, *POWERS, *RESIDUAL)),
            ends,
            norms,
            "no stride with valid forces",
        ),
        "activations": [
            ensemble_plot(mean, ends, None, spread, "no stride with valid forces")
            for mean, spread in activations.values()
        ],
        "time": time_figures(session, strides),
        "first_time": [] if walked else time_angles(session, strides, THIRD),
        "time_angles": [] if walked else time_angles(session, strides),
        "time_forces": [] if walked else time_forces(session, motion),
        "time_activations": [] if walked else time_activations(session, motion),
        "change": change_figures(visits, curves),
        "gc": [gc_plot(_gc_curves(session, live))]
        if session.results.cameras or _gc_curves(session, live)
        else [],
    }
    return Document(
        session=session,
        facts=_facts(session),
        verdict=judge(session, strides),
        strides=_stride_counts(strides),
        key_rows=[row for key in KEY_MEASURES for row in rows if row.measure.key == key],
        asymmetries=_asymmetries(rows),
        rows=rows,
        figures=figures if walked else {**figures, **{key: [] for key in OVER_THE_CYCLE}},
        body=[(draw(session, motion, m, "side"), draw(session, motion, m, "back")) for m in moments]
        if motion.feet is not None
        else [],
        ranges=() if rows else ranges(session),
        phases=() if rows else phases(session),
        overlays=overlays(session, motion, moments, options.video, options.video_start_s)
        if options.video
        else (),
        gc=_gc_table(session, live),
        live_beside=() if options.live is None else live_beside(options.live, folder),
        cameras=_cameras(session),
        invalid=_invalid(session),
        visits=visits,
        changes=changes(visits) if len(visits) > 1 else (),
        norms=norms,
        norm_scores=_norm_scores(curves, norms),
        norm_note=_norm_note(session, rows, norms),
        judged=sum(row.judged and not row.measure.whole_body for row in rows),
        kinetics_sd=motion.torques_sd is not None or motion.force_sd is not None,
        markers_mm=number(_mapping(session.summary.get("markers_mm")).get("median")),
        versions=_versions(session),
    )


def _same_recording(session: ReportSession, live: ReportSession) -> None:
    def of(one: ReportSession) -> tuple[object, object]:
        return one.summary.get("input_sha256"), one.summary.get("session_id")

    if all(a and b and a != b for a, b in zip(of(session), of(live), strict=True)):
        raise ReportInputError(
            f"--live {live.results.path}: results of another recording ({live.session_id}, not {session.session_id});"
            " give the folder that kincast live or replay wrote of the same one"
        )


def _visits(
    session: ReportSession, rows: tuple[Row, ...], curves: Mapping[str, Ensemble], earlier: Sequence[Path]
) -> tuple[Visit, ...]:
    if not earlier:
        return ()
    before = []
    for folder in earlier:
        other = load_session(folder)
        strides = strides_of(other)
        theirs = ensembles(other, motion_of(other), strides)
        before.append(Visit(other, table(other, strides, theirs), theirs))
    return (*in_order(before), Visit(session, rows, curves))


def _facts(session: ReportSession) -> list[tuple[str, str]]:
    """What the first page says of person and session."""
    summary, height = session.summary, session.height_m
    cameras = len(_mapping(summary.get("cameras"))) or len(session.results.cameras)
    belt = number(summary.get("belt_speed_m_s"))
    frames = len(session.time_s)
    rate = (frames - 1) / session.duration_s if session.duration_s > 0 else 0.0
    mass = "unknown" if session.mass_kg is None else f"{session.mass_kg:.1f} kg{_mass_note(session)}"
    tall = "unknown" if height is None else f"{height[0]:.2f} m" + ("" if height[1] else " (fitted body)")
    rig = f"{cameras} cameras" if cameras else "optical markers"
    return [
        ("Subject", session.subject_id or "not stated"),
        ("Session", session.session_id),
        (
            "Date",
            f"{session.started:%Y-%m-%d %H:%M} UTC" if session.started else "not dated (rig clock not set)",
        ),
        ("Duration, rig", f"{session.duration_s:.1f} s" + (f" at {rate:.0f}/s" if rate else "") + f", {rig}"),
        ("Body mass", mass),
        ("Height", tall),
        ("Treadmill belt", "not stated" if belt is None else f"{belt:.2f} m/s"),
        ("External support", session.external_support),
    ]


def _mass_note(session: ReportSession) -> str:
    body = session.results.body
    return f" ± {body.mass_sd_kg:.1f} (estimated)" if body is not None and body.mass_sd_kg > 0 else ""


def _versions(session: ReportSession) -> list[tuple[str, str]]:
    found = [(str(k), str(v)) for k, v in _mapping(session.summary.get("versions")).items()]
    for label in ("source", "keypoint_set", "kinetics"):
        if session.summary.get(label):
            found.append((label.replace("_", " "), str(session.summary[label])))
    for label, value in (
        (
            "body",
            session.summary.get("body_sha256")
            or (session.results.body.sha256 if session.results.body else ""),
        ),
        ("recording", session.summary.get("input_sha256")),
        ("policy", session.summary.get("policy_sha256")),
    ):
        if isinstance(value, str) and value:
            found.append((f"{label} sha256", value[:16]))
    return found


def _stride_counts(strides: Sequence[ReportStride]) -> Mapping[str, Any]:
    return {
        "all": {side: sum(s.side == side for s in strides) for side in SIDES},
        "counted": {side: sum(s.side == side and s.counted for s in strides) for side in SIDES},
        "kinetics": {side: sum(s.side == side and s.kinetics_counted for s in strides) for side in SIDES},
        "rejected": rejections(tuple(strides)),
    }


def _asymmetries(rows: Sequence[Row]) -> list[Row]:
    """Measures whose sides differ beyond error, the clearest first."""
    found = [row for row in rows if row.asymmetric and not row.measure.whole_body]
    return sorted(found, key=lambda r: -abs(r.difference) / max(r.difference_limit, 1e-12))[
        :SHOWN_ASYMMETRIES
    ]


def _invalid(session: ReportSession) -> list[tuple[float, float]]:
    return stretches(session.time_s, ~session.valid.kinematics) if len(session.time_s) else []


def _gc(session: ReportSession) -> Mapping[int, float]:
    found = {}
    for level, share in _mapping(session.summary.get("gc")).items():
        value = number(share)
        if isinstance(level, str) and level.isdigit() and len(level) < 4 and value is not None:
            found[int(level)] = min(max(value, 0.0), 1.0)
    return found


def _gc_curves(session: ReportSession, live: ReportSession | None) -> Mapping[str, Mapping[int, float]]:
    runs = {"this": _gc(session)} | ({"live": _gc(live)} if live is not None else {})
    return {name: points for name, points in runs.items() if points}


def _gc_table(
    session: ReportSession, live: ReportSession | None
) -> list[tuple[str, float | None, float | None]]:
    found = []
    for name, one in (("this report", session), ("live", live)):
        if one is not None:
            median = number(_mapping(one.summary.get("reprojection_px")).get("median"))
            found.append((name, _gc(one).get(5), median))
    return found


def _cameras(session: ReportSession) -> list[tuple[str, float | None, float | None]]:
    return [
        (str(name), number(_mapping(entry).get("gc5")), number(_mapping(entry).get("median_px")))
        for name, entry in _mapping(session.summary.get("cameras")).items()
    ]


def _norm_scores(
    curves: Mapping[str, Any], norms: Norms | None
) -> list[tuple[str, float | None, float | None]]:
    """Gait variable scores (deg) of the angles that have a band: label, left, right."""
    if norms is None:
        return []
    found = []
    for key in KINEMATIC_KEYS:
        if key in norms.curves and key in curves:
            ensemble = curves[key]
            scores = []
            for side in SIDES:
                mean = ensemble.mean(side)
                score = math.nan if mean is None else gait_variable_score(mean, norms.curves[key])
                scores.append(None if math.isnan(score) else score)
            found.append((ensemble.kind.label, scores[0], scores[1]))
    return found


def _norm_note(session: ReportSession, rows: Sequence[Row], norms: Norms | None) -> str:
    """How fast the people of the norm walked, beside this session; a word where the person is as small as a child."""
    small = norms is not None and session.height_m is not None and session.height_m[0] < CHILD_HEIGHT_M
    return " ".join(filter(None, (_speed_note(rows, norms), SMALL_NOTE if small else "")))


def _speed_note(rows: Sequence[Row], norms: Norms | None) -> str:
    speed = next((r.both.mean for r in rows if r.measure.key == "speed_m_s"), None)
    if norms is None or norms.speed_m_s is None or speed is None:
        return ""
    if abs(speed / norms.speed_m_s - 1.0) <= SAME_SPEED:
        return f"They walked about as fast as this session ({norms.speed_m_s:.2f} and {speed:.2f} m/s)."
    which = "slower" if speed < norms.speed_m_s else "faster"
    return f"This session is {which} ({speed:.2f} m/s against {norms.speed_m_s:.2f}): a part of any difference is speed alone."


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
