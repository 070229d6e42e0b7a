"""Sliding-window estimate of poses: robust Gauss-Newton with Levenberg-Marquardt damping, fixed shapes.

One call makes room for a new instant, iterates, reports, and marginalises the oldest (:mod:`window_system`). What is
known of the older instants (their sights) comes with the window, so that only the new one is looked at beforehand.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from kincast.models.block_tridiagonal import Elimination, eliminate, root_covariance, substitute
from kincast.models.camera import CameraValues, project
from kincast.models.kinematics import SkeletonValues, integrate, site_positions
from kincast.models.residuals import ViewReport
from kincast.models.sight import Sight, sight, sights, unsure
from kincast.models.window_model import (
    VELOCITY_UNIT_S,
    N,
    SolverTuning,
    WindowEstimate,
    WindowModel,
    WindowObservations,
)
from kincast.models.window_system import motions, window_loss, window_system, without_oldest


class Window(NamedTuple):
    """An estimate and the sights at it; the last place is free for the next instant."""

    estimate: WindowEstimate
    sights: Sight


class Control(NamedTuple):
    """How to solve this time. ``place`` (of the window): the instant whose uncertainty is wanted. ``past``: share of the
    prior's information that counts, less than 1 for instance when the past was seen through another body."""

    iterations: Int[Any, ""]
    damping: Float[Any, ""]
    past: Float[Any, ""]
    place: Int[Any, ""]


class WindowSolution(NamedTuple):
    """On the device, or its copy in NumPy. ``covariance`` is that of the pose at the place asked for, white-noise sense; ``seen`` the information of its own
    pictures about it, ``unsure`` the variance that the body's own uncertainty (``site_variance``, m^2) gives to the
    right-hand side it comes with. ``report`` is about the newest instant."""

    q: Float[Any, "window 41"]
    v: Float[Any, "window 40"]
    loss: Float[Any, ""]
    covariance: Float[Any, "40 40"]
    seen: Float[Any, "40 40"]
    unsure: Float[Any, "40 40"]
    report: ViewReport


@partial(jax.jit, static_argnums=0)
def looked_at(
    model: WindowModel,
    tuning: SolverTuning,
    values: SkeletonValues,
    cameras: CameraValues | None,
    estimate: WindowEstimate,
    observations: WindowObservations,
) -> Window:
    """The estimate with fresh sights: at a start, or when body, cameras or an older picture changed."""
    return Window(estimate, sights(model, tuning, values, cameras, estimate, observations)[0])


@partial(jax.jit, static_argnums=0)
def step(
    model: WindowModel,
    tuning: SolverTuning,
    values: SkeletonValues,
    site_variance: Float[Array, " site"],
    cameras: CameraValues | None,
    window: Window,
    observations: WindowObservations,
    control: Control,
) -> tuple[Window, WindowSolution]:
    """One snapshot. What stands in the last place of ``window`` is replaced by the prediction from its neighbour.
    Returns the window moved on for the next call and the solution.
    """
    start, report = _extended(model, tuning, values, cameras, window, observations)
    weakened = start.estimate._replace(
        prior_matrix=start.estimate.prior_matrix * control.past,
        prior_rhs=start.estimate.prior_rhs * control.past,
    )
    start = start._replace(estimate=weakened)
    progress = _iterate(model, tuning, values, cameras, start, report, observations, control)
    best, seen_there = progress.best, jax.tree.map(lambda x: x[control.place], progress.best.sights)
    solution = WindowSolution(
        best.estimate.q,
        best.estimate.v,
        progress.loss,
        root_covariance(progress.elimination, N),
        seen_there.seen,
        unsure(model, seen_there, site_variance),
        progress.report,
    )
    moved_on = without_oldest(tuning.smoothness, best.estimate, best.sights, observations.interval_s)
    kept = jax.tree.map(lambda x: jnp.concatenate([x[1:], x[-1:]]), best.sights)
    return Window(moved_on, kept), solution


def _extended(
    model: WindowModel,
    tuning: SolverTuning,
    values: SkeletonValues,
    cameras: CameraValues | None,
    window: Window,
    observations: WindowObservations,
) -> tuple[Window, ViewReport]:
    """The window with the newest instant predicted and looked at."""
    estimate = window.estimate
    views, markers, interval_s = observations
    q = jnp.asarray(integrate(estimate.q[-2], estimate.v[-2] * interval_s[-1]))
    v = estimate.v[-2]
    newest_views, newest_markers = jax.tree.map(lambda x: x[-1], (views, markers))
    newest, report = sight(model, tuning, values, cameras, q, v, newest_views, newest_markers, interval_s[-1])
    estimate = estimate._replace(q=estimate.q.at[-1].set(q), v=estimate.v.at[-1].set(v))
    joined = jax.tree.map(lambda old, new: old.at[-1].set(new), window.sights, newest)
    return Window(estimate, joined), report


class _Progress(NamedTuple):
    best: Window
    report: ViewReport
    loss: Float[Array, ""]
    damping: Float[Array, ""]
    elimination: Elimination


def _iterate(
    model: WindowModel,
    tuning: SolverTuning,
    values: SkeletonValues,
    cameras: CameraValues | None,
    start: Window,
    report: ViewReport,
    observations: WindowObservations,
    control: Control,
) -> _Progress:
    """Levenberg-Marquardt: a step that does not lower the loss is undone and damped ten times more."""
    smoothness, interval_s = tuning.smoothness, observations.interval_s

    def one(_: Array, progress: _Progress) -> _Progress:
        best = progress.best
        motion = motions(smoothness, best.estimate, interval_s)
        system = window_system(smoothness, best.estimate, best.sights, motion, interval_s)
        damped = _damped(system.diagonal, progress.damping)
        elimination = eliminate(damped, system.upper, system.rhs, control.place)
        update = jnp.clip(substitute(elimination), -model.config.max_step, model.config.max_step)
        estimate = _moved(best.estimate, update)
        seen, report = sights(model, tuning, values, cameras, estimate, observations)
        loss = window_loss(smoothness, estimate, seen, motions(smoothness, estimate, interval_s), interval_s)
        better = loss <= progress.loss
        window, newest, loss = jax.tree.map(
            lambda new, old: jnp.where(better, new, old),
            (Window(estimate, seen), jax.tree.map(lambda x: x[-1], report), loss),
            (best, progress.report, progress.loss),
        )
        damping = progress.damping * jnp.where(better, 0.2, 10.0)
        return _Progress(window, newest, loss, damping, elimination)

    motion = motions(smoothness, start.estimate, interval_s)
    loss = window_loss(smoothness, start.estimate, start.sights, motion, interval_s)
    size = model.config.window
    blocks = jnp.zeros((size, 2 * N, 2 * N), jnp.float32)
    empty = Elimination(blocks, blocks, blocks[:, 0], jnp.asarray(control.place, jnp.int32))
    begin = _Progress(start, report, loss, jnp.asarray(control.damping), empty)
    return jax.lax.fori_loop(0, control.iterations, one, begin)


def _moved(estimate: WindowEstimate, update: Float[Array, "window 80"]) -> WindowEstimate:
    q = jax.vmap(integrate)(estimate.q, update[:, :N])
    return estimate._replace(q=q, v=estimate.v + update[:, N:] / VELOCITY_UNIT_S)


def _damped(
    diagonal: Float[Array, "window 80 80"], damping: Float[Array, ""]
) -> Float[Array, "window 80 80"]:
    index = np.arange(2 * N)
    return diagonal.at[:, index, index].multiply(1.0 + damping)


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
