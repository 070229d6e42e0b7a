"""Poses of many instants at once from points in space, for a given body (batch, no smoothing).

Levenberg-Marquardt on the manifold with the analytic Jacobian, damping and acceptance per instant, in NumPy
around one compiled kinematics function of fixed batch size (so any number of instants shares one program).
Student-t weights (Lange, Little and Taylor 1989) let a few wrong points be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from kincast.models.kinematics import Skeleton, scaled_values, site_jacobians, site_positions
from kincast.models.rotations import matrix_from_quaternion, quaternion_exp, quaternion_multiply

STUDENT_DOF = 4.0
N_DIRECTIONS = 11  # 8 log scales, 3 components of the site offsets


@dataclass(frozen=True)
class PosePrior:
    """Gaussian on pelvis tilt and list against gravity and on the 34 joint angles (rad), and hinge limits.

    Order: tilt, list, joints. ``sd`` may differ per instant. ``limit_sd`` is how far (rad) a limit may be
    passed at one unit of cost.
    """

    mean: Float[np.ndarray, "36"]
    sd: Float[np.ndarray, "*n 36"]
    lower: Float[np.ndarray, "34"]
    upper: Float[np.ndarray, "34"]
    limit_sd: float = 0.05

    def rows(self, index: np.ndarray) -> PosePrior:
        """The prior of some of the instants."""
        return self if self.sd.ndim == 1 else replace(self, sd=self.sd[index])


@partial(jax.jit, static_argnames=("skeleton",))
def _pose_chunk(
    skeleton: Skeleton,
    log_scales: Float[Array, "8"],
    site_offsets: Float[Array, "site 3"],
    q: Float[Array, "chunk 41"],
) -> tuple[Float[Array, "chunk site 3"], Float[Array, "chunk site 3 40"]]:
    values = scaled_values(skeleton, log_scales, site_offsets)
    return jax.vmap(lambda one: site_jacobians(skeleton, values, one))(q)  # pyright: ignore[reportReturnType]


@partial(jax.jit, static_argnames=("skeleton",))
def _shape_chunk(
    skeleton: Skeleton,
    log_scales: Float[Array, "8"],
    site_offsets: Float[Array, "site 3"],
    q: Float[Array, "chunk 41"],
) -> Float[Array, "direction chunk site 3"]:
    """Derivatives of the sites by the 8 log scales and, since a site feels only its own offset, by all offsets at once."""

    def positions(s: Float[Array, "8"], offset: Float[Array, "3"]) -> Float[Array, "chunk site 3"]:
        values = scaled_values(skeleton, s, site_offsets + offset[None])
        return jax.vmap(lambda one: site_positions(skeleton, values, one))(q)  # pyright: ignore[reportReturnType]

    basis = jnp.eye(N_DIRECTIONS, dtype=q.dtype)
    zero = jnp.zeros(3, q.dtype)
    return jax.vmap(lambda d: jax.jvp(positions, (log_scales, zero), (d[:8], d[8:]))[1])(basis)


@dataclass(frozen=True)
class BatchKinematics:
    """Sites and derivatives of any number of poses, computed in float64 in chunks of one fixed size."""

    skeleton: Skeleton
    chunk: int = 32

    def poses(
        self, log_scales: np.ndarray, site_offsets: np.ndarray, q: Float[np.ndarray, "n 41"]
    ) -> tuple[Float[np.ndarray, "n site 3"], Float[np.ndarray, "n site 3 40"]]:
        """Site positions (m) and Jacobians by the 40 velocities."""
        parts = [_pose_chunk(self.skeleton, *args) for args in self._chunks(log_scales, site_offsets, q)]
        return (
            np.concatenate([np.asarray(p[0]) for p in parts])[: len(q)],
            np.concatenate([np.asarray(p[1]) for p in parts])[: len(q)],
        )

    def shape(
        self, log_scales: np.ndarray, site_offsets: np.ndarray, q: Float[np.ndarray, "n 41"]
    ) -> tuple[Float[np.ndarray, "n site 3 8"], Float[np.ndarray, "n site 3 3"]]:
        """Derivatives of the sites by the log scales and each by its own offset."""
        parts = [_shape_chunk(self.skeleton, *args) for args in self._chunks(log_scales, site_offsets, q)]
        both = np.moveaxis(np.concatenate([np.asarray(p) for p in parts], axis=1)[:, : len(q)], 0, -1)
        return both[..., :8], both[..., 8:]

    def _chunks(self, log_scales: np.ndarray, site_offsets: np.ndarray, q: np.ndarray):
        with jax.enable_x64(True):
            for start in range(0, len(q), self.chunk):
                rows = np.minimum(np.arange(start, start + self.chunk), len(q) - 1)
                yield (
                    jnp.asarray(log_scales, jnp.float64),
                    jnp.asarray(site_offsets, jnp.float64),
                    jnp.asarray(q[rows], jnp.float64),
                )


def integrated(q: Float[np.ndarray, "n 41"], dv: Float[np.ndarray, "n 40"]) -> Float[np.ndarray, "n 41"]:
    """:func:`kincast.models.kinematics.integrate` for a NumPy batch."""
    turn = quaternion_multiply(q[:, 3:7], quaternion_exp(dv[:, 3:6]))
    turn = turn / np.linalg.norm(turn, axis=1, keepdims=True)
    return np.concatenate([q[:, :3] + dv[:, :3], turn, q[:, 7:] + dv[:, 6:]], axis=1)


def posture(q: Float[np.ndarray, "n 41"]) -> tuple[Float[np.ndarray, "n 36"], Float[np.ndarray, "n 36 40"]]:
    """Pelvis tilt and list against gravity and the 34 joint angles, with their derivative by the velocities.

    Tilt and list are the last two angles of the sequence rotation, obliquity, tilt, which depend on the
    direction of gravity in pelvis axes alone, so neither heading nor the place in the room matters.
    """
    rotation = matrix_from_quaternion(q[:, 3:7])
    up = rotation[:, 2, :]
    horizontal = np.maximum(up[:, 0] ** 2 + up[:, 1] ** 2, 1e-6)
    tilt = np.arctan2(up[:, 0], up[:, 1])
    obliquity = -np.arcsin(np.clip(up[:, 2], -1.0, 1.0))
    n = len(q)
    # d(up) = up x w for a turn w in pelvis axes
    cross = np.zeros((n, 3, 3))
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -up[:, 2], up[:, 1], -up[:, 0]
    cross -= np.swapaxes(cross, 1, 2)
    jacobian = np.zeros((n, 36, 40))
    jacobian[:, 0, 3:6] = (up[:, 1:2] * cross[:, 0] - up[:, 0:1] * cross[:, 1]) / horizontal[:, None]
    jacobian[:, 1, 3:6] = -cross[:, 2] / np.sqrt(horizontal)[:, None]
    jacobian[:, 2:, 6:] = np.eye(34)
    return np.concatenate([tilt[:, None], obliquity[:, None], q[:, 7:]], axis=1), jacobian


@dataclass(frozen=True)
class PoseTerms:
    """Per instant: cost, normal matrix and gradient of points, posture prior and limits."""

    cost: Float[np.ndarray, " n"]
    normal: Float[np.ndarray, "n 40 40"]
    gradient: Float[np.ndarray, "n 40"]
    residual: Float[np.ndarray, "n site 3"]
    weighted: Float[np.ndarray, "n site 3 3"]
    mahalanobis2: Float[np.ndarray, "n site"]


def pose_terms(
    sites: Float[np.ndarray, "n site 3"],
    jacobian: Float[np.ndarray, "n site 3 40"],
    q: Float[np.ndarray, "n 41"],
    points: Float[np.ndarray, "n site 3"],
    information: Float[np.ndarray, "n site 3 3"],
    prior: PosePrior,
) -> PoseTerms:
    """Gauss-Newton terms; the points' Student-t weights are folded into ``weighted`` (information x weight)."""
    n, s = sites.shape[:2]
    residual = sites - points
    mahalanobis2 = np.einsum("nsi,nsij,nsj->ns", residual, information, residual)
    weighted = information * ((STUDENT_DOF + 3.0) / (STUDENT_DOF + mahalanobis2))[..., None, None]
    seen = information[..., 0, 0] > 0
    data_cost = 0.5 * (STUDENT_DOF + 3.0) * (np.log1p(mahalanobis2 / STUDENT_DOF) * seen).sum(axis=1)
    flat = jacobian.reshape(n, 3 * s, 40)
    weighted_jacobian = (weighted @ jacobian).reshape(n, 3 * s, 40)
    normal = np.swapaxes(flat, 1, 2) @ weighted_jacobian
    gradient = np.einsum("nki,nk->ni", weighted_jacobian, residual.reshape(n, 3 * s))

    value, slope = posture(q)
    deviation = (value - prior.mean) / prior.sd
    scaled = slope / prior.sd[..., :, None]
    normal = normal + np.swapaxes(scaled, 1, 2) @ scaled
    gradient = gradient + np.einsum("nki,nk->ni", scaled, deviation)

    joints = q[:, 7:]
    beyond = (joints - np.clip(joints, prior.lower, prior.upper)) / prior.limit_sd
    active = (beyond != 0) / prior.limit_sd**2
    normal[:, np.arange(6, 40), np.arange(6, 40)] += active
    gradient[:, 6:] += beyond / prior.limit_sd
    cost = data_cost + 0.5 * (deviation**2).sum(axis=1) + 0.5 * (beyond**2).sum(axis=1)
    return PoseTerms(cost, normal, gradient, residual, weighted, mahalanobis2)


def fit_poses(
    kinematics: BatchKinematics,
    log_scales: Float[np.ndarray, "8"],
    site_offsets: Float[np.ndarray, "site 3"],
    q: Float[np.ndarray, "n 41"],
    points: Float[np.ndarray, "n site 3"],
    information: Float[np.ndarray, "n site 3 3"],
    prior: PosePrior,
    iterations: int = 20,
) -> tuple[Float[np.ndarray, "n 41"], Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Poses, their cost, and whether the last step was small (0.1 mm, 0.1 mrad).

    Only instants still moving are evaluated again; the result does not depend on what else is in the batch.
    """
    q = q.copy()
    n = len(q)
    cost = np.full(n, np.inf)
    damping = np.full(n, 1e-3)
    settled = np.zeros(n, dtype=bool)
    step = np.zeros((n, 40))
    terms: dict[str, np.ndarray] = {"normal": np.zeros((n, 40, 40)), "gradient": np.zeros((n, 40))}
    for _ in range(iterations + 1):
        active = np.flatnonzero(~settled)
        if not len(active):
            break
        trial = integrated(q[active], step[active])
        sites, jacobian = kinematics.poses(log_scales, site_offsets, trial)
        new = pose_terms(sites, jacobian, trial, points[active], information[active], prior.rows(active))
        better = new.cost <= cost[active]
        taken = active[better]
        gain = cost[taken] - new.cost[better]
        q[taken], cost[taken] = trial[better], new.cost[better]
        terms["normal"][taken], terms["gradient"][taken] = new.normal[better], new.gradient[better]
        damping[taken] = np.maximum(damping[taken] * 0.3, 1e-7)
        damping[active[~better]] *= 8.0
        small = np.abs(step[active]).max(axis=1) < 1e-4
        settled[taken] |= (small[better] & (gain < 1e-3)) | (gain < 1e-6)
        settled[active[~better]] |= small[~better]
        normal = terms["normal"][active]
        scale = np.einsum("nii->ni", normal) + 1e-3
        normal = normal + (damping[active, None] * scale)[:, :, None] * np.eye(40)
        step[active] = -np.linalg.solve(normal, terms["gradient"][active][..., None])[..., 0]
        # One step turns no joint further than 0.7 rad: linearisation is worthless beyond.
        step[active] *= np.minimum(1.0, 0.7 / np.maximum(np.abs(step[active]).max(axis=1), 1e-9))[:, None]
    return q, cost, settled
