"""First pose from points placed by C MuJoCo: any heading, any of several postures, parts missing."""

import mujoco
import numpy as np
import pytest

from kincast.models.body import BodyParameters, build_body
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.initial_pose import InitialPoseCode, initial_pose, similarity
from kincast.models.rotations import quaternion_exp, quaternion_multiply

POSTURES = {
    "standing": {},
    "striding": {
        "hip_flexion_r": 30,
        "knee_angle_r": 5,
        "hip_flexion_l": -15,
        "knee_angle_l": 40,
        "arm_flex_l": 25,
    },
    "sitting": {"hip_flexion": 85, "knee_angle": 90, "elbow_flex": 70},
    "bent": {"hip_flexion": 60, "lumbar_extension": -30, "arm_flex": 50},
    "one leg up": {"hip_flexion_r": 80, "knee_angle_r": 100},
}


@pytest.fixture(scope="module")
def body():
    return build_body(BodyParameters(scales={"overall": 0.95, "thigh_r": 1.05}))


def pose(angles_deg, heading_deg, lying=False):
    q = np.zeros(41)
    upright = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])
    turn = quaternion_exp(np.array([0.0, 0.0, np.radians(heading_deg)]))
    q[3:7] = quaternion_multiply(turn, upright)
    if lying:
        q[3:7] = quaternion_multiply(q[3:7], quaternion_exp(np.array([0.0, 0.0, np.pi / 2])))
    q[:3] = 0.7, -0.4, 0.5 if lying else 0.9
    for i, name in enumerate(JOINT_COORDINATES):
        q[7 + i] = np.radians(angles_deg.get(name, angles_deg.get(name[:-2], 0.0)))
    return q


def sites(body, q):
    data = mujoco.MjData(body.mj_model)
    data.qpos[:] = body.full_qpos(q)
    mujoco.mj_kinematics(body.mj_model, data)
    return np.array([data.site(name).xpos for name in body.sites])


def turn_between(a, b):
    return 2 * np.degrees(np.arccos(min(1.0, abs(float(a[3:7] @ b[3:7])))))


@pytest.mark.parametrize("heading_deg", [0, 100, 180, 290])
@pytest.mark.parametrize("name", POSTURES)
def test_postures_at_every_heading(body, name, heading_deg):
    truth = pose(POSTURES[name], heading_deg)
    points = sites(body, truth) + np.random.default_rng(heading_deg).normal(0, 0.01, (26, 3))
    found = initial_pose(body, points, np.ones(26, bool))
    assert found.code is InitialPoseCode.OK
    assert found.median_m < 0.02
    assert np.linalg.norm(found.qpos[:3] - truth[:3]) < 0.06
    assert turn_between(found.qpos, truth) < 25
    knees = [7 + JOINT_COORDINATES.index(f"knee_angle_{side}") for side in "rl"]
    assert np.degrees(np.abs(found.qpos[knees] - truth[knees])).max() < 10


def test_lying_person(body):
    truth = pose({"knee_angle": 10}, 40, lying=True)
    found = initial_pose(body, sites(body, truth), np.ones(26, bool))
    assert found.code is InitialPoseCode.OK
    assert found.median_m < 0.03


@pytest.mark.parametrize(
    "missing",
    [
        ["Elbow", "Wrist"],
        ["Nose", "Eye", "Ear", "Head"],
        ["Hip", "Knee"],
        ["BigToe", "SmallToe", "Heel", "Ankle"],
        ["LKnee", "LAnkle", "LBigToe", "LSmallToe", "LHeel", "LElbow", "LWrist"],
    ],
)
def test_missing_parts(body, missing):
    truth = pose(POSTURES["striding"], 135)
    valid = np.array([not any(part in name for part in missing) for name in body.sites])
    points = np.where(valid[:, None], sites(body, truth), np.nan)
    found = initial_pose(body, points, valid)
    assert found.code is InitialPoseCode.OK
    assert np.isfinite(found.qpos).all()
    assert turn_between(found.qpos, truth) < 25


def test_one_wrong_point_does_not_matter(body):
    truth = pose(POSTURES["standing"], 60)
    points = sites(body, truth)
    points[16] += [0.5, 0.5, 0.3]
    found = initial_pose(body, points, np.ones(26, bool))
    assert found.code is InitialPoseCode.OK
    assert found.median_m < 0.02


def test_codes_instead_of_exceptions(body):
    points = sites(body, pose({}, 0))
    few = np.zeros(26, bool)
    few[:5] = True
    assert initial_pose(body, points, few).code is InitialPoseCode.TOO_FEW_POINTS
    line = np.outer(np.arange(26.0), [0.0, 0.0, 0.05])
    assert initial_pose(body, line, np.ones(26, bool)).code is InitialPoseCode.TOO_FEW_POINTS
    scattered = np.random.default_rng(0).uniform(-2, 2, (26, 3))
    found = initial_pose(body, scattered, np.ones(26, bool))
    assert found.code is InitialPoseCode.NO_POSTURE_FITS
    assert np.isfinite(found.qpos).all()


def test_same_points_same_pose(body):
    points = sites(body, pose(POSTURES["striding"], 20))
    first, second = (initial_pose(body, points, np.ones(26, bool)) for _ in range(2))
    assert (first.qpos == second.qpos).all()


def test_similarity_recovers_a_known_motion():
    rng = np.random.default_rng(1)
    source = rng.normal(size=(9, 3))
    axis = rng.normal(size=3)
    from scipy.spatial.transform import Rotation

    rotation = Rotation.from_rotvec(axis).as_matrix()
    got_rotation, _, scale = similarity(source, 1.3 * source @ rotation.T + [1.0, 2.0, 3.0])
    assert np.allclose(got_rotation, rotation)
    assert np.isclose(scale, 1.3)
