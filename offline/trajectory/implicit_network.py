"""A motion as a function of time: positional code, multilayer perceptron, pose.

After Differentiable Biomechanics (Cotton 2024, arXiv 2402.17192): the phase of the recording, 0..pi, is coded as sines
and cosines of ``2^k phase``; the code enters the perceptron again behind its first layers; joint angles come out through
tanh onto the joints' ranges, the pelvis' position is unbounded. Its orientation is a quaternion relative to the start's,
normalised. Derivatives by time are analytic: forward mode through the network, once and twice.
"""

from __future__ import annotations

from functools import partial
from math import ceil, log2, pi
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen
from jaxtyping import Array, Float, Float64

from kincast.models.body_prior import joint_limits_deg
from kincast.models.rotations import quaternion_conjugate, quaternion_multiply, quaternion_normalize

CODE_AGAIN = 3
"""Behind so many layers the code enters again."""
LIMIT_MARGIN_DEG = 2.0
"""The tanh ends this far beyond the joint limits, the softness that the fit's prior gives them."""
LARGEST_SHARE_OF_RANGE = 0.95
"""A start nearer to its limit than this would have no gradient."""
LEAST_REACH_M = 0.3
"""The position is sought within some times this, should the start stand still."""
ACTIVATIONS = {"relu": linen.relu, "silu": linen.silu}

Parameters = Any
"""Pytree of the network's weights."""


def octaves_for(duration_s: float) -> int:
    """As many as the published fits use for a recording of this length: the fastest turns 6 to 13 times a second."""
    return max(1, ceil(log2(max(80.0 * duration_s / (2.0 * pi), 1.0)) + 1.0))


class PoseNetwork(linen.Module):
    """Phase of the recording to 41 numbers."""

    hidden: tuple[int, ...]
    octaves: int
    activation: str = "silu"

    @linen.compact
    def __call__(self, phase: Float[Array, ""]) -> Float[Array, "41"]:
        angle = phase * 2.0 ** jnp.arange(self.octaves, dtype=phase.dtype)
        code = jnp.concatenate([jnp.sin(angle), jnp.cos(angle)])
        h = code
        for layer, width in enumerate(self.hidden):
            if 1 <= layer <= CODE_AGAIN:
                h = jnp.concatenate([h, code])
            h = ACTIVATIONS[self.activation](linen.Dense(width)(h))
        # small at first: the motion starts at the mean pose of the start
        small = linen.initializers.variance_scaling(1e-2, "fan_in", "truncated_normal")
        return linen.Dense(41, kernel_init=small)(h)


class PoseFrame(NamedTuple):
    """What the network's numbers are relative to: the start's mean pose and the joints' ranges."""

    origin: Float[Any, "3"]
    reach: Float[Any, "3"]
    reference: Float[Any, "4"]
    middle: Float[Any, "34"]
    half: Float[Any, "34"]
    rest: Float[Any, "34"]
    duration_s: Float[Any, ""]


def frame_of(q: Float64[np.ndarray, "n 41"], duration_s: float) -> PoseFrame:
    """From poses of one sign over a recording of ``duration_s``."""
    low, high = np.radians(joint_limits_deg() + np.array([-LIMIT_MARGIN_DEG, LIMIT_MARGIN_DEG])).T
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    share = (q[:, 7:].mean(axis=0) - middle) / half
    rest = np.arctanh(np.clip(share, -LARGEST_SHARE_OF_RANGE, LARGEST_SHARE_OF_RANGE))
    reference = q[:, 3:7].mean(axis=0)
    length = float(np.linalg.norm(reference))
    # somebody who turned right round has no mean orientation
    reference = reference / length if length > 0.1 else q[0, 3:7]
    frame = PoseFrame(
        origin=q[:, :3].mean(axis=0),
        reach=np.maximum(q[:, :3].std(axis=0), LEAST_REACH_M),
        reference=reference,
        middle=middle,
        half=half,
        rest=rest,
        duration_s=np.array(duration_s),
    )
    return PoseFrame(*(np.asarray(x, np.float32) for x in frame))


class MotionAt(NamedTuple):
    """Pose, velocity and acceleration as in :mod:`kincast.models.coordinates`; ``norm`` of the quaternion before it was normalised."""

    q: Float[Array, "41"]
    v: Float[Array, "40"]
    a: Float[Array, "40"]
    norm: Float[Array, ""]


def _blend(network: PoseNetwork, parameters: Parameters, frame: PoseFrame, t_s: Float[Array, ""]) -> Array:
    phase = jnp.pi * t_s / frame.duration_s
    y = jnp.asarray(network.apply(parameters, phase))
    return jnp.concatenate(
        [
            frame.origin + frame.reach * y[:3],
            frame.reference + y[3:7],
            frame.middle + frame.half * jnp.tanh(frame.rest + y[7:]),
        ]
    )


def pose_and_velocity(
    network: PoseNetwork, parameters: Parameters, frame: PoseFrame, t_s: Float[Array, ""]
) -> tuple[Float[Array, "41"], Float[Array, "40"], Float[Array, ""]]:
    """Pose, velocity and the quaternion's length; ``t_s`` since the recording's first instant."""
    y, dy = _rates(network, parameters, frame, t_s)
    u, du = y[3:7], dy[3:7]
    norm2 = jnp.sum(u * u)
    omega = 2.0 * quaternion_multiply(quaternion_conjugate(u), du)[1:] / norm2
    q = jnp.concatenate([y[:3], quaternion_normalize(u), y[7:]])
    return q, jnp.concatenate([dy[:3], omega, dy[7:]]), jnp.sqrt(norm2)


def motion_at(
    network: PoseNetwork, parameters: Parameters, frame: PoseFrame, t_s: Float[Array, ""]
) -> MotionAt:
    """With acceleration: forward mode through the velocity (angular velocity in pelvis axes included)."""

    def first(t):
        q, v, norm = pose_and_velocity(network, parameters, frame, t)
        return v, (q, norm)

    v, a, (q, norm) = jax.jvp(first, (t_s,), (jnp.ones_like(t_s),), has_aux=True)
    return MotionAt(q, v, a, norm)


def _rates(network: PoseNetwork, parameters: Parameters, frame: PoseFrame, t_s: Float[Array, ""]):
    return jax.jvp(partial(_blend, network, parameters, frame), (t_s,), (jnp.ones_like(t_s),))
