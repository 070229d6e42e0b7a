"""Net joint moments of a simulated run, and how far they are from a laboratory's inverse dynamics."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.twin.follow import Followed
from kincast.models.twin.model import CONTROL_HZ, Twin
from kincast.offline.force_errors import MomentErrors, moment_errors
from kincast.offline.truth import Truth
from kincast.streaming.results.storage import Storage


def net_moments(twin: Twin, followed: Followed) -> Float64[np.ndarray, "row 34"]:
    """What acts on the skeleton's joints (N m) from each instant to the next; one row less than the run.

    Actuators also turn the rotor inertia and overcome the damping that simulated joints have and people do not.
    """
    joints = twin.body.coupling.independent_dof[6:]
    armature, damping = twin.model.dof_armature[joints], twin.model.dof_damping[joints]
    rate = followed.v[:, 6:]
    turning = 0.5 * (rate[1:] + rate[:-1])
    return followed.torque[:-1] - damping * turning - armature * (rate[1:] - rate[:-1]) * CONTROL_HZ


def against_inverse_dynamics(
    twin: Twin, followed: Followed, truth: Truth, start_s: float, skip_s: float
) -> MomentErrors | None:
    """Errors by coordinate, as ``kincast compare`` counts them; None without measured moments, mass or height."""
    if truth.mass_kg is None or truth.height_m is None or len(followed.q) < 3:
        return None
    skip = min(int(skip_s * CONTROL_HZ), len(followed.q) - 2)
    moments = net_moments(twin, followed)[skip:]
    clock_s = start_s + (np.arange(len(moments)) + skip + 0.5) / CONTROL_HZ
    ours = Storage("twin", clock_s, tuple(f"{n}_moment" for n in JOINT_COORDINATES), moments, False)
    return moment_errors(ours, clock_s, truth, truth.mass_kg, truth.height_m)
