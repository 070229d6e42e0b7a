"""Muscles: C MuJoCo against MJX after uneven scaling, rest lengths, strengths, moment arms against OpenSim."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from mujoco import mjx

from kincast.models.body import Body, BodyParameters, build_body
from kincast.models.body.muscles import ARCHITECTURE, muscle_ids, neutral_lengths, rest_lengths
from kincast.models.coordinates import COORDINATES, JOINT_COORDINATES, pose_from_coordinates

UNEVEN = BodyParameters(
    scales={"pelvis": 1.25, "thigh_r": 0.9, "thigh_l": 1.1, "shank_foot_l": 1.1}, mass_kg=70.0
)
RANGES_DEG = {
    "hip_flexion": (-30, 110),
    "hip_adduction": (-30, 25),
    "hip_rotation": (-35, 35),
    "knee_angle": (0, 115),
    "ankle_angle": (-40, 25),
    "subtalar_angle": (-25, 25),
    "mtp_angle": (-30, 30),
}


def random_legs(rng: np.random.Generator) -> np.ndarray:
    coordinates = np.zeros(40)
    for i, name in enumerate(JOINT_COORDINATES[:14]):
        coordinates[6 + i] = np.deg2rad(rng.uniform(*RANGES_DEG[name[:-2]]))
    return coordinates


def lengths(body: Body, coordinates: np.ndarray) -> np.ndarray:
    model, data = body.mj_model, mujoco.MjData(body.mj_model)
    data.qpos[:] = body.full_qpos(pose_from_coordinates(coordinates))
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_tendon(model, data)
    return data.ten_length[model.actuator_trnid[muscle_ids(model), 0]]


def test_lengths_equal_in_c_and_mjx_after_uneven_scaling() -> None:
    body = build_body(UNEVEN, "muscle")
    tendons = body.mj_model.actuator_trnid[muscle_ids(body.mj_model), 0]
    rng = np.random.default_rng(5)
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):  # MJX promotes ranks
        model = mjx.put_model(body.mj_model)

        @jax.jit
        def in_mjx(qpos: jax.Array) -> jax.Array:
            data = mjx.make_data(model).replace(qpos=qpos)
            data = mjx.tendon(model, mjx.com_pos(model, mjx.kinematics(model, data)))
            return data.ten_length

        for _ in range(12):
            coordinates = random_legs(rng)
            qpos = jnp.asarray(body.full_qpos(pose_from_coordinates(coordinates)))
            np.testing.assert_allclose(in_mjx(qpos)[tendons], lengths(body, coordinates), atol=1e-8)


def test_paths_do_not_jump_over_their_wrapping_surfaces() -> None:
    body = build_body(UNEVEN, "muscle")
    rng = np.random.default_rng(6)
    for name, (low, high) in RANGES_DEG.items():
        coordinates = random_legs(rng)
        at = [COORDINATES.index(f"{name}_{side}") for side in "rl"]
        path = []
        for angle in np.deg2rad(np.arange(low, high, 1.0)):
            coordinates[at] = angle
            path.append(lengths(body, coordinates))
        # a degree changes a length by at most the moment arm (8 cm) times 0.0175
        assert np.abs(np.diff(path, axis=0)).max() < 0.0025


def test_rest_lengths_follow_the_path_in_the_neutral_pose() -> None:
    generic, person = build_body(BodyParameters(), "muscle"), build_body(UNEVEN, "muscle")
    ratio = neutral_lengths(person.mj_model) / neutral_lengths(generic.mj_model)
    assert ratio.max() > 1.08
    assert ratio.min() < 0.98
    for mine, theirs in zip(rest_lengths(person.mj_model), rest_lengths(generic.mj_model), strict=True):
        np.testing.assert_allclose(mine, theirs * ratio)
    fibre, _ = rest_lengths(generic.mj_model)
    published = [ARCHITECTURE[name[:-2]][0] for name in generic.muscles]
    np.testing.assert_allclose(fibre, published)


def test_strength_follows_volume() -> None:
    def total_volume(parameters: BodyParameters) -> float:
        model = build_body(parameters, "muscle").mj_model
        return float(model.actuator_gainprm[muscle_ids(model), 2] @ rest_lengths(model)[0])

    light, heavy = (total_volume(BodyParameters(mass_kg=m)) for m in (50.0, 100.0))
    height = 1.686
    expected = (47.05 * 100 * height + 1289.6) / (47.05 * 50 * height + 1289.6)  # Handsfield 2014
    assert heavy / light == pytest.approx(expected, rel=1e-3)


@pytest.mark.data
def test_moment_arms_agree_with_opensim(data_dir: Path) -> None:
    """RMS over muscles and poses at knee and ankle, against a scaled model of Rajagopal 2016."""
    opensim = pytest.importorskip("opensim")
    opensim.Logger.removeFileSink()  # no opensim.log where the tests run
    opensim.Logger.setLevelString("off")
    model = opensim.Model(str(data_dir / "coordretraining_treadmill/model.osim"))
    state = model.initSystem()
    person = {"pelvis": 1.08, "thigh_r": 1.1, "thigh_l": 1.1, "shank_foot_r": 1.19, "shank_foot_l": 1.19}
    body = build_body(BodyParameters(scales=person), "muscle")
    for name, angles, bound_m in (
        ("knee_angle_r", (5, 30, 60), 0.006),
        ("ankle_angle_r", (-15, 0, 15), 0.005),
    ):
        apart = []
        coordinate, index = model.getCoordinateSet().get(name), COORDINATES.index(name)
        for angle in np.deg2rad(angles):
            step = np.zeros(40)
            step[index] = 1e-5
            at = np.zeros(40)
            at[index] = angle
            ours = -(lengths(body, at + step) - lengths(body, at - step)) / 2e-5
            coordinate.setValue(state, float(angle), True)
            for k, muscle in enumerate(body.muscles):
                if muscle.endswith("_r"):
                    theirs = model.getMuscles().get(muscle).computeMomentArm(state, coordinate)
                    if abs(theirs) > 0.004:
                        apart.append(ours[k] - theirs)
        coordinate.setValue(state, 0.0, True)
        assert np.sqrt(np.mean(np.square(apart))) < bound_m
