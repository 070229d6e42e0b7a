"""From motions of any origin to clips: put on the floor, judged, written, listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64

from kincast.models.body import BodyParameters, build_body
from kincast.models.twin.soles import ground_under
from kincast.offline.motion_library.clip import Clip, ClipForces, Origin, Support
from kincast.offline.motion_library.gates import GateConfig, Reason, reasons_in_motion, reasons_in_time
from kincast.offline.motion_library.index import Index, Split, split_of
from kincast.offline.motion_library.smooth import smooth_motion
from kincast.offline.motion_library.supported import seat_share, support_reasons
from kincast.offline.motion_library.writer import LibraryWriter

GROUND_CUTOFF_HZ = 6.0
"""Of the velocities that tell standing feet from moving ones."""
FASTEST_HZ = 130.0
"""Poses are thinned to below this rate; walking holds nothing faster than 10 Hz."""


@dataclass(frozen=True)
class RawMotion:
    """Poses as a source gives them, in the source's world: the floor anywhere near, perhaps on a belt.

    ``belt_speed_m_s``: declared (0: a floor), or None where nobody said. ``forces`` in the same world. ``support``: what
    carries the person beside the feet (a kind of :data:`~kincast.offline.motion_library.clip.SUPPORTS`), where somebody said.
    """

    name: str
    person: str
    body: BodyParameters
    t_ns: Int64[np.ndarray, " time"]
    q: Float64[np.ndarray, "time 41"]
    origin: Origin
    belt_speed_m_s: float | None = None
    forces: ClipForces | None = None
    support: str = ""


@dataclass(frozen=True)
class Judged:
    """A motion as a clip, or why it is none."""

    motion: RawMotion
    clip: Clip | None
    reasons: tuple[Reason, ...] = ()


def judged(motion: RawMotion, config: GateConfig | None = None) -> Judged:
    """Put a motion on a floor at rest at z = 0 and judge it."""
    config = config or GateConfig()
    motion = thinned(motion)
    reasons = reasons_in_time(motion.t_ns, motion.q, config)
    if reasons:
        return Judged(motion, None, reasons)
    body = build_body(motion.body)
    v = smooth_motion(motion.t_ns, motion.q, GROUND_CUTOFF_HZ).motion(motion.t_ns).v
    ground = ground_under(body, motion.t_ns, motion.q, v, motion.belt_speed_m_s)
    reasons = reasons_in_motion(body, motion.t_ns, motion.q, ground, config)
    if reasons:
        return Judged(motion, None, reasons)
    since_s = (motion.t_ns - motion.t_ns[0]) * 1e-9
    shift = np.zeros((len(since_s), 3))
    shift[:, :2] = -ground.velocity_m_s * since_s[:, None]
    shift[:, 2] = -ground.height_m
    q = motion.q.copy()
    q[:, :3] += shift
    forces = motion.forces
    if forces is not None:
        forces = replace(forces, cop=(forces.cop + shift[:, None, :]).astype(np.float32))
    clip = Clip(
        name=motion.name,
        person=motion.person,
        body=motion.body,
        t_ns=motion.t_ns - motion.t_ns[0],
        q=q.astype(np.float32),
        sole_drop_m=ground.drop_m,
        ground_velocity_m_s=ground.velocity_m_s,
        origin=motion.origin,
        forces=forces,
    )
    if motion.support:
        nothing = np.zeros(len(clip.t_ns), np.float32)
        share = seat_share(clip) if motion.support == "seat" else nothing
        return Judged(motion, replace(clip, support=Support(motion.support, "", share)))
    reasons = support_reasons(clip, config)
    return Judged(motion, None if reasons else clip, reasons)


def thinned(motion: RawMotion) -> RawMotion:
    """At most :data:`FASTEST_HZ`: every n-th pose of a faster source."""
    if len(motion.t_ns) < 3:
        return motion
    every = int(np.ceil(1e9 / FASTEST_HZ / float(np.median(np.diff(motion.t_ns)))))
    return motion if every < 2 else part(motion, motion.name, slice(0, None, every))


def part(motion: RawMotion, name: str, rows: slice | Int64[np.ndarray, " row"]) -> RawMotion:
    """Some rows of a motion."""
    f = motion.forces
    if f is not None:
        f = ClipForces(f.force[rows], f.cop[rows], f.measured[rows], f.known[rows])
    return replace(motion, name=name, t_ns=motion.t_ns[rows], q=motion.q[rows], forces=f)


def tracked_parts(motion: RawMotion, tracked: Bool[np.ndarray, " time"], gap_s: float) -> Iterable[RawMotion]:
    """The motion cut where nobody was tracked for longer than ``gap_s``; untracked rows go."""
    rows = np.flatnonzero(tracked)
    if not len(rows):
        return
    cuts = np.flatnonzero(np.diff(motion.t_ns[rows]) > gap_s * 1e9) + 1
    pieces = np.split(rows, cuts)
    for k, piece in enumerate(pieces):
        yield part(motion, motion.name if len(pieces) == 1 else f"{motion.name}-{k + 1}", piece)


def build_library(
    motions: Iterable[RawMotion],
    folder: Path,
    splits: Mapping[str, Split] | None = None,
    config: GateConfig | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Index:
    """Write all motions that suit, and the index of those and of the others.

    ``splits``: person -> split, where it is decided; others by :func:`split_of`. A person's second motion of one
    name is numbered.
    """
    writer = LibraryWriter(folder)
    taken: set[tuple[str, str]] = set()
    for given in motions:
        motion, number = given, 1
        while (motion.person, motion.name) in taken:
            number += 1
            motion = replace(given, name=f"{given.name} ({number})")
        taken.add((motion.person, motion.name))
        answer = judged(motion, config)
        key = f"{motion.person}/{motion.name}"
        if answer.clip is None:
            writer.leave_out(key, motion.person, motion.name, motion.origin.source, answer.reasons)
            tell(f"{motion.name}: kept out, {'; '.join(r.sentence for r in answer.reasons)}")
            continue
        split = (splits or {}).get(motion.person) or split_of(motion.person)
        writer.keep(key, answer.clip, split)
        tell(f"{motion.name}: {answer.clip.seconds:.1f} s, {split}")
    return writer.finish()
