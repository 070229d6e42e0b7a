"""Quaternions and rotation sequences against SciPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kincast.models import rotations


def wxyz(rotation: Rotation) -> np.ndarray:
    return rotation.as_quat(scalar_first=True)


@pytest.fixture
def pair() -> tuple[Rotation, Rotation]:
    rng = np.random.default_rng(1)
    return Rotation.random(50, rng=rng), Rotation.random(50, rng=rng)


def same(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(np.abs(np.sum(a * b, axis=-1)), 1.0, atol=1e-12)


def test_product_matrix_and_back(pair: tuple[Rotation, Rotation]) -> None:
    a, b = pair
    same(rotations.quaternion_multiply(wxyz(a), wxyz(b)), wxyz(a * b))
    np.testing.assert_allclose(rotations.matrix_from_quaternion(wxyz(a)), a.as_matrix(), atol=1e-12)
    same(rotations.quaternion_from_matrix(a.as_matrix()), wxyz(a))
    same(
        rotations.quaternion_multiply(wxyz(a), rotations.quaternion_conjugate(wxyz(a))),
        np.array([1.0, 0, 0, 0]),
    )


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (1, -1, 0)])
def test_matrix_to_quaternion_at_half_turns(axis: tuple[float, float, float]) -> None:
    rotation = Rotation.from_rotvec(np.pi * np.array(axis) / np.linalg.norm(axis))
    same(rotations.quaternion_from_matrix(rotation.as_matrix()), wxyz(rotation))


def test_exponential_and_logarithm(pair: tuple[Rotation, Rotation]) -> None:
    vectors = pair[0].as_rotvec() * np.logspace(-9, 0, 50)[:, None]
    same(rotations.quaternion_exp(vectors), wxyz(Rotation.from_rotvec(vectors)))
    np.testing.assert_allclose(
        rotations.quaternion_log(rotations.quaternion_exp(vectors)), vectors, atol=1e-12
    )


def test_exponential_and_logarithm_have_derivatives_at_zero() -> None:
    round_trip = jax.jacfwd(lambda v: rotations.quaternion_log(rotations.quaternion_exp(v)))(jnp.zeros(3))
    np.testing.assert_allclose(round_trip, np.eye(3), atol=1e-6)


def test_sequences(pair: tuple[Rotation, Rotation]) -> None:
    m = pair[0].as_matrix()
    np.testing.assert_allclose(rotations.zxy_from_matrix(m), pair[0].as_euler("ZXY"), atol=1e-12)
    np.testing.assert_allclose(rotations.yxz_from_matrix(m), pair[0].as_euler("YXZ"), atol=1e-12)
    np.testing.assert_allclose(rotations.matrix_from_zxy(rotations.zxy_from_matrix(m)), m, atol=1e-12)
