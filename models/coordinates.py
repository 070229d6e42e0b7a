"""The 40 independent coordinates of the body, with OpenSim (Rajagopal 2016) names and signs.

A *pose* ``q`` has 41 numbers: pelvis position (3, world, metres), pelvis orientation (4, wxyz
quaternion, segment axes x forward, y up, z right, to world) and the 34 joint angles (radians) in the
order of :data:`JOINT_COORDINATES`. A *velocity* ``v`` has 40 numbers in MuJoCo's free-joint convention:
linear velocity of the pelvis origin in the world, angular velocity in pelvis axes, joint rates.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from kincast.models.rotations import (
    Array,
    matrix_from_quaternion,
    matrix_from_zxy,
    quaternion_from_matrix,
    yxz_from_matrix,
    zxy_from_matrix,
)

PELVIS_ROTATIONS = ("pelvis_tilt", "pelvis_list", "pelvis_rotation")
PELVIS_TRANSLATIONS = ("pelvis_tx", "pelvis_ty", "pelvis_tz")


def _leg(side: str) -> tuple[str, ...]:
    return tuple(
        f"{name}_{side}"
        for name in (
            "hip_flexion",
            "hip_adduction",
            "hip_rotation",
            "knee_angle",
            "ankle_angle",
            "subtalar_angle",
            "mtp_angle",
        )
    )


def _arm(side: str) -> tuple[str, ...]:
    return tuple(
        f"{name}_{side}"
        for name in ("arm_flex", "arm_add", "arm_rot", "elbow_flex", "pro_sup", "wrist_flex", "wrist_dev")
    )


JOINT_COORDINATES: tuple[str, ...] = (
    *_leg("r"),
    *_leg("l"),
    "lumbar_extension",
    "lumbar_bending",
    "lumbar_rotation",
    "neck_extension",
    "neck_bending",
    "neck_rotation",
    *_arm("r"),
    *_arm("l"),
)
COORDINATES: tuple[str, ...] = (*PELVIS_ROTATIONS, *PELVIS_TRANSLATIONS, *JOINT_COORDINATES)

N_COORDINATES = len(COORDINATES)
POSE_SIZE = 41
VELOCITY_SIZE = 40

# rows: OpenSim's ground axes (x forward, y up, z right) in the world (x forward, y left, z up)
OPENSIM_FROM_WORLD = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0))


def coordinates_from_pose(q: Float[Array, "41"]) -> Float[Array, "40"]:
    """The 40 coordinates (rad, m) in OpenSim's ground frame: (x, y, z) of OpenSim is (x, z, -y) of the world.

    Pelvis angles are the sequence tilt (z), list (x), rotation (y) of Rajagopal 2016, each within +-pi (list
    +-pi/2); :func:`unwrapped` makes a stream of them continuous.
    """
    xp = q.__array_namespace__()
    to_opensim = xp.asarray(OPENSIM_FROM_WORLD, dtype=q.dtype)
    angles = zxy_from_matrix(to_opensim @ matrix_from_quaternion(q[3:7]))
    return xp.concat([angles, to_opensim @ q[:3], q[7:]])


def pose_from_coordinates(coordinates: Float[Array, "*n 40"]) -> Float[Array, "*n 41"]:
    """Pose of 40 coordinates (rad, m) in OpenSim's ground frame; inverse of :func:`coordinates_from_pose`."""
    xp = coordinates.__array_namespace__()
    to_world = xp.asarray(OPENSIM_FROM_WORLD, dtype=coordinates.dtype).T
    orientation = quaternion_from_matrix(to_world @ matrix_from_zxy(coordinates[..., :3]))
    return xp.concat([coordinates[..., 3:6] @ to_world.T, orientation, coordinates[..., 6:]], axis=-1)


def unwrapped(coordinates: Float[Array, "40"], previous: Float[Array, "40"]) -> Float[Array, "40"]:
    """The same coordinates with whole turns added to the pelvis angles, so that they continue ``previous``."""
    xp = coordinates.__array_namespace__()
    turn = 2.0 * np.pi
    pelvis = coordinates[:3] + turn * xp.round((previous[:3] - coordinates[:3]) / turn)
    return xp.concat([pelvis, coordinates[3:]])


def clinical_pelvis(q: Float[Array, "*n 41"], heading: float | Float[Array, ""]) -> Float[Array, "*n 3"]:
    """Tilt, obliquity, rotation (rad) of the pelvis against the direction of progression.

    Sequence rotation (y), obliquity (x), tilt (z) (Baker 2001, Hum Mov Sci 20, 783) with axes and signs of the
    coordinates of the same meaning: tilt positive backwards (posterior), obliquity positive with the right side
    down (as pelvis_list), rotation positive to the left. ``heading`` is the angle (rad) of the direction of progression from the
    world's x axis about the vertical; the result does not depend on the direction walked.
    """
    xp = q.__array_namespace__()
    to_opensim = xp.asarray(OPENSIM_FROM_WORLD, dtype=q.dtype)
    heading = xp.asarray(heading, dtype=q.dtype)
    c, s, zero, one = xp.cos(heading), xp.sin(heading), xp.zeros_like(heading), xp.ones_like(heading)
    forward = xp.stack([xp.stack([c, s, zero]), xp.stack([-s, c, zero]), xp.stack([zero, zero, one])])
    angles = yxz_from_matrix(to_opensim @ forward @ matrix_from_quaternion(q[..., 3:7]))
    return xp.stack([angles[..., 2], angles[..., 1], angles[..., 0]], axis=-1)
