"""Before a session begins: one imagined second of it, so that everything is compiled and touched when the person comes."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import numpy as np

from kincast.models.body import Body
from kincast.models.camera import Camera, camera_arrays, project, rotation_matrix, to_camera_frame
from kincast.models.initial_pose import start_postures
from kincast.models.kinematics import site_positions
from kincast.streaming.marker_columns import MarkerColumns
from kincast.streaming.messages import BodySwap, KeypointFrame, MarkerFrame, Message, SessionHeader

FRAMES = 24
PERIOD_NS = 16_666_667
PELVIS_HEIGHT_M = 0.95
NOISE_PX = 1.0


def rehearsal(header: SessionHeader, body: Body) -> Iterator[tuple[Message, int]]:
    """Messages and receive stamps of a person standing where the cameras look, with a body swap on the way."""
    pose = start_postures()[0].copy()
    pose[:2] = _looked_at(header.cameras)[:2]
    pose[2] = PELVIS_HEIGHT_M
    sites = np.asarray(
        jax.jit(site_positions, static_argnums=0)(body.skeleton, body.values, pose), np.float64
    )
    rng = np.random.default_rng(0)
    views = _views(header.cameras, sites)
    shown = np.concatenate([sites, np.ones((len(sites), 1))], axis=1).astype(np.float32)
    markers = MarkerColumns.between(header.marker_names, body.sites).from_sites(shown)
    for i in range(FRAMES):
        t_ns = (i + 1) * PERIOD_NS
        for camera, view in zip(header.cameras, views, strict=True):
            seen = view.copy()
            seen[:, :2] += rng.normal(0.0, NOISE_PX, (len(view), 2)) * (view[:, 2:] > 0)
            yield (
                KeypointFrame(camera.name, i, t_ns, t_ns, header.keypoint_set, seen[None].astype(np.float32)),
                t_ns,
            )
        if i == FRAMES // 2:
            yield BodySwap(t_ns, body.parameters.to_json()), t_ns
        if not header.cameras:
            yield MarkerFrame(i, t_ns, t_ns, markers), t_ns


def _looked_at(cameras: tuple[Camera, ...]) -> np.ndarray:
    """The point nearest to all optical axes, least squares."""
    a, b = 1e-6 * np.eye(3), np.zeros(3)
    for camera in cameras:
        rotation = np.asarray(rotation_matrix(camera.rotation), np.float64)
        centre, axis = -rotation.T @ camera.translation, rotation[2]
        across = np.eye(3) - np.outer(axis, axis)
        a += across
        b += across @ centre
    return np.linalg.solve(a, b)


def _views(cameras: tuple[Camera, ...], sites: np.ndarray) -> list[np.ndarray]:
    """Per camera pixels and confidence 1 of what lies in the picture."""
    if not cameras:
        return []
    values = camera_arrays(cameras)
    pixels, depth = np.asarray(project(values, sites)), np.asarray(to_camera_frame(values, sites))[..., 2]
    sizes = np.array([c.size_px for c in cameras], np.float64)[:, None, :]
    inside = ((pixels >= 0) & (pixels < sizes)).all(axis=-1) & (depth > 0.1)
    return list(np.concatenate([pixels, inside[..., None]], axis=-1) * inside[..., None])
