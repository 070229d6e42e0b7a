"""A controller that follows a reference in C MuJoCo, control step by control step, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float64

from kincast.models.twin.controller import Controller, unloaded
from kincast.models.twin.loads import foot_loads
from kincast.models.twin.model import SUBSTEPS, Twin, servo_torque
from kincast.models.twin.reference import Reference
from kincast.models.twin.termination import TerminationConfig

LIMITS = TerminationConfig()


@dataclass(frozen=True)
class Followed:
    """Rows: the control instants of the reference from the first on, as many as the twin stayed up.

    Attributes:
        q, v: simulated state at the instant.
        torque: mean joint torque until the next one (N m), servos included; ``servo`` their part.
        residual: force (N, world) and moment (N m, pelvis axes) at the pelvis meanwhile.
        force, cop: of the ground on the feet, mean of the physics steps (N); of the loaded ones (m, 0 where unloaded).
        fell: why the run ended early, empty if it did not.
    """

    q: Float64[np.ndarray, "row 41"]
    v: Float64[np.ndarray, "row 40"]
    torque: Float64[np.ndarray, "row 34"]
    servo: Float64[np.ndarray, "row 34"]
    residual: Float64[np.ndarray, "row 6"]
    force: Float64[np.ndarray, "row 2 3"]
    cop: Float64[np.ndarray, "row 2 3"]
    fell: str = ""


def follow(twin: Twin, controller: Controller, reference: Reference) -> Followed:
    """Start in the reference's first state and follow it to its end, or to a fall."""
    model, coupling = twin.model, twin.body.coupling
    data = mujoco.MjData(model)
    data.qpos[:] = coupling.full_qpos(reference.q[0])
    data.qvel[:] = coupling.full_qvel(reference.q[0], reference.v[0])
    rows = len(reference.q)
    loads = unloaded()
    controller.begin()
    log = Followed(
        np.zeros((rows, 41)),
        np.zeros((rows, 40)),
        np.zeros((rows, 34)),
        np.zeros((rows, 34)),
        np.zeros((rows, 6)),
        np.zeros((rows, 2, 3)),
        np.zeros((rows, 2, 3)),
    )
    pose, speed = coupling.independent_qpos, coupling.independent_dof
    for row in range(rows):
        q, v = data.qpos[pose].copy(), data.qvel[speed].copy()
        if reason := fall(data, q):
            return _first(log, row, reason)
        command = controller.command(q, v, reference, row, loads)
        log.q[row], log.v[row] = q, v
        log.residual[row], log.torque[row] = command.residual, command.torque
        weighted = np.zeros((2, 3))
        for substep, control in enumerate(command.controls()):
            angle, rate = data.qpos[pose[7:]], data.qvel[speed[6:]]
            log.servo[row] += servo_torque(twin.config, command.servo[substep], angle, rate) / SUBSTEPS
            data.ctrl[:] = control
            mujoco.mj_step(model, data)
            loads = foot_loads(data.sensordata)
            log.force[row] += loads.force / SUBSTEPS
            weighted += loads.cop * loads.force[:, 2:3] / SUBSTEPS
        vertical = np.where((weighted != 0.0).any(axis=1), log.force[row, :, 2], np.inf)
        log.cop[row] = weighted / np.maximum(vertical, 1.0)[:, None]
        log.torque[row] += log.servo[row]
    return log


def fall(data: mujoco.MjData, q: Float64[np.ndarray, "41"]) -> str:
    """Why the simulation cannot go on; empty while it can."""
    if not np.all(np.isfinite(q)) or data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number:
        return "simulation diverged"
    if not LIMITS.low_m < q[2] < LIMITS.high_m:
        return f"pelvis {q[2]:.2f} m above the floor"
    return ""


def _first(log: Followed, rows: int, reason: str) -> Followed:
    n = rows
    return Followed(
        log.q[:n],
        log.v[:n],
        log.torque[:n],
        log.servo[:n],
        log.residual[:n],
        log.force[:n],
        log.cop[:n],
        reason,
    )
