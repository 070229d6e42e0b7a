"""Which person of one picture is which person of another, and which leg is which.

At a (re)start the engine knows nobody. People of different pictures belong together when their rays meet:
hypotheses from every pair of pictures are triangulated, grown over the other cameras by median
reprojection error, and ranked by how much of the person how many cameras see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
from jaxtyping import Bool, Float, Int

from kincast.models.camera import Camera
from kincast.models.triangulation import (
    Triangulated,
    TriangulationConfig,
    ViewGeometry,
    residuals_px,
    triangulate,
    undistorted,
)

PAIR_POINTS_AT_ONCE = 32768


@dataclass(frozen=True)
class AssociationConfig:
    """A detection joins a person when at least half of its confident keypoints lie within ``gate_px``.

    ``max_extent_m`` rejects chance meetings of rays: no two keypoints of one person are further apart.
    """

    gate_px: float = 25.0
    min_confidence: float = 0.3
    min_keypoints: int = 6
    min_extent_m: float = 0.3
    max_extent_m: float = 2.6
    max_seeds: int = 12


@dataclass(frozen=True)
class AssociatedPerson:
    """``person_index[c]``: which person of camera c's picture, -1 where none; ``visibility`` = agreeing keypoint views."""

    person_index: Int[np.ndarray, " camera"]
    keypoints: Float[np.ndarray, "camera keypoint 3"]
    triangulated: Triangulated
    visibility: float
    median_px: float


def associate(
    cameras: tuple[Camera, ...],
    people: Sequence[Float[np.ndarray, "_ keypoint 3"]],
    config: AssociationConfig = AssociationConfig(),
) -> tuple[AssociatedPerson, ...]:
    """The people seen by two cameras or more, the most visible first; no detection belongs to two of them.

    ``people[c]`` holds everyone in camera c's picture (possibly nobody), all pictures of about one instant.
    """
    pool = _Pool.of(cameras, people)
    found: list[AssociatedPerson] = []
    free = [np.ones(len(p), dtype=bool) for p in pool.confidence]
    while sum(f.any() for f in free) >= 2:
        person = _best_person(pool, cameras, people, free, config)
        if person is None:
            break
        for c, i in enumerate(person.person_index):
            if i >= 0:
                free[c][i] = False
        found.append(person)
    return tuple(sorted(found, key=lambda p: -p.visibility))


@dataclass(frozen=True)
class _Pool:
    """Everyone in every picture, undistorted once: per camera (person, keypoint, ...)."""

    views: ViewGeometry
    rays: list[np.ndarray]
    directions: list[np.ndarray]
    confidence: list[np.ndarray]
    n_keypoints: int

    @staticmethod
    def of(cameras: tuple[Camera, ...], people: Sequence[np.ndarray]) -> _Pool:
        views = ViewGeometry.of(cameras)
        rays, directions, confidence = [], [], []
        for c, seen in enumerate(people):
            xy, conf = undistorted((cameras[c],), np.asarray(seen, dtype=np.float64)[:, None])
            xy, conf = xy[:, 0], conf[:, 0]
            local = np.concatenate([xy, np.ones((*xy.shape[:-1], 1))], axis=-1) @ views.rotation[c]
            rays.append(xy)
            directions.append(local / np.linalg.norm(local, axis=-1, keepdims=True))
            confidence.append(conf)
        return _Pool(views, rays, directions, confidence, people[0].shape[1] if len(people) else 0)


def _best_person(
    pool: _Pool,
    cameras: tuple[Camera, ...],
    people: Sequence[np.ndarray],
    free: list[np.ndarray],
    config: AssociationConfig,
) -> AssociatedPerson | None:
    best: AssociatedPerson | None = None
    done: list[np.ndarray] = []
    for (a, i), (b, j), points, usable in _seeds(pool, free, config):
        if any(index[a] == i and index[b] == j for index in done):
            continue
        index = _grow(pool, free, points, usable, config)
        if (index >= 0).sum() < 2:
            continue
        person = _assembled(cameras, people, index, config)
        # Grown once more from all its views, so that a seed's poor depth does not lose cameras.
        index = _grow(pool, free, person.triangulated.points, person.triangulated.valid, config)
        if (index >= 0).sum() < 2:
            continue
        done.append(index)
        if not np.array_equal(index, person.person_index):
            person = _assembled(cameras, people, index, config)
        points, usable = person.triangulated.points, person.triangulated.valid
        if usable.sum() < config.min_keypoints or not _plausible_size(points, usable, config):
            continue
        if best is None or person.visibility > best.visibility:
            best = person
    return best


def _seeds(
    pool: _Pool, free: list[np.ndarray], config: AssociationConfig
) -> list[tuple[tuple[int, int], tuple[int, int], np.ndarray, np.ndarray]]:
    """Pairs of detections (camera, person) with their points, first those that meet best in most keypoints."""
    pairs = [
        ((a, int(i)), (b, int(j)))
        for a, b in combinations(range(len(free)), 2)
        for i in np.flatnonzero(free[a])
        for j in np.flatnonzero(free[b])
    ]
    ranked = []
    at_once = max(1, PAIR_POINTS_AT_ONCE // max(pool.n_keypoints, 1))
    for some in (pairs[k : k + at_once] for k in range(0, len(pairs), at_once)):
        points, usable, error_px = _pair_points(pool, some, config)
        count, median_px = usable.sum(axis=1), _masked_median(error_px, usable)
        rank = -count / (1.0 + median_px / config.gate_px)
        for n in np.flatnonzero((count >= config.min_keypoints) & (median_px < config.gate_px)):
            ranked.append((float(rank[n]), len(ranked), (*some[n], points[n], usable[n])))
    ranked.sort(key=lambda seed: seed[:2])
    plausible = (seed for _, _, seed in ranked if _plausible_size(seed[2], seed[3], config))
    return list(islice(plausible, config.max_seeds))


def _pair_points(
    pool: _Pool, pairs: Sequence[tuple[tuple[int, int], tuple[int, int]]], config: AssociationConfig
) -> tuple[
    Float[np.ndarray, "pair keypoint 3"],
    Bool[np.ndarray, "pair keypoint"],
    Float[np.ndarray, "pair keypoint"],
]:
    """Where the rays of two detections come nearest, which keypoints can tell, and how far the rays miss, in pixels."""
    a, b = ([pair[k][0] for pair in pairs] for k in (0, 1))
    ray_a, ray_b = (np.array([pool.directions[pair[k][0]][pair[k][1]] for pair in pairs]) for k in (0, 1))
    seen = [np.array([pool.confidence[pair[k][0]][pair[k][1]] for pair in pairs]) for k in (0, 1)]
    centre_a, centre_b = pool.views.centre[a], pool.views.centre[b]
    base = (centre_b - centre_a)[:, :, None]
    cosine = (ray_a * ray_b).sum(axis=-1)
    sine2 = 1.0 - cosine**2
    usable = (seen[0] >= config.min_confidence) & (seen[1] >= config.min_confidence) & (sine2 > 5e-3)
    safe = np.where(sine2 > 5e-3, sine2, 1.0)
    base_a, base_b = (ray_a @ base)[..., 0], (ray_b @ base)[..., 0]
    along_a = (base_a - cosine * base_b) / safe
    along_b = (cosine * base_a - base_b) / safe
    usable &= (along_a > 0.2) & (along_b > 0.2)
    near_a = centre_a[:, None] + along_a[..., None] * ray_a
    near_b = centre_b[:, None] + along_b[..., None] * ray_b
    gap = np.sqrt(((near_a - near_b) ** 2).sum(axis=-1))
    focal = 0.5 * (pool.views.focal_px[a].mean(axis=1) + pool.views.focal_px[b].mean(axis=1))
    # Half the gap between the rays, seen from the nearer of the two cameras, in pixels.
    error_px = 0.5 * gap * focal[:, None] / np.maximum(np.minimum(along_a, along_b), 0.2)
    return 0.5 * (near_a + near_b), usable, error_px


def _masked_median(
    values: Float[np.ndarray, "n keypoint"], mask: Bool[np.ndarray, "n keypoint"]
) -> Float[np.ndarray, " n"]:
    """Median of each row's values under its mask, infinite where there is none."""
    if not values.shape[1]:
        return np.full(len(values), np.inf)
    count, row = mask.sum(axis=1), np.arange(len(values))
    ordered = np.sort(np.where(mask, values, np.inf), axis=1)
    last = np.maximum(count - 1, 0)
    return 0.5 * (ordered[row, last // 2] + ordered[row, np.minimum(count // 2, values.shape[1] - 1)])


def _plausible_size(points: np.ndarray, usable: np.ndarray, config: AssociationConfig) -> bool:
    """The extent from the 5th to the 95th percentile of each axis is a person's."""
    ordered = np.sort(points[usable], axis=0)
    last = len(ordered) - 1
    if last < 0:
        return False
    extent = ordered[round(0.95 * last)] - ordered[round(0.05 * last)]
    return bool(config.min_extent_m < np.linalg.norm(extent) < config.max_extent_m)


def _grow(
    pool: _Pool,
    free: list[np.ndarray],
    points: Float[np.ndarray, "keypoint 3"],
    usable: Bool[np.ndarray, " keypoint"],
    config: AssociationConfig,
) -> Int[np.ndarray, " camera"]:
    """Per camera the free detection that agrees best with the points, or -1."""
    index = np.full(len(free), -1, dtype=np.int64)
    for c in range(len(free)):
        candidates = np.flatnonzero(free[c])
        if not len(candidates):
            continue
        rays = pool.rays[c][candidates]
        shared = usable & (pool.confidence[c][candidates] >= config.min_confidence)
        everywhere = np.broadcast_to(points, (*rays.shape[:-1], 3))
        residual = residuals_px(pool.views.only(c), everywhere, rays[:, :, None])[:, :, 0]
        medians = _masked_median(np.sqrt((residual**2).sum(axis=-1)), shared)
        medians[shared.sum(axis=1) < max(3, config.min_keypoints // 2)] = np.inf
        best = int(np.argmin(medians))
        if medians[best] < config.gate_px:
            index[c] = candidates[best]
    return index


def _assembled(
    cameras: tuple[Camera, ...],
    people: Sequence[np.ndarray],
    index: Int[np.ndarray, " camera"],
    config: AssociationConfig,
) -> AssociatedPerson:
    keypoints = selected_person(people, index)
    gate = TriangulationConfig(gate_px=config.gate_px, min_confidence=config.min_confidence)
    triangulated = triangulate(cameras, keypoints, gate)
    agreeing = triangulated.inlier
    return AssociatedPerson(
        person_index=index,
        keypoints=keypoints,
        triangulated=triangulated,
        visibility=float((keypoints[..., 2].T * agreeing).sum()),
        median_px=float(np.median(triangulated.residual_px[agreeing])) if agreeing.any() else float("inf"),
    )


def selected_person(
    people: Sequence[Float[np.ndarray, "_ keypoint 3"]], index: Int[np.ndarray, " camera"]
) -> Float[np.ndarray, "camera keypoint 3"]:
    """The chosen person's keypoints per camera; zeros (absent) where the index is -1."""
    n_keypoints = people[0].shape[1]
    out = np.zeros((len(people), n_keypoints, 3))
    for c, i in enumerate(index):
        if i >= 0:
            out[c] = people[c][i]
    return out


def leg_swapped(
    cameras: tuple[Camera, ...],
    keypoints: Float[np.ndarray, "*batch camera keypoint 3"],
    points: Float[np.ndarray, "*batch keypoint 3"],
    valid: Bool[np.ndarray, "*batch keypoint"],
    pairs: tuple[tuple[int, int], ...],
    gate_px: float = 20.0,
) -> Bool[np.ndarray, "*batch camera"]:
    """Whether a camera's picture agrees with the points only once its left and right legs are exchanged.

    ``pairs`` are (left, right) keypoint indices of the legs. Said only when the exchange lowers the
    truncated squared error by more than half and by what one gross outlier cannot do.
    """
    batch = keypoints.shape[:-3]
    n_cameras, n_keypoints = keypoints.shape[-3], keypoints.shape[-2]
    normalised, confidence = undistorted(cameras, keypoints)
    normalised = normalised.reshape(-1, n_cameras, n_keypoints, 2)
    confidence = confidence.reshape(-1, n_cameras, n_keypoints)
    flat_points = points.reshape(-1, n_keypoints, 3)
    flat_valid = valid.reshape(-1, n_keypoints)
    views = ViewGeometry.of(cameras)
    own = np.array([i for pair in pairs for i in pair], dtype=np.int64)
    other = np.array([i for pair in pairs for i in pair[::-1]], dtype=np.int64)

    def cost(predicted_by: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at = flat_points[:, predicted_by].reshape(-1, 3)
        rays = np.moveaxis(normalised[:, :, own], 1, 2).reshape(-1, n_cameras, 2)
        squared = (residuals_px(views, at, rays) ** 2).sum(axis=-1).reshape(-1, len(own), n_cameras)
        used = np.moveaxis(confidence[:, :, own] > 0.2, 1, 2)
        used = used & (flat_valid[:, own] & flat_valid[:, other])[..., None]
        return (np.minimum(squared, (2 * gate_px) ** 2) * used).sum(axis=1), used.sum(axis=1)

    as_is, count = cost(own)
    exchanged, _ = cost(other)
    swapped = (exchanged < 0.5 * as_is) & (as_is - exchanged > 3 * gate_px**2) & (count >= 4)
    return swapped.reshape(*batch, n_cameras)


def exchange_legs(
    keypoints: Float[np.ndarray, "*batch camera keypoint 3"],
    swapped: Bool[np.ndarray, "*batch camera"],
    pairs: tuple[tuple[int, int], ...],
) -> Float[np.ndarray, "*batch camera keypoint 3"]:
    """The keypoints with left and right legs exchanged in the pictures marked."""
    order = np.arange(keypoints.shape[-2])
    for left, right in pairs:
        order[left], order[right] = right, left
    return np.where(swapped[..., None, None], keypoints[..., order, :], keypoints)
