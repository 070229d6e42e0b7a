"""How the simulated feet are to carry what a wanted acceleration demands: the kinetics' contact problem on the twin's own soles.

Where the load may be is decided by the simulated feet and by those of the reference together. The simulated ones alone
would go on loading a swinging foot that has caught on the floor; the reference's alone would load one that is in the air.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from kincast.models.contact_forces import ContactConfig, ContactSolver, LoadPrior, contact_gate, flatness
from kincast.models.differentiation import MotionState
from kincast.models.feet_motion import FeetObserver
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.models.load_expectation import expected_place, expected_share
from kincast.models.twin.model import Twin


@dataclass(frozen=True)
class ContactPlanConfig:
    """``contact``: weights of the problem; weights of departing from the usual sharing and place of the load, as in the kinetics.

    Simulated soles lie on their floor exactly, so a point a centimetre up carries nothing.
    """

    contact: ContactConfig = field(default_factory=lambda: ContactConfig(gate_height_m=0.012))
    share_weight: float = 0.7
    place_weight: float = 3.0
    still_share_weight: float = 0.1
    still_place_weight: float = 0.5


@dataclass(frozen=True)
class Planned:
    """Generalised forces on the 40 velocities: ``demanded`` in all, ``feet`` the part the ground is to give; its force on each foot."""

    demanded: Float64[np.ndarray, "40"]
    feet: Float64[np.ndarray, "40"]
    force: Float64[np.ndarray, "2 3"]


@dataclass(frozen=True)
class Wanted:
    """What a reference's own feet say of the load: gate on every sole point, expected share of the right foot.

    ``told``: the share comes with the reference. Grounding bends feet that are about to land or leave by centimetres, and the share
    is told by how they rise: from grounded feet it is 5 to 7 % body weight worse.
    """

    gate: Float64[np.ndarray, "2 point"]
    share: float
    told: bool = False


class ContactPlan:
    """Preallocated; every answer depends on its arguments alone."""

    def __init__(self, twin: Twin, config: ContactPlanConfig | None = None) -> None:
        self._config = config or ContactPlanConfig()
        self._dynamics = InverseDynamics(twin.body)
        self._feet = FeetObserver(self._dynamics)
        points = self._dynamics.sole.local.shape[1]
        self._solver = ContactSolver(points, float(twin.body.parameters.mass_kg), self._config.contact)
        model = twin.model
        self._armature, self._damping = model.dof_armature.copy(), model.dof_damping.copy()
        self._coupling = twin.body.coupling

    def wanted(
        self, q: Float64[np.ndarray, "41"], v: Float64[np.ndarray, "40"], right_share: float = np.nan
    ) -> Wanted:
        """Of the reference in ``q, v``; worth keeping where one row is asked for often. ``right_share``: where it is known better (NaN: not)."""
        still = np.zeros(40)
        self._dynamics.set_motion(MotionState(0, q, v, still, still, still, still))
        sole = self._dynamics.sole_state()
        speed = np.linalg.norm(sole.velocity, axis=2)
        height = sole.position[:, :, 2]
        gate = contact_gate(height, speed, self._config.contact)
        if np.isfinite(right_share):
            return Wanted(gate, right_share, told=True)
        return Wanted(gate, expected_share(self._feet.observe(sole, height, speed, gate, np.zeros(2))))

    def plan(
        self,
        q: Float64[np.ndarray, "41"],
        v: Float64[np.ndarray, "40"],
        a: Float64[np.ndarray, "40"],
        wanted_q: Float64[np.ndarray, "41"],
        wanted_v: Float64[np.ndarray, "40"],
    ) -> Planned:
        """What acceleration ``a`` in state ``q, v`` demands, and what the feet can give of it where the reference is in ``wanted_q, wanted_v``."""
        return self.plan_for(q, v, a, self.wanted(wanted_q, wanted_v))

    def plan_for(
        self,
        q: Float64[np.ndarray, "41"],
        v: Float64[np.ndarray, "40"],
        a: Float64[np.ndarray, "40"],
        wanted: Wanted,
    ) -> Planned:
        """The same where the reference wants that load."""
        still = np.zeros(40)
        dynamics = self._dynamics
        qfrc = dynamics.set_motion(MotionState(0, q, v, a, still, still, still))
        wrench = dynamics.demanded_wrench(qfrc)
        points, gate, expected = self._soles(wanted)
        found = self._solver.solve(wrench, dynamics.pelvis, points, gate, expected)
        feet = dynamics.foot_forces(found.loads, points, found.force, found.cop, found.free_torque)
        # the simulated joints have rotor inertia and damping that the skeleton has not
        own = self._armature * self._coupling.full_qacc(q, v, a) + self._damping * dynamics.data.qvel
        return Planned(qfrc + own @ dynamics.velocity_map, feet, found.force)

    def _soles(
        self, wanted: Wanted
    ) -> tuple[Float64[np.ndarray, "2 point 3"], Float64[np.ndarray, "2 point"], LoadPrior]:
        c = self._config
        sole = self._dynamics.sole_state()
        speed = np.linalg.norm(sole.velocity, axis=2)
        height = sole.position[:, :, 2]
        points = sole.position.copy()
        points[:, :, 2] = 0.0
        own = contact_gate(height, speed, c.contact)
        gate = np.sqrt(own * wanted.gate)
        feet = self._feet.observe(sole, height, speed, own, np.zeros(2))
        flat = float(np.prod(flatness(gate)))
        along = ((points[:, :, :2] - feet.heel[:, None, :]) * feet.forward[:, None, :]).sum(axis=2)
        place = expected_place(feet)
        # who carries how much is told by the simulated feet, unless the reference knows or stands on others
        apart = 1.0 if wanted.told else float(np.abs(flatness(own) - flatness(wanted.gate)).max())
        prior = LoadPrior(
            (1.0 - apart) * expected_share(feet) + apart * wanted.share,
            c.share_weight * (1.0 - flat) + c.still_share_weight * flat,
            place,
            along - place[:, None],
            c.place_weight * (1.0 - flat) + c.still_place_weight * flat,
        )
        return points, gate, prior
