"""Bundle adjustment: slopes against finite differences, and a rig that was put wrong."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from kincast.models.camera import Camera, camera_arrays, project
from kincast.models.observations import Observations
from kincast.offline.bundle import CLOCK, FOCAL, PARAMETERS, BundleConfig, _at, _Views, adjusted, changed
from tests.models.rig import ring_of_cameras

PERIOD_NS = 33_333_333


def _walk(cameras: tuple[Camera, ...], noise_px: float = 0.0, late_ns: int = 0) -> Observations:
    """A cloud of 26 points that walks along and turns; the second camera's stamps are ``late_ns`` early."""
    random = np.random.default_rng(0)
    cloud = random.uniform([-0.3, -0.3, 0.0], [0.3, 0.3, 1.7], size=(26, 3))
    t_ns = np.tile(np.arange(90)[:, None] * PERIOD_NS, (1, len(cameras)))
    keypoints = np.ones((*t_ns.shape, 26, 3), np.float32)
    values = camera_arrays(cameras)
    for c in range(len(cameras)):
        t_s = (t_ns[:, c] + (late_ns if c == 1 else 0)) * 1e-9
        turn = 0.5 * np.sin(t_s)
        rotation = np.stack([np.cos(turn), -np.sin(turn), np.sin(turn), np.cos(turn)], axis=1).reshape(
            -1, 2, 2
        )
        points = np.tile(cloud, (len(t_s), 1, 1))
        points[..., :2] = points[..., :2] @ np.swapaxes(rotation, 1, 2)
        points[..., 0] += (0.8 * (t_s - 1.5))[:, None]
        points[..., 2] += 0.05 * np.sin(9.0 * t_s)[:, None]
        single = type(values)(*(None if v is None else v[c] for v in values))
        pixels = np.stack([project(single, p) for p in points])
        keypoints[:, c, :, :2] = pixels + noise_px * random.normal(size=pixels.shape)
    return Observations("HALPE_26", cameras, t_ns, keypoints)


def _put_wrong(cameras: tuple[Camera, ...], seed: int = 1) -> tuple[Camera, ...]:
    """Each turned by 1 degree and moved by 2 cm."""
    random = np.random.default_rng(seed)
    out = []
    for camera in cameras:
        turn, shift = random.normal(size=3), random.normal(size=3)
        turn *= np.radians(1.0) / np.linalg.norm(turn)
        rotation = np.asarray(cv2.Rodrigues(np.asarray(camera.rotation))[0])
        centre = -rotation.T @ camera.translation + 0.02 * shift / np.linalg.norm(shift)
        rotation = np.asarray(cv2.Rodrigues(turn)[0]) @ rotation
        vector = np.asarray(cv2.Rodrigues(rotation)[0], np.float64)[:, 0]
        out.append(replace(camera, rotation=vector, translation=-rotation @ centre))
    return tuple(out)


def _errors(found: tuple[Camera, ...], true: tuple[Camera, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Degrees and metres, after laying the rigs onto each other: their common place and size no picture tells."""
    turns = [
        [np.asarray(cv2.Rodrigues(np.asarray(c.rotation))[0]) for c in cameras] for cameras in (found, true)
    ]
    u, _, v = np.linalg.svd(sum(t.T @ f for f, t in zip(*turns, strict=True)))
    common = u @ np.diag([1.0, 1.0, np.linalg.det(u @ v)]) @ v
    centres = [
        np.array([-r.T @ c.translation for r, c in zip(rotations, cameras, strict=True)])
        for rotations, cameras in zip(turns, (found, true), strict=True)
    ]
    about = [c - c.mean(axis=0) for c in centres]
    turned = about[0] @ common.T
    placed = turned * (np.sum(turned * about[1]) / np.sum(turned**2)) + centres[1].mean(axis=0)
    degrees = [
        np.degrees(np.linalg.norm(cv2.Rodrigues(f @ common.T @ t.T)[0])) for f, t in zip(*turns, strict=True)
    ]
    return np.array(degrees), np.linalg.norm(placed - centres[1], axis=1)


def test_slopes_are_those_of_finite_differences() -> None:
    cameras = ring_of_cameras(3)
    random = np.random.default_rng(2)
    points = random.uniform([-0.5, -0.5, 0.2], [0.5, 0.5, 1.6], size=(5, 3))
    rate = random.normal(size=(5, 3, 2)) * 100.0
    views = _Views(np.zeros((5, 3, 2)), rate, np.ones((5, 3), bool), 1.0)
    total = np.zeros(3 * PARAMETERS)
    at = _at(cameras, views, total, points, 1.0, None)
    for number in range(3 * PARAMETERS):
        camera, own = divmod(number, PARAMETERS)
        moved = total.copy()
        moved[number] = 1e-6
        change = (at.error - _at(cameras, views, moved, points, 1.0, None).error) / 1e-6
        assert np.allclose(change[:, camera], at.by_camera[:, camera, :, own], rtol=1e-3, atol=1e-2)


def test_a_rig_put_wrong_by_a_degree_and_two_centimetres_is_put_right() -> None:
    cameras = ring_of_cameras(5)
    wrong = _put_wrong(cameras)
    found = adjusted([replace(_walk(cameras, noise_px=1.0), cameras=wrong)])
    assert found is not None
    assert found.demanded
    degrees, metres = _errors(found.cameras, cameras)
    assert degrees.max() < 0.2
    assert metres.max() < 0.005
    assert found.median_px[1] < 1.5 < found.median_px[0]


def test_a_right_calibration_is_left_alone() -> None:
    cameras = ring_of_cameras(5)
    found = adjusted([_walk(cameras, noise_px=2.0)])
    assert found is not None
    assert not found.demanded


def test_a_late_clock_and_a_wrong_lens_are_found() -> None:
    cameras = ring_of_cameras(5)
    lens = np.zeros(PARAMETERS)
    lens[FOCAL] = 0.02
    wrong = (*cameras[:3], changed(cameras[3], lens), cameras[4])
    found = adjusted(
        [replace(_walk(cameras, 0.3, late_ns=12_000_000), cameras=wrong)], BundleConfig(bias_px=0.2)
    )
    assert found is not None
    relative = found.clock_s - np.median(found.clock_s)
    assert relative[1] == pytest.approx(0.012, abs=0.003)
    focal = np.array([c.change[FOCAL] for c in found.changes])
    assert focal[3] - np.median(focal) == pytest.approx(-0.02, abs=0.006)
    assert found.changes[0].change[CLOCK] == found.clock_s[0]
