"""A motion by another person: the same angles on their body, as far and as long as dynamic similarity says, feet put where they then stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from kincast.models.body import BodyParameters, build_body
from kincast.models.coordinates import pose_from_coordinates
from kincast.models.twin.model import Twin, build_twin
from kincast.offline.motion_library.clip import Clip
from kincast.offline.motion_library.footing import Soles, Stiffness, footholds, planted_points, refooted
from kincast.offline.motion_library.transforms import noted, renamed


def by_another(clip: Clip, body: BodyParameters, person: str) -> Clip:
    """The clip as ``person`` of ``body`` would do it; the clip stays its own person's in the split, whose motion it is.

    Lengths grow with the legs, times with the root of that (Froude); stances are those of the original.
    """
    before = build_twin(build_body(clip.body), clip.sole_drop_m)
    generic = build_twin(build_body(body))
    factor = leg_m(generic) / leg_m(before)
    drop = clip.sole_drop_m * factor
    after = build_twin(build_body(body), drop)
    q = clip.q.astype(np.float64)
    planted = planted_points(clip.t_ns, Soles(before).positions(q))
    wanted = q.copy()
    wanted[:, :3] *= factor
    t_ns = clip.t_ns[0] + np.round((clip.t_ns - clip.t_ns[0]) * np.sqrt(factor)).astype(np.int64)
    soles = Soles(after)
    position = soles.positions(wanted)
    holds = footholds(t_ns, position, planted)
    # proportions differ: the soles of the same pose stand higher or lower than the floor
    standing = position[..., 2][planted]
    if len(standing):
        wanted[:, 2] -= np.median(standing)
        position[..., 2] -= np.median(standing)
    least = np.maximum(position[..., 2].min(axis=2), 0.0)
    return replace(
        clip,
        name=renamed(clip.name, f"by-{person.replace(' ', '-')}"),
        body=replace(body, external_support=clip.body.external_support),
        t_ns=t_ns,
        q=refooted(soles, t_ns, wanted, holds, Stiffness(), least).astype(np.float32),
        sole_drop_m=drop,
        ground_velocity_m_s=clip.ground_velocity_m_s * np.sqrt(factor),
        origin=noted(clip.origin, f"by the body of {person}, {factor:.3f} of the legs"),
        forces=None,
    )


def leg_m(twin: Twin) -> float:
    """From the hips to the soles of a person who stands upright."""
    upright = upright_pose()
    soles = Soles(twin).positions(upright[None])[0]
    return float(upright[2] + hip_below_pelvis_m(twin) - soles[..., 2].min())


def hip_below_pelvis_m(twin: Twin) -> float:
    """Height of the hips over the pelvis' origin (negative: below) of a person who stands upright."""
    pelvis, hip = twin.model.body("pelvis"), twin.model.body("femur_r")
    assert hip.parentid[0] == pelvis.id
    return float(hip.pos[1])


def upright_pose() -> Float64[np.ndarray, "41"]:
    """All angles zero, the pelvis' origin a metre up."""
    coordinates = np.zeros(40)
    coordinates[4] = 1.0
    return np.asarray(pose_from_coordinates(coordinates))
