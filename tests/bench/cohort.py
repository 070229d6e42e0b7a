"""A generated cohort with known truth: measured motions on people of other proportions, seen as a detector would.

Every person: own scales, every site displaced by what the cohort has in common and by an own amount, hinge or coupled knee at random,
own mean posture, free-running cameras. Sites are placed by C MuJoCo. No accuracy claim rests on this alone: it is our own
skeleton that moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mujoco
import numpy as np

from kincast.deploy.demo.detections import VIEW_BINS, DetectorErrors, detect
from kincast.deploy.demo.session import OTHER_SITE_SD_M, SITE_SD_M, demo_cameras
from kincast.models.body import SCALES, Body, BodyParameters, build_body
from kincast.models.body.sites import sites_of
from kincast.models.body_prior import POSTURE, posture_table
from kincast.models.coordinates import COORDINATES, JOINT_COORDINATES, pose_from_coordinates
from kincast.models.observations import Observations
from kincast.offline.meta import Person

START_NS = 1_000_000_000_000
MOTIONS = (
    *(f"opencap_subject4_markers/IK/{name}_ik.mot" for name in ("walkingTS1", "walking2", "walkingTO1")),
    *(f"opencap_subject4_markers/IK/{name}_ik.mot" for name in ("STS1", "squats1", "static1")),
    *("multiview/treadmill60/truth/ik.mot",) * 4,
    "multiview/camargo_levelground/truth/ik.mot",
    "multiview/subject01_walk/truth/ik.mot",
    "opensim_crouch_gait/crouch_gait.mot",
    "opensim_crouch_gait/normal_gait.mot",
)


@dataclass(frozen=True)
class CohortConfig:
    """``common_sd_m``: of the displacement that all people share, per axis; ``own``: of the size of detectors' published
    attachment errors, how much is each person's own."""

    keypoint_set: str = "HALPE_26"
    seed: int = 1
    common_sd_m: float = 0.010
    own: float = 1.0
    posture_sd_deg: float = 2.0
    cameras: int = 6
    rate_hz: float = 60.0
    jitter_s: float = 0.002
    duration_s: float = 6.0
    errors: DetectorErrors = field(default_factory=DetectorErrors)


@dataclass(frozen=True)
class Generated:
    """One person of the cohort: what was seen, and the truth (``q`` at ``t_ns``)."""

    person: Person
    body: BodyParameters
    hinge_knee: bool
    motion: str
    t_ns: np.ndarray
    q: np.ndarray


def common_offsets(config: CohortConfig) -> np.ndarray:
    """(site, 3) m: how far every person's sites lie off the generic places, alike on both sides."""
    return _mirrored(config, np.random.default_rng(config.seed), lambda name: config.common_sd_m, own=0.0)


def _mirrored(config: CohortConfig, rng: np.random.Generator, sd_of, own: float) -> np.ndarray:
    names = tuple(sites_of(config.keypoint_set))
    drawn = {name: rng.normal(0, sd_of(name), 3) for name in names}
    out = []
    for name in names:
        other = "L" + name[1:]
        if name[0] == "R" and other in drawn:
            out.append(drawn[other] * [1, 1, -1] + own * drawn[name])
        else:
            out.append(drawn[name] * [1, 1, 1 if name[0] == "L" else 0.2])
    return np.array(out)


def generated_person(
    config: CohortConfig, number: int, motions: Sequence[tuple[str, np.ndarray]]
) -> Generated:
    """Person ``number``; ``motions``: name and (t, 41) columns: time (s), then the 40 coordinates (rad, m)."""
    rng = np.random.default_rng((config.seed, 1 + number))
    offsets = common_offsets(config) + _mirrored(
        config, rng, lambda n: config.own * SITE_SD_M.get(n.lstrip("LR"), OTHER_SITE_SD_M), own=0.3
    )
    names = tuple(sites_of(config.keypoint_set))
    body = build_body(
        BodyParameters(
            scales=_scales(rng),
            site_offsets={
                n: (float(v[0]), float(v[1]), float(v[2])) for n, v in zip(names, offsets, strict=True)
            },
        ),
        "torque",
        config.keypoint_set,
    )
    hinge = bool(rng.random() < 0.5)
    name, table = motions[int(rng.integers(len(motions)))]
    t_s, coordinates = _moved(table, config, rng)
    q = np.array([np.asarray(pose_from_coordinates(row)) for row in coordinates])
    q[:, :3] *= _leg_ratio(body)
    points = _placed(body, q, hinge)
    lift = 0.02 - np.percentile(points[:, _feet(names), 2], 2)
    points[..., 2] += lift
    q[:, 2] += lift
    middle = q[:, :2].mean(axis=0)
    points[..., :2] -= middle
    q[:, :2] -= middle
    w, x, y, z = q[:, 3:7].T
    forward = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z)], -1)
    observations = _seen(config, points, forward, t_s, names, rng)
    person = Person(f"G{number:03d}", (observations,))
    return Generated(person, body.parameters, hinge, name, START_NS + np.round(t_s * 1e9).astype(np.int64), q)


def measured_motions(data: Path) -> list[tuple[str, np.ndarray]]:
    """The trials with optical joint angles; coordinates that a source has not stay at the usual posture."""
    from kincast.streaming.results.storage import read_storage

    usual = dict(zip(POSTURE, posture_table()[0], strict=True))
    out = []
    for place in MOTIONS:
        storage = read_storage(data / place)
        columns = [storage.time_s]
        for name in COORDINATES:
            if name in storage.columns and not (
                name.startswith(("mtp", "subtalar")) and np.ptp(storage.column(name)) == 0
            ):
                values = storage.column(name)
                if storage.in_degrees and name not in ("pelvis_tx", "pelvis_ty", "pelvis_tz"):
                    values = np.radians(values)
            else:
                values = np.full(len(storage.time_s), usual.get(name, 0.0))
            columns.append(values)
        table = np.column_stack(columns)
        knees = [1 + COORDINATES.index(f"knee_angle_{side}") for side in "rl"]
        table[:, knees] *= np.sign(np.median(table[:, knees]))
        out.append((place, table))
    return out


def _scales(rng: np.random.Generator) -> dict[str, float]:
    shared = {"overall": 0.07, "pelvis": 0.05, "thigh": 0.04, "shank_foot": 0.04, "arm": 0.04}
    drawn = {name: rng.normal(0, sd) for name, sd in shared.items()}
    return {
        n: float(np.exp(drawn[n.removesuffix("_r").removesuffix("_l")] + rng.normal(0, 0.004)))
        for n in SCALES
    }


def _moved(
    table: np.ndarray, config: CohortConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A stretch of a motion at 100 Hz with the person's own mean posture, in a direction of its own."""
    length = min(config.duration_s + 0.1, table[-1, 0] - table[0, 0])
    start = table[0, 0] + rng.uniform(0, max(table[-1, 0] - table[0, 0] - length, 1e-9))
    t = np.arange(0.0, length, 0.01)
    rows = np.stack(
        [np.interp(start + t, table[:, 0], column) for column in np.unwrap(table[:, 1:], axis=0).T], 1
    )
    shift = np.radians(rng.normal(0, config.posture_sd_deg, len(JOINT_COORDINATES)))
    rows[:, 6:] += shift
    rows[:, 0] += np.radians(rng.normal(0, config.posture_sd_deg))
    return t, rows


def _leg_ratio(body: Body) -> float:
    s = body.parameters.scales
    return s["overall"] * 0.25 * (s["thigh_r"] + s["thigh_l"] + s["shank_foot_r"] + s["shank_foot_l"])


def _placed(body: Body, poses: np.ndarray, hinge: bool) -> np.ndarray:
    model, data = body.mj_model, mujoco.MjData(body.mj_model)
    ids = [model.site(name).id for name in body.sites]
    at_zero = np.asarray(body.full_qpos(np.concatenate([[0, 0, 1, 1, 0, 0, 0], np.zeros(34)])))
    out = np.empty((len(poses), len(ids), 3))
    for k, q in enumerate(poses):
        data.qpos[:] = body.full_qpos(q)
        if hinge:  # the tibia neither slides nor turns with the knee
            data.qpos[body.coupling.coupled_qpos] = at_zero[body.coupling.coupled_qpos]
        mujoco.mj_kinematics(model, data)
        out[k] = data.site_xpos[ids]
    return out


def _feet(names: Sequence[str]) -> list[int]:
    return [i for i, name in enumerate(names) if "Toe" in name or "Heel" in name]


def _seen(config, points, forward, t_s, names, rng) -> Observations:
    cameras = demo_cameras(config.cameras)
    period = 1.0 / config.rate_hz
    count = int((t_s[-1] - 2 * period) / period)
    bias = rng.normal(0, config.errors.bias_px, (VIEW_BINS, len(names), 2))
    times = np.zeros((count, len(cameras)))
    keypoints = np.zeros((count, len(cameras), len(names), 3), np.float32)
    for c, camera in enumerate(cameras):
        at = rng.uniform(0, period) + period * np.arange(count) + rng.uniform(-1, 1, count) * config.jitter_s
        at = np.clip(at, 0.0, t_s[-1])
        keypoints[:, c] = detect(
            _at(t_s, points, at), _at(t_s, forward, at), at, camera, names, bias, config.errors, rng
        )
        times[:, c] = at
    return Observations(
        config.keypoint_set, cameras, START_NS + np.round(times * 1e9).astype(np.int64), keypoints
    )


def _at(t_s: np.ndarray, values: np.ndarray, at_s: np.ndarray) -> np.ndarray:
    i = np.clip(np.searchsorted(t_s, at_s), 1, len(t_s) - 1)
    w = ((at_s - t_s[i - 1]) / (t_s[i] - t_s[i - 1])).reshape(-1, *[1] * (values.ndim - 1))
    return (1 - w) * values[i - 1] + w * values[i]
