"""Activation dynamics of the simulated muscles, forward and inverse; NumPy and JAX alike.

MuJoCo's (Millard et al. 2013, J Biomech Eng 135, 021005): ``da/dt = (u - a) / tau`` with ``tau = activation_s (0.5 + 1.5 a)`` while the
excitation ``u`` is above the activation ``a``, else ``deactivation_s / (0.5 + 1.5 a)``. Each physics step takes one Euler step of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float

from kincast.models.rotations import Array
from kincast.models.twin.model import PHYSICS_HZ, SUBSTEPS

_ITERATIONS = 4


@dataclass(frozen=True)
class MuscleTiming:
    """Time constants (s) of activation and deactivation, at an activation of a third."""

    activation_s: float = 0.01
    deactivation_s: float = 0.04


def activated(
    timing: MuscleTiming, activation: Float[Array, "*n"], excitation: Float[Array, "*n"]
) -> Float[Array, "*n"]:
    """Activation at the end of a control step through which the excitation is held."""
    xp = activation.__array_namespace__()
    for _ in range(SUBSTEPS):
        slope = 0.5 + 1.5 * activation
        off = excitation - activation
        tau = xp.where(off > 0.0, timing.activation_s * slope, timing.deactivation_s / slope)
        activation = activation + off / (PHYSICS_HZ * tau)
    return activation


def reachable(
    timing: MuscleTiming, activation: Float[Array, "*n"]
) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
    """Least and greatest activation at the end of the control step that begins with ``activation``."""
    xp = activation.__array_namespace__()
    least, most = xp.zeros_like(activation), xp.ones_like(activation)
    return activated(timing, activation, least), activated(timing, activation, most)


def excitation_for(
    timing: MuscleTiming, activation: Float[Array, "*n"], wanted: Float[Array, "*n"]
) -> Float[Array, "*n"]:
    """Held excitation that leads from ``activation`` to ``wanted`` in one control step, or as near as 0 and 1 can.

    What is reached grows with the excitation, smoothly on either side of ``activation``, which keeps itself: secant steps on the
    side where ``wanted`` lies.
    """
    xp = activation.__array_namespace__()
    least, most = reachable(timing, activation)
    wanted = xp.clip(wanted, least, most)
    rising = wanted > activation
    before = xp.where(rising, xp.ones_like(activation), xp.zeros_like(activation))
    short_before = xp.where(rising, most, least) - wanted
    found, short = activation, activation - wanted
    for _ in range(_ITERATIONS):
        change = short - short_before
        flat = xp.abs(change) < 1e-12
        step = short * (found - before) / xp.where(flat, xp.ones_like(change), change)
        before, short_before = found, short
        found = xp.clip(found - xp.where(flat, xp.zeros_like(step), step), 0.0, 1.0)
        short = activated(timing, activation, found) - wanted
    return found
