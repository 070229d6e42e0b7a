"""A person who stands and sways before a ring of cameras: messages for tests of the engine and the live session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import jax
import numpy as np

from kincast.models.body import BodyParameters, build_body
from kincast.models.body.sites import MARKER_SETS
from kincast.models.camera import Camera, camera_arrays, project
from kincast.models.initial_pose import start_postures
from kincast.models.kinematics import site_positions
from kincast.streaming.messages import KeypointFrame, MarkerFrame, SessionHeader

START_NS = 1_700_000_000_000_000_000


def ring(count: int = 4) -> tuple[Camera, ...]:
    """Cameras around the origin, 4 m away, 1.2 m high, looking at the middle of a person."""
    cameras = []
    for i in range(count):
        angle = 2 * np.pi * i / count + 0.3
        centre = np.array([4 * np.cos(angle), 4 * np.sin(angle), 1.2])
        forward = np.array([0.0, 0.0, 0.9]) - centre
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        matrix = np.array([[800.0, 0, 640], [0, 800, 360], [0, 0, 1]])
        turned = np.asarray(cv2.Rodrigues(rotation)[0], np.float64).ravel()
        cameras.append(Camera(f"cam_{i}", (1280, 720), matrix, np.zeros(8), turned, -rotation @ centre))
    return tuple(cameras)


def session(cameras: int = 4, start_ns: int = START_NS) -> SessionHeader:
    return SessionHeader("session", "nobody", "HALPE_26", ring(cameras), start_ns, mass_kg=70.0)


def marker_session() -> SessionHeader:
    names = MARKER_SETS["OPENCAP"]
    return SessionHeader("session", "nobody", "OPENCAP", (), START_NS, mass_kg=70.0, marker_names=names)


@dataclass(frozen=True)
class Person:
    """Sites (S, 3) of the standing person; :meth:`at` adds the sway."""

    sites: np.ndarray

    def at(self, t_s: float) -> np.ndarray:
        return self.sites + np.array([0.05 * np.sin(2 * np.pi * t_s), 0.0, 0.0])


def person(site_set: str) -> Person:
    body = build_body(BodyParameters(), "torque", site_set)
    pose = start_postures()[0].copy()
    pose[2] = 0.95
    positions = jax.jit(site_positions, static_argnums=0)(body.skeleton, body.values, pose)
    return Person(np.asarray(positions, np.float64))


def seen(header: SessionHeader, who: Person, t_s: float, rng: np.random.Generator) -> np.ndarray:
    """(C, 1, K, 3) float32: noisy pixels of everything, confidence 1."""
    pixels = np.asarray(project(camera_arrays(header.cameras), who.at(t_s)))
    noisy = pixels + rng.normal(0, 1, pixels.shape)
    return np.concatenate([noisy, np.ones((*noisy.shape[:2], 1))], axis=-1)[:, None].astype(np.float32)


def pictures(
    header: SessionHeader, seconds: float, fps: int = 30, delay_ns: int = 2_000_000
) -> Iterator[tuple[KeypointFrame, int]]:
    """Synchronous cameras; each picture arrives ``delay_ns`` and 0.1 ms per camera after it was taken."""
    who, rng = person(header.keypoint_set), np.random.default_rng(1)
    for i in range(int(seconds * fps)):
        t_ns = START_NS + i * 10**9 // fps
        views = seen(header, who, i / fps, rng)
        for c, (camera, people) in enumerate(zip(header.cameras, views, strict=True)):
            frame = KeypointFrame(camera.name, i, t_ns, t_ns, header.keypoint_set, people)
            yield frame, t_ns + delay_ns + c * 100_000


def marker_frames(header: SessionHeader, seconds: float, fps: int = 60) -> Iterator[tuple[MarkerFrame, int]]:
    who = person(header.keypoint_set)
    for i in range(int(seconds * fps)):
        t_ns = START_NS + i * 10**9 // fps
        sites = who.at(i / fps)
        markers = np.concatenate([sites, np.ones((len(sites), 1))], axis=1).astype(np.float32)
        yield MarkerFrame(i, t_ns, t_ns, markers), t_ns
