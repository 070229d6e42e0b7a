"""The size of a rig by a person whose body is known: people placed by C MuJoCo, seen by cv2.projectPoints."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import cv2
import mujoco
import numpy as np
import pytest

from kincast.models.body import BodyParameters, build_body
from kincast.models.body.sites import sites_of
from kincast.models.camera import Camera
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.observations import Observations
from kincast.offline.bundle import adjusted
from kincast.offline.bundle_gauge import resized
from kincast.offline.bundle_views import gathered
from kincast.offline.known_lengths import known_size
from tests.models.rig import ring_of_cameras
from tests.offline.rig_errors import put_wrong, size_ratio

NAMES = tuple(sites_of("HALPE_26"))
SCALES = {"overall": 1.07, "thigh_r": 0.96, "thigh_l": 0.96, "shank_foot_r": 1.05, "shank_foot_l": 1.04}
PERSON = BodyParameters(
    scales={**BodyParameters().scales, **SCALES},
    site_offsets={n: (0.01 * np.sin(i), 0.012 * np.cos(i), 0.01) for i, n in enumerate(NAMES)},
)


@lru_cache(maxsize=1)
def _places() -> np.ndarray:
    """(60, 26, 3) m: sites of the person walking and turning."""
    body = build_body(PERSON, "torque", "HALPE_26")
    data = mujoco.MjData(body.mj_model)
    out = []
    for t in np.arange(60) / 30.0:
        q = np.zeros(41)
        turn = 0.5 * np.sin(t)
        upright, turned = np.array([1, 1, 0, 0]) * np.sqrt(0.5), np.array([np.cos(turn), 0, 0, np.sin(turn)])
        mujoco.mju_mulQuat(q[3:7], turned, upright)
        q[:3] = 1.2 * (t - 1.0), 0.1 * np.sin(t), 1.0
        for side, phase in (("r", 0.0), ("l", np.pi)):
            swing = np.sin(6.0 * t + phase)
            q[7 + JOINT_COORDINATES.index(f"hip_flexion_{side}")] = 0.4 * swing
            q[7 + JOINT_COORDINATES.index(f"knee_angle_{side}")] = 0.5 - 0.45 * swing
            q[7 + JOINT_COORDINATES.index(f"elbow_flex_{side}")] = 0.6
        data.qpos[:] = body.full_qpos(q)
        mujoco.mj_kinematics(body.mj_model, data)
        out.append([data.site(name).xpos.copy() for name in NAMES])
    return np.array(out)


def _seen_by(cameras: tuple[Camera, ...], noise_px: float) -> Observations:
    places = _places()
    keypoints = np.ones((len(places), len(cameras), len(NAMES), 3), np.float32)
    for c, camera in enumerate(cameras):
        seen = cv2.projectPoints(
            places.reshape(-1, 3), camera.rotation, camera.translation, camera.matrix, camera.distortions
        )[0]
        keypoints[:, c, :, :2] = seen.reshape(*places.shape[:2], 2)
    keypoints[..., :2] += np.random.default_rng(2).normal(0, noise_px, keypoints[..., :2].shape)
    t_ns = np.tile(np.arange(len(places))[:, None] * 33_333_333, (1, len(cameras)))
    return Observations("HALPE_26", cameras, t_ns, keypoints)


def test_legs_tell_the_size_of_the_world_at_every_bend_of_the_knee() -> None:
    cameras = ring_of_cameras(4)
    views, points = gathered([_seen_by(cameras, 1.0)], cameras)
    for factor in (1.0, 0.9, 1.05):
        found = known_size(PERSON, "HALPE_26", views, factor * points)
        assert found is not None
        assert found.log_size == pytest.approx(-np.log(factor), abs=0.002)
        assert 0.01 < found.sd < 0.02
    of_markers = replace(PERSON, site_offsets={"R.ASIS": (0.0, 0.0, 0.0)})
    assert known_size(of_markers, "HALPE_26", views, points) is None
    short = _seen_by(cameras, 1.0)
    few, few_points = gathered([replace(short, t_ns=short.t_ns[:9], keypoints=short.keypoints[:9])], cameras)
    assert known_size(PERSON, "HALPE_26", few, few_points) is None


def test_a_contradicted_rig_of_wrong_size_gets_the_known_persons_size() -> None:
    cameras = ring_of_cameras(4)
    seen = _seen_by(cameras, 1.0)
    wrong = put_wrong(resized(cameras, np.log(1.06)), 3)
    known = adjusted([replace(seen, cameras=wrong)], body=PERSON)
    assert known is not None
    assert known.demanded
    assert known.size_off == pytest.approx(-np.log(1.06), abs=0.01)
    assert size_ratio(known.cameras, cameras) == pytest.approx(1.0, abs=0.01)


def test_lengths_leave_a_size_that_they_do_not_surely_contradict() -> None:
    cameras = ring_of_cameras(4)
    seen = replace(_seen_by(cameras, 1.0), cameras=resized(cameras, 0.02))
    found = adjusted([seen], body=PERSON)
    assert found is not None
    assert found.size_off == 0.0
    assert not found.demanded
