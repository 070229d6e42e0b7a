"""The first expert: computed torque on the fitted motion, the ground's share planned by the contact problem.

Wanted acceleration = the reference's, plus a spring and damper of ``frequency_hz`` towards its pose and velocity. Inverse
dynamics says what that demands, the contact problem what the feet can give; joints get the rest, and what
neither can give is the residual at the pelvis, bounded and reported. Joint servos inside the physics step add to it.
A function of state and reference, without memory: it can label any state a learned policy gets into.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from kincast.models.kinematics import difference
from kincast.models.twin.action import servo_controls
from kincast.models.twin.contact_plan import ContactPlan, ContactPlanConfig, Wanted
from kincast.models.twin.controller import Command
from kincast.models.twin.loads import FootLoads
from kincast.models.twin.model import RESIDUALS, Twin
from kincast.models.twin.reference import Reference


@dataclass(frozen=True)
class ExpertConfig:
    """``frequency_hz`` and ``damping`` (1: critical) of the pull towards the reference.

    ``residual_limit``: greatest residual force in body weights, and moment in body weights times ``moment_arm_m``.
    """

    frequency_hz: float = 3.0
    damping: float = 1.0
    residual_limit: float = np.inf
    moment_arm_m: float = 0.15
    contacts: ContactPlanConfig = field(default_factory=ContactPlanConfig)


class Expert:
    """One person's; ``command`` depends on its arguments alone."""

    def __init__(self, twin: Twin, config: ExpertConfig | None = None) -> None:
        self._config = config or ExpertConfig()
        self._twin = twin
        self._plan = ContactPlan(twin, self._config.contacts)

    def begin(self) -> None:
        """Nothing is remembered."""

    def command(
        self,
        q: Float64[np.ndarray, "41"],
        v: Float64[np.ndarray, "40"],
        reference: Reference,
        row: int,
        loads: FootLoads | None = None,
    ) -> Command:
        """What to do from row ``row`` of the reference to the next, in state ``q, v``; the feet's ``loads`` do not matter."""
        target_q, target_v, target_a = (np.asarray(x[row]) for x in (reference.q, reference.v, reference.a))
        wanted = self.wanted(target_q, target_v, float(reference.right_share[row]))
        residual, torque = self.forces(q, v, target_q, target_v, target_a, wanted)
        servo = np.asarray(servo_controls(self._twin.config, target_q, target_v, target_a))
        return Command(residual, torque, servo)

    def wanted(
        self,
        target_q: Float64[np.ndarray, "41"],
        target_v: Float64[np.ndarray, "40"],
        right_share: float = np.nan,
    ) -> Wanted:
        """What a row of the reference says of the load, for :meth:`forces`; of the row alone."""
        return self._plan.wanted(target_q, target_v, right_share)

    def forces(
        self,
        q: Float64[np.ndarray, "41"],
        v: Float64[np.ndarray, "40"],
        target_q: Float64[np.ndarray, "41"],
        target_v: Float64[np.ndarray, "40"],
        target_a: Float64[np.ndarray, "40"],
        wanted: Wanted,
    ) -> tuple[Float64[np.ndarray, "6"], Float64[np.ndarray, "34"]]:
        """Residual (after the limit) and joint torques in state ``q, v``."""
        omega = 2.0 * np.pi * self._config.frequency_hz
        damping = 2.0 * self._config.damping * omega
        pull = omega**2 * np.asarray(difference(q, target_q)) + damping * (target_v - v)
        plan = self._plan.plan_for(q, v, target_a + pull, wanted)
        rest = plan.demanded - plan.feet
        return self._limited(rest[:RESIDUALS]), rest[RESIDUALS:]

    def _limited(self, residual: Float64[np.ndarray, "6"]) -> Float64[np.ndarray, "6"]:
        most = self._config.residual_limit * self._twin.weight_N
        bounded = residual.copy()
        for part, limit in ((slice(0, 3), most), (slice(3, 6), most * self._config.moment_arm_m)):
            size = float(np.linalg.norm(residual[part]))
            if size > limit:
                bounded[part] *= limit / size
        return bounded
