"""What one instant's pictures (or markers) and the posture prior say about its pose: normal equations by its 40 velocities.

A sight depends on its own instant alone, so those of a window are kept from one snapshot to the next.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from kincast.models.camera import CameraValues
from kincast.models.kinematics import SkeletonValues, coordinate_twists
from kincast.models.normal_equations import Twists, normal_equations, site_velocities
from kincast.models.posture_prior import posture_factor
from kincast.models.residuals import (
    PointBlocks,
    ViewReport,
    Views,
    fresh_share,
    marker_blocks,
    no_views,
    view_blocks,
)
from kincast.models.window_model import SolverTuning, WindowEstimate, WindowModel, WindowObservations


class Sight(NamedTuple):
    """Normal equations of one pose. ``seen`` is the pictures' part of ``matrix``; ``rhs`` points down the loss (nats).
    ``normal`` is the information (1/m^2) about each site, ``sites`` (m) relative to the pelvis."""

    twists: Twists
    sites: Float[Array, "site 3"]
    normal: Float[Array, "site 3 3"]
    seen: Float[Array, "40 40"]
    matrix: Float[Array, "40 40"]
    rhs: Float[Array, "40"]
    loss: Float[Array, ""]


def sight(
    model: WindowModel,
    tuning: SolverTuning,
    values: SkeletonValues,
    cameras: CameraValues | None,
    q: Float[Array, "41"],
    v: Float[Array, "40"],
    views: Views,
    markers: Float[Array, "site 4"] | None,
    interval_s: Float[Array, ""],
) -> tuple[Sight, ViewReport]:
    """One instant at pose ``q`` and velocity ``v``, ``interval_s`` after the one before."""
    angular, linear, sites = (jnp.asarray(x) for x in coordinate_twists(model.skeleton, values, q))
    twists = Twists(angular, linear)
    moving = site_velocities(model.support, twists, sites, v)
    world = sites + q[None, :3]
    if cameras is None:
        blocks, report = no_views(world, moving)
    else:
        blocks, report = view_blocks(cameras, views, world, moving, tuning.pixel_noise, model.groups)
        share = fresh_share(interval_s, tuning.pixel_noise)
        blocks = jax.tree.map(lambda x: x * share, blocks)
    if markers is not None:
        blocks = jax.tree.map(jnp.add, blocks, marker_blocks(markers, world, tuning.marker_noise))
    seen, rhs = normal_equations(model.support, twists, sites, blocks)
    posture = posture_factor(q, interval_s, np.array(model.limits), tuning.posture)
    loss = blocks.loss + posture.loss
    return Sight(twists, sites, blocks.normal, seen, seen + posture.matrix, rhs + posture.rhs, loss), report


def sights(
    model: WindowModel,
    tuning: SolverTuning,
    values: SkeletonValues,
    cameras: CameraValues | None,
    estimate: WindowEstimate,
    observations: WindowObservations,
) -> tuple[Sight, ViewReport]:
    """Those of the whole window, as leading axis."""

    def one(q: Array, v: Array, views: Views, markers: Array | None, interval_s: Array) -> tuple:
        return sight(model, tuning, values, cameras, q, v, views, markers, interval_s)

    views, markers, interval_s = observations
    return jax.vmap(one)(estimate.q, estimate.v, views, markers, interval_s)


def unsure(model: WindowModel, seen_at: Sight, site_variance: Float[Array, " site"]) -> Float[Array, "40 40"]:
    """Variance of a sight's right-hand side when each site's own place is known to ``site_variance`` (m^2 per axis)."""
    normal = seen_at.normal
    squared = jnp.sum(
        normal[:, :, :, None] * normal[:, None, :, :] * site_variance[:, None, None, None], axis=2
    )
    blocks = PointBlocks(squared, jnp.zeros_like(seen_at.sites), jnp.zeros(()))
    return normal_equations(model.support, seen_at.twists, seen_at.sites, blocks)[0]
