"""How far foot forces and joint torques may be off: the fit's noise, and what the body model itself gets wrong.

Noise of the accelerations goes through the mass matrix to the demanded wrench, through the contact problem to the foot
forces, and through the foot's Jacobian to the torques, all linear. What the model gets wrong outweighs it: masses, how two
feet share a load, where it acts. Those terms were fitted to force plates and inverse dynamics of many people (``python -m
tests.bench.interval_calibration``, which prints how they do on people left out). Drawing whole trajectories from the posterior and
sending each through the kinetics was tried instead of the linear noise: it told errors no better, at eight times the cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float64

from kincast.models.contact_forces import GRAVITY, ContactForces
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.inverse_dynamics import InverseDynamics

Axes = tuple[float, float, float]
"""Along the way the pelvis faces, across it, vertical."""


@dataclass(frozen=True)
class TorqueError:
    """``sd^2 = (factor stated)^2 + (floor_m body weight)^2`` of one kind of joint moment."""

    factor: float = 1.0
    floor_m: float = 0.0


CHECKED_TORQUES = (
    ("hip_flexion", TorqueError(0.8, 0.002)),
    ("hip_adduction", TorqueError(1.0)),
    ("hip_rotation", TorqueError(0.42, 0.0015)),
    ("knee_angle", TorqueError(1.0)),
    ("ankle_angle", TorqueError(0.7, 0.001)),
    ("subtalar_angle", TorqueError(0.8)),
    ("mtp_angle", TorqueError(1.0, 0.004)),
)
"""Against inverse dynamics of four people. Trunk and arms were measured in none; at the toes the truth has no load at all (it
puts the whole force on the hind foot), so half of what they carry is taken as their uncertainty."""


@dataclass(frozen=True)
class ModelError:
    """Standard deviations of what the body model gets wrong, and how much of the fit's noise reaches the forces.

    Errors of neighbouring coordinates cancel (only their sum is seen in the pictures), so the body's centre of mass
    is known far better than the pelvis.

    Attributes:
        force: of a force on a foot, as a share of its load.
        sharing: of the division between the feet, in body weights where each carries half.
        floor: of any force, in body weights.
        timing_s: of when a foot is loaded: times the rate of the force.
        lever_m: of a centre of pressure against a joint centre.
        cancellation: share of the pelvis acceleration's stated sd that the centre of mass has; world axes.
        joint_cancellation: the same for a joint's acceleration.
        moment_arm_m: the demanded moment's sd is that of the force times this.
        torques: by the name of the coordinate without its side; those not named are as computed.
    """

    force: Axes = (0.012, 0.014, 0.016)
    sharing: Axes = (0.017, 0.026, 0.15)
    floor: Axes = (0.025, 0.003, 0.036)
    timing_s: Axes = (0.010, 0.015, 0.006)
    lever_m: float = 0.025
    cancellation: Axes = (0.06, 0.06, 0.19)
    joint_cancellation: float = 0.2
    moment_arm_m: float = 0.3
    torques: tuple[tuple[str, TorqueError], ...] = CHECKED_TORQUES


def model_variance(
    share: Float64[np.ndarray, "*row 2"], rate: Float64[np.ndarray, "*row 2 3"], error: ModelError
) -> Float64[np.ndarray, "*row 2 3"]:
    """Of the force on each foot, body weights squared, axes as :data:`Axes`.

    ``share``: vertical loads in body weights; ``rate``: of the forces, body weights per second.
    """
    force, sharing, floor, timing = _squares(error)
    load = np.minimum(np.maximum(share, 0.0), 1.5)[..., None]
    right, left = share[..., 0], share[..., 1]
    both = 4.0 * right * left / np.maximum(right + left, 0.1) ** 2
    return force * load**2 + sharing * (both**2)[..., None, None] + floor + timing * rate**2


@lru_cache(maxsize=8)
def _squares(error: ModelError) -> Float64[np.ndarray, "term 3"]:
    return np.square(np.array([error.force, error.sharing, error.floor, error.timing_s]))


def turned(
    vectors: Float64[np.ndarray, "*row 3"], forward: Float64[np.ndarray, "2"]
) -> Float64[np.ndarray, "*row 3"]:
    """World vectors along :data:`Axes`; ``forward``: horizontal direction, of any length."""
    x, y = float(forward[0]), float(forward[1])
    length = max((x * x + y * y) ** 0.5, 1e-9)
    c, s = x / length, y / length
    out = vectors.copy()
    out[..., 0] = c * vectors[..., 0] + s * vectors[..., 1]
    out[..., 1] = c * vectors[..., 1] - s * vectors[..., 0]
    return out


def in_world(
    variance: Float64[np.ndarray, "*row 3"], forward: Float64[np.ndarray, "2"]
) -> Float64[np.ndarray, "*row 3"]:
    """Variances along :data:`Axes` -> along the world's axes."""
    along = float(forward[0] ** 2) / max(float(forward @ forward), 1e-12)
    out = variance.copy()
    out[..., 0] = along * variance[..., 0] + (1.0 - along) * variance[..., 1]
    out[..., 1] = (1.0 - along) * variance[..., 0] + along * variance[..., 1]
    return out


def kinetics_sd(
    dynamics: InverseDynamics,
    acceleration_sd: Float64[np.ndarray, "40"],
    found: ContactForces,
    force: Float64[np.ndarray, "2 3"],
    cop: Float64[np.ndarray, "2 3"],
    rate: Float64[np.ndarray, "2 3"],
    weight_N: float,
    error: ModelError,
) -> tuple[Float64[np.ndarray, "2 3"], Float64[np.ndarray, "40"]]:
    """Of the feet's forces (N, world) and of the generalised forces on the 40 velocities, at the state ``dynamics`` is in.

    ``rate``: of the forces, along :data:`Axes` (N/s).
    """
    centre = np.array(error.cancellation) * acceleration_sd[:3]
    demanded = (weight_N / GRAVITY) * np.concatenate([centre, np.full(3, error.moment_arm_m * centre.mean())])
    noise = (found.sensitivity.reshape(6, 6) ** 2 @ demanded**2).reshape(2, 3)
    model = model_variance(force[:, 2] / weight_N, rate / weight_N, error)
    force_sd = np.sqrt(noise + weight_N**2 * in_world(model, dynamics.pelvis_rotation[:2, 0]))

    inertia = dynamics.mass_matrix() * acceleration_sd
    inertia[:, :3] *= error.cancellation
    inertia[:, 3:] *= error.joint_cancellation
    variance = np.einsum("ij,ij->i", inertia[:, 6:], inertia[:, 6:])
    variance += np.einsum("ij,ij->i", inertia[:, :3], inertia[:, :3])
    for f in range(2):
        if force[f, 2] <= 0.0:
            continue
        linear, angular = dynamics.foot_jacobian(f, cop[f])
        variance += force_sd[f] ** 2 @ linear**2
        variance += (error.lever_m * force[f, 2]) ** 2 * (angular**2).sum(axis=0)
    factor, floor = _of_joints(error.torques)
    return force_sd, np.sqrt(factor**2 * variance + (weight_N * floor) ** 2)


@lru_cache(maxsize=8)
def _of_joints(
    torques: tuple[tuple[str, TorqueError], ...],
) -> tuple[Float64[np.ndarray, "40"], Float64[np.ndarray, "40"]]:
    """Factor and floor (m) of every velocity."""
    named = dict(torques)
    factor, floor = np.ones(40), np.zeros(40)
    for i, name in enumerate(JOINT_COORDINATES):
        found = named.get(name.removesuffix("_r").removesuffix("_l"))
        if found is not None:
            factor[6 + i], floor[6 + i] = found.factor, found.floor_m
    return factor, floor
