"""The same motion otherwise: mirrored, faster, by a larger person. Pure functions; each notes itself in the origin.

Mirroring keeps everything physical. A larger copy is dynamically similar (Froude: time by the root of the length,
mass by its cube), so that its forces are the original's times the mass. A faster motion needs other forces, so it has none.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float32

from kincast.models.body.parameters import BodyParameters
from kincast.models.body.segments import SCALES, SEGMENTS
from kincast.models.body.sites import KEYPOINT_SETS, MARKER_SETS, sites_of
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.kinematics import difference, integrate
from kincast.models.mirrored_sites import left_right_pairs
from kincast.offline.motion_library.clip import Clip, ClipForces, Origin

_SIDE = {"r": "l", "l": "r"}
_NEGATED = ("lumbar_bending", "lumbar_rotation", "neck_bending", "neck_rotation")
"""Trunk and neck coordinates that change sign in a mirror."""


def _other(name: str, among: tuple[str, ...]) -> str:
    """The name of the other side's thing, where there is one."""
    base, _, side = name.rpartition("_")
    other = f"{base}_{_SIDE.get(side, side)}"
    return other if side in _SIDE and other in among else name


_MIRROR_JOINT = np.array(
    [JOINT_COORDINATES.index(_other(name, JOINT_COORDINATES)) for name in JOINT_COORDINATES]
)
_MIRROR_SIGN = np.array([-1.0 if name in _NEGATED else 1.0 for name in JOINT_COORDINATES], np.float32)


def mirrored(clip: Clip) -> Clip:
    """The motion in a mirror that stands in the world's x-z plane: right becomes left."""
    q = clip.q.copy()
    q[:, 1] = -clip.q[:, 1]
    # reflection of the world's y and of the segments' z: R' = S_y R S_z
    q[:, 3:7] = _mirrored_quaternions(clip.q[:, 3:7])
    q[:, 7:] = clip.q[:, 7:][:, _MIRROR_JOINT] * _MIRROR_SIGN
    forces = None
    if clip.forces is not None:
        across = np.array([1.0, -1.0, 1.0], np.float32)
        forces = ClipForces(
            clip.forces.force[:, ::-1] * across,
            clip.forces.cop[:, ::-1] * across,
            clip.forces.measured[:, ::-1].copy(),
            clip.forces.known[:, ::-1].copy(),
        )
    return replace(
        clip,
        name=renamed(clip.name, "mirrored"),
        body=mirrored_body(clip.body),
        q=q,
        sole_drop_m=clip.sole_drop_m[::-1].copy(),
        ground_velocity_m_s=clip.ground_velocity_m_s * (1.0, -1.0),
        origin=noted(clip.origin, "mirrored"),
        forces=forces,
        support=None
        if clip.support is None
        else replace(clip.support, side=_SIDE.get(clip.support.side, "")),
    )


def mirrored_body(body: BodyParameters) -> BodyParameters:
    """The body with its sides exchanged. A site that has no counterpart loses its own offset."""
    swap = _mirror_sites()
    return replace(
        body,
        scales={_other(name, SCALES): s for name, s in body.scales.items()},
        scales_sd={_other(name, SCALES): s for name, s in body.scales_sd.items()},
        mass_factors={_other(name, tuple(SEGMENTS)): f for name, f in body.mass_factors.items()},
        site_offsets={swap[n]: (x, y, -z) for n, (x, y, z) in body.site_offsets.items() if n in swap},
        site_offsets_sd={swap[n]: v for n, v in body.site_offsets_sd.items() if n in swap},
    )


def faster(clip: Clip, factor: float) -> Clip:
    """The motion ``factor`` times as fast; its forces are other ones, unknown."""
    if not 0.25 <= factor <= 4.0:
        raise ValueError(f"factor {factor:g}; valid: 0.25 to 4")
    t_ns = clip.t_ns[0] + np.round((clip.t_ns - clip.t_ns[0]) / factor).astype(np.int64)
    return replace(
        clip,
        name=renamed(clip.name, f"faster-{factor:g}"),
        t_ns=t_ns,
        ground_velocity_m_s=clip.ground_velocity_m_s * factor,
        origin=noted(clip.origin, f"faster {factor:g}"),
        forces=None,
    )


def time_warped(clip: Clip, amount: float, period_s: float = 2.0, phase: float = 0.0) -> Clip:
    """The same way at a speed that swells and ebbs by ``amount`` (a share) every ``period_s`` (of the original's time).

    A pose shown at time t is shown at ``integral of dt / (1 + amount sin(2 pi t / period + phase))`` instead: smooth, and its forces other ones.
    """
    if not 0.0 <= amount <= 0.5 or period_s < 0.5:
        raise ValueError(f"amount {amount:g}, period {period_s:g} s; valid: 0 to 0.5, at least 0.5 s")
    since_s = (clip.t_ns - clip.t_ns[0]) * 1e-9
    fine_s = np.linspace(0.0, since_s[-1], 1 + 4 * len(since_s))
    slowness = 1.0 / (1.0 + amount * np.sin(2.0 * np.pi * fine_s / period_s + phase))
    passed_s = np.concatenate([[0.0], np.cumsum(0.5 * (slowness[1:] + slowness[:-1]) * np.diff(fine_s))])
    t_ns = clip.t_ns[0] + np.round(np.interp(since_s, fine_s, passed_s) * 1e9).astype(np.int64)
    change = f"time warped {amount:g} every {period_s:g} s from {phase:.2f}"
    return replace(
        clip,
        name=renamed(clip.name, f"time-warped-{amount:g}"),
        t_ns=t_ns,
        origin=noted(clip.origin, change),
        forces=None,
    )


def sampled(clip: Clip, rate_hz: float) -> Clip:
    """The clip as a system of ``rate_hz`` frames a second would have it, by its timestamps; forces with it. What lies faster than
    that rate shows is lost."""
    if not 10.0 <= rate_hz <= 240.0:
        raise ValueError(f"rate {rate_hz:g} Hz; valid: 10 to 240")
    at_ns = clip.t_ns[0] + np.round(np.arange(int(clip.seconds * rate_hz) + 1) * (1e9 / rate_hz)).astype(
        np.int64
    )
    after = np.clip(np.searchsorted(clip.t_ns, at_ns), 1, len(clip.t_ns) - 1)
    before = after - 1
    share = (at_ns - clip.t_ns[before]) / (clip.t_ns[after] - clip.t_ns[before])
    q = clip.q.astype(np.float64)
    step = np.asarray(difference(q[before], q[after])) * share[:, None]
    poses = np.stack([np.asarray(integrate(a, s)) for a, s in zip(q[before], step, strict=True)])

    def between(values: np.ndarray) -> np.ndarray:
        s = share.reshape(-1, *[1] * (values.ndim - 1)).astype(np.float32)
        return (1.0 - s) * values[before] + s * values[after]

    f = clip.forces
    if f is not None:
        flags = (f.measured[before] & f.measured[after], f.known[before] & f.known[after])
        f = ClipForces(between(f.force), between(f.cop), *flags)
    return replace(
        clip,
        name=renamed(clip.name, f"at-{rate_hz:g}-Hz"),
        t_ns=at_ns,
        q=poses.astype(np.float32),
        origin=noted(clip.origin, f"sampled at {rate_hz:g} Hz"),
        forces=f,
        support=None if clip.support is None else replace(clip.support, share=between(clip.support.share)),
    )


def larger(clip: Clip, factor: float) -> Clip:
    """The same motion by a person ``factor`` times as tall, similar in shape and dynamics."""
    if not 0.5 <= factor <= 2.0:
        raise ValueError(f"factor {factor:g}; valid: 0.5 to 2")
    body = clip.body
    offsets = {name: tuple(factor * x for x in v) for name, v in body.site_offsets.items()}
    q = clip.q.copy()
    q[:, :3] *= factor
    root = float(np.sqrt(factor))
    forces = clip.forces
    if forces is not None:
        forces = replace(
            forces,
            force=(forces.force * factor**3).astype(np.float32),
            cop=(forces.cop * factor).astype(np.float32),
        )
    return replace(
        clip,
        name=renamed(clip.name, f"larger-{factor:g}"),
        body=replace(
            body,
            scales={**body.scales, "overall": body.scales["overall"] * factor},
            mass_kg=body.mass_kg * factor**3,
            mass_sd_kg=body.mass_sd_kg * factor**3,
            site_offsets=offsets,
        ),
        t_ns=clip.t_ns[0] + np.round((clip.t_ns - clip.t_ns[0]) * root).astype(np.int64),
        q=q,
        sole_drop_m=clip.sole_drop_m * factor,
        ground_velocity_m_s=clip.ground_velocity_m_s * root,
        origin=noted(clip.origin, f"larger {factor:g}"),
        forces=forces,
    )


@lru_cache(maxsize=1)
def _mirror_sites() -> dict[str, str]:
    """Name of the site on the other side, itself for those of the midline."""
    found: dict[str, str] = {}
    for set_name, names in (KEYPOINT_SETS | MARKER_SETS).items():
        for left, right in left_right_pairs(set_name):
            found[names[left]], found[names[right]] = names[right], names[left]
        for name, (_, place) in sites_of(set_name).items():
            if place[2] == 0.0:
                found.setdefault(name, name)
    return found


def _mirrored_quaternions(q: Float32[np.ndarray, "time 4"]) -> Float32[np.ndarray, "time 4"]:
    """Of ``S_y R S_z``: the axis is a pseudovector, and S_y S_z is half a turn about x."""
    w, x, y, z = q.T
    return np.stack([x, w, -z, -y], axis=1)


def renamed(name: str, change: str) -> str:
    """What a changed clip is called."""
    return f"{name}+{change}"


def noted(origin: Origin, change: str) -> Origin:
    """The origin with one more change."""
    return replace(origin, changes=(*origin.changes, change))
