"""Residuals of one instant: detected pixels and measured markers against the body's sites.

All cameras of a keypoint are reduced to one 3x3 normal block in the world before anything touches the 40
coordinates. Each camera's picture is compared with the sites where they were at *that camera's* instant:
``site + velocity * offset_s``. A keypoint never seen has confidence 0 and contributes nothing.

The loss is Student's t (two-dimensional, ``degrees_of_freedom``), whose weights fall with the squared error
(Lange, Little and Taylor 1989); Huber's is kept for comparison. A detector that exchanges left and right
for some frames is met by evaluating both assignments of every group of limbs in every camera and taking the
likelier one, an exchange being ``exchange_margin`` nats less likely beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from kincast.models.camera import CameraValues, project, project_components

Number = float | Float[Array, ""]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PixelNoise:
    """How a detector errs, beside the size of its errors (:mod:`kincast.models.detector_noise`).

    Errors persist, ``correlation_time_s`` (an AR(1) coefficient of 0.8 at 60 Hz is 75 ms), so a picture
    brings the less that is new the sooner it follows the last: see :func:`fresh_share`.
    """

    correlation_time_s: Number = 0.075
    degrees_of_freedom: Number = 8.0
    exchange_margin: Number = 8.0


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MarkerNoise:
    """Soft-tissue and labelling errors of skin markers, metres per axis."""

    sigma_m: Number = 0.01
    degrees_of_freedom: Number = 4.0


class Views(NamedTuple):
    """What the cameras saw at one instant: distorted pixels, their information 1 / sigma^2 (1/px^2; 0 = absent),
    instants relative to the pose."""

    pixels: Float[Array, "camera keypoint 2"]
    information: Float[Array, "camera keypoint"]
    offset_s: Float[Array, " camera"]


class PointBlocks(NamedTuple):
    """Per site: Gauss-Newton normal block and negative gradient by its world position; and the loss in nats."""

    normal: Float[Array, "site 3 3"]
    descent: Float[Array, "site 3"]
    loss: Float[Array, ""]


class ViewReport(NamedTuple):
    """What a pose says about the pictures, on the device or in NumPy. ``error_px`` is finite everywhere; ``pixel`` is where each camera should see
    each site at its own instant, ``pixel_rate`` (px/s) how fast that moves; ``site`` and ``site_rate`` the same in the world.
    """

    error_px: Float[Any, "camera keypoint"]
    robust_weight: Float[Any, "camera keypoint"]
    exchanged: Bool[Any, " camera"]
    pixel: Float[Any, "2 camera keypoint"]
    pixel_rate: Float[Any, "2 camera keypoint"]
    site: Float[Any, "keypoint 3"]
    site_rate: Float[Any, "keypoint 3"]


@dataclass(frozen=True, eq=False)
class ExchangeGroups:
    """Which keypoints a detector exchanges together. ``partner`` maps each keypoint to its other side (or itself)."""

    partner: np.ndarray
    members: np.ndarray
    """(group, keypoint) bool; empty where the set has no pairs."""


def exchange_groups(n_keypoints: int, *groups: tuple[tuple[int, int], ...]) -> ExchangeGroups:
    """Groups of (left, right) pairs that are exchanged together, for instance all pairs of the legs."""
    partner = np.arange(n_keypoints)
    members = np.zeros((len(groups), n_keypoints), bool)
    for g, pairs in enumerate(groups):
        for left, right in pairs:
            partner[left], partner[right] = right, left
            members[g, [left, right]] = True
    return ExchangeGroups(partner, members[members.any(axis=1)])


def robust_weight_and_loss(squared: Float[Array, "*n"], dof: Number, axes: int) -> tuple[Array, Array]:
    """IRLS weight and negative log-likelihood of a t-distributed residual; ``squared`` in units of sigma^2."""
    weight = (dof + axes) / (dof + squared)
    return weight, 0.5 * (dof + axes) * jnp.log1p(squared / dof)


def fresh_share(interval_s: Float[Array, "*n"], noise: PixelNoise) -> Float[Array, "*n"]:
    """Share of a picture's information that is independent of the pictures before.

    White noise of the same low-frequency power as an AR(1) process of this correlation time sampled every
    ``interval_s`` has its variance times (1 + a) / (1 - a), a = exp(-interval / time).
    """
    return jnp.tanh(0.5 * interval_s / noise.correlation_time_s)


def _choose_sides(
    pixel: tuple[Array, Array],
    information: Float[Array, "camera keypoint"],
    predicted: tuple[Array, Array],
    noise: PixelNoise,
    groups: ExchangeGroups,
) -> tuple[tuple[Array, Array], Array, Array]:
    """Pixels and information with the likelier assignment of sides, and which cameras were exchanged."""
    exchanged = jnp.zeros(len(information), bool)
    if not len(groups.members):
        return pixel, information, exchanged

    def losses(candidate: tuple[Array, Array], weight: Array) -> Array:
        squared = weight * _squared_distance(candidate, predicted)
        return robust_weight_and_loss(squared, noise.degrees_of_freedom, 2)[1]

    (u, v), (other_u, other_v, other_information) = (
        pixel,
        (array[:, groups.partner] for array in (*pixel, information)),
    )
    gain = losses(pixel, information) - losses((other_u, other_v), other_information)
    for members in groups.members:
        swap = jnp.sum(jnp.where(members[None], gain, 0.0), axis=1) > noise.exchange_margin
        here = swap[:, None] & members[None]
        u, v = jnp.where(here, other_u, u), jnp.where(here, other_v, v)
        information = jnp.where(here, other_information, information)
        exchanged = exchanged | swap
    return (u, v), information, exchanged


def _squared_distance(a: tuple[Array, Array], b: tuple[Array, Array]) -> Array:
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2


def view_blocks(
    cameras: CameraValues,
    views: Views,
    sites: Float[Array, "keypoint 3"],
    site_velocities: Float[Array, "keypoint 3"],
    noise: PixelNoise,
    groups: ExchangeGroups,
) -> tuple[PointBlocks, ViewReport]:
    """Reduce all pictures of one instant to a 3x3 block per keypoint.

    Args:
        sites, site_velocities: world metres and metres per second at the pose's own instant.
    """
    # every component is an array (camera, keypoint) of its own: long loops for the compiler
    velocity = [site_velocities[None, :, i] for i in range(3)]
    at_picture = [sites[None, :, i] + velocity[i] * views.offset_s[:, None] for i in range(3)]
    u, v, (by_u, by_v) = project_components(cameras, *at_picture)
    detected = views.pixels[..., 0], views.pixels[..., 1]
    pixel, information, exchanged = _choose_sides(detected, views.information, (u, v), noise, groups)
    # An absent keypoint has no residual; keep what is multiplied by zero information finite.
    seen = information > 0
    error_u, error_v = jnp.where(seen, pixel[0] - u, 0.0), jnp.where(seen, pixel[1] - v, 0.0)
    squared_px = error_u * error_u + error_v * error_v
    robust, losses = robust_weight_and_loss(information * squared_px, noise.degrees_of_freedom, 2)
    weight = information * robust
    weighted_u, weighted_v = [weight * d for d in by_u], [weight * d for d in by_v]
    upper = [(i, j) for i in range(3) for j in range(i, 3)]
    products = [weighted_u[i] * by_u[j] + weighted_v[i] * by_v[j] for i, j in upper]
    products += [weighted_u[i] * error_u + weighted_v[i] * error_v for i in range(3)]
    reduced = jnp.sum(jnp.stack(products), axis=1)
    entry = {(i, j): reduced[n] for n, (i, j) in enumerate(upper)}
    normal = jnp.stack([entry[min(i, j), max(i, j)] for i in range(3) for j in range(3)], axis=-1)
    blocks = PointBlocks(normal.reshape(-1, 3, 3), reduced[6:].T, jnp.sum(losses))
    rate = jnp.stack(
        [
            sum((d * w for d, w in zip(by[1:], velocity[1:], strict=True)), by[0] * velocity[0])
            for by in (by_u, by_v)
        ]
    )
    report = ViewReport(
        jnp.sqrt(squared_px), robust, exchanged, jnp.stack([u, v]), rate, sites, site_velocities
    )
    return blocks, report


def no_views(
    sites: Float[Array, "keypoint 3"], site_velocities: Float[Array, "keypoint 3"]
) -> tuple[PointBlocks, ViewReport]:
    """Blocks of an instant without cameras."""
    n = len(sites)
    blocks = PointBlocks(jnp.zeros((n, 3, 3)), jnp.zeros((n, 3)), jnp.zeros(()))
    none, nowhere = jnp.zeros((0, n)), jnp.zeros((2, 0, n))
    return blocks, ViewReport(none, none, jnp.zeros(0, bool), nowhere, nowhere, sites, site_velocities)


def marker_blocks(
    markers: Float[Array, "site 4"], sites: Float[Array, "site 3"], noise: MarkerNoise
) -> PointBlocks:
    """Measured 3D markers (metres, confidence in the last column; 0 = absent): each block is a weighted identity."""
    used = (markers[:, 3] > 0) & jnp.isfinite(markers).all(axis=-1)
    information = jnp.where(used, markers[:, 3] / noise.sigma_m**2, 0.0)
    error = jnp.where(used[:, None], markers[:, :3] - sites, 0.0)
    squared = information * jnp.sum(error * error, axis=-1)
    robust, losses = robust_weight_and_loss(squared, noise.degrees_of_freedom, 3)
    weight = information * robust
    normal = weight[:, None, None] * jnp.eye(3, dtype=sites.dtype)[None]
    return PointBlocks(normal, weight[:, None] * error, jnp.sum(losses))


def reprojection_loss(
    cameras: CameraValues,
    views: Views,
    sites: Float[Array, "keypoint 3"],
    noise: PixelNoise,
) -> Float[Array, ""]:
    """The loss of :func:`view_blocks` for motionless sites and sides as detected; differentiable in everything."""
    points = jnp.broadcast_to(sites[None], (len(views.pixels), *sites.shape))
    error = jnp.where(views.information[..., None] > 0, views.pixels - project(cameras, points), 0.0)
    squared = views.information * jnp.sum(error * error, axis=-1)
    return jnp.sum(robust_weight_and_loss(squared, noise.degrees_of_freedom, 2)[1])
