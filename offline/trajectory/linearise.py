"""Gauss-Newton terms of every instant's pictures and posture, by the 40 velocities of the pose there.

Works in chunks of one fixed size, so that a recording of any length uses one compiled program and little memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Float64

from kincast.models.body import BodyParameters, log_scales
from kincast.models.body.skeleton import skeleton_of
from kincast.models.body_prior import joint_limits_deg
from kincast.models.camera import CameraValues, camera_arrays
from kincast.models.kinematics import Skeleton, SkeletonValues, coordinate_twists, scaled_values
from kincast.models.mirrored_sites import leg_pairs
from kincast.models.normal_equations import (
    SiteSupport,
    Twists,
    normal_equations,
    site_support,
    site_velocities,
)
from kincast.models.posture_prior import posture_factor
from kincast.models.residuals import (
    ExchangeGroups,
    PointBlocks,
    Views,
    exchange_groups,
    fresh_share,
    marker_blocks,
    view_blocks,
)
from kincast.offline.trajectory.posture import LearnedPosture, learned_posture_factor
from kincast.offline.trajectory.problem import FitProblem, MotionPrior, ViewErrors

CHUNK = 256


@dataclass(frozen=True, eq=False)
class Structure:
    """What compilation depends on beside the shapes: the keypoint set. Hashed by it."""

    keypoint_set: str
    skeleton: Skeleton = field(init=False)
    support: SiteSupport = field(init=False)
    groups: ExchangeGroups = field(init=False)
    limits: Float64[np.ndarray, "34 2"] = field(init=False)

    def __post_init__(self) -> None:
        skeleton = skeleton_of(self.keypoint_set)
        object.__setattr__(self, "skeleton", skeleton)
        object.__setattr__(self, "support", site_support(skeleton.site_mask))
        pairs = leg_pairs(self.keypoint_set)
        object.__setattr__(self, "groups", exchange_groups(len(skeleton.site_names), pairs))
        object.__setattr__(self, "limits", np.radians(joint_limits_deg()))

    def __hash__(self) -> int:
        return hash(self.keypoint_set)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and other.keypoint_set == self.keypoint_set


AnyArray = Any
"""A NumPy array outside, a JAX array inside the compiled function."""


class Terms(NamedTuple):
    """Per instant, leading axis: normal matrix and descent direction by the 40 velocities, loss in nats."""

    normal: AnyArray  # (instant, 40, 40)
    descent: AnyArray  # (instant, 40)
    loss: AnyArray  # (instant,)


Parts = TypeVar("Parts", Terms, ViewErrors)


def joined(parts: Sequence[Parts]) -> Parts:
    """Chunks one after the other."""
    kind = type(parts[0])
    columns = zip(*(vars(x).values() if isinstance(x, ViewErrors) else x for x in parts), strict=True)
    return kind(*(np.concatenate(x) for x in columns))


def _fetched(rows: slice, computed: Any) -> tuple[slice, Terms, ViewErrors]:
    terms, errors = jax.device_get(computed)
    own = slice(0, rows.stop - rows.start)
    return rows, Terms(*(x[own] for x in terms)), ViewErrors(*(x[own] for x in errors))


class Instant(NamedTuple):
    """One instant, or with a leading axis a chunk of them."""

    q: AnyArray
    v: AnyArray
    camera: AnyArray
    views: Views
    markers: AnyArray | None
    since_s: AnyArray
    step_s: AnyArray


class Seen(NamedTuple):
    """What one instant's pictures and markers say of the sites, and how the sites move."""

    twists: Twists
    sites: AnyArray  # (site, 3), relative to the pelvis origin
    blocks: PointBlocks
    errors: Any  # error_px, robust_weight, exchanged of the views


def seen_at(
    structure: Structure,
    prior: MotionPrior,
    values: SkeletonValues,
    rig: CameraValues | None,
    instant: Instant,
) -> Seen:
    """One instant's blocks by the sites' places, weighed by what is new in it."""
    angular, linear, sites = (
        jnp.asarray(x) for x in coordinate_twists(structure.skeleton, values, instant.q)
    )
    twists = Twists(angular, linear)
    world = sites + instant.q[None, :3]
    if rig is None:
        n = len(sites)
        blocks = PointBlocks(jnp.zeros((n, 3, 3)), jnp.zeros((n, 3)), jnp.zeros(()))
        errors = jnp.zeros((0, n)), jnp.zeros((0, n)), jnp.zeros(0, bool)
    else:
        moving = site_velocities(structure.support, twists, sites, instant.v)
        cameras = jax.tree.map(lambda x: x[instant.camera], rig)
        blocks, report = view_blocks(
            cameras, instant.views, world, moving, prior.pixel_noise, structure.groups
        )
        errors = report.error_px, report.robust_weight, report.exchanged
        share = fresh_share(instant.since_s, prior.pixel_noise)
        blocks = jax.tree.map(lambda x: x * share, blocks)
    if instant.markers is not None:
        share = fresh_share(instant.step_s, prior.pixel_noise)
        measured = marker_blocks(instant.markers, world, prior.marker_noise)
        blocks = jax.tree.map(lambda a, b: a + share * b, blocks, measured)
    return Seen(twists, sites, blocks, errors)


def instant_terms(
    structure: Structure,
    prior: MotionPrior,
    values: SkeletonValues,
    rig: CameraValues | None,
    instant: Instant,
):
    """Terms and view report of one instant; the descent leaves out what reaches the pictures through the velocity."""
    twists, sites, blocks, errors = seen_at(structure, prior, values, rig, instant)
    normal, descent = normal_equations(structure.support, twists, sites, blocks)
    if isinstance(prior.posture, LearnedPosture):
        posture = learned_posture_factor(instant.q, instant.step_s, structure.limits, prior.posture)
    else:
        posture = posture_factor(instant.q, instant.step_s, structure.limits, prior.posture)
    terms = Terms(normal + posture.matrix, descent + posture.rhs, blocks.loss + posture.loss)
    return terms, errors


@partial(jax.jit, static_argnums=0)
def _moving_sites(structure: Structure, values, q, v):
    def one(q, v):
        angular, linear, sites = (jnp.asarray(x) for x in coordinate_twists(structure.skeleton, values, q))
        velocity = site_velocities(structure.support, Twists(angular, linear), sites, v)
        return sites + q[None, :3], velocity

    return jax.vmap(one)(q, v)


@partial(jax.jit, static_argnums=0)
def _chunk(structure: Structure, prior, values, rig, instants: Instant):
    return jax.vmap(partial(instant_terms, structure, prior, values, rig))(instants)


class Linearisation:
    """The terms of one problem with body and cameras held; called once per iteration."""

    def __init__(self, problem: FitProblem, body: BodyParameters) -> None:
        self.structure = Structure(problem.keypoint_set)
        self._problem = problem
        names = self.structure.skeleton.site_names
        offsets = np.array([body.site_offsets.get(n, (0.0, 0.0, 0.0)) for n in names], np.float32)
        values = scaled_values(
            self.structure.skeleton, jnp.asarray(log_scales(body), jnp.float32), jnp.asarray(offsets)
        )
        self.values = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), values)
        self.rig = (
            jax.tree.map(jnp.asarray, camera_arrays(problem.cameras, np.float32)) if problem.cameras else None
        )
        self.prior = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), problem.prior)

    def chunks(
        self, q: Float64[np.ndarray, "instant 41"], v: Float64[np.ndarray, "instant 40"]
    ) -> Iterator[tuple[slice, Terms, ViewErrors]]:
        """Everything at poses ``q`` moving with ``v``, as NumPy arrays, some instants at a time.

        The next chunk is computed while the last one is being used.
        """
        n, waiting = len(q), None
        for start in range(0, n, CHUNK):
            stop = min(start + CHUNK, n)
            rows = slice(start, stop)
            instants = self.instants(q, v, rows)
            computing = _chunk(self.structure, self.prior, self.values, self.rig, instants)
            if waiting is not None:
                yield _fetched(*waiting)
            waiting = rows, computing
        if waiting is not None:
            yield _fetched(*waiting)

    def instants(self, q: np.ndarray, v: np.ndarray, rows: slice) -> Instant:
        """A chunk of at most ``CHUNK`` of the problem's instants, filled up to it."""
        p = self._problem.pictures
        information = _full(self._problem.information, rows)
        return Instant(
            _full(q, rows),
            _full(v, rows),
            _full(p.camera, rows),
            Views(_full(p.pixels, rows), information, _full(p.offset_s, rows)),
            None if p.markers is None else _full(p.markers, rows),
            _full(p.since_s, rows),
            _full(p.step_s, rows),
        )

    def terms(
        self, q: Float64[np.ndarray, "instant 41"], v: Float64[np.ndarray, "instant 40"]
    ) -> tuple[Terms, ViewErrors]:
        """Everything at once."""
        _, terms, errors = zip(*self.chunks(q, v), strict=True)
        return joined(terms), joined(errors)

    def sites(
        self, q: Float64[np.ndarray, "instant 41"], v: Float64[np.ndarray, "instant 40"]
    ) -> tuple[Float32[np.ndarray, "instant site 3"], Float32[np.ndarray, "instant site 3"]]:
        """Where the sites are (m) and how they move (m/s), world."""
        parts = []
        for start in range(0, len(q), CHUNK):
            rows = slice(start, min(start + CHUNK, len(q)))
            part = _moving_sites(self.structure, self.values, _full(q, rows), _full(v, rows))
            parts.append([x[: rows.stop - rows.start] for x in jax.device_get(part)])
        places, velocities = (np.concatenate(x) for x in zip(*parts, strict=True))
        return places, velocities

    def used_pixels(self, errors: ViewErrors) -> Float32[np.ndarray, "instant slot site 2"]:
        """The detections as the fit took them: legs exchanged back where the detector had exchanged them."""
        pixels, groups = self._problem.pictures.pixels, self.structure.groups
        if not len(groups.members) or not errors.exchanged.any():
            return pixels
        legs = errors.exchanged[..., None] & groups.members.any(axis=0)
        return np.where(legs[..., None], pixels[:, :, groups.partner], pixels)


def _full(values: np.ndarray, rows: slice) -> AnyArray:
    """A chunk in single precision, its end filled up with its last row."""
    own = values[rows]
    missing = CHUNK - len(own)
    if missing:
        own = np.concatenate([own, np.repeat(own[-1:], missing, axis=0)])
    return own.astype(np.float32) if own.dtype == np.float64 else own
