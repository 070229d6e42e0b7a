"""The 40 independent coordinates of the body, with OpenSim (Rajagopal 2016) names and signs.

A *pose* ``q`` has 41 numbers: pelvis position (3, world, metres), pelvis orientation (4, wxyz
quaternion, segment axes x forward, y up, z right, to world) and the 34 joint angles (radians) in the
order of :data:`JOINT_COORDINATES`. A *velocity* ``v`` has 40 numbers in MuJoCo's free-joint convention:
linear velocity of the pelvis origin in the world, angular velocity in pelvis axes, joint rates.
"""

from __future__ import annotations

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
