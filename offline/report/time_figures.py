"""Plots over the time of a session: its validity, and, where no stride counts, its angles, forces and muscles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kincast.models.coordinates import COORDINATES
from kincast.offline.report.charts import LONG, THIRD, change_plot, time_plot
from kincast.offline.report.curves import FOOT, Ensemble
from kincast.offline.report.earlier import Visit
from kincast.offline.report.findings import RESIDUAL_LIMIT_PCT_BW
from kincast.offline.report.motion import Motion, residual_force
from kincast.offline.report.session import ReportSession
from kincast.offline.report.strides import SIDES, ReportStride

ANGLES = (
    ("Hip flexion", "hip_flexion"),
    ("Knee flexion", "knee_angle"),
    ("Ankle dorsiflexion", "ankle_angle"),
)
MOMENTS = (
    ("Hip extensor moment", "hip_flexion"),
    ("Knee extensor moment", "knee_angle"),
    ("Ankle plantar flexor moment", "ankle_angle"),
)
SHOWN_STRIKES = 40
CHANGED = ("hip_flexion", "knee_flexion", "ankle_dorsiflexion")


def time_figures(session: ReportSession, strides: Sequence[ReportStride]) -> list[str]:
    """Where angles and forces are valid: knee flexion of a walk, and the residual force."""
    figures = [_angle(session, strides, *ANGLES[1])] if any(s.counted for s in strides) else []
    residual = residual_force(session)
    if residual is not None:
        figures.append(
            time_plot(
                f"Residual force at the pelvis; grey: forces not valid; line: {RESIDUAL_LIMIT_PCT_BW:.0f} %",
                "% BW",
                session.time_s,
                {"single": 100.0 * residual},
                session.valid.kinetics,
                limit=RESIDUAL_LIMIT_PCT_BW,
                y_least=(0.0, 20.0),
            )
        )
    return figures


def time_angles(
    session: ReportSession, strides: Sequence[ReportStride], size: tuple[float, float] = LONG
) -> list[str]:
    """Hip, knee and ankle over the session."""
    return [_angle(session, strides, label, name, size) for label, name in ANGLES]


def _angle(
    session: ReportSession,
    strides: Sequence[ReportStride],
    label: str,
    name: str,
    size: tuple[float, float] = LONG,
) -> str:
    strikes = [(s.start_s, s.side) for s in strides] if len(strides) <= SHOWN_STRIKES else []
    return time_plot(
        f"{label} over the session; grey: angles not valid" if size == LONG else label,
        "deg",
        session.time_s,
        {side: session.coordinate(f"{name}_{side[0]}") for side in SIDES},
        session.valid.kinematics,
        events=strikes,
        y_least=(0.0, 40.0),
        size=size,
    )


def time_forces(session: ReportSession, motion: Motion) -> list[str]:
    """Vertical force and leg moments over time; nothing is drawn where they are not valid."""
    valid = session.valid.kinetics
    if not valid.any():
        return []
    figures = []
    if motion.force is not None and session.mass_kg:
        vertical = {side: 100.0 * motion.force[:, foot, 2] for side, foot in FOOT.items()}
        spread = (
            None
            if motion.force_sd is None
            else {side: 100.0 * motion.force_sd[:, foot, 2] for side, foot in FOOT.items()}
        )
        figures.append(
            time_plot(
                "Vertical force under each foot; grey: not valid", "% BW", session.time_s, vertical, valid, hide_invalid=True,
                sds=spread,
            )
        )  # fmt: skip
    if motion.torques is not None:
        for label, name in MOMENTS:
            columns = {side: COORDINATES.index(f"{name}_{side[0]}") for side in SIDES}
            sd = motion.torques_sd
            figures.append(
                time_plot(
                    f"{label}; grey: not valid", "N m/kg", session.time_s,
                    {side: -motion.torques[:, i] for side, i in columns.items()}, valid, hide_invalid=True,
                    sds=None if sd is None else {side: sd[:, i] for side, i in columns.items()},
                )
            )  # fmt: skip
    return figures


def time_activations(session: ReportSession, motion: Motion) -> list[str]:
    """Muscle groups over time, small."""
    valid = session.valid.kinetics
    if not valid.any():
        return []
    return [
        time_plot(
            group,
            "",
            session.time_s,
            {side: values[:, FOOT[side]] for side in SIDES},
            valid,
            hide_invalid=True,
            y_least=(0.0, 0.5),
            size=THIRD,
        )
        for group, values in motion.activations.items()
    ]


def change_figures(visits: Sequence[Visit], curves: Mapping[str, Ensemble]) -> list[str]:
    """Hip, knee and ankle of each side in the newest earlier session that has them, and in this one."""
    figures = []
    for side in SIDES:
        for key in CHANGED:
            before = next((v.curves[key] for v in reversed(visits[:-1]) if _has(v, key, side)), None)
            if before is not None and key in curves and len(curves[key].strides[side]):
                figures.append(change_plot(before, curves[key], side))
    return figures


def _has(visit: Visit, key: str, side: str) -> bool:
    return key in visit.curves and len(visit.curves[key].strides[side]) > 0
