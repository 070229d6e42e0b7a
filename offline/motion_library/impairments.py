"""Motions as an impairment would change them: the edit itself is exact, the rest of pelvis and legs gives way so that the feet still stand.

These are caricatures with one property each, not measured patients: what the person would also do differently (speed, arms,
balance) is not made up. Walks alone; forces of the original are dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64
from scipy.ndimage import gaussian_filter1d

from kincast.models.body import build_body
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.errors import UserMistakeError
from kincast.models.rotations import quaternion_multiply
from kincast.models.twin.model import build_twin
from kincast.offline.motion_library.clip import Clip, Support
from kincast.offline.motion_library.footing import (
    Footholds,
    Soles,
    Stiffness,
    footholds,
    planted_points,
    refooted,
    runs,
    with_flat_landing,
)
from kincast.offline.motion_library.transforms import noted, renamed

EASE_S = 0.12
"""An edit of one phase comes and goes over this time."""
STRAIGHT = 0.95
"""Distance over way of the pelvis of a straight walk."""
FAR_M = 1.0
OTHER = {"r": "l", "l": "r"}


class NotAWalkError(UserMistakeError):
    """An impairment of walking was asked of another motion."""


@dataclass(frozen=True)
class Walk:
    """A clip with what its feet do.

    Raises:
        NotAWalkError: a foot never swings between two stances, or nobody gets anywhere.
    """

    clip: Clip

    def __post_init__(self) -> None:
        way = self.clip.q[-1, :2].astype(np.float64) - self.clip.q[0, :2]
        if np.linalg.norm(way) < FAR_M or not all(len(self.swings(side)) for side in "rl"):
            raise NotAWalkError(
                f"{self.clip.name}: no walk: nobody gets {FAR_M:g} m far with both feet swinging"
            )

    @cached_property
    def soles(self) -> Soles:
        """Of the person."""
        return Soles(build_twin(build_body(self.clip.body), self.clip.sole_drop_m))

    @cached_property
    def q(self) -> Float64[np.ndarray, "time 41"]:
        return self.clip.q.astype(np.float64)

    @cached_property
    def holds(self) -> Footholds:
        position = self.soles.positions(self.q)
        return footholds(self.clip.t_ns, position, planted_points(self.clip.t_ns, position))

    @cached_property
    def least_m(self) -> Float64[np.ndarray, "time 2"]:
        """The lowest sole point of each foot."""
        return np.maximum(self.soles.positions(self.q)[..., 2].min(axis=2), 0.0)

    @property
    def every_s(self) -> float:
        return float(np.median(np.diff(self.clip.t_ns))) * 1e-9

    def stands(self, side: str) -> Bool[np.ndarray, " time"]:
        """When any point of the foot stands."""
        return np.asarray(self.holds.planted[:, "rl".index(side)].any(axis=1))

    def swings(self, side: str) -> list[tuple[int, int]]:
        """Rows of the whole swings of a foot."""
        stands = self.stands(side)
        return [(b, e) for b, e in runs(~stands) if b > 0 and e < len(stands)]

    def in_swing(self, side: str, ease_s: float = EASE_S) -> Float64[np.ndarray, " time"]:
        """1 in the middle of swings, 0 in stance, smooth; cut swings at the ends count."""
        return self._eased(~self.stands(side), ease_s)

    def late_in_swing(self, side: str, ease_s: float = EASE_S) -> Float64[np.ndarray, " time"]:
        """The same, beginning once the foot has left the floor."""
        swings = ~self.stands(side)
        rows = round(0.8 * ease_s / self.every_s)
        late = swings.copy()
        for begin, end in runs(swings):
            late[begin : min(begin + rows, end)] = False
        return self._eased(late, ease_s)

    def in_single_stance(self, side: str) -> Float64[np.ndarray, " time"]:
        """1 while the side alone carries, 0 while the other does, smooth in between."""
        return self._eased(self.stands(side) & ~self.stands(OTHER[side]), 2.0 * EASE_S)

    def _eased(self, state: Bool[np.ndarray, " time"], ease_s: float) -> Float64[np.ndarray, " time"]:
        return gaussian_filter1d(state.astype(float), 0.4 * ease_s / self.every_s, mode="nearest")


def stiff_knee(walk: Walk, side: str, peak_deg: float = 30.0) -> Clip:
    """Knee flexion nowhere beyond ``peak_deg``: the leg is too long to swing through unless the pelvis lifts it (hip hiking)
    or it goes round outside (circumduction)."""
    q = walk.q.copy()
    at = _column(f"knee_angle_{side}")
    soft = np.deg2rad(2.5)
    peak = np.deg2rad(peak_deg)
    q[:, at] = -soft * np.logaddexp(-q[:, at] / soft, -peak / soft)
    stiff = Stiffness(
        pelvis=(0.03, 0.03, 0.015, 0.15, 0.05, 0.05),
        side={
            f"knee_angle_{side}": np.deg2rad(0.3),
            f"ankle_angle_{side}": 0.03,
            f"hip_flexion_{side}": 0.03,
        },
    )
    return _stood(walk, q, walk.holds, stiff, f"stiff knee {side} {peak_deg:g}")


def foot_drop(walk: Walk, side: str, plantarflexion_deg: float = 15.0) -> Clip:
    """The ankle hangs in swing; hip and knee lift the foot higher (steppage), and the sole lands flat or toes first."""
    q = walk.q.copy()
    at = _column(f"ankle_angle_{side}")
    share = walk.late_in_swing(side)
    q[:, at] = (1.0 - share) * q[:, at] - share * np.deg2rad(plantarflexion_deg)
    foot = "rl".index(side)
    position = walk.soles.positions(walk.q)
    holds = footholds(walk.clip.t_ns, position, with_flat_landing(walk.holds, walk.clip.t_ns, foot))
    stiff = Stiffness(
        pelvis=(0.03, 0.03, 0.01, 0.03, 0.03, 0.03),
        side={f"ankle_angle_{side}": np.deg2rad(1.0), f"knee_angle_{side}": 0.2, f"hip_flexion_{side}": 0.2},
    )
    return _stood(walk, q, holds, stiff, f"foot drop {side} {plantarflexion_deg:g}")


def hip_hiking(walk: Walk, side: str, lift_deg: float = 8.0) -> Clip:
    """The pelvis lifted by ``lift_deg`` on the side that swings, over its usual obliquity."""
    q = walk.q.copy()
    # a positive turn about the pelvis' forward axis lowers the right side
    angle = np.deg2rad(lift_deg) * walk.in_swing(side) * (-1.0 if side == "r" else 1.0)
    q[:, 3:7] = _turned_about_x(q[:, 3:7], angle)
    stiff = Stiffness(pelvis=(0.03, 0.03, 0.02, np.deg2rad(0.3), 0.05, 0.05))
    return _stood(walk, q, walk.holds, stiff, f"hip hiking {side} {lift_deg:g}")


def short_steps(walk: Walk, factor: float = 0.6) -> Clip:
    """Steps ``factor`` times as long, at the same cadence; straight walks only.

    Raises:
        NotAWalkError: the way bends.
    """
    q = walk.q.copy()
    way = q[-1, :2] - q[0, :2]
    length = float(np.linalg.norm(np.diff(q[:, :2], axis=0), axis=1).sum())
    if np.linalg.norm(way) < STRAIGHT * length:
        raise NotAWalkError(f"{walk.clip.name}: the way bends, and shorter steps would lead elsewhere")
    along = way / np.linalg.norm(way)
    begin = q[0, :2].copy()

    def shrunk(xy: np.ndarray) -> np.ndarray:
        return xy - (1.0 - factor) * ((xy - begin) @ along)[..., None] * along

    q[:, :2] = shrunk(q[:, :2])
    for name in ("hip_flexion", "arm_flex"):
        for side in "rl":
            at = _column(f"{name}_{side}")
            q[:, at] = q[:, at].mean() + factor * (q[:, at] - q[:, at].mean())
    position = walk.soles.positions(walk.q)
    centre = position.mean(axis=2, keepdims=True)
    # feet keep their size: their centres move closer
    moved = position.copy()
    moved[..., :2] += shrunk(centre[..., :2]) - centre[..., :2]
    holds = footholds(walk.clip.t_ns, moved, walk.holds.planted)
    # in swing too the foot is led along its shortened way, less firmly
    holds = replace(holds, firm=np.maximum(holds.firm, 0.02))
    stiff = Stiffness(
        pelvis=(0.02, 0.03, 0.03, 0.05, 0.05, 0.05), leg=(0.25, 0.07, 0.07, 0.25, 0.15, 0.07, 0.3)
    )
    return _stood(walk, q, holds, stiff, f"short steps {factor:g}")


def trunk_lean(walk: Walk, side: str, lean_deg: float = 10.0) -> Clip:
    """The trunk bends by ``lean_deg`` over the leg of ``side`` while that alone carries."""
    q = walk.q.copy()
    q[:, _column("lumbar_bending")] += _lean(walk, side, lean_deg)
    return _made(walk.clip, q, f"trunk lean {side} {lean_deg:g}")


def cane(walk: Walk, weak: str, share: float = 0.15, lean_deg: float = 4.0) -> Clip:
    """A cane in the hand opposite to the ``weak`` leg takes ``share`` of the body weight while that leg carries alone, and the trunk
    leans a little towards it. The load is declared, not made of the motion: forces under the feet are unknown."""
    q = walk.q.copy()
    q[:, _column("lumbar_bending")] += _lean(walk, OTHER[weak], lean_deg, of=weak)
    clip = _made(walk.clip, q, f"cane {OTHER[weak]} {share:g}")
    load = (share * walk.in_single_stance(weak)).astype(np.float32)
    return replace(
        clip,
        body=replace(clip.body, external_support="cane"),
        support=Support("cane", OTHER[weak], load),
    )


IMPAIRMENTS: dict[str, Callable[[Walk, str], Clip]] = {
    "stiff knee": stiff_knee,
    "foot drop": foot_drop,
    "hip hiking": hip_hiking,
    "short steps": lambda walk, side: short_steps(walk),
    "trunk lean": trunk_lean,
    "cane": cane,
}
"""By name; each of a walk and the side that is worse."""


def _lean(walk: Walk, towards: str, lean_deg: float, of: str = "") -> Float64[np.ndarray, " time"]:
    # lumbar_bending is positive to the right
    sign = 1.0 if towards == "r" else -1.0
    return sign * np.deg2rad(lean_deg) * walk.in_single_stance(of or towards)


def _stood(walk: Walk, wanted: np.ndarray, holds: Footholds, stiffness: Stiffness, change: str) -> Clip:
    q = refooted(walk.soles, walk.clip.t_ns, wanted, holds, stiffness, walk.least_m)
    return _made(walk.clip, q, change)


def _made(clip: Clip, q: Float64[np.ndarray, "time 41"], change: str) -> Clip:
    return replace(
        clip,
        name=renamed(clip.name, change.replace(" ", "-")),
        q=q.astype(np.float32),
        origin=noted(clip.origin, change),
        forces=None,
    )


def _turned_about_x(
    orientation: Float64[np.ndarray, "time 4"], angle: Float64[np.ndarray, " time"]
) -> Float64[np.ndarray, "time 4"]:
    nothing = np.zeros_like(angle)
    turn = np.stack([np.cos(0.5 * angle), np.sin(0.5 * angle), nothing, nothing], axis=1)
    return np.asarray(quaternion_multiply(orientation, turn))


def _column(name: str) -> int:
    return 7 + JOINT_COORDINATES.index(name)
