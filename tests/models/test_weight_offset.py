"""The offset of the body's weight: what is believed when, and that it mends a trunk whose mass is misplaced."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest

from kincast.models.body.body import build_body
from kincast.models.body.parameters import BodyParameters
from kincast.models.coordinates import COORDINATES, pose_from_coordinates
from kincast.models.differentiation import MotionState
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.models.weight_offset import WeightOffset, WeightOffsetConfig, pressure_centre

STEP_NS = 16_666_667


def _after(seconds: float, difference_m: float, knee_rad: float = 0.1, noise_m: float = 0.0) -> float:
    offset = WeightOffset()
    rng = np.random.default_rng(0)
    for i in range(round(seconds * 60)):
        offset.update(i * STEP_NS, difference_m + noise_m * rng.normal(), knee_rad)
    return offset.ahead_m


def test_large_differences_are_believed_small_ones_left_alone() -> None:
    assert _after(10.0, 0.08) == pytest.approx(0.08, abs=0.025)
    assert _after(10.0, -0.08) == pytest.approx(-0.08, abs=0.025)
    assert abs(_after(10.0, 0.012)) < 0.002
    assert abs(_after(10.0, 0.0, noise_m=0.05)) < 0.005
    assert _after(0.2, 0.08) < 0.02


def test_bent_knees_and_absurd_differences_tell_nothing() -> None:
    assert _after(10.0, 0.08, knee_rad=1.2) == 0.0
    assert _after(10.0, 0.5) == 0.0


def test_offset_is_bounded() -> None:
    assert _after(60.0, 0.29) <= WeightOffsetConfig().limit_m


def test_pressure_centre_is_where_the_force_meets_the_floor() -> None:
    about, at, force = np.array([0.3, -0.2, 1.0]), np.array([0.1, 0.05, 0.02]), np.array([40.0, -25.0, 650.0])
    wrench = np.concatenate([force, np.cross(at - about, force)])
    np.testing.assert_allclose(pressure_centre(wrench, about, 0.02), at[:2], atol=1e-12)


def test_torque_on_the_torso_does_the_work_of_its_turning() -> None:
    body = build_body(BodyParameters(mass_kg=70.0), "torque")
    rng = np.random.default_rng(1)
    coordinates = 0.2 * rng.normal(size=40)
    coordinates[4] = 1.0
    q, v, sd = np.asarray(pose_from_coordinates(coordinates)), rng.normal(size=40), np.zeros(40)
    dynamics = InverseDynamics(body)
    dynamics.set_motion(MotionState(0, q, v, np.zeros(40), sd, sd, sd))
    torque = np.array([3.0, -5.0, 2.0])
    twist = np.zeros(6)
    torso = mujoco.mj_name2id(dynamics.model, mujoco.mjtObj.mjOBJ_BODY, "torso")
    mujoco.mj_objectVelocity(dynamics.model, dynamics.data, mujoco.mjtObj.mjOBJ_XBODY, torso, twist, 0)
    assert dynamics.turned_by(torque) @ v == pytest.approx(torque @ twist[:3], rel=1e-9)


@pytest.mark.data
def test_a_trunk_with_misplaced_mass_is_mended(data_dir: Path) -> None:
    from kincast.streaming.kinetics import KineticsConfig, KineticsStream
    from tests.streaming.measured_walk import fit_results, measured_walk

    walk = measured_walk(data_dir, "treadmill60", seconds=5.0)
    torso = mujoco.mj_name2id(walk.body.mj_model, mujoco.mjtObj.mjOBJ_BODY, "torso")
    walk.body.mj_model.body_ipos[torso, 0] -= 0.25  # 7 cm of the whole body's centre of mass

    def hip_error(config: KineticsConfig) -> float:
        stream = KineticsStream(walk.body, walk.mass_kg, config)
        rows = [r for fit in fit_results(walk.t_ns, walk.poses, 3) for r in stream.step(fit)]
        late = slice(120, len(rows))
        off = [
            np.array([r.torques[COORDINATES.index(name)] for r in rows[late]])
            - walk.moments[name][np.searchsorted(walk.t_ns, [r.t_ns for r in rows[late]])]
            for name in ("hip_flexion_r", "hip_flexion_l")
        ]
        return float(np.sqrt(np.mean(np.square(off))))

    config = KineticsConfig(muscles=False, belt_speed_m_s=walk.belt_speed_m_s)
    without = replace(config, weight_offset=WeightOffsetConfig(limit_m=0.0))
    assert hip_error(config) < 0.75 * hip_error(without)
