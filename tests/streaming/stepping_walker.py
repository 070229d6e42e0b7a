"""A generated person who steps across a ring of cameras: snapshots as the fitter gets them, and the truth."""

from __future__ import annotations

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from kincast.models.body import Body, BodyParameters, build_body
from kincast.models.camera import Camera, camera_arrays, project
from kincast.models.coordinates import JOINT_COORDINATES, POSE_SIZE
from kincast.models.kinematics import site_positions
from kincast.streaming.snapshot import Snapshot
from tests.models.rig import ring_of_cameras

START_NS = 10**12


@lru_cache(maxsize=4)
def the_body(thigh: float = 1.0, keypoint_set: str = "HALPE_26") -> Body:
    return build_body(BodyParameters(scales={"thigh_r": thigh}), keypoint_set=keypoint_set)


def walker(t_s: np.ndarray) -> np.ndarray:
    """Smooth stepping on the way along x, (T, 41)."""
    q = np.zeros((len(t_s), POSE_SIZE))
    q[:, 0], q[:, 2], q[:, 3:5] = 0.6 * t_s - 0.3, 0.93, np.sqrt(0.5)
    for side, phase in (("r", 0.0), ("l", np.pi)):
        swing = np.sin(2 * np.pi * 0.9 * t_s + phase)
        q[:, 7 + JOINT_COORDINATES.index(f"hip_flexion_{side}")] = 0.15 + 0.4 * swing
        q[:, 7 + JOINT_COORDINATES.index(f"knee_angle_{side}")] = 0.5 + 0.4 * np.cos(
            2 * np.pi * 0.9 * t_s + phase
        )
        q[:, 7 + JOINT_COORDINATES.index(f"elbow_flex_{side}")] = 0.5 - 0.2 * swing
        q[:, 7 + JOINT_COORDINATES.index(f"arm_flex_{side}")] = -0.3 * swing
    return q


@lru_cache(maxsize=12)
def pixels_of_walker(
    cameras: int,
    free_running: bool = False,
    shift_m: float = 0.0,
    fps: float = 60.0,
    frames: int = 60,
    keypoint_set: str = "HALPE_26",
) -> tuple[np.ndarray, np.ndarray]:
    """True pixels (T, C, K, 2) and instants in ns (T, C)."""
    rig = jax.tree.map(jnp.asarray, camera_arrays(ring_of_cameras(cameras), np.float32))
    body = the_body(1.0, keypoint_set)
    values = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), body.values)
    rng = np.random.default_rng(0)
    t = np.arange(frames)[:, None] / fps + np.zeros((1, cameras))
    if free_running:
        t = t + rng.uniform(-0.5, 0.5, size=(1, cameras)) / fps + rng.uniform(-2e-3, 2e-3, size=t.shape)
    poses = walker(t.ravel()).reshape(frames, cameras, POSE_SIZE).astype(np.float32)
    poses[..., 1] += shift_m
    see = jax.jit(
        jax.vmap(
            jax.vmap(lambda c, q: project(c, site_positions(body.skeleton, values, q)), in_axes=(0, 0)),
            in_axes=(None, 0),
        )
    )
    return np.asarray(see(rig, jnp.asarray(poses))), np.round(t * 1e9).astype(np.int64) + START_NS


def recording(
    cameras: int = 4,
    free_running: bool = False,
    noise_px: float = 1.5,
    fps: float = 60.0,
    frames: int = 60,
    keypoint_set: str = "HALPE_26",
) -> tuple[tuple[Camera, ...], list[Snapshot]]:
    pixels, t_ns = pixels_of_walker(cameras, free_running, 0.0, fps, frames, keypoint_set)
    rng = np.random.default_rng(1)
    noisy = pixels + rng.normal(size=pixels.shape) * noise_px
    confidence = rng.uniform(0.8, 0.95, size=(*pixels.shape[:-1], 1))
    seen = np.concatenate([noisy, confidence], axis=-1).astype(np.float32)
    snapshots = [
        Snapshot(
            k,
            START_NS + round(k / fps * 1e9),
            t_ns[k],
            np.ones(cameras, bool),
            tuple(seen[k, c][None] for c in range(cameras)),
        )
        for k in range(frames)
    ]
    return ring_of_cameras(cameras), snapshots
