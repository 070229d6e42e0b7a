"""When an episode ends early; NumPy and JAX alike."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float

from kincast.models.rotations import Array


@dataclass(frozen=True)
class TerminationConfig:
    """Pelvis height outside the range (KinTwin's: 0.3 to 2 m), or ``far_m`` from the reference's pelvis, or numbers that are none."""

    low_m: float = 0.3
    high_m: float = 2.0
    far_m: float = 1.0


def ended(
    config: TerminationConfig,
    q: Float[Array, "*n 41"],
    v: Float[Array, "*n 40"],
    target_q: Float[Array, "*n 41"],
) -> Bool[Array, "*n"]:
    """Whether the simulated person has fallen, is lost, or the simulation diverged."""
    xp = q.__array_namespace__()
    away = q[..., 0:3] - target_q[..., 0:3]
    finite = xp.all(xp.isfinite(q), axis=-1) & xp.all(xp.isfinite(v), axis=-1)
    up = (q[..., 2] > config.low_m) & (q[..., 2] < config.high_m)
    near = xp.sum(away * away, axis=-1) < config.far_m**2
    return ~(finite & up & near)
