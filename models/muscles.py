"""Muscle activations by static optimisation: least summed squared activation that gives the wanted joint moments.

At one instant the moment of a muscle is affine in its activation, ``moment = arm * (passive + active * a)``:
moment arms, active force (force-length-velocity at full activation) and passive force come from C MuJoCo
(tendon wrapping, ``mju_muscleGain`` / ``mju_muscleBias``), the coupled knee projected onto its coordinate.
Each leg is then a bounded convex QP (Crowninshield and Brand 1981; Anderson and Pandy 2001; OpenSim's
StaticOptimization): small reserve moments, expensive, take what the muscles cannot.

Several activation patterns explain one motion. ``spread`` says by how much, together with what the moments'
own uncertainty does; see :meth:`LegMuscles.solve`.
"""

from __future__ import annotations

from dataclasses import dataclass

import daqp
import numpy as np
from jaxtyping import Float64
from scipy.linalg.lapack import dposv  # pyright: ignore[reportAttributeAccessIssue]


@dataclass(frozen=True)
class MuscleConfig:
    """``reserve_Nm`` is the reserve moment that costs as much as one fully active muscle.

    ``near_optimal`` is the relative excess of summed squared activation that still counts as an explanation of
    the motion.
    """

    reserve_Nm: float = 1.0
    near_optimal: float = 0.2


@dataclass(frozen=True)
class MuscleSolution:
    """Activations (0..1), their spread, and the reserve moment (N m) per coordinate the muscles left unmet."""

    activations: Float64[np.ndarray, "muscle"]
    spread: Float64[np.ndarray, "muscle"]
    reserve: Float64[np.ndarray, "coordinate"]
    solved: bool


class LegMuscles:
    """Static optimisation of one leg: ``muscles`` unknowns; strictly convex, so the solution is unique."""

    def __init__(self, muscles: int, coordinates: int, config: MuscleConfig | None = None) -> None:
        self._config = config or MuscleConfig()
        self._n = muscles
        self._m = coordinates
        self._no_rows = np.zeros((0, muscles))
        self._upper = np.ones(muscles)
        self._lower = np.zeros(muscles)
        self._sense = np.zeros(muscles, dtype=np.int32)

    def problem(
        self, gain: Float64[np.ndarray, "coordinate muscle"], moment: Float64[np.ndarray, "coordinate"]
    ) -> tuple[Float64[np.ndarray, "muscle muscle"], Float64[np.ndarray, "muscle"]]:
        """Hessian and linear term of ``1/2 |a|^2 + 1/2 |(moment - gain a) / reserve|^2``."""
        weight = 1.0 / self._config.reserve_Nm**2
        hessian = weight * (gain.T @ gain)
        hessian.reshape(-1)[:: self._n + 1] += 1.0
        return hessian, -weight * (gain.T @ moment)

    def solve(
        self,
        gain: Float64[np.ndarray, "coordinate muscle"],
        moment: Float64[np.ndarray, "coordinate"],
        moment_sd: Float64[np.ndarray, "coordinate"],
    ) -> MuscleSolution:
        """Activations for the wanted ``moment`` (N m, passive muscle forces already taken off).

        ``gain`` is the moment of each muscle per unit activation (N m). ``spread`` is the root of two variances:
        that of the moments propagated through the optimum (muscles at a bound held there), and that of a
        pattern drawn uniformly from those which give the same moments and whose summed squared activation exceeds
        the least one by at most ``near_optimal`` (a ball in the null space of ``gain``, bounds ignored). Input that
        is not finite gives no activation, full spread and ``solved`` false.
        """
        if not (np.all(np.isfinite(gain)) and np.all(np.isfinite(moment))):
            return MuscleSolution(np.zeros(self._n), np.ones(self._n), np.zeros(self._m), False)
        hessian, linear = self.problem(gain, moment)
        a, _, flag, _ = daqp.solve(hessian, linear, self._no_rows, self._upper, self._lower, self._sense)
        solved = flag > 0 and bool(np.all(np.isfinite(a)))
        if not solved:
            a = np.zeros(self._n)
        a = np.clip(a, 0.0, 1.0)
        return MuscleSolution(a, self._spread(hessian, gain, a, moment_sd), moment - gain @ a, solved)

    def _spread(
        self,
        hessian: Float64[np.ndarray, "muscle muscle"],
        gain: Float64[np.ndarray, "coordinate muscle"],
        a: Float64[np.ndarray, "muscle"],
        moment_sd: Float64[np.ndarray, "coordinate"],
    ) -> Float64[np.ndarray, "muscle"]:
        weight = 1.0 / self._config.reserve_Nm**2
        # (1 + w G^T G)^-1 = 1 - G^T (1/w + G G^T)^-1 G: a projector onto the null space of G, up to the reserves
        inner = gain @ gain.T
        inner.reshape(-1)[:: self._m + 1] += 1.0 / weight
        null_diagonal = 1.0 - (gain * _solved(inner, gain)).sum(axis=0)
        dimension = max(self._n - self._m, 1)
        ball = self._config.near_optimal * float(a @ a) * np.maximum(null_diagonal, 0.0) / (dimension + 2)

        free = (a > 1e-6) & (a < 1.0 - 1e-6)
        active = gain[:, free]
        inner = active @ active.T
        inner.reshape(-1)[:: self._m + 1] += 1.0 / weight
        response = _solved(inner, active)
        propagated = np.zeros(self._n)
        propagated[free] = (np.minimum(moment_sd, 1e3) ** 2) @ response**2
        return np.minimum(np.sqrt(ball + propagated), 1.0)


def _solved(
    matrix: Float64[np.ndarray, "n n"], right: Float64[np.ndarray, "n m"]
) -> Float64[np.ndarray, "n m"]:
    """``matrix^-1 right`` of a symmetric positive definite matrix; LAPACK without NumPy's overhead on small ones."""
    if right.shape[1] == 0:
        return right
    _, solution, _ = dposv(matrix, right)
    return solution
