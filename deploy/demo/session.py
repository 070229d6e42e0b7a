"""The bundled session: a generated person with a stiff right knee walks before four cameras, as wire messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Float64, Int64

from kincast.deploy.demo.detections import VIEW_BINS, DetectorErrors, detect
from kincast.deploy.demo.motion import Walk, WalkPlan, generate_walk
from kincast.models.body import Body, BodyParameters, build_body
from kincast.models.camera import Camera
from kincast.models.coordinates import COORDINATES, coordinates_from_pose, unwrapped
from kincast.streaming.messages import EndOfStream, KeypointFrame, Message, SessionHeader
from kincast.streaming.recorder import RecordingWriter

KEYPOINT_SET = "HALPE_26"
RECORDING = Path(__file__).parent / "stiff_knee_walk.mcap"
RIG_START_NS = 1_000_000_000_000
"""The rig's clock at the first exposure; any number will do."""
SITE_SD_M = {"Hip": 0.015, "Knee": 0.008, "Ankle": 0.008, "Elbow": 0.008, "Wrist": 0.008, "Shoulder": 0.008}
OTHER_SITE_SD_M = 0.010


@dataclass(frozen=True)
class DemoConfig:
    """Everything the session follows from. Cameras run free (own phase, up to ``jitter_s``) unless ``synchronous``; pictures arrive late."""

    seed: int = 7
    keypoint_set: str = KEYPOINT_SET
    cameras: int = 4
    synchronous: bool = False
    frame_rate_hz: float = 60.0
    jitter_s: float = 0.002
    delay_s: float = 0.030
    delay_jitter_s: float = 0.006
    mass_kg: float = 71.0
    plan: WalkPlan = field(default_factory=WalkPlan)
    errors: DetectorErrors = field(default_factory=DetectorErrors)


@dataclass(frozen=True)
class DemoSession:
    """Input messages with their receive stamps, and the truth they were made from (for tests only)."""

    messages: tuple[tuple[Message, int], ...]
    body: Body
    walk: Walk

    def truth(self, rate_hz: float = 30.0) -> tuple[Int64[np.ndarray, " t"], Float64[np.ndarray, "t 40"]]:
        """Instants (rig clock) and the 40 coordinates (rad, m)."""
        step = max(1, round(1.0 / (rate_hz * (self.walk.t_s[1] - self.walk.t_s[0]))))
        rows = [coordinates_from_pose(self.walk.q[0])]
        for q in self.walk.q[step::step]:
            rows.append(unwrapped(coordinates_from_pose(q), rows[-1]))
        t_ns = RIG_START_NS + np.round(self.walk.t_s[::step] * 1e9).astype(np.int64)
        assert rows[0].shape == (len(COORDINATES),)
        return t_ns, np.stack(rows)


CORNERS = (
    ("cam_01", (-4.4, -3.4, 2.2), (0.2, 0.1, 0.85), 1120.0, -0.06),
    ("cam_02", (4.3, -3.5, 1.9), (-0.2, 0.1, 0.85), 1150.0, -0.08),
    ("cam_03", (4.5, 3.3, 2.3), (-0.2, -0.1, 0.85), 1105.0, -0.05),
    ("cam_04", (-4.2, 3.5, 2.0), (0.2, -0.1, 0.85), 1135.0, -0.07),
)
"""Four cameras at the corners of an eight by six metre room, looking at hip height in the middle."""


def demo_cameras(count: int = 4) -> tuple[Camera, ...]:
    """The four corners; any other number of cameras stands in a ring around the room."""
    if count == len(CORNERS):
        return tuple(
            _camera(name, np.array(place), np.array(target), focal_px, k1)
            for name, place, target, focal_px, k1 in CORNERS
        )
    target = np.array([0.0, 0.0, 0.85])
    angles = 2 * np.pi * (np.arange(count) + 0.5) / count
    return tuple(
        _camera(
            f"cam_{i + 1:02d}",
            np.array([5.2 * np.cos(angle), 4.6 * np.sin(angle), 1.8 + 0.4 * (i % 2)]),
            target,
            1130.0,
            -0.06,
        )
        for i, angle in enumerate(angles)
    )


def _camera(
    name: str, place: Float64[np.ndarray, "3"], target: Float64[np.ndarray, "3"], focal_px: float, k1: float
) -> Camera:
    ahead = (target - place) / np.linalg.norm(target - place)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(ahead, right), ahead])  # camera axes: x right, y down, z ahead
    return Camera(
        name=name,
        size_px=(1920, 1080),
        matrix=np.array([[focal_px, 0, 962.0], [0, focal_px, 538.0], [0, 0, 1]]),
        distortions=np.array([k1, -0.2 * k1, 3e-4, -2e-4, 0, 0, 0, 0]),
        rotation=_rotation_vector(rotation),
        translation=-rotation @ place,
    )


def _rotation_vector(rotation: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3"]:
    angle = np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))
    axis = np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    return axis / (2 * np.sin(angle)) * angle


def demo_person(config: DemoConfig, rng: np.random.Generator) -> BodyParameters:
    """Someone of other proportions than the default body, keypoints displaced by some 10 mm, alike on both sides."""
    body = build_body(BodyParameters(), "torque", config.keypoint_set)
    offsets: dict[str, tuple[float, float, float]] = {}
    for site in body.sites:
        partner = "L" + site[1:]
        kind = site[1:] if site[0] in "LR" else site
        sd = SITE_SD_M.get(kind, OTHER_SITE_SD_M)
        drawn = rng.normal(0, sd, 3)
        if site[0] == "R" and partner in offsets:
            x, y, z = offsets[partner]
            drawn = np.array([x, y, -z]) + 0.3 * drawn
        offsets[site] = (float(drawn[0]), float(drawn[1]), float(drawn[2]))
    scales = {
        "overall": 0.97,
        "pelvis": 1.06,
        "thigh_r": 1.03,
        "thigh_l": 1.035,
        "shank_foot_r": 0.97,
        "shank_foot_l": 0.975,
        "arm_r": 1.04,
        "arm_l": 1.04,
    }
    return BodyParameters(scales=scales, mass_kg=config.mass_kg, site_offsets=offsets)


def generate_session(config: DemoConfig | None = None) -> DemoSession:
    """The session, the same for the same configuration."""
    config = config or DemoConfig()
    rng = np.random.default_rng(config.seed)
    body = build_body(demo_person(config, rng), "torque", config.keypoint_set)
    walk = generate_walk(body, config.plan)
    cameras = demo_cameras(config.cameras)
    sites = _sites(body, walk)
    w, x, y, z = walk.q[:, 3:7].T
    forward = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z)], -1)
    bias = rng.normal(0, config.errors.bias_px, (VIEW_BINS, len(body.sites), 2))
    frames: list[tuple[KeypointFrame, int]] = []
    for camera in cameras:
        frames += _pictures(camera, config, walk, sites, forward, body.sites, bias, rng)
    frames.sort(key=lambda f: (f[1], f[0].camera))
    start_ns = min(f.t_ns for f, _ in frames)
    header = SessionHeader(
        session_id="demo-stiff-knee",
        subject_id="generated",
        keypoint_set=config.keypoint_set,
        cameras=cameras,
        start_ns=start_ns,
        mass_kg=config.mass_kg,
        height_m=None,
        source="generated by kincast.deploy.demo: no real person",
    )
    end_ns = frames[-1][1] + 1_000_000
    messages = ((header, start_ns), *frames, (EndOfStream(t_ns=end_ns), end_ns))
    return DemoSession(messages, body, walk)


def write_session(session: DemoSession, path: Path, *, overwrite: bool = False) -> None:
    """The session as a recording.

    Raises:
        RecordingExistsError, RecordingFailedError: see the recorder.
    """
    with RecordingWriter(path, overwrite=overwrite, sync=False) as writer:
        for message, receive_ns in session.messages:
            writer.input(message, receive_ns)


def _sites(body: Body, walk: Walk) -> Float64[np.ndarray, "t site 3"]:
    model, data = body.mj_model, mujoco.MjData(body.mj_model)
    ids = [model.site(name).id for name in body.sites]
    out = np.empty((len(walk.q), len(ids), 3))
    for k, q in enumerate(walk.q):
        data.qpos[:] = body.full_qpos(q)
        mujoco.mj_kinematics(model, data)
        out[k] = data.site_xpos[ids]
    return out


def _pictures(
    camera: Camera,
    config: DemoConfig,
    walk: Walk,
    sites: Float64[np.ndarray, "t site 3"],
    forward: Float64[np.ndarray, "t 2"],
    names: tuple[str, ...],
    bias_px: Float64[np.ndarray, "bin site 2"],
    rng: np.random.Generator,
) -> list[tuple[KeypointFrame, int]]:
    """One camera's messages with their receive stamps."""
    period = 1.0 / config.frame_rate_hz
    n = int((walk.t_s[-1] - 0.05) / period)
    t_s = rng.uniform(0, period) + period * np.arange(n) + rng.uniform(-1, 1, n) * config.jitter_s
    if config.synchronous:
        t_s = period * np.arange(n)
    t_s = np.clip(t_s, walk.t_s[0], walk.t_s[-1])
    points = _at(walk.t_s, sites, t_s)
    seen = detect(points, _at(walk.t_s, forward, t_s), t_s, camera, names, bias_px, config.errors, rng)
    delay_s = config.delay_s + rng.uniform(0, config.delay_jitter_s, n)
    out = []
    for k in range(n):
        t_ns = RIG_START_NS + round(t_s[k] * 1e9)
        sent_ns = t_ns + round((delay_s[k] - 0.001) * 1e9)
        people = seen[k : k + 1] if (seen[k, :, 2] > 0).sum() >= 4 else seen[:0]
        out.append(
            (
                KeypointFrame(camera.name, k, t_ns, sent_ns, config.keypoint_set, people),
                t_ns + round(delay_s[k] * 1e9),
            )
        )
    return out


def _at(
    times_s: Float64[np.ndarray, " t"],
    values: Float64[np.ndarray, "t *shape"],
    at_s: Float64[np.ndarray, " n"],
) -> Float64[np.ndarray, "n *shape"]:
    """Linear interpolation in time."""
    i = np.clip(np.searchsorted(times_s, at_s), 1, len(times_s) - 1)
    w = ((at_s - times_s[i - 1]) / (times_s[i] - times_s[i - 1])).reshape(-1, *[1] * (values.ndim - 1))
    return (1 - w) * values[i - 1] + w * values[i]
