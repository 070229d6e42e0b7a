"""When a foot stands flat, and the foot's long axis, so that the floor says what the keypoints cannot.

Heel and toe keypoints sit centimetres off the foot's own axis, differently on each side, which turns the
ankle by several degrees for good. But a flat foot is a flat foot: on one floor and in one pair of shoes
both feet lie alike. That comparison fixes most of the difference between the sides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from kincast.models.body.sites import sites_of
from kincast.models.kinematics import Skeleton
from kincast.models.mirrored_sites import site_landmarks
from kincast.models.seen_points import SeenPoints

AXIS_LENGTH_M = 0.2
_TOES = ("big_toe", "small_toe", "second_toe", "mt1", "mt2", "mt5")
_HEELS = ("heel", "calcaneus")
SIDES = ("r", "l")


@dataclass(frozen=True)
class FlatFootConfig:
    """Heel within ``heel_low_m`` of its lowest, toes level (``still_m_s``) and near the heel's height."""

    heel_low_m: float = 0.015
    still_m_s: float = 0.15
    half_window_s: float = 0.05
    toe_above_heel_m: float = 0.10


def flat_feet(
    seen: SeenPoints, site_set: str, config: FlatFootConfig = FlatFootConfig()
) -> Bool[np.ndarray, "time 2"]:
    """Whether the right and the left foot stand flat, from heights and vertical speeds alone (a belt may move)."""
    landmarks = site_landmarks(site_set)
    flat = np.zeros((len(seen.t_ns), 2), dtype=bool)
    t = (seen.t_ns - seen.t_ns[0]) * 1e-9 if len(seen.t_ns) else np.zeros(0)
    heels, toes = [], []
    for side in SIDES:
        heels.append(_height(seen, landmarks, [f"{name}_{side}" for name in _HEELS]))
        toes.append(_height(seen, landmarks, [f"{name}_{side}" for name in _TOES]))
    if any(height is None for height in (*heels, *toes)) or len(t) < 5:
        return flat
    for i, (heel, toe) in enumerate(zip(heels, toes, strict=True)):
        lowest = np.nanpercentile(heel, 10)
        # A heel that never comes down to where the other one stands carries a foot that is not flat.
        on_floor = lowest < min(np.nanpercentile(h, 10) for h in heels) + 0.03
        low = heel < lowest + config.heel_low_m
        still = (np.abs(_slope(t, heel, config)) < config.still_m_s) & (
            np.abs(_slope(t, toe, config)) < config.still_m_s
        )
        flat[:, i] = on_floor & low & still & (np.abs(toe - heel) < config.toe_above_heel_m)
    return flat


def _height(seen: SeenPoints, landmarks: tuple[str, ...], wanted: list[str]) -> np.ndarray | None:
    # a marker set names more points than most files have: only those ever seen count
    index = [i for i, landmark in enumerate(landmarks) if landmark in wanted and seen.valid[:, i].sum() >= 5]
    valid = seen.valid[:, index]
    if not index or valid.all(axis=1).sum() < 5:
        return None
    height = np.where(valid, seen.points[:, index, 2], 0.0).sum(axis=1) / np.maximum(valid.sum(axis=1), 1)
    return np.where(valid.all(axis=1), height, np.nan)


def _slope(t: np.ndarray, height: np.ndarray, config: FlatFootConfig) -> np.ndarray:
    known = np.isfinite(height)
    reach = config.half_window_s
    late, early = np.minimum(t + reach, t[-1]), np.maximum(t - reach, t[0])
    rise = np.interp(late, t[known], height[known]) - np.interp(early, t[known], height[known])
    return rise / np.maximum(late - early, 1e-3)


def with_foot_axes(skeleton: Skeleton, site_set: str) -> Skeleton | None:
    """The skeleton with four more sites: origin and tip of each foot's long axis (r, r, l, l); None without heels."""
    segments = [segment for segment, _ in sites_of(site_set).values()]
    if not all(f"calcn_{side}" in segments for side in SIDES):
        return None
    like = np.array([segments.index(f"calcn_{side}") for side in SIDES for _ in range(2)])
    places = np.tile([[0.0, 0.0, 0.0], [AXIS_LENGTH_M, 0.0, 0.0]], (2, 1))
    names = tuple(f"foot_{end}_{side}" for side in SIDES for end in ("origin", "tip"))
    return replace(
        skeleton,
        site_names=skeleton.site_names + names,
        site_bodies=skeleton.site_bodies + tuple(skeleton.site_bodies[i] for i in like),
        site_node=np.concatenate([skeleton.site_node, skeleton.site_node[like]]),
        site_pos=np.concatenate([skeleton.site_pos, places]),
        site_scale=np.concatenate([skeleton.site_scale, skeleton.site_scale[like]]),
        site_mask=np.concatenate([skeleton.site_mask, skeleton.site_mask[like]]),
        digest="",
    )


def foot_pitch(
    axis_sites: Float[np.ndarray, "n 4 3"], axis_jacobian: Float[np.ndarray, "n 4 3 40"]
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2 40"]]:
    """Angle (rad, toes up positive) of each foot's axis against the horizontal, and its derivative by the velocities."""
    along = axis_sites[:, 1::2] - axis_sites[:, 0::2]
    length = np.linalg.norm(along, axis=-1)
    sine = np.clip(along[..., 2] / length, -0.999, 0.999)
    slope = (axis_jacobian[:, 1::2, 2] - axis_jacobian[:, 0::2, 2]) / length[..., None]
    return np.arcsin(sine), slope / np.sqrt(1.0 - sine**2)[..., None]
