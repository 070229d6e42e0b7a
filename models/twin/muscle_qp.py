"""Least summed squared activation that gives wanted joint moments: many small bounded problems at once.

Each is ``min 1/2 |a|^2 + 1/2 |(m - G a) / r|^2`` with ``low <= a <= high``, of a few moments and many muscles. Its solution is
``a = clip(G^T y, low, high)``, and the multipliers ``y``, as many as there are moments, minimise a convex, piecewise quadratic
function with gradient ``r^2 y + G clip(G^T y) - m``. Newton's method with a line search ends on its minimum, exactly up to
rounding, after a handful of steps, each a linear solve of the moments' size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64


@dataclass(frozen=True)
class MuscleQpConfig:
    """``reserve_Nm``: the reserve moment that costs as much as one fully active muscle; ``tolerance_Nm``: of the moments' balance."""

    reserve_Nm: float = 1.0
    iterations: int = 40
    tolerance_Nm: float = 1e-6


class Activations(NamedTuple):
    """``activation``; ``reserve`` (N m), the part of the moments they leave; ``multiplier``, to start the next instant's problem from."""

    activation: Float64[np.ndarray, "*n muscle"]
    reserve: Float64[np.ndarray, "*n moment"]
    multiplier: Float64[np.ndarray, "*n moment"]
    solved: Bool[np.ndarray, "*n"]


def least_activations(
    gain: Float64[np.ndarray, "n moment muscle"],
    moment: Float64[np.ndarray, "n moment"],
    low: Float64[np.ndarray, "n muscle"],
    high: Float64[np.ndarray, "n muscle"],
    start: Float64[np.ndarray, "n moment"] | None = None,
    config: MuscleQpConfig | None = None,
) -> Activations:
    """Solve ``n`` problems; ``gain`` is the moment (N m) per unit activation, ``moment`` what is wanted without passive forces.

    Problems whose numbers are not finite get the activations nearest to zero and are not ``solved``.
    """
    c = config or MuscleQpConfig()
    finite = np.asarray(np.isfinite(gain).all(axis=(1, 2)) & np.isfinite(moment).all(axis=1))
    if not finite.all():
        gain = np.where(finite[:, None, None], gain, 0.0)
        moment = np.where(finite[:, None], moment, 0.0)
    y = np.zeros_like(moment) if start is None else np.where(finite[:, None], start, 0.0)
    softness = c.reserve_Nm**2
    diagonal = softness * np.eye(moment.shape[1])
    pull = (y[:, None] @ gain)[:, 0]
    a = np.clip(pull, low, high)
    gradient = softness * y + (gain @ a[..., None])[..., 0] - moment
    for _ in range(c.iterations):
        if np.abs(gradient).max(initial=0.0) < c.tolerance_Nm:
            break
        free = gain * ((pull > low) & (pull < high))[:, None]
        way = -np.linalg.solve(free @ gain.swapaxes(1, 2) + diagonal, gradient[..., None])[..., 0]
        slant = (way[:, None] @ gain)[:, 0]
        curvature = softness * (way * way).sum(axis=1)
        step = _to_least(pull, slant, low, high, (gradient * way).sum(axis=1), curvature)[:, None]
        y = y + step * way
        pull = pull + step * slant
        a = np.clip(pull, low, high)
        gradient = softness * y + (gain @ a[..., None])[..., 0] - moment
    solved = finite & (np.abs(gradient).max(axis=1) < _ROUGHLY * c.tolerance_Nm)
    return Activations(a, moment - (gain @ a[..., None])[..., 0], y, solved)


_ROUGHLY = 1e3


def _to_least(
    pull: Float64[np.ndarray, "n muscle"],
    slant: Float64[np.ndarray, "n muscle"],
    low: Float64[np.ndarray, "n muscle"],
    high: Float64[np.ndarray, "n muscle"],
    slope: Float64[np.ndarray, " n"],
    curvature: Float64[np.ndarray, " n"],
) -> Float64[np.ndarray, " n"]:
    """Where along a descent the function is least: its slope is piecewise linear, steeper while a muscle is between its bounds."""
    with np.errstate(over="ignore", invalid="ignore"):  # bounds that are never met lie at infinity
        safe = np.where(slant == 0.0, 1e-300, slant)
        ends = np.stack([(low - pull) / safe, (high - pull) / safe])
        enters, leaves = ends.min(axis=0), ends.max(axis=0)
        square = slant * slant
        curvature = curvature + (square * ((enters <= 0.0) & (leaves > 0.0))).sum(axis=1)
        events = np.maximum(np.concatenate([enters, leaves], axis=1), 0.0)
        change = np.concatenate([square * (enters > 0.0), -square * (leaves > 0.0)], axis=1)
        order = np.argsort(events, axis=1)
        at = np.concatenate([np.zeros((len(slope), 1)), np.take_along_axis(events, order, axis=1)], axis=1)
        curve = np.cumsum(
            np.concatenate([curvature[:, None], np.take_along_axis(change, order, axis=1)], axis=1), axis=1
        )
        slopes = np.cumsum(curve[:, :-1] * np.diff(at, axis=1), axis=1) + slope[:, None]
    slopes = np.concatenate([slope[:, None], slopes], axis=1)
    last = np.sum(slopes < 0.0, axis=1) - 1
    here = np.arange(len(slope)), np.maximum(last, 0)
    return at[here] - slopes[here] / np.maximum(curve[here], 1e-300)
