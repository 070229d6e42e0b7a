"""Normal equations of the 40 coordinates from one 3x3 block per site, without forming any Jacobian.

A column of a site's Jacobian is ``v_i + omega_i x p`` where coordinate i moves the site, else 0. So the
blocks of all sites below a coordinate add up to one 6x6 matrix, the place a composite rigid body's inertia
has in the composite-rigid-body algorithm (Featherstone 2008, ch. 6), and

    H_ij = t_i' (sum of the 6x6 blocks below the deeper of i and j) t_j,    0 on different branches.

With 87 sites this is some thirty times fewer operations than J'AJ.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from kincast.models.residuals import PointBlocks


class Twists(NamedTuple):
    """Motion of the body per unit of each coordinate's velocity: a point p (relative to the pelvis origin) of a
    moved segment has the velocity ``linear + angular x p``."""

    angular: Float[Array, "40 3"]
    linear: Float[Array, "40 3"]


class SiteSupport(NamedTuple):
    """Which coordinate moves which site, and for each pair of coordinates which one's sites they share."""

    mask: np.ndarray  # (S, 40)
    deeper_is_column: np.ndarray  # (40, 40) the shared sites are those of the column's coordinate
    deeper_is_row: np.ndarray  # (40, 40) ... of the row's; neither: they share none


def site_support(site_mask: np.ndarray) -> SiteSupport:
    """``site_mask`` (S, 34): 1 where a joint coordinate moves a site; the pelvis moves all.

    Raises:
        ValueError: two coordinates share some but not all sites of either, so the mask is not that of a tree.
    """
    mask = np.concatenate([np.ones((len(site_mask), 6)), np.asarray(site_mask, float)], axis=1)
    shared = mask.T @ mask
    count = np.diag(shared)
    column = (shared == count[None, :]) & (shared > 0)
    row = (shared == count[:, None]) & (shared > 0) & ~column
    if np.any((shared > 0) & ~column & ~row):
        raise ValueError("site mask is not that of a tree: two coordinates share only part of their sites")
    return SiteSupport(mask, column, row)


def site_velocities(
    support: SiteSupport, twists: Twists, sites: Float[Array, "site 3"], velocity: Float[Array, "40"]
) -> Float[Array, "site 3"]:
    """Velocity (m/s) of every site; ``sites`` relative to the pelvis origin."""
    mask = jnp.asarray(support.mask, sites.dtype)
    angular = mask @ (twists.angular * velocity[:, None])
    linear = mask @ (twists.linear * velocity[:, None])
    return linear + jnp.cross(angular, sites)


def normal_equations(
    support: SiteSupport, twists: Twists, sites: Float[Array, "site 3"], blocks: PointBlocks
) -> tuple[Float[Array, "40 40"], Float[Array, "40"]]:
    """Gauss-Newton matrix and right-hand side (descent direction) by the 40 velocities.

    ``sites`` are relative to the pelvis origin, which keeps the 6x6 blocks well scaled in float32.
    """
    a, g = blocks.normal, blocks.descent
    # With M = [p]x: d p = linear - M angular; the 6x6 block is [M'AM, -M'A; -AM, A], M' = -M.
    m_a = jnp.cross(
        sites[:, None, :], jnp.swapaxes(a, 1, 2)
    )  # rows: (M A)' per site, i.e. [s, j, :] = p x A[:, j]
    m_a = jnp.swapaxes(m_a, 1, 2)  # M A
    m_a_mt = jnp.cross(sites[:, None, :], m_a)  # [s, i, :] = p x (row i of M A) = M A M'
    wrench = jnp.cross(sites, g)
    packed = jnp.concatenate([m_a_mt.reshape(-1, 9), m_a.reshape(-1, 9), a.reshape(-1, 9), wrench, g], axis=1)
    below = jnp.asarray(support.mask.T, sites.dtype) @ packed  # (40, 33)
    rotational, mixed, linear = (below[:, i : i + 9].reshape(-1, 3, 3) for i in (0, 9, 18))
    w, v = twists.angular, twists.linear
    force_w = jnp.sum(rotational * w[:, None, :], axis=-1) + jnp.sum(mixed * v[:, None, :], axis=-1)
    force_v = jnp.sum(jnp.swapaxes(mixed, 1, 2) * w[:, None, :], axis=-1)
    force_v = force_v + jnp.sum(linear * v[:, None, :], axis=-1)
    # products[i, j] = t_i' M_j t_j
    products = w @ force_w.T + v @ force_v.T
    matrix = jnp.where(support.deeper_is_column, products, 0.0)
    matrix = matrix + jnp.where(support.deeper_is_row, products.T, 0.0)
    rhs = jnp.sum(w * below[:, 27:30], axis=-1) + jnp.sum(v * below[:, 30:33], axis=-1)
    return matrix, rhs
