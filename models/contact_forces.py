"""Forces on two feet that explain the external wrench a motion demands: one convex QP per instant.

Unknowns per foot: the vertical load of every sole point (pressing only), one horizontal force within a polygonal
friction cone of the total load, and one vertical torque. The cost is, in this order of weight,

1. the pelvis residual: the part of the demanded wrench that the feet leave unexplained;
2. load on sole points that are high or fast against the belt, softly: the gate
   ``1 + (height / 3 cm)^4 + (speed / 0.3 m/s)^4`` multiplies the cost of a foot's load and of every point's share
   in it, so that the sharing between the feet follows contact without a threshold, while two flat feet share by
   the lever alone;
3. horizontal force that does not point from the load to a point above the pelvis (in walking the force passes
   close to such a point: Maus et al. 2010, Nat. Commun. 1:70), which settles the sharing of shear in double
   support, where the wrench alone cannot.

Everything is scaled by body weight, so the weights carry over between people.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import daqp
import numpy as np
from jaxtyping import Bool, Float64

GRAVITY = 9.80665
FEET = 2


@dataclass(frozen=True)
class ContactConfig:
    """Weights of squared terms in body weights, relative to a horizontal residual of one body weight.

    Attributes:
        friction, cone_facets: the friction cone, approximated from inside by a polygon.
        vertical_weight, moment_arm_m: weight of the vertical residual; a residual moment of one body weight times
            ``moment_arm_m`` weighs 1.
        load_weight: of a foot's load, times how far the foot is from flat contact.
        flat_weight: of any foot's load; small, so that two flat feet share by the lever alone.
        spread_weight: of a point's departure from its expected share in the foot's load, times its gate.
        shear_weight, target_above_pelvis_m: of horizontal force that does not point from the load to the target.
        torque_weight, free_torque_arm_m: of the vertical torque, relative to load times arm; the arm also bounds it.
        gate_height_m, gate_speed_m_s, gate_power, gate_limit: see :func:`contact_gate`.
    """

    friction: float = 0.6
    cone_facets: int = 8
    vertical_weight: float = 20.0
    moment_arm_m: float = 0.15
    load_weight: float = 0.004
    spread_weight: float = 0.08
    flat_weight: float = 0.0003
    shear_weight: float = 5e-2
    torque_weight: float = 5e-3
    gate_height_m: float = 0.03
    gate_speed_m_s: float = 0.3
    gate_power: int = 4
    gate_limit: float = 1e6
    target_above_pelvis_m: float = 0.3
    free_torque_arm_m: float = 0.04


@dataclass(frozen=True)
class ContactForces:
    """Forces on the feet (world frame, right foot first) and what they leave unexplained.

    ``force`` acts at ``cop`` (on the floor, vertical load weighted mean of the sole points; the sole's middle
    where unloaded), ``free_torque`` about it. ``residual`` is the demanded minus the explained wrench: force and
    moment about the pelvis origin. ``sensitivity`` is the derivative of ``force`` by the demanded wrench.
    """

    loads: Float64[np.ndarray, "2 point"]
    force: Float64[np.ndarray, "2 3"]
    cop: Float64[np.ndarray, "2 3"]
    free_torque: Float64[np.ndarray, "2"]
    residual: Float64[np.ndarray, "6"]
    sensitivity: Float64[np.ndarray, "2 3 6"]
    solved: bool


@dataclass(frozen=True)
class LoadPrior:
    """Where the load is expected to be.

    ``right`` is the share of the right foot and ``weight`` that of departing from it; ``place_m`` the expected centre of
    pressure along each sole, ``ahead_m`` how far each point lies ahead of it, ``place_weight`` that of departing from it, per m^2.
    """

    right: float
    weight: float
    place_m: Float64[np.ndarray, "2"]
    ahead_m: Float64[np.ndarray, "2 point"]
    place_weight: float


def with_unloaded(expected: LoadPrior, unloaded: Float64[np.ndarray, "2"], weight: float) -> LoadPrior:
    """``expected`` where feet are known to carry nothing (``unloaded`` 1, by degrees): departing from it weighs ``weight``."""
    known = float(abs(unloaded[0] - unloaded[1]))
    if known == 0.0:  # neither, or both: a jump, which the gates tell
        return expected
    carries = 1.0 - unloaded
    right = expected.right * carries[0]
    right = right / max(right + (1.0 - expected.right) * carries[1], 1e-6)
    return replace(
        expected, right=float(np.clip(right, 0.0, 1.0)), weight=max(expected.weight, known * weight)
    )


def flatness(gate: Float64[np.ndarray, "2 point"]) -> Float64[np.ndarray, "2"]:
    """1 for a foot whose points all rest on the floor, towards 0 as they leave it or move."""
    return np.mean(1.0 / gate, axis=1)


def contact_gate(
    height_m: Float64[np.ndarray, "2 point"], speed_m_s: Float64[np.ndarray, "2 point"], config: ContactConfig
) -> Float64[np.ndarray, "2 point"]:
    """Factor on the cost of a load: 1 in contact, growing steeply with height and with speed against the belt."""
    height = np.maximum(height_m, 0.0) / config.gate_height_m
    speed = speed_m_s / config.gate_speed_m_s
    return np.minimum(1.0 + height**config.gate_power + speed**config.gate_power, config.gate_limit)


class ContactSolver:
    """Preallocated QP; ``solve`` is a pure function of its arguments (the active set is not carried over)."""

    def __init__(self, points_per_foot: int, mass_kg: float, config: ContactConfig | None = None) -> None:
        self._config = config or ContactConfig()
        self._weight = mass_kg * GRAVITY
        self._points = points_per_foot
        self._residual_scale = np.ones(6)
        self._residual_scale[2] = np.sqrt(self._config.vertical_weight)
        self._residual_scale[3:] = 1.0 / self._config.moment_arm_m
        per_foot = points_per_foot + 3
        self._n = FEET * per_foot
        self._load = [slice(f * per_foot, f * per_foot + points_per_foot) for f in range(FEET)]
        self._shear = [slice(s.stop, s.stop + 2) for s in self._load]
        self._yaw = [s.stop for s in self._shear]

        facets = self._config.cone_facets
        angle = 2.0 * np.pi * np.arange(facets) / facets
        inscribed = self._config.friction * np.cos(np.pi / facets)
        rows = facets + 2
        self._cone = np.zeros((FEET * rows, self._n))
        for f in range(FEET):
            block = self._cone[f * rows : (f + 1) * rows]
            block[:facets, self._shear[f]] = np.stack([np.cos(angle), np.sin(angle)], 1)
            block[:facets, self._load[f]] = -inscribed
            block[facets:, self._yaw[f]] = (1.0, -1.0)
            block[facets:, self._load[f]] = -self._config.friction * self._config.free_torque_arm_m
        bounds = self._n
        self._upper = np.full(bounds + len(self._cone), 1e30)
        self._upper[bounds:] = 0.0
        self._lower = np.full(bounds + len(self._cone), -1e30)
        for f in range(FEET):
            self._lower[self._load[f]] = 0.0
        self._sense = np.zeros(bounds + len(self._cone), dtype=np.int32)

    def problem(
        self,
        wrench: Float64[np.ndarray, "6"],
        pelvis: Float64[np.ndarray, "3"],
        points: Float64[np.ndarray, "2 point 3"],
        gate: Float64[np.ndarray, "2 point"],
        expected: LoadPrior | None = None,
    ) -> tuple[Float64[np.ndarray, "n n"], Float64[np.ndarray, "n"], Float64[np.ndarray, "6 n"]]:
        """Hessian, gradient at zero, and the map from unknowns (in body weights) to the wrench at the pelvis."""
        c = self._config
        scale = self._residual_scale
        grasp = np.zeros((6, self._n))
        preference = np.zeros((2 * FEET, self._n))
        for f in range(FEET):
            arm = points[f] - pelvis
            load, shear, yaw = self._load[f], self._shear[f], self._yaw[f]
            grasp[2, load] = 1.0
            grasp[3, load] = arm[:, 1]
            grasp[4, load] = -arm[:, 0]
            share = 1.0 / gate[f]
            middle = (share @ arm) / share.sum()
            grasp[0, shear.start] = grasp[1, shear.start + 1] = 1.0
            grasp[4, shear.start] = middle[2]
            grasp[5, shear.start] = -middle[1]
            grasp[3, shear.start + 1] = -middle[2]
            grasp[5, shear.start + 1] = middle[0]
            grasp[5, yaw] = 1.0
            # horizontal force that would make each load point at the target
            lean = -arm[:, :2] / (c.target_above_pelvis_m - arm[:, 2])[:, None]
            preference[2 * f, shear.start] = preference[2 * f + 1, shear.start + 1] = 1.0
            preference[2 * f : 2 * f + 2, load] = -lean.T
        weighted = scale[:, None] * grasp
        hessian = weighted.T @ weighted + c.shear_weight * (preference.T @ preference)
        diagonal = hessian.reshape(-1)[:: self._n + 1]
        for f in range(FEET):
            # total N^2 + spread sum g (n - share N)^2
            load = self._load[f]
            share = 1.0 / gate[f]
            total = c.flat_weight + c.load_weight * (self._points / share.sum() - 1.0)
            share = share / share.sum()
            pull = c.spread_weight * gate[f] * share
            hessian[load, load] += total + pull @ share - pull[:, None] - pull[None, :]
            diagonal[load] += c.spread_weight * gate[f]
            if expected is not None:
                ahead = expected.ahead_m[f]
                hessian[load, load] += expected.place_weight * np.outer(ahead, ahead)
            diagonal[self._yaw[f]] += c.torque_weight / c.free_torque_arm_m**2
            diagonal[self._shear[f]] += 1e-9
        if expected is not None:
            apart = np.zeros(self._n)
            apart[self._load[0]], apart[self._load[1]] = 1.0 - expected.right, -expected.right
            hessian += expected.weight * np.outer(apart, apart)
        gradient = -weighted.T @ (scale * wrench / self._weight)
        return hessian, gradient, grasp

    def constraints(
        self,
    ) -> tuple[Float64[np.ndarray, "c n"], Float64[np.ndarray, "b"], Float64[np.ndarray, "b"]]:
        """Cone rows, upper and lower bounds (the first ``n`` bounds are those of the unknowns)."""
        return self._cone, self._upper, self._lower

    def solve(
        self,
        wrench: Float64[np.ndarray, "6"],
        pelvis: Float64[np.ndarray, "3"],
        points: Float64[np.ndarray, "2 point 3"],
        gate: Float64[np.ndarray, "2 point"],
        expected: LoadPrior | None = None,
    ) -> ContactForces:
        """Feet forces for the ``wrench`` (force, then moment about ``pelvis``; N, N m, world) the motion demands.

        ``points`` are the sole points where they would press on the floor, ``gate`` from :func:`contact_gate`.
        Raises ``ValueError`` on input that is not finite. A solver failure (never seen on finite input) gives
        unloaded feet, the whole wrench as residual and ``solved`` false.
        """
        if not (np.all(np.isfinite(wrench)) and np.all(np.isfinite(points)) and np.all(np.isfinite(gate))):
            raise ValueError("demanded wrench, sole points and gates must be finite")
        hessian, gradient, grasp = self.problem(wrench, pelvis, points, gate, expected)
        self._sense[:] = 0
        x, _, flag, _ = daqp.solve(hessian, gradient, self._cone, self._upper, self._lower, self._sense)
        solved = flag > 0 and bool(np.all(np.isfinite(x)))
        if not solved:
            x = np.zeros(self._n)
        loads = np.maximum(np.stack([x[s] for s in self._load]), 0.0) * self._weight
        total = loads.sum(axis=1)
        force = np.zeros((FEET, 3))
        cop = np.empty((FEET, 3))
        free_torque = np.zeros(FEET)
        for f in range(FEET):
            force[f, :2] = x[self._shear[f]] * self._weight
            force[f, 2] = total[f]
            share = loads[f] / total[f] if total[f] > 1e-9 else (1.0 / gate[f]) / (1.0 / gate[f]).sum()
            cop[f] = share @ points[f]
            at = (points[f].T @ (1.0 / gate[f])) / (1.0 / gate[f]).sum() - cop[f]
            free_torque[f] = x[self._yaw[f]] * self._weight + at[0] * force[f, 1] - at[1] * force[f, 0]
        residual = wrench - grasp @ (x * self._weight)
        free = np.ones(self._n, dtype=bool)
        for s in self._load:
            free[s] = x[s] > 1e-9
        return ContactForces(
            loads, force, cop, free_torque, residual, self._sensitivity(hessian, grasp, free), solved
        )

    def _sensitivity(
        self,
        hessian: Float64[np.ndarray, "n n"],
        grasp: Float64[np.ndarray, "6 n"],
        free: Bool[np.ndarray, "n"],
    ) -> Float64[np.ndarray, "2 3 6"]:
        """Derivative of the foot forces by the wrench with the lifted points held off (cones taken as inactive)."""
        kept = np.flatnonzero(free)
        gain = np.zeros((self._n, 6))
        gain[kept] = np.linalg.solve(hessian[np.ix_(kept, kept)], grasp[:, kept].T * self._residual_scale**2)
        out = np.zeros((FEET, 3, 6))
        for f in range(FEET):
            out[f, :2] = gain[self._shear[f]]
            out[f, 2] = gain[self._load[f]].sum(axis=0)
        return out
