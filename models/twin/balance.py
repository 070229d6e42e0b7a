"""A reference shifted by millimetres so that the ground can give what its motion demands.

A fitted motion demands horizontal forces that no ground gave: an error of a millimetre at 3 Hz is an acceleration of 4 % of
gravity. What the feet leave unexplained is the residual force, and a horizontal shift of the whole body whose acceleration
cancels it is far below what the fit knows of where the body is. Of all shifts the least one is taken: it minimises
``(residual / mass + d'')^2 + (2 pi f)^4 d^2`` over the whole motion, so that what is faster than ``f`` goes and what is slower
(a push that is really there, a person who leans on something) stays. OpenSim's residual reduction has the same aim
(Delp et al. 2007, IEEE Trans Biomed Eng 54:1940); there the trunk's masses and angles pay for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.linalg import solveh_banded

from kincast.models.twin.contact_plan import ContactPlan
from kincast.models.twin.model import CONTROL_HZ, Twin
from kincast.models.twin.reference import Reference

LEAST_ROWS = 12


@dataclass(frozen=True)
class BalanceConfig:
    """``frequency_hz``: above it the residual is traded for shift; ``every``: rows between two looks at the residual;
    ``passes``: how often, because the shifted body demands a little other moments."""

    frequency_hz: float = 0.7
    every: int = 2
    passes: int = 2


def balanced(twin: Twin, reference: Reference, config: BalanceConfig | None = None) -> Reference:
    """The reference with the least horizontal shift of the pelvis (and all that hangs on it); a motion shorter than a tenth of a second stays."""
    config = config or BalanceConfig()
    if len(reference.q) < LEAST_ROWS:
        return reference
    plan = ContactPlan(twin)
    mass = float(twin.model.body_mass.sum())
    bend = np.zeros((len(reference.q), 2))
    found = reference
    for _ in range(config.passes):
        lacking = _horizontal_residual(plan, found, config.every) / mass
        shift = least_shift(lacking - bend, config.frequency_hz)
        rate = np.gradient(shift, 1.0 / CONTROL_HZ, axis=0)
        bend = _second_difference(shift)
        found = reference._replace(
            q=_added(reference.q, shift), v=_added(reference.v, rate), a=_added(reference.a, bend)
        )
    return found


def least_shift(lacking: Float64[np.ndarray, "row 2"], frequency_hz: float) -> Float64[np.ndarray, "row 2"]:
    """Shift (m) at the control rate whose acceleration cancels ``lacking`` (m/s^2) as far as it is faster than ``frequency_hz``."""
    rows = len(lacking)
    step = 1.0 / CONTROL_HZ**2  # lengths in units of step: the matrix stays well conditioned
    leash = (2.0 * np.pi * frequency_hz / CONTROL_HZ) ** 4
    band = np.zeros((3, rows))
    band[0, 2:] = 1.0
    band[1, 1:] = -4.0
    band[1, [1, -1]] = -2.0
    band[2] = 6.0 + leash
    band[2, [0, -1]] = 1.0 + leash
    band[2, [1, -2]] = 5.0 + leash
    inner = lacking[1:-1]
    right = np.zeros((rows, 2))
    right[:-2] -= inner
    right[1:-1] += 2.0 * inner
    right[2:] -= inner
    return step * solveh_banded(band, right)


def _second_difference(shift: Float64[np.ndarray, "row 2"]) -> Float64[np.ndarray, "row 2"]:
    inner = (shift[2:] - 2.0 * shift[1:-1] + shift[:-2]) * CONTROL_HZ**2
    return np.concatenate([inner[:1], inner, inner[-1:]])


def _horizontal_residual(plan: ContactPlan, reference: Reference, every: int) -> Float64[np.ndarray, "row 2"]:
    """What the feet leave (N, world x and y) where the body is exactly where the reference has it."""
    rows = np.unique(np.append(np.arange(0, len(reference.q), every), len(reference.q) - 1))
    left = np.empty((len(rows), 2))
    for k, row in enumerate(rows):
        q, v, a = (np.asarray(x[row]) for x in (reference.q, reference.v, reference.a))
        planned = plan.plan_for(q, v, a, plan.wanted(q, v, float(reference.right_share[row])))
        left[k] = (planned.demanded - planned.feet)[:2]
    everywhere = np.arange(len(reference.q))
    return np.stack([np.interp(everywhere, rows, c) for c in left.T], axis=1)


def _added(values, change: Float64[np.ndarray, "row 2"]) -> Float64[np.ndarray, "row n"]:
    out = np.array(values, float)
    out[:, :2] += change
    return out
