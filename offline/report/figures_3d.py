"""The body as a stick figure: joint centres of one pose, and its drawings from the side and from behind."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import mujoco
import numpy as np
from jaxtyping import Float64

from kincast.models.body.body import Body
from kincast.models.body.scaling import segment_scale
from kincast.models.body.segments import SEGMENTS
from kincast.models.gait.track import BIG_TOE, HEEL
from kincast.offline.report.curves import Ensemble, counted
from kincast.offline.report.motion import Motion
from kincast.offline.report.session import ReportSession
from kincast.offline.report.strides import SIDES, ReportStride

Vector = Float64[np.ndarray, "3"]
BONES: tuple[tuple[str, str, str], ...] = (
    *(
        (f"{a}_{s}", f"{b}_{s}", {"r": "right", "l": "left"}[s])
        for s in "lr"
        for a, b in (("hip", "knee"), ("knee", "ankle"), ("ankle", "heel"), ("heel", "toe"), ("ankle", "toe"))
    ),
    *(
        (f"{a}_{s}", f"{b}_{s}", f"arm {'right' if s == 'r' else 'left'}")
        for s in "lr"
        for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand"))
    ),
    ("hip_l", "hip_r", "trunk"),
    ("shoulder_l", "shoulder_r", "trunk"),
    ("hips", "neck", "trunk"),
    ("neck", "head", "trunk"),
)
"""Lines of the figure: from, to, CSS class."""
_JOINTS = {
    "hip": "femur",
    "knee": "tibia",
    "ankle": "talus",
    "shoulder": "humerus",
    "elbow": "ulna",
    "wrist": "hand",
}
HEAD_RADIUS_M = 0.10
SCALE = 62.0
"""Units of the drawing per metre."""
METRES_PER_BODY_WEIGHT = 0.6
CANDIDATES = 400
"""Of a long session this many instants are looked at for the snapshots."""
WIDTH, HEIGHT, FLOOR = 78.0, 134.0, 124.0


def joint_places(
    body: Body, q: Float64[np.ndarray, "41"], feet: Float64[np.ndarray, "2 3 3"]
) -> Mapping[str, Vector]:
    """World places (m) of the figure's points for a pose; ``feet`` as in :class:`Motion`."""
    data = mujoco.MjData(body.mj_model)
    data.qpos[:] = body.full_qpos(q)
    mujoco.mj_kinematics(body.mj_model, data)

    def at(name: str) -> Vector:
        return np.array(data.xpos[int(body.mj_model.body(name).id)])

    def end(segment: str) -> Vector:
        index = int(body.mj_model.body(segment).id)
        scale = segment_scale(body.parameters.scales, segment)
        return at(segment) + data.xmat[index].reshape(3, 3) @ (scale * np.asarray(SEGMENTS[segment].end))

    places = {f"{joint}_{s}": at(f"{name}_{s}") for joint, name in _JOINTS.items() for s in "rl"}
    for foot, s in enumerate("rl"):
        places[f"heel_{s}"], places[f"toe_{s}"] = feet[foot, HEEL], feet[foot, BIG_TOE]
        places[f"hand_{s}"] = end(f"hand_{s}")
    places["hips"] = 0.5 * (places["hip_r"] + places["hip_l"])
    places["neck"] = 0.5 * (places["shoulder_r"] + places["shoulder_l"])
    places["head"] = 0.5 * (at("head") + end("head"))
    return places


@dataclass(frozen=True)
class Snapshot:
    """An instant worth drawing; ``heading_rad`` is what the side view looks across."""

    title: str
    row: int
    heading_rad: float


def typical_stride(strides: Sequence[ReportStride], curves: Mapping[str, Ensemble]) -> ReportStride | None:
    """The counted stride whose hip, knee and ankle come nearest to its side's mean; right before left."""
    for side in reversed(SIDES):
        those = counted(strides, side, kinetic=False)
        kinds = [curves[k] for k in ("hip_flexion", "knee_flexion", "ankle_dorsiflexion") if k in curves]
        if not those or not kinds:
            continue
        distance = sum(((e.strides[side] - e.strides[side].mean(axis=0)) ** 2).mean(axis=1) for e in kinds)
        return those[int(np.argmin(distance))]
    return None


def snapshots(session: ReportSession, stride: ReportStride | None) -> tuple[Snapshot, ...]:
    """Four instants of a stride; without one, the four valid instants whose poses differ most."""
    if stride is None:
        return tuple(
            Snapshot(f"{session.time_s[i]:.1f} s", i, _facing(session.poses[i])) for i in _different(session)
        )
    stance, swing = stride.off_s - stride.start_s, stride.end_s - stride.off_s
    instants = (
        (f"{stride.side} foot strike", stride.start_s),
        ("mid-stance", stride.start_s + 0.5 * stance),
        (f"{stride.side} foot off", stride.off_s),
        ("mid-swing", stride.off_s + 0.5 * swing),
    )
    return tuple(
        Snapshot(title, int(np.argmin(np.abs(session.time_s - t))), stride.heading_rad)
        for title, t in instants
    )


def _different(session: ReportSession, count: int = 4) -> list[int]:
    """Rows by time, each as far as can be from those chosen before: the first is the one nearest the usual pose."""
    rows = np.flatnonzero(session.valid.kinematics)
    if len(rows) <= count:
        return rows.tolist()
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, CANDIDATES).astype(int))]
    poses = session.poses[rows][:, 7:]
    usual = np.median(poses, axis=0)
    chosen = [int(np.argmin(np.linalg.norm(poses - usual, axis=1)))]
    while len(chosen) < count:
        distance = np.min([np.linalg.norm(poses - poses[i], axis=1) for i in chosen], axis=0)
        distance[chosen] = -1.0
        chosen.append(int(np.argmax(distance)))
    return sorted(int(rows[i]) for i in chosen)


def _facing(q: Float64[np.ndarray, "41"]) -> float:
    w, x, y, z = q[3:7]
    return math.atan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))


def draw(session: ReportSession, motion: Motion, snapshot: Snapshot, view: str) -> str:
    """SVG of one instant, ``view`` side (from the right, walking to the right) or back; "" without a body."""
    if session.body is None or motion.feet is None:
        return ""
    row = snapshot.row
    places = joint_places(session.body, session.poses[row], motion.feet[row])
    c, s = math.cos(snapshot.heading_rad), math.sin(snapshot.heading_rad)
    across = np.array([c, s, 0.0]) if view == "side" else np.array([s, -c, 0.0])
    centre = float(places["hips"] @ across)

    def flat(point: np.ndarray) -> tuple[float, float]:
        return WIDTH / 2 + SCALE * (float(point @ across) - centre), FLOOR - SCALE * float(point[2])

    parts = [
        f'<svg class="body" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(snapshot.title)}, {view}">',
        f'<path class="floor" d="M4 {FLOOR:g}H{WIDTH - 4:g}"/>',
    ]
    for a, b, css in BONES:
        (x1, y1), (x2, y2) = flat(places[a]), flat(places[b])
        parts.append(f'<path class="bone {css}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>')
    x, y = flat(places["head"])
    parts.append(f'<circle class="bone trunk" cx="{x:.1f}" cy="{y:.1f}" r="{SCALE * HEAD_RADIUS_M:.1f}"/>')
    parts += _forces(session, motion, row, flat)
    parts.append(
        f'<text class="tick x" x="{WIDTH / 2:g}" y="{HEIGHT - 2.5:g}">{escape(snapshot.title)}</text></svg>'
    )
    return "".join(parts)


def _forces(
    session: ReportSession, motion: Motion, row: int, flat: Callable[[np.ndarray], tuple[float, float]]
) -> list[str]:
    if motion.force is None or motion.cop is None or not session.valid.kinetics[row] or not session.mass_kg:
        return []
    parts = []
    for foot, side in enumerate(("right", "left")):
        force, start = motion.force[row, foot], motion.cop[row, foot]
        if np.linalg.norm(force) < 0.03:
            continue
        (x1, y1), (x2, y2) = flat(start), flat(start + METRES_PER_BODY_WEIGHT * force)
        length = math.hypot(x2 - x1, y2 - y1) or 1.0
        ux, uy = (x2 - x1) / length, (y2 - y1) / length
        tip = f"M{x2 - 4 * ux + 2 * uy:.1f} {y2 - 4 * uy - 2 * ux:.1f}L{x2:.1f} {y2:.1f}L{x2 - 4 * ux - 2 * uy:.1f} {y2 - 4 * uy + 2 * ux:.1f}"
        parts.append(f'<path class="arrow {side}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}{tip}"/>')
    return parts
