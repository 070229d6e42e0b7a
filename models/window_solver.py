"""Sliding-window estimate of poses: robust Gauss-Newton with Levenberg-Marquardt damping, fixed shapes.

The state of an instant is (pose, velocity), 80 tangent numbers; factors are the pictures and markers of each
instant, posture, smoothness to the next instant, and one dense *prior* on the first instant: everything older,
marginalised exactly (Schur complement at the estimate where it left the window). The system is
block-tridiagonal. One call makes room for a new instant, iterates, reports and marginalises the oldest.

All numbers of person, rig and settings that can change live are arrays, so nothing is compiled twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from kincast.models.block_tridiagonal import Elimination, covariance_from, eliminate, marginal, substitute
from kincast.models.camera import CameraValues, project
from kincast.models.kinematics import (
    Skeleton,
    SkeletonValues,
    coordinate_twists,
    difference,
    integrate,
    site_positions,
)
from kincast.models.normal_equations import (
    SiteSupport,
    Twists,
    normal_equations,
    site_support,
    site_velocities,
)
from kincast.models.posture_prior import PosturePrior, posture_factor
from kincast.models.residuals import (
    ExchangeGroups,
    MarkerNoise,
    PixelNoise,
    ViewReport,
    Views,
    exchange_groups,
    fresh_share,
    marker_blocks,
    no_views,
    view_blocks,
)
from kincast.models.smoothness import Smoothness, motion_factor

N = 40
VELOCITY_UNIT_S = 1.0 / 30.0
"""Velocities are solved for as displacement per this time, which keeps the 80 unknowns of one size."""


@dataclass(frozen=True)
class SolverConfig:
    """Fixed at compilation: ``window`` instants are refined together, the covariance of the last
    ``covariance_lag + 1`` is computed, no coordinate moves more than ``max_step`` (rad, m) at once."""

    window: int = 6
    covariance_lag: int = 4
    max_step: float = 0.5


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SolverTuning:
    """Numbers that may change without a new compilation."""

    pixel_noise: PixelNoise = field(default_factory=PixelNoise)
    marker_noise: MarkerNoise = field(default_factory=MarkerNoise)
    smoothness: Smoothness = field(default_factory=Smoothness)
    posture: PosturePrior = field(default_factory=PosturePrior)


class WindowObservations(NamedTuple):
    """Leading axis: the window, oldest first. ``interval_s[k]`` is the time since the instant before."""

    views: Views
    markers: Float[Array, "window site 4"] | None
    interval_s: Float[Array, " window"]


class WindowEstimate(NamedTuple):
    """Poses and velocities of the window, and what is known of the first from before the window."""

    q: Float[Array, "window 41"]
    v: Float[Array, "window 40"]
    prior_matrix: Float[Array, "80 80"]
    prior_rhs: Float[Array, "80"]
    prior_q: Float[Array, "41"]
    prior_v: Float[Array, "40"]


class System(NamedTuple):
    """Normal equations of the window at an estimate, and what the pictures say about it."""

    diagonal: Float[Array, "window 80 80"]
    upper: Float[Array, "window 80 80"]
    rhs: Float[Array, "window 80"]
    loss: Float[Array, ""]
    seen: Float[Array, "window 40 40"]
    unsure: Float[Array, "window 40 40"]
    report: ViewReport


class WindowSolution(NamedTuple):
    """``covariance`` holds the poses' 40 x 40 blocks of the last ``covariance_lag + 1`` instants, white-noise sense;
    ``seen`` the information of one instant's own pictures about its pose, ``unsure`` the variance that the body's
    own uncertainty (``site_variance``, m^2) gives to the right-hand side it comes with."""

    q: Float[Array, "window 41"]
    v: Float[Array, "window 40"]
    covariance: Float[Array, "recent 40 40"]
    seen: Float[Array, "recent 40 40"]
    unsure: Float[Array, "recent 40 40"]
    report: ViewReport
    loss: Float[Array, ""]


@dataclass(frozen=True, eq=False)
class WindowModel:
    """Fixed structure of one problem, hashed by content for ``jax.jit``: skeleton, joint limits (rad), (left, right)
    sites of the legs, settings."""

    skeleton: Skeleton
    limits: tuple[tuple[float, float], ...]
    leg_pairs: tuple[tuple[int, int], ...]
    config: SolverConfig
    support: SiteSupport = field(init=False)
    groups: ExchangeGroups = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "support", site_support(self.skeleton.site_mask))
        object.__setattr__(self, "groups", exchange_groups(len(self.skeleton.site_names), self.leg_pairs))

    def __hash__(self) -> int:
        return hash(self._content())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WindowModel) and self._content() == other._content()

    def _content(self) -> tuple:
        return self.skeleton, self.limits, self.leg_pairs, self.config


def initial_estimate(q: Float[np.ndarray, "41"], window: int, sd: float = 1.0) -> WindowEstimate:
    """A window resting at ``q`` with a wide prior (``sd`` rad or m; as much per ``VELOCITY_UNIT_S``)."""
    start = jnp.asarray(q, jnp.float32)
    return WindowEstimate(
        q=jnp.broadcast_to(start, (window, 41)),
        v=jnp.zeros((window, N), jnp.float32),
        prior_matrix=jnp.eye(2 * N, dtype=jnp.float32) / sd**2,
        prior_rhs=jnp.zeros(2 * N, jnp.float32),
        prior_q=start,
        prior_v=jnp.zeros(N, jnp.float32),
    )


def _posture_and_sight(
    model: WindowModel,
    tuning: SolverTuning,
    values: SkeletonValues,
    site_variance: Float[Array, " site"],
    cameras: CameraValues | None,
    q: Float[Array, "41"],
    v: Float[Array, "40"],
    views: Views,
    markers: Float[Array, "site 4"] | None,
    interval_s: Float[Array, ""],
) -> tuple[Array, Array, Array, Array, Array, ViewReport]:
    """Normal equations of one pose by its own 40 velocities."""
    angular, linear, sites = (jnp.asarray(x) for x in coordinate_twists(model.skeleton, values, q))
    twists = Twists(angular, linear)
    moving = site_velocities(model.support, twists, sites, v)
    world = sites + q[None, :3]
    if cameras is None:
        blocks, report = no_views(len(sites))
    else:
        blocks, report = view_blocks(cameras, views, world, moving, tuning.pixel_noise, model.groups)
        share = fresh_share(interval_s, tuning.pixel_noise)
        blocks = jax.tree.map(lambda x: x * share, blocks)
    if markers is not None:
        blocks = jax.tree.map(jnp.add, blocks, marker_blocks(markers, world, tuning.marker_noise))
    seen, rhs = normal_equations(model.support, twists, sites, blocks)
    # what a site's own displacement (unit variance) does to the right-hand side
    displaced = blocks._replace(
        normal=jnp.sum(
            blocks.normal[..., :, :, None] * (blocks.normal * site_variance[:, None, None])[..., None, :, :],
            axis=-2,
        )
    )
    unsure, _ = normal_equations(model.support, twists, sites, displaced)
    posture = posture_factor(q, interval_s, np.array(model.limits), tuning.posture)
    return seen, unsure, seen + posture.matrix, rhs + posture.rhs, blocks.loss + posture.loss, report


def linearise(
    model: WindowModel,
    tuning: SolverTuning,
    values: SkeletonValues,
    site_variance: Float[Array, " site"],
    cameras: CameraValues | None,
    estimate: WindowEstimate,
    observations: WindowObservations,
) -> System:
    """All factors of the window at the estimate."""
    unit = VELOCITY_UNIT_S
    one = partial(_posture_and_sight, model, tuning, values, site_variance, cameras)
    seen, unsure, own, own_rhs, own_loss, report = jax.vmap(one)(
        estimate.q, estimate.v, observations.views, observations.markers, observations.interval_s
    )
    density = tuning.smoothness.spectral_density()
    motion = jax.vmap(motion_factor, in_axes=(0, 0, 0, 0, 0, None))(
        estimate.q[:-1],
        estimate.v[:-1],
        estimate.q[1:],
        estimate.v[1:],
        observations.interval_s[1:],
        density,
    )
    scale = jnp.asarray([1.0, 1.0 / unit], jnp.float32)
    scale2 = (scale[:, None] * scale[None, :])[None, :, :, None]
    first, cross, second = (m * scale2 for m in (motion.first, motion.cross, motion.second))
    rhs_first, rhs_second = (m * scale[None, :, None] for m in (motion.rhs_first, motion.rhs_second))

    window = model.config.window
    pad = jnp.zeros((1, 2, 2, N), jnp.float32)
    both = jnp.concatenate([first, pad]) + jnp.concatenate([pad, second])
    rest = _rest_information(tuning.smoothness, observations.interval_s)
    diagonal = _expand(both)
    diagonal = diagonal.at[:, :N, :N].add(own)
    index = np.arange(N, 2 * N)
    diagonal = diagonal.at[:, index, index].add(rest[:, None])
    rhs = jnp.concatenate([rhs_first, pad[:, 0]]) + jnp.concatenate([pad[:, 0], rhs_second])
    rhs = rhs.at[:, 0].add(own_rhs)
    rhs = rhs.at[:, 1].add(-rest[:, None] * estimate.v * unit)
    rhs = rhs.reshape(window, 2 * N)

    error = jnp.concatenate(
        [difference(estimate.prior_q, estimate.q[0]), (estimate.v[0] - estimate.prior_v) * unit]
    )
    pull = estimate.prior_matrix @ error
    diagonal = diagonal.at[0].add(estimate.prior_matrix)
    rhs = rhs.at[0].add(estimate.prior_rhs - pull)
    loss = jnp.sum(own_loss) + jnp.sum(motion.loss) + error @ (0.5 * pull - estimate.prior_rhs)
    loss = loss + 0.5 * unit**2 * jnp.sum(rest[:, None] * estimate.v**2)
    return System(diagonal, _expand(jnp.concatenate([cross, pad])), rhs, loss, seen, unsure, report)


def _rest_information(smoothness: Smoothness, interval_s: Float[Array, " window"]) -> Float[Array, " window"]:
    """Pull of every velocity to rest, per (unit velocity)^2."""
    speed = smoothness.rest_speed * VELOCITY_UNIT_S
    return interval_s / (smoothness.rest_time_s * speed**2)


def _expand(blocks: Float[Array, "window 2 2 40"]) -> Float[Array, "window 80 80"]:
    """2 x 2 blocks that are diagonal over the coordinates -> full matrices."""
    eye = jnp.eye(N, dtype=blocks.dtype)
    full = blocks[:, :, :, :, None] * eye[None, None, None]  # (window, 2, 2, 40, 40)
    return jnp.transpose(full, (0, 1, 3, 2, 4)).reshape(-1, 2 * N, 2 * N)


def _moved(estimate: WindowEstimate, step: Float[Array, "window 80"]) -> WindowEstimate:
    q = jax.vmap(integrate)(estimate.q, step[:, :N])
    return estimate._replace(q=q, v=estimate.v + step[:, N:] / VELOCITY_UNIT_S)


def _damped(
    diagonal: Float[Array, "window 80 80"], damping: Float[Array, ""]
) -> Float[Array, "window 80 80"]:
    index = np.arange(2 * N)
    return diagonal.at[:, index, index].multiply(1.0 + damping)


class _Progress(NamedTuple):
    best: WindowEstimate
    system: System
    damping: Float[Array, ""]
    elimination: Elimination


def _iterate(
    model: WindowModel,
    tuning: SolverTuning,
    values: SkeletonValues,
    site_variance: Float[Array, " site"],
    cameras: CameraValues | None,
    start: WindowEstimate,
    observations: WindowObservations,
    iterations: Int[Array, ""],
    damping: Float[Array, ""],
) -> _Progress:
    """Levenberg-Marquardt: a step that does not lower the loss is undone and damped ten times more."""

    def one(_: Array, progress: _Progress) -> _Progress:
        elimination = eliminate(
            _damped(progress.system.diagonal, progress.damping), progress.system.upper, progress.system.rhs
        )
        step = jnp.clip(substitute(elimination), -model.config.max_step, model.config.max_step)
        candidate = _moved(progress.best, step)
        system = linearise(model, tuning, values, site_variance, cameras, candidate, observations)
        better = system.loss <= progress.system.loss
        keep = partial(jax.tree.map, lambda new, old: jnp.where(better, new, old))
        return _Progress(
            keep(candidate, progress.best),
            keep(system, progress.system),
            jnp.where(better, 0.2 * progress.damping, 10.0 * progress.damping),
            elimination,
        )

    system = linearise(model, tuning, values, site_variance, cameras, start, observations)
    zero = jnp.zeros_like(system.diagonal)
    empty = Elimination(zero, zero, jnp.zeros_like(system.rhs))
    return jax.lax.fori_loop(0, iterations, one, _Progress(start, system, damping, empty))


@partial(jax.jit, static_argnums=0)
def step(
    model: WindowModel,
    tuning: SolverTuning,
    values: SkeletonValues,
    site_variance: Float[Array, " site"],
    cameras: CameraValues | None,
    estimate: WindowEstimate,
    observations: WindowObservations,
    iterations: Int[Array, ""],
    damping: Float[Array, ""],
) -> tuple[WindowEstimate, WindowSolution]:
    """One snapshot. ``estimate`` has room for the new instant in its last place; what stands there is replaced
    by the prediction. Returns the estimate shifted for the next call (oldest instant marginalised) and the solution.
    """
    predicted = integrate(estimate.q[-2], estimate.v[-2] * observations.interval_s[-1])
    start = estimate._replace(q=estimate.q.at[-1].set(predicted), v=estimate.v.at[-1].set(estimate.v[-2]))
    progress = _iterate(
        model, tuning, values, site_variance, cameras, start, observations, iterations, damping
    )
    best, system = progress.best, progress.system
    first = model.config.window - 1 - model.config.covariance_lag
    covariance = covariance_from(progress.elimination, first)[:, :N, :N]
    solution = WindowSolution(
        best.q,
        best.v,
        covariance,
        system.seen[first:],
        system.unsure[first:],
        jax.tree.map(lambda x: x[-1], system.report),
        system.loss,
    )
    return _shifted(tuning, best, system, observations), solution


def _shifted(
    tuning: SolverTuning, best: WindowEstimate, system: System, observations: WindowObservations
) -> WindowEstimate:
    """The window without its oldest instant, whose knowledge becomes the prior of the next."""
    matrix, rhs = marginal(system.diagonal[0], system.upper[0], system.rhs[0])
    # The interval between the two acts on the second as well: its share is part of what is kept.
    density = tuning.smoothness.spectral_density()
    motion = motion_factor(best.q[0], best.v[0], best.q[1], best.v[1], observations.interval_s[1], density)
    scale = jnp.asarray([1.0, 1.0 / VELOCITY_UNIT_S], jnp.float32)
    second = motion.second * (scale[:, None] * scale[None, :])[:, :, None]
    matrix = matrix + _expand(second[None])[0]
    rhs = rhs + (motion.rhs_second * scale[:, None]).reshape(-1)
    return WindowEstimate(
        q=jnp.concatenate([best.q[1:], best.q[-1:]]),
        v=jnp.concatenate([best.v[1:], best.v[-1:]]),
        prior_matrix=0.5 * (matrix + matrix.T),
        prior_rhs=rhs,
        prior_q=best.q[1],
        prior_v=best.v[1],
    )


@partial(jax.jit, static_argnums=0)
def predicted_pixels(
    model: WindowModel,
    values: SkeletonValues,
    cameras: CameraValues,
    q: Float[Array, "41"],
    v: Float[Array, "40"],
    dt_s: Float[Array, ""],
) -> Float[Array, "camera keypoint 2"]:
    """Where the sites will be seen ``dt_s`` after pose ``q`` with velocity ``v``."""
    sites = site_positions(model.skeleton, values, integrate(q, v * dt_s))
    return project(cameras, jnp.broadcast_to(sites[None], (len(cameras.translation), *sites.shape)))


def weakened(estimate: WindowEstimate, share: float = 0.01) -> WindowEstimate:
    """Trust the past less, for instance because it was seen through another body."""
    return estimate._replace(prior_matrix=estimate.prior_matrix * share, prior_rhs=estimate.prior_rhs * share)
