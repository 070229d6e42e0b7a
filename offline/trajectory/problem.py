"""One recording as a fitting problem: instants at which pictures were taken, and what is assumed of their errors.

Pictures taken within 2 ms of each other share an instant (the rest of the difference is bridged by the site's
velocity, at most 0.1 mm wrong in a foot strike); free-running cameras have instants of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import jax
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from kincast.models.camera import Camera
from kincast.models.observations import Observations, without_soft_sites
from kincast.models.posture_prior import PosturePrior
from kincast.models.residuals import MarkerNoise, PixelNoise
from kincast.models.smoothness import Smoothness
from kincast.offline.trajectory.posture import LearnedPosture

SAME_INSTANT_NS = 2_000_000
LONGEST_STEP_NS = 50_000_000
"""Where nothing was seen for longer, empty instants carry the prior on posture."""
FREE_RUNNING_SLOTS = 2


@dataclass(frozen=True)
class Pictures:
    """N instants with S slots each; an empty slot has camera 0 and confidence 0 everywhere.

    ``offset_s``: the picture's own time after the instant. ``since_s``: time since the same camera's picture before
    (median over the slots), ``step_s``: the stretch of time an instant stands for. ``row``: the row of the
    Observations a slot came from (-1: empty). ``markers`` as in :class:`Observations`.
    """

    t_ns: Int64[np.ndarray, " instant"]
    camera: Int32[np.ndarray, "instant slot"]
    row: Int64[np.ndarray, "instant slot"]
    offset_s: Float32[np.ndarray, "instant slot"]
    pixels: Float32[np.ndarray, "instant slot site 2"]
    confidence: Float32[np.ndarray, "instant slot site"]
    since_s: Float32[np.ndarray, " instant"]
    step_s: Float32[np.ndarray, " instant"]
    markers: Float32[np.ndarray, "instant site 4"] | None = None

    @property
    def sites(self) -> int:
        return self.pixels.shape[2]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MotionPrior:
    """What is assumed of any person's motion and of detectors; the live fit's settings unless measured otherwise."""

    smoothness: Smoothness = field(default_factory=Smoothness)
    posture: PosturePrior | LearnedPosture = field(default_factory=PosturePrior)
    pixel_noise: PixelNoise = field(default_factory=PixelNoise)
    marker_noise: MarkerNoise = field(default_factory=MarkerNoise)


@dataclass(frozen=True)
class FitProblem:
    """What a trajectory is fitted to. ``information`` (1/px^2) is that of each detection; 0 = absent or not to be used."""

    keypoint_set: str
    cameras: tuple[Camera, ...]
    pictures: Pictures
    information: Float32[np.ndarray, "instant slot site"]
    prior: MotionPrior = field(default_factory=MotionPrior)

    @property
    def first_ns(self) -> int:
        return int(self.pictures.t_ns[0])

    @property
    def last_ns(self) -> int:
        return int(self.pictures.t_ns[-1])


@dataclass(frozen=True)
class ViewErrors:
    """Per detection: distance of the model from it (px), its robust weight 0..1; per slot: legs taken as exchanged."""

    error_px: Float32[np.ndarray, "instant slot site"]
    robust_weight: Float32[np.ndarray, "instant slot site"]
    exchanged: Bool[np.ndarray, "instant slot"]


def pictures_of(observations: Observations, margin: float = 0.1) -> Pictures:
    """The pictures of one recording by instants; detections more than ``margin`` outside their image are dropped."""
    observations = without_soft_sites(observations)
    if observations.markers is not None:
        return _marker_instants(observations)
    keypoints = observations.keypoints.astype(np.float32).copy()
    size = np.array([c.size_px for c in observations.cameras], np.float32)
    reach = margin * size.max(axis=1)[:, None, None]
    inside = np.all((keypoints[..., :2] > -reach) & (keypoints[..., :2] < size[:, None] + reach), axis=-1)
    good = inside & np.isfinite(keypoints).all(axis=-1)
    keypoints[~good] = 0.0
    row, camera = np.nonzero((keypoints[..., 2] > 0).any(axis=-1))
    t_ns = observations.t_ns[row, camera]
    order = np.lexsort((camera, t_ns))
    row, camera, t_ns = row[order], camera[order], t_ns[order]
    group, slot, slots = _grouped(t_ns, camera, len(observations.cameras))
    n, s = int(group[-1]) + 1 if len(group) else 0, slots
    instant_ns = np.zeros(n, np.int64)
    np.add.at(instant_ns, group, t_ns - (t_ns[0] if len(t_ns) else 0))
    instant_ns = (instant_ns // np.bincount(group, minlength=n)) + (t_ns[0] if len(t_ns) else 0)
    sites = keypoints.shape[2]
    out = Pictures(
        t_ns=instant_ns,
        camera=np.zeros((n, s), np.int32),
        row=np.full((n, s), -1, np.int64),
        offset_s=np.zeros((n, s), np.float32),
        pixels=np.zeros((n, s, sites, 2), np.float32),
        confidence=np.zeros((n, s, sites), np.float32),
        since_s=_since(t_ns, camera, group, n),
        step_s=np.zeros(n, np.float32),
    )
    out.camera[group, slot] = camera
    out.row[group, slot] = row
    out.offset_s[group, slot] = (t_ns - instant_ns[group]) * 1e-9
    out.pixels[group, slot] = keypoints[row, camera, :, :2]
    out.confidence[group, slot] = np.clip(keypoints[row, camera, :, 2], 0.0, 1.0)
    return _with_steps(_filled(out))


def _grouped(
    t_ns: Int64[np.ndarray, " n"], camera: np.ndarray, cameras: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Instant and slot of every picture (rising times), and how many slots instants have."""
    synchronous = len(t_ns) > 1 and np.mean(np.diff(t_ns) < SAME_INSTANT_NS // max(cameras, 1)) > 0.4
    slots = cameras if synchronous else min(FREE_RUNNING_SLOTS, cameras)
    group, slot = np.zeros(len(t_ns), np.int64), np.zeros(len(t_ns), np.int64)
    current, start_ns, taken = -1, 0, set()
    for i, (t, c) in enumerate(zip(t_ns.tolist(), camera.tolist(), strict=True)):
        if current < 0 or t - start_ns > SAME_INSTANT_NS or c in taken or len(taken) >= slots:
            current, start_ns, taken = current + 1, t, set()
        group[i], slot[i] = current, len(taken)
        taken.add(c)
    return group, slot, slots


def _since(t_ns: np.ndarray, camera: np.ndarray, group: np.ndarray, n: int) -> Float32[np.ndarray, " n"]:
    since = np.full(len(t_ns), np.nan)
    for c in np.unique(camera):
        mine = np.flatnonzero(camera == c)
        if len(mine) > 1:
            gaps = np.diff(t_ns[mine]) * 1e-9
            since[mine] = np.concatenate([[np.median(gaps)], gaps])
    total, count = np.zeros(n), np.zeros(n)
    known = np.isfinite(since)
    np.add.at(total, group[known], since[known])
    np.add.at(count, group[known], 1.0)
    return np.clip(np.where(count > 0, total / np.maximum(count, 1.0), 0.1), 1e-3, 0.2).astype(np.float32)


def _marker_instants(observations: Observations) -> Pictures:
    t_ns, markers = observations.reference_t_ns, observations.markers
    assert markers is not None
    keep = np.concatenate([[True], np.diff(t_ns) > 0])
    t_ns, markers = t_ns[keep], markers[keep].astype(np.float32)
    markers = np.where(np.isfinite(markers).all(axis=-1, keepdims=True), markers, 0.0).astype(np.float32)
    n, sites = len(t_ns), markers.shape[1]
    out = Pictures(
        t_ns=t_ns,
        camera=np.zeros((n, 0), np.int32),
        row=np.zeros((n, 0), np.int64),
        offset_s=np.zeros((n, 0), np.float32),
        pixels=np.zeros((n, 0, sites, 2), np.float32),
        confidence=np.zeros((n, 0, sites), np.float32),
        since_s=np.full(n, 0.1, np.float32),
        step_s=np.zeros(n, np.float32),
        markers=markers,
    )
    return _with_steps(_filled(out))


def _filled(pictures: Pictures) -> Pictures:
    """With empty instants in gaps."""
    t_ns = pictures.t_ns
    gaps = np.flatnonzero(np.diff(t_ns) > LONGEST_STEP_NS)
    if not len(gaps):
        return pictures
    extra = [
        np.linspace(t_ns[g], t_ns[g + 1], int((t_ns[g + 1] - t_ns[g]) // LONGEST_STEP_NS) + 2)[1:-1]
        for g in gaps
    ]
    added = np.concatenate(extra).astype(np.int64)
    order = np.argsort(np.concatenate([t_ns, added]), kind="stable")

    def grown(values: np.ndarray, filler: float | int = 0) -> np.ndarray:
        rest = np.full((len(added), *values.shape[1:]), filler, values.dtype)
        return np.concatenate([values, rest])[order]

    return Pictures(
        t_ns=np.concatenate([t_ns, added])[order],
        camera=grown(pictures.camera),
        row=grown(pictures.row, -1),
        offset_s=grown(pictures.offset_s),
        pixels=grown(pictures.pixels),
        confidence=grown(pictures.confidence),
        since_s=grown(pictures.since_s, 0.1),
        step_s=grown(pictures.step_s),
        markers=None if pictures.markers is None else grown(pictures.markers),
    )


def _with_steps(pictures: Pictures) -> Pictures:
    t_s = (pictures.t_ns - pictures.t_ns[:1].sum()) * 1e-9
    if len(t_s) < 2:
        return replace(pictures, step_s=np.full(len(t_s), 1 / 60, np.float32))
    middle = 0.5 * (t_s[1:] + t_s[:-1])
    edges = np.concatenate([[2 * t_s[0] - middle[0]], middle, [2 * t_s[-1] - middle[-1]]])
    return replace(pictures, step_s=np.diff(edges).astype(np.float32))


def used_cameras(pictures: Pictures, information: np.ndarray) -> Float64[np.ndarray, " instant"]:
    """How many cameras contribute at each instant."""
    return (information > 0).any(axis=-1).sum(axis=1).astype(np.float64)
