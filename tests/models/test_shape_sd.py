"""The linearised sd against poses fitted again with perturbed bodies."""

import numpy as np

from kincast.models.body import BodyParameters
from kincast.models.body.skeleton import skeleton_of
from kincast.models.body_prior import pose_prior, posture_table
from kincast.models.coordinates import COORDINATES
from kincast.models.pose_fit import BatchKinematics, fit_poses
from kincast.models.shape_sd import shape_sd


def test_matches_refitted_poses():
    skeleton = skeleton_of("HALPE_26")
    rng = np.random.default_rng(0)
    mean, between, within = posture_table()
    q = np.zeros(41)
    q[2], q[3:5], q[7:] = 0.9, np.sqrt(0.5), mean[2:]
    feet = [body.startswith(("calcn", "toes")) for body in skeleton.site_bodies]
    across = np.array([(0.0, 0.006, 0.007) if foot else (0.008, 0.0, 0.007) for foot in feet])
    offsets_sd = {n: tuple(sd.tolist()) for n, sd in zip(skeleton.site_names, across, strict=True)}
    parameters = BodyParameters(site_offsets_sd=offsets_sd)
    stated = shape_sd(skeleton, parameters, q)

    kinematics = BatchKinematics(skeleton)
    points, _ = kinematics.poses(np.zeros(8), np.zeros((26, 3)), q[None])
    information = np.tile(np.eye(3) / 0.01**2, (1, 26, 1, 1))
    found = []
    for _ in range(60):
        prior = pose_prior()
        prior = type(prior)(mean + rng.normal(0, between), within, prior.lower, prior.upper)
        offsets = rng.normal(0, 1, (26, 3)) * across
        fitted, _, _ = fit_poses(kinematics, np.zeros(8), offsets, q[None], points, information, prior)
        found.append(fitted[0, 7:])
    spread = np.std(found, axis=0)
    for name in ("hip_flexion_r", "hip_adduction_l", "knee_angle_r", "knee_angle_l", "ankle_angle_l"):
        i = COORDINATES.index(name)
        assert 0.65 < spread[i - 6] / stated[i] < 1.4, name


def test_a_certain_body_leaves_only_posture():
    skeleton = skeleton_of("HALPE_26")
    q = np.zeros(41)
    q[2], q[3:5] = 0.9, np.sqrt(0.5)
    exact = shape_sd(skeleton, BodyParameters(), q)
    unsure = shape_sd(
        skeleton, BodyParameters(site_offsets_sd=dict.fromkeys(skeleton.site_names, (0.01, 0.01, 0.01))), q
    )
    assert (unsure >= exact).all()
    assert exact[COORDINATES.index("knee_angle_r")] < np.radians(1.0)
    assert np.isfinite(unsure).all()
    hidden = shape_sd(skeleton, BodyParameters(), q, np.zeros(26, bool))
    assert np.isfinite(hidden).all()
