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
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from kincast.models.camera import CameraValues, project, project_with_jacobian

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
    """What a pose says about the pictures, for statistics. ``error_px`` is finite everywhere."""

    error_px: Float[Array, "camera keypoint"]
    robust_weight: Float[Array, "camera keypoint"]
    exchanged: Bool[Array, " camera"]


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
    views: Views,
    predicted: Float[Array, "camera keypoint 2"],
    noise: PixelNoise,
    groups: ExchangeGroups,
) -> tuple[Array, Array, Array]:
    """Pixels and information with the likelier assignment of sides, and which cameras were exchanged."""
    pixels, information = views.pixels, views.information
    exchanged = jnp.zeros(len(pixels), bool)
    if not len(groups.members):
        return pixels, information, exchanged

    def losses(candidate: Array, weight: Array) -> Array:
        squared = weight * jnp.sum((candidate - predicted) ** 2, axis=-1)
        return robust_weight_and_loss(squared, noise.degrees_of_freedom, 2)[1]

    other_pixels, other_information = pixels[:, groups.partner], information[:, groups.partner]
    gain = losses(pixels, information) - losses(other_pixels, other_information)
    for members in groups.members:
        swap = jnp.sum(jnp.where(members[None], gain, 0.0), axis=1) > noise.exchange_margin
        here = swap[:, None] & members[None]
        pixels = jnp.where(here[..., None], other_pixels, pixels)
        information = jnp.where(here, other_information, information)
        exchanged = exchanged | swap
    return pixels, information, exchanged


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
    at_picture = sites[None] + site_velocities[None] * views.offset_s[:, None, None]
    predicted, jacobian = project_with_jacobian(cameras, at_picture)
    pixels, information, exchanged = _choose_sides(views, predicted, noise, groups)
    # An absent keypoint has no residual; keep what is multiplied by zero information finite.
    error = jnp.where(information[..., None] > 0, pixels - predicted, 0.0)
    squared_px = jnp.sum(error * error, axis=-1)
    robust, losses = robust_weight_and_loss(information * squared_px, noise.degrees_of_freedom, 2)
    weight = information * robust
    rows = [jacobian[:, :, 0, i] for i in range(3)], [jacobian[:, :, 1, i] for i in range(3)]
    weighted = [[weight * r for r in row] for row in rows]
    entries = {
        (i, j): jnp.sum(weighted[0][i] * rows[0][j] + weighted[1][i] * rows[1][j], axis=0)
        for i in range(3)
        for j in range(i, 3)
    }
    normal = jnp.stack(
        [jnp.stack([entries[min(i, j), max(i, j)] for j in range(3)], axis=-1) for i in range(3)], axis=-2
    )
    descent = jnp.stack(
        [jnp.sum(weighted[0][i] * error[..., 0] + weighted[1][i] * error[..., 1], axis=0) for i in range(3)],
        axis=-1,
    )
    report = ViewReport(jnp.sqrt(squared_px), robust, exchanged)
    return PointBlocks(normal, descent, jnp.sum(losses)), report


def no_views(n_sites: int) -> tuple[PointBlocks, ViewReport]:
    """Blocks of an instant without cameras."""
    blocks = PointBlocks(jnp.zeros((n_sites, 3, 3)), jnp.zeros((n_sites, 3)), jnp.zeros(()))
    none = jnp.zeros((0, n_sites))
    return blocks, ViewReport(none, none, jnp.zeros(0, bool))


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
