"""Both variants in MJX: kinematics to 1e-6 of ours and of C, and a step that stays finite and near C's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from mujoco import mjx

from kincast.models import kinematics
from kincast.models.body import BodyParameters, build_body
from kincast.models.body.build import Variant
from kincast.models.coordinates import pose_from_coordinates

PERSON = BodyParameters(scales={"overall": 1.03, "thigh_l": 0.95}, mass_kg=65.0)


def test_kinematics_equal_ours_and_c() -> None:
    body = build_body(PERSON)
    q = pose_from_coordinates(np.random.default_rng(0).uniform(-0.4, 0.9, 40))
    data = mujoco.MjData(body.mj_model)
    data.qpos[:] = body.full_qpos(q)
    mujoco.mj_kinematics(body.mj_model, data)
    with jax.enable_x64(True):
        ours = build_body(PERSON)
        xpos, _ = jax.jit(kinematics.body_poses, static_argnums=0)(ours.skeleton, ours.values, jnp.asarray(q))
        sites = jax.jit(kinematics.site_positions, static_argnums=0)(
            ours.skeleton, ours.values, jnp.asarray(q)
        )
        model = mjx.put_model(body.mj_model)
        qpos = body.full_qpos(jnp.asarray(q))
        theirs = jax.jit(mjx.kinematics)(model, mjx.make_data(model).replace(qpos=qpos))
    ids = [body.mj_model.site(name).id for name in body.sites]
    np.testing.assert_allclose(xpos, theirs.xpos[1:], atol=1e-6)
    np.testing.assert_allclose(sites, theirs.site_xpos[jnp.asarray(ids)], atol=1e-6)
    np.testing.assert_allclose(data.xpos, theirs.xpos, atol=1e-6)


@pytest.mark.parametrize("variant", ["torque", pytest.param("muscle", marks=pytest.mark.slow)])
def test_steps_in_mjx(variant: Variant) -> None:
    body = build_body(PERSON, variant)
    data = mujoco.MjData(body.mj_model)
    data.qpos[:] = body.full_qpos(pose_from_coordinates(np.eye(40)[4] * 0.97))
    data.ctrl[:] = 0.1
    start = data.qpos.copy()
    model = mjx.put_model(body.mj_model)
    state = mjx.make_data(model).replace(qpos=jnp.asarray(start), ctrl=jnp.asarray(data.ctrl))
    step = jax.jit(mjx.step)
    for _ in range(4):
        with jax.numpy_rank_promotion("allow"):  # MJX promotes ranks
            state = step(model, state)
        mujoco.mj_step(body.mj_model, data)
    assert np.abs(data.qpos - start).max() > 1e-5
    np.testing.assert_allclose(state.qpos, data.qpos, atol=2e-4)
