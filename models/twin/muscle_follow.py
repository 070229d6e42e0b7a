"""The muscle-driven twin follows a reference in C MuJoCo, control step by control step, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import mujoco
import numpy as np
from jaxtyping import Float64

from kincast.models.twin.follow import Followed, fall
from kincast.models.twin.loads import foot_loads
from kincast.models.twin.model import SUBSTEPS, servo_torque
from kincast.models.twin.muscle_expert import MuscleExpert
from kincast.models.twin.muscle_model import EXCITATIONS, MUSCLE_JOINTS, MUSCLES, MuscleTwin
from kincast.models.twin.reference import Reference


@dataclass(frozen=True)
class MuscleFollowed:
    """``motion``: as of a torque-driven run; its torques hold the muscles' moments, its servos are zero where muscles move.

    Rows as there.

    Attributes:
        activation: at the instant; ``excitation`` from it on.
        muscle: mean moment (N m) of the muscles at the joints they move until the next instant, passive forces included.
        reserve: torque (N m) at these joints that muscles did not give; ``wanted`` what was asked of both.
    """

    motion: Followed
    activation: Float64[np.ndarray, "row 80"]
    excitation: Float64[np.ndarray, "row 80"]
    muscle: Float64[np.ndarray, "row 12"]
    reserve: Float64[np.ndarray, "row 12"]
    wanted: Float64[np.ndarray, "row 12"]


def follow_with_muscles(twin: MuscleTwin, expert: MuscleExpert, reference: Reference) -> MuscleFollowed:
    """Start in the reference's first state, muscles as active as it demands, and follow it to its end, or to a fall."""
    model, coupling = twin.model, twin.body.coupling
    data = mujoco.MjData(model)
    data.qpos[:] = coupling.full_qpos(reference.q[0])
    data.qvel[:] = coupling.full_qvel(reference.q[0], reference.v[0])
    data.act[:] = expert.begin(np.asarray(reference.q[0]), np.asarray(reference.v[0]), reference)
    rows = len(reference.q)
    log = MuscleFollowed(
        Followed(
            np.zeros((rows, 41)),
            np.zeros((rows, 40)),
            np.zeros((rows, 34)),
            np.zeros((rows, 34)),
            np.zeros((rows, 6)),
            np.zeros((rows, 2, 3)),
            np.zeros((rows, 2, 3)),
        ),
        *(np.zeros((rows, size)) for size in (MUSCLES, MUSCLES, 12, 12, 12)),
    )
    motion = log.motion
    pose, speed = coupling.independent_qpos, coupling.independent_dof
    arms = np.zeros((model.nu, model.nv))
    for row in range(rows):
        q, v = data.qpos[pose].copy(), data.qvel[speed].copy()
        if reason := fall(data, q):
            return _first(log, row, reason)
        command = expert.command(q, v, data.act.copy(), reference, row)
        motion.q[row], motion.v[row] = q, v
        motion.residual[row], motion.torque[row] = command.residual, command.torque
        log.activation[row], log.excitation[row] = data.act, command.excitation
        log.reserve[row], log.wanted[row] = command.torque[MUSCLE_JOINTS], command.wanted
        weighted = np.zeros((2, 3))
        for substep, control in enumerate(command.controls()):
            now = data.qpos[pose].copy()
            servo = servo_torque(twin.config, command.servo[substep], now[7:], data.qvel[speed[6:]])
            servo[MUSCLE_JOINTS] = 0.0
            motion.servo[row] += servo / SUBSTEPS
            data.ctrl[:] = control
            mujoco.mj_step(model, data)
            loads = foot_loads(data.sensordata)
            motion.force[row] += loads.force / SUBSTEPS
            weighted += loads.cop * loads.force[:, 2:3] / SUBSTEPS
            mujoco.mju_sparse2dense(
                arms, data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind
            )
            full = data.actuator_force[EXCITATIONS] @ arms[EXCITATIONS]
            log.muscle[row] += coupling.project_forces(now, full)[6 + MUSCLE_JOINTS] / SUBSTEPS
        vertical = np.where((weighted != 0.0).any(axis=1), motion.force[row, :, 2], np.inf)
        motion.cop[row] = weighted / np.maximum(vertical, 1.0)[:, None]
        motion.torque[row] += motion.servo[row]
        motion.torque[row, MUSCLE_JOINTS] += log.muscle[row]
    return log


def _first(log: MuscleFollowed, rows: int, reason: str) -> MuscleFollowed:
    cut = [getattr(log.motion, f.name)[:rows] for f in fields(Followed) if f.name != "fell"]
    return MuscleFollowed(
        Followed(*cut, fell=reason),
        *(getattr(log, f.name)[:rows] for f in fields(MuscleFollowed) if f.name != "motion"),
    )
