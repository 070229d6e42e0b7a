"""Standing up from a seat, made up: seated, the trunk swings forward, hips and knees stretch; weak legs lean further and take longer.

Feet stand flat all the time. The seat carries what balance asks of it at least.
Times and angles are those of adults: rise in 1.5 to 2 s, trunk flexion near 45 degrees (Schenkman et al. 1990, Phys Ther 70:638); weaker
people lean further forward and take longer (Hughes et al. 1996, J Biomech 29:1509).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from kincast.models.body import build_body
from kincast.models.coordinates import COORDINATES, pose_from_coordinates
from kincast.models.twin.model import build_twin
from kincast.offline.motion_library.clip import Clip, Support
from kincast.offline.motion_library.footing import Footholds, Soles, Stiffness, refooted
from kincast.offline.motion_library.retarget import leg_m
from kincast.offline.motion_library.supported import seat_share

RATE_HZ = 60.0
SEAT_SHARE = 0.52
"""Height of the hips of who sits, over the length of the leg: a chair of 44 cm and a leg of 85 cm."""
EASY_SHARE = 0.015
"""By so much of the leg's length a standing person's knees are not stretched."""
BEHIND_SHARE = 0.32
"""How far the hips of who sits are behind where they are in standing, over the length of the leg."""


@dataclass(frozen=True)
class StandingUp:
    """``lean_deg``: of the trunk against the vertical at its furthest; ``lead_s``: it begins that long before the hips rise."""

    seated_s: float = 0.6
    lead_s: float = 0.6
    rise_s: float = 1.3
    standing_s: float = 0.8
    lean_deg: float = 50.0


WEAK = StandingUp(lead_s=1.0, rise_s=2.6, lean_deg=70.0)
"""Of weak legs."""


def sit_to_stand(clip: Clip, how: StandingUp, name: str) -> Clip:
    """Standing up by the person of ``clip``, on that person's soles."""
    twin = build_twin(build_body(clip.body), clip.sole_drop_m)
    soles = Soles(twin)
    leg = leg_m(twin)
    end_s = how.seated_s + how.lead_s + how.rise_s + how.standing_s
    t_s = np.arange(int(end_s * RATE_HZ)) / RATE_HZ
    t_ns = np.round(t_s * 1e9).astype(np.int64)
    off_s = how.seated_s + how.lead_s
    up = _eased((t_s - off_s) / how.rise_s)
    # furthest when the hips leave the seat; back upright as they come up
    lean = _eased((t_s - how.seated_s) / how.lead_s) * (
        1.0 - _eased((t_s - off_s - 0.1 * how.rise_s) / how.rise_s)
    )
    forward = _eased((t_s - off_s + 0.5 * how.lead_s) / (0.5 * how.lead_s + 0.8 * how.rise_s))
    c = np.zeros((len(t_s), 40))
    upright = _pose(c[:1])
    lowest = soles.positions(upright)[0]
    standing_m = float(upright[0, 2]) - float(lowest[..., 2].min()) - EASY_SHARE * leg
    c[:, _at("pelvis_ty")] = standing_m - (1.0 - EASY_SHARE - SEAT_SHARE) * leg * (1.0 - up)
    c[:, _at("pelvis_tx")] = -BEHIND_SHARE * leg * (1.0 - forward)
    trunk = np.deg2rad(how.lean_deg) * lean
    c[:, _at("pelvis_tilt")] = -0.5 * trunk
    c[:, _at("lumbar_extension")] = -0.5 * trunk
    for side in "rl":
        c[:, _at(f"hip_flexion_{side}")] = np.deg2rad(75.0) * (1.0 - up) + np.deg2rad(8.0) + 0.5 * trunk
        c[:, _at(f"knee_angle_{side}")] = np.deg2rad(80.0) * (1.0 - up) + np.deg2rad(16.0)
        c[:, _at(f"ankle_angle_{side}")] = np.deg2rad(8.0)
        c[:, _at(f"elbow_flex_{side}")] = np.deg2rad(20.0)
    wanted = _pose(c)
    place = lowest.copy()
    place[..., 2] = 0.0
    shape = (len(t_s), *place.shape[:2])
    holds = Footholds(np.broadcast_to(place, (*shape, 3)), np.ones(shape), np.ones(shape, bool))
    stiff = Stiffness(pelvis=(0.005, 0.005, 0.005, 0.02, 0.02, 0.02), leg=(0.8, 0.1, 0.1, 0.8, 0.6, 0.1, 0.1))
    q = refooted(soles, t_ns, wanted, holds, stiff)
    made = replace(
        clip,
        name=name,
        t_ns=t_ns,
        q=q.astype(np.float32),
        ground_velocity_m_s=np.zeros(2),
        origin=replace(
            clip.origin,
            source="standing up, made up",
            method="generated",
            changes=(f"stands up in {how.rise_s:g} s, trunk {how.lean_deg:g} deg",),
        ),
        forces=None,
        support=None,
    )
    return replace(made, support=Support("seat", "", seat_share(made)))


def _eased(share: Float64[np.ndarray, " time"]) -> Float64[np.ndarray, " time"]:
    """Least jerk from 0 to 1 (Flash and Hogan 1985)."""
    s = np.clip(share, 0.0, 1.0)
    return s**3 * (10.0 - 15.0 * s + 6.0 * s**2)


def _pose(coordinates: Float64[np.ndarray, "time 40"]) -> Float64[np.ndarray, "time 41"]:
    return np.stack([np.asarray(pose_from_coordinates(row)) for row in coordinates])


def _at(name: str) -> int:
    return COORDINATES.index(name)
