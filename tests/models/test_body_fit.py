"""Body calibration: derivatives against finite differences, other people recovered within the stated sd, refusals.

The people are C MuJoCo models with their own proportions and displaced keypoints, seen by cv2.projectPoints.
"""

from dataclasses import replace

import cv2
import mujoco
import numpy as np
import pytest

from kincast.models.body import KEYPOINT_SETS, MARKER_SETS, SCALES, SOFT_SITES, BodyParameters, build_body
from kincast.models.body.skeleton import skeleton_of
from kincast.models.body_fit import (
    BodyFitConfig,
    TooLittleSeenError,
    UnlikePersonError,
    fit_body,
    guessed_mass,
)
from kincast.models.body_prior import pose_prior, posture_table, shape_prior
from kincast.models.body_problem import BodyProblem, Shared, arrow_system, evaluate
from kincast.models.camera import Camera
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.foot_flat import flat_feet, with_foot_axes
from kincast.models.observations import Observations, without_soft_sites
from kincast.models.pose_fit import BatchKinematics, integrated, posture
from kincast.models.seen_points import SeenPoints, seen_points
from tests.models.rig import uneven_ring

PERSON = BodyParameters(
    scales={
        "overall": 1.06,
        "pelvis": 0.96,
        "thigh_r": 1.03,
        "thigh_l": 1.03,
        "shank_foot_r": 0.97,
        "shank_foot_l": 0.975,
        "arm_r": 1.02,
        "arm_l": 1.02,
    },
    site_offsets={
        "RHip": (0.012, -0.006, 0.010),
        "LHip": (0.010, -0.008, -0.012),
        "RKnee": (-0.006, 0.004, 0.006),
        "LKnee": (-0.005, 0.005, -0.004),
        "RHeel": (0.006, 0.005, 0.004),
        "LHeel": (0.006, 0.003, -0.005),
        "Neck": (0.008, 0.010, 0.002),
    },
)


def walk(n, dt=1 / 30):
    """Poses of a walking-like motion, straight ahead, both legs half a cycle apart."""
    t = np.arange(n) * dt
    q = np.zeros((n, 41))
    q[:, 3:5] = np.sqrt(0.5)
    q[:, 0], q[:, 2] = -0.6 + 1.1 * t, 0.93 + 0.02 * np.cos(4 * np.pi * t / 1.1)
    column = {name: 7 + i for i, name in enumerate(JOINT_COORDINATES)}
    for side, phase in (("r", 0.0), ("l", np.pi)):
        swing = 2 * np.pi * t / 1.1 + phase
        for name, mean, depth, lead in (
            ("hip_flexion", 10, 22, 0.0),
            ("hip_adduction", -1, 4, 0.5),
            ("hip_rotation", -2, 3, 1.0),
            ("knee_angle", 28, 26, -1.4),
            ("ankle_angle", 5, 9, 0.8),
            ("subtalar_angle", 3, 3, 0.3),
            ("arm_flex", 0, 15, np.pi),
            ("elbow_flex", 35, 8, np.pi),
        ):
            q[:, column[f"{name}_{side}"]] = np.radians(mean + depth * np.cos(swing + lead))
        q[:, column[f"pro_sup_{side}"]] = np.radians(90)
        q[:, column[f"arm_add_{side}"]] = np.radians(-8)
    q[:, column["lumbar_extension"]] = np.radians(-8 + 2 * np.cos(4 * np.pi * t / 1.1))
    return q, (t * 1e9).astype(np.int64)


def placed(body, poses):
    """Sites by C MuJoCo."""
    data = mujoco.MjData(body.mj_model)
    out = []
    for q in poses:
        data.qpos[:] = body.full_qpos(q)
        mujoco.mj_kinematics(body.mj_model, data)
        out.append([data.site(name).xpos.copy() for name in body.sites])
    return np.array(out)


def seen_by(cameras, points, t_ns, noise_px=2.0, seed=0):
    rng = np.random.default_rng(seed)
    keypoints = np.zeros((len(points), len(cameras), points.shape[1], 3), np.float32)
    for c, camera in enumerate(cameras):
        pixels, _ = cv2.projectPoints(
            points.reshape(-1, 1, 3), camera.rotation, camera.translation, camera.matrix, camera.distortions
        )
        keypoints[:, c, :, :2] = pixels.reshape(len(points), -1, 2)
    keypoints[..., :2] += rng.normal(0, noise_px, keypoints[..., :2].shape)
    keypoints[..., 2] = 0.9
    return Observations("HALPE_26", cameras, np.repeat(t_ns[:, None], len(cameras), axis=1), keypoints)


@pytest.fixture(scope="module")
def person():
    return build_body(PERSON)


@pytest.fixture(scope="module")
def walking(person):
    q, t_ns = walk(45)
    return seen_by(uneven_ring(6), placed(person, q), t_ns)


def test_derivatives_by_shape_and_pose_match_finite_differences():
    kinematics = BatchKinematics(skeleton_of("HALPE_26"), chunk=3)
    rng = np.random.default_rng(0)
    q, _ = walk(3)
    scales, offsets = rng.normal(0, 0.05, 8), rng.normal(0, 0.01, (26, 3))
    sites, jacobian = kinematics.poses(scales, offsets, q)
    by_scale, by_offset = kinematics.shape(scales, offsets, q)
    h = 1e-6
    for k in range(8):
        moved, _ = kinematics.poses(scales + h * np.eye(8)[k], offsets, q)
        assert np.abs((moved - sites) / h - by_scale[..., k]).max() < 1e-5
    for axis in range(3):
        moved, _ = kinematics.poses(scales, offsets + h * np.eye(3)[axis], q)
        assert np.abs((moved - sites) / h - by_offset[..., axis]).max() < 1e-7
    step = rng.normal(0, 1, (3, 40))
    moved, _ = kinematics.poses(scales, offsets, integrated(q, h * step))
    assert np.abs((moved - sites) / h - np.einsum("nsik,nk->nsi", jacobian, step)).max() < 1e-4
    value, slope = posture(q)
    moved_value, _ = posture(integrated(q, h * step))
    assert np.abs((moved_value - value) / h - np.einsum("nik,nk->ni", slope, step)).max() < 1e-4


def test_gradient_of_the_whole_problem_matches_finite_differences(person):
    rng = np.random.default_rng(1)
    q, t_ns = walk(4)
    points = placed(person, q) + rng.normal(0, 0.01, (4, 26, 3))
    root = rng.normal(0, 60, (4, 26, 3, 3))
    information = root @ np.swapaxes(root, -1, -2) + 1e4 * np.eye(3)
    axes = with_foot_axes(skeleton_of("HALPE_26"), "HALPE_26")
    assert axes is not None
    shape = shape_prior("HALPE_26")
    n = len(shape.mean)
    precision = np.eye(n + 38) * 50.0
    precision[:n, :n] = shape.precision
    problem = BodyProblem(
        kinematics=BatchKinematics(axes, chunk=4),
        seen=SeenPoints(t_ns, points, information, np.ones((4, 26), bool)),
        flat=np.array([[True, False], [True, True], [False, False], [False, True]]),
        owner=np.zeros(4, dtype=np.int64),
        weight=np.array([0.1, 0.2, 0.3, 0.4]),
        within=replace(pose_prior(), sd=np.tile(posture_table()[2], (4, 1))),
        prior_mean=np.zeros(n + 38),
        prior_precision=precision,
    )
    shared = Shared(
        rng.normal(0, 0.05, 8), rng.normal(0, 0.01, (26, 3)), rng.normal(0, 0.2, 36), np.array([0.1, 0.0])
    )
    q = integrated(q, rng.normal(0, 0.05, (4, 40)))
    at = evaluate(problem, shared, q)
    system = arrow_system(problem, shared, q, at)
    h = 1e-6
    for _ in range(5):
        step, pose_step = rng.normal(0, 1, n + 38), rng.normal(0, 1, (4, 40))
        ahead = evaluate(problem, shared.moved(h * step), integrated(q, h * pose_step)).cost
        behind = evaluate(problem, shared.moved(-h * step), integrated(q, -h * pose_step)).cost
        analytic = system.shared_gradient @ step + (system.pose_gradient * pose_step).sum()
        assert np.isclose((ahead - behind) / (2 * h), analytic, rtol=1e-4, atol=1e-3)


def test_another_person_is_recovered_within_the_stated_sd(walking):
    fit = fit_body(walking, mass_kg=70.0)
    found = fit.parameters
    assert found.mass_kg == 70.0
    assert found.mass_sd_kg == 0.0
    scale_z = [(found.scales[s] - PERSON.scales[s]) / found.scales_sd[s] for s in SCALES]
    assert np.abs(scale_z).max() < 3.0
    assert np.sqrt(np.mean(np.square(scale_z))) < 1.7
    offset_z = [
        (np.array(found.site_offsets[name]) - np.array(PERSON.site_offsets.get(name, (0, 0, 0))))
        / np.array(found.site_offsets_sd[name])
        for name in found.site_offsets
    ]
    assert np.sqrt(np.mean(np.square(offset_z))) < 1.5
    assert fit.median_distance_m < 0.01
    # lengths that matter, overall times own scale: within 4 %
    for s in ("thigh_r", "shank_foot_l"):
        ratio = found.scales["overall"] * found.scales[s] / (PERSON.scales["overall"] * PERSON.scales[s])
        assert abs(ratio - 1) < 0.04


def test_poses_of_the_fit_are_near_the_true_ones(walking):
    fit = fit_body(walking)
    truth, t_ns = walk(45)
    rows = np.searchsorted(t_ns, fit.frames[0].t_ns)
    for name in ("hip_flexion_r", "hip_adduction_l", "knee_angle_r", "knee_angle_l", "ankle_angle_r"):
        column = 7 + JOINT_COORDINATES.index(name)
        error = np.degrees(fit.frames[0].q[:, column] - truth[rows, column])
        assert abs(error.mean()) < 5.0, name
        assert error.std() < 2.0, name


def test_two_cameras_swaps_and_a_dropped_camera_still_give_a_body(person):
    q, t_ns = walk(40)
    points = placed(person, q)
    two = fit_body(seen_by(uneven_ring(5)[:2], points, t_ns))
    assert abs(two.parameters.scales["overall"] / PERSON.scales["overall"] - 1) < 0.06
    seen = seen_by(uneven_ring(5), points, t_ns)
    legs = np.arange(26)
    for left in (11, 13, 15, 20, 22, 24):
        legs[[left, left + 1]] = left + 1, left
    seen.keypoints[5:12, 1] = seen.keypoints[5:12, 1][:, legs]
    seen.keypoints[20:, 3] = 0.0
    disturbed = fit_body(seen)
    clean = fit_body(seen_by(uneven_ring(5), points, t_ns))
    for s in SCALES:
        assert abs(disturbed.parameters.scales[s] / clean.parameters.scales[s] - 1) < 0.02


def test_absent_arms_leave_their_scales_at_the_prior(walking):
    arms = [
        i for i, name in enumerate(skeleton_of("HALPE_26").site_names) if "Elbow" in name or "Wrist" in name
    ]
    keypoints = walking.keypoints.copy()
    keypoints[:, :, arms] = 0.0
    fit = fit_body(replace(walking, keypoints=keypoints))
    assert abs(fit.parameters.scales["arm_r"] - 1.0) < 0.01
    assert fit.parameters.scales_sd["arm_r"] > 0.045


def test_sitting_and_rising_does_not_shrink_the_pelvis(person):
    q, t_ns = walk(40)
    column = {name: 7 + i for i, name in enumerate(JOINT_COORDINATES)}
    q[:, 7:] = 0.0
    share = 0.5 - 0.5 * np.cos(np.linspace(0, 2 * np.pi, 40))
    for side in "rl":
        q[:, column[f"hip_flexion_{side}"]] = np.radians(100) * share
        q[:, column[f"knee_angle_{side}"]] = np.radians(10 + 85 * share)
        q[:, column[f"elbow_flex_{side}"]] = np.radians(90)
        q[:, column[f"pro_sup_{side}"]] = np.radians(90)
    q[:, column["lumbar_extension"]] = np.radians(-8 - 12 * share)
    q[:, 0], q[:, 2] = -0.3 * share, 0.95 - 0.45 * share
    lean = -np.radians(30) * np.sin(np.linspace(0, 2 * np.pi, 40)) ** 2
    q[:, 3:7] = np.sqrt(0.5) * np.stack(
        [np.cos(lean / 2), np.cos(lean / 2), -np.sin(lean / 2), np.sin(lean / 2)], axis=1
    )
    fit = fit_body(seen_by(uneven_ring(6), placed(person, q), t_ns))
    assert abs(fit.parameters.scales["pelvis"] / PERSON.scales["pelvis"] - 1) < 0.12
    assert abs(fit.parameters.scales["overall"] / PERSON.scales["overall"] - 1) < 0.05


def test_several_recordings_of_one_person_share_one_body(person, walking):
    q, t_ns = walk(30)
    other = seen_by(uneven_ring(4), placed(person, q[::-1]), t_ns, seed=5)
    fit = fit_body([walking, other])
    assert len(fit.frames) == 2
    assert fit.effective_instants > fit_body(walking).effective_instants


def test_children_and_known_height():
    child = build_body(BodyParameters(scales={"overall": 0.62}))
    q, t_ns = walk(30)
    q[:, 2] -= 0.35
    seen = seen_by(uneven_ring(6), placed(child, q), t_ns)
    assert abs(fit_body(seen).parameters.scales["overall"] - 0.62) < 0.03
    assert abs(fit_body(seen, height_m=0.62 * 1.70).parameters.scales["overall"] - 0.62) < 0.02


@pytest.mark.skipif(not MARKER_SETS, reason="no marker set is known")
def test_optical_markers_go_through_the_same_code():
    name = next(iter(MARKER_SETS))
    body = build_body(
        BodyParameters(scales={"overall": 0.93, "thigh_r": 1.04, "thigh_l": 1.04}), keypoint_set=name
    )
    q, t_ns = walk(60)
    points = placed(body, q)
    markers = np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2)
    markers[10:20, 3] = 0.0
    seen = Observations(
        name, (), np.zeros((60, 0), np.int64), np.zeros((60, 0, len(body.sites), 3)), markers, t_ns
    )
    fit = fit_body(seen)
    assert abs(fit.parameters.scales["overall"] - 0.93) < 0.03
    assert abs(fit.parameters.scales["thigh_r"] * fit.parameters.scales["overall"] / (0.93 * 1.04) - 1) < 0.03


def test_flat_feet_are_those_that_stand(person):
    q, t_ns = walk(60)
    standing = np.zeros((60, 41))
    standing[:] = q[0]
    standing[:, 7:] = 0.0
    standing[30:, 7 + JOINT_COORDINATES.index("hip_flexion_r")] = np.radians(40)
    standing[30:, 7 + JOINT_COORDINATES.index("knee_angle_r")] = np.radians(60)
    seen = seen_points(seen_by(uneven_ring(4), placed(person, standing), t_ns, noise_px=0.5))
    flat = flat_feet(seen, "HALPE_26")
    assert flat[3:27].all()
    assert not flat[32:, 0].any()
    assert flat[32:, 1].all()


def test_too_little_is_refused(walking):
    with pytest.raises(TooLittleSeenError, match="5 of 5"):
        fit_body(walking.rows(np.arange(5)))
    with pytest.raises(TooLittleSeenError, match="0 of 0"):
        fit_body(walking.rows(np.arange(0)))
    alone = replace(
        walking, cameras=walking.cameras[:1], t_ns=walking.t_ns[:, :1], keypoints=walking.keypoints[:, :1]
    )
    with pytest.raises(TooLittleSeenError, match="two cameras"):
        fit_body(alone)
    twice = replace(walking, cameras=(walking.cameras[0],) * 6)
    with pytest.raises((TooLittleSeenError, UnlikePersonError)):
        fit_body(twice)
    with pytest.raises(TooLittleSeenError):
        fit_body([])


def test_what_is_no_person_is_refused(walking):
    rng = np.random.default_rng(3)
    points = rng.uniform([-1, -1, 0], [1, 1, 2], (45, 26, 3))
    strange = seen_by(uneven_ring(6), points, walking.t_ns[:, 0].copy())
    with pytest.raises(UnlikePersonError):
        fit_body(strange)


def test_same_in_same_out(walking):
    config = BodyFitConfig(max_frames=20)
    assert fit_body(walking, config=config).parameters == fit_body(walking, config=config).parameters


def test_guessed_mass_is_wide():
    for scale, low, high in ((1.0, 60, 90), (0.62, 14, 32), (1.15, 80, 125)):
        mass, sd = guessed_mass(scale)
        assert low < mass < high
        assert sd > 0.1 * mass


def test_soft_sites_count_as_absent() -> None:
    names = KEYPOINT_SETS["COCO_133"]
    keypoints = np.ones((2, 1, len(names), 3), np.float32)
    camera = Camera("a", (640, 480), np.eye(3), np.zeros(8), np.zeros(3), np.zeros(3))
    seen = Observations("COCO_133", (camera,), np.zeros((2, 1), np.int64), keypoints)
    kept = without_soft_sites(seen).keypoints[0, 0, :, 2]
    assert {name for name, c in zip(names, kept, strict=True) if c == 0} == SOFT_SITES
    assert keypoints.all()
