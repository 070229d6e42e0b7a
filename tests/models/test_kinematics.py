"""Kinematics and Jacobians of the 40-coordinate body against MuJoCo C and finite differences."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from kincast.models import kinematics
from kincast.models.body import Body, BodyParameters, build_body, log_scales, site_offsets

PERSON = BodyParameters(
    scales={"overall": 1.05, "pelvis": 1.1, "thigh_r": 0.9, "shank_foot_l": 0.95, "arm_r": 0.9},
    mass_kg=80.0,
    site_offsets={"LKnee": (0.01, 0.02, 0.03), "Nose": (0.0, -0.01, 0.0)},
)


@pytest.fixture(scope="module")
def body() -> Body:
    with jax.enable_x64(True):
        return build_body(PERSON)


def random_pose(rng: np.random.Generator) -> np.ndarray:
    q = np.concatenate([rng.normal(size=7), rng.uniform(-0.7, 1.9, 34)])
    q[3:7] /= np.linalg.norm(q[3:7])
    return q


def placed(body: Body, q: np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(body.mj_model)
    data.qpos[:] = body.full_qpos(q)
    mujoco.mj_kinematics(body.mj_model, data)
    mujoco.mj_comPos(body.mj_model, data)
    return data


@pytest.mark.parametrize("seed", range(4))
def test_positions_and_jacobians_equal_mujoco(body: Body, seed: int) -> None:
    q = random_pose(np.random.default_rng(seed))
    data = placed(body, q)
    ids = [body.mj_model.site(name).id for name in body.sites]
    with jax.enable_x64(True):
        positions, jacobians = jax.jit(kinematics.site_jacobians, static_argnums=0)(
            body.skeleton, body.values, jnp.asarray(q)
        )
        xpos, xquat = jax.jit(kinematics.body_poses, static_argnums=0)(
            body.skeleton, body.values, jnp.asarray(q)
        )
    np.testing.assert_allclose(positions, data.site_xpos[ids], atol=1e-12)
    np.testing.assert_allclose(xpos, data.xpos[1:], atol=1e-12)
    np.testing.assert_allclose(np.abs(np.sum(np.asarray(xquat) * data.xquat[1:], axis=1)), 1.0, atol=1e-12)
    coupling = body.coupling.velocity_map(q)
    for i, site in enumerate(ids):
        full = np.zeros((3, body.mj_model.nv))
        mujoco.mj_jacSite(body.mj_model, data, full, None, site)
        np.testing.assert_allclose(jacobians[i], full @ coupling, atol=1e-12)


def test_single_precision_is_good_to_a_micrometre_away_from_the_origin(body: Body) -> None:
    q = random_pose(np.random.default_rng(11))
    q[:3] = (4.0, -3.0, 1.0)
    both = []
    for wide in (True, False):
        with jax.enable_x64(wide):
            dtype = jnp.float64 if wide else jnp.float32
            values = jax.tree.map(lambda a, t=dtype: jnp.asarray(a, t), body.values)
            both.append(
                jax.jit(kinematics.site_jacobians, static_argnums=0)(
                    body.skeleton, values, jnp.asarray(q, dtype)
                )
            )
    np.testing.assert_allclose(both[1][0], both[0][0], atol=2e-6)
    np.testing.assert_allclose(both[1][1], both[0][1], atol=2e-6)


def test_a_new_person_needs_no_new_compilation(body: Body) -> None:
    other = build_body(BodyParameters(mass_kg=60.0))
    assert other.skeleton == body.skeleton
    assert hash(other.skeleton) == hash(body.skeleton)
    assert jax.tree.structure(other.values) == jax.tree.structure(body.values)
    assert build_body(BodyParameters(), "torque", "BODY_25").skeleton != body.skeleton


def test_scale_and_offset_derivatives_equal_finite_differences(body: Body) -> None:
    q = random_pose(np.random.default_rng(7))
    with jax.enable_x64(True):
        logs, offsets = log_scales(PERSON), site_offsets(PERSON, body.skeleton)
        weights = np.random.default_rng(8).normal(size=offsets.shape)

        def loss(logs: jax.Array, offsets: jax.Array, dv: jax.Array) -> jax.Array:
            values = kinematics.scaled_values(body.skeleton, logs, offsets)
            pose = kinematics.integrate(jnp.asarray(q), dv)
            return jnp.sum(weights * kinematics.site_positions(body.skeleton, values, pose) ** 2)

        at = (jnp.asarray(logs), jnp.asarray(offsets), jnp.zeros(40))
        analytic = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))(*at)
        value = jax.jit(loss)
        step = 1e-6
        for argument, gradient in enumerate(analytic):
            flat = np.asarray(gradient).ravel()
            for index in range(0, flat.size, max(1, flat.size // 12)):
                shift = np.zeros(flat.size)
                shift[index] = step
                moved = [
                    [a + sign * shift.reshape(a.shape) if k == argument else a for k, a in enumerate(at)]
                    for sign in (1.0, -1.0)
                ]
                numeric = (value(*moved[0]) - value(*moved[1])) / (2 * step)
                assert flat[index] == pytest.approx(float(numeric), rel=1e-6, abs=1e-7)


def test_integrate_and_difference_are_inverse() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        q, dv = random_pose(rng), rng.uniform(-1.5, 1.5, 40)
        np.testing.assert_allclose(kinematics.difference(q, kinematics.integrate(q, dv)), dv, atol=1e-12)
