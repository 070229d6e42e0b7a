"""Contact QP against a generic solver, the optimality conditions, statics and the friction cone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize, nnls

from kincast.models.contact_forces import GRAVITY, ContactConfig, ContactSolver, contact_gate

MASS = 70.0
SOLE = np.array(
    [(-0.05, 0.03), (-0.05, -0.03), (0.05, 0.04), (0.05, -0.04), (0.13, 0.05), (0.13, -0.04), (0.2, 0.02)]
)
PELVIS = np.array([0.0, 0.0, 0.95])


def _feet(right: tuple[float, float], left: tuple[float, float]) -> np.ndarray:
    points = np.zeros((2, len(SOLE), 3))
    points[0, :, :2] = SOLE + right
    points[1, :, :2] = SOLE * (1, -1) + left
    return points


def _wrench(force: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.concatenate([force, np.cross(at - PELVIS, force)])


def test_standing_shares_the_weight_by_the_lever() -> None:
    points = _feet((0.0, -0.1), (0.0, 0.1))
    for offset in (-0.05, 0.0, 0.04):
        centre = np.array([0.06, offset, 0.0])
        found = ContactSolver(7, MASS).solve(
            _wrench(np.array([0, 0, MASS * GRAVITY]), centre), PELVIS, points, np.ones((2, 7))
        )
        assert found.solved
        total = found.force[:, 2].sum()
        np.testing.assert_allclose(total, MASS * GRAVITY, rtol=0.01)
        cop = found.force[:, 2] @ found.cop / total
        np.testing.assert_allclose(cop[:2], centre[:2], atol=0.005)
        assert np.linalg.norm(found.residual[:3]) < 0.02 * MASS * GRAVITY


def test_a_lifted_foot_carries_nothing_and_one_foot_explains_everything() -> None:
    points = _feet((0.0, -0.1), (0.5, 0.1))
    gate = np.ones((2, 7))
    gate[1] = contact_gate(np.full((2, 7), 0.1), np.full((2, 7), 3.0), ContactConfig())[1]
    at = np.array([0.08, -0.1, 0.0])
    force = np.array([40.0, 10.0, 1.1 * MASS * GRAVITY])
    found = ContactSolver(7, MASS).solve(_wrench(force, at), PELVIS, points, gate)
    assert np.abs(found.force[1]).max() < 1.0
    np.testing.assert_allclose(found.force[0], force, atol=0.02 * MASS * GRAVITY)
    np.testing.assert_allclose(found.cop[0], at, atol=0.015)
    np.testing.assert_allclose(
        found.sensitivity[0, 2, 2], 1.0, atol=0.05, err_msg="one foot takes all of a change in vertical force"
    )


def _residual_identity(found, wrench: np.ndarray) -> None:
    explained = np.zeros(6)
    for f in range(2):
        explained[:3] += found.force[f]
        explained[3:] += np.cross(found.cop[f] - PELVIS, found.force[f])
        explained[5] += found.free_torque[f]
    np.testing.assert_allclose(wrench - explained, found.residual, atol=1e-5 * MASS * GRAVITY)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_optimal_feasible_and_consistent(seed: int) -> None:
    """KKT conditions of the QP, the true (round) friction cone, and force + CoP + free torque + residual = wrench."""
    rng = np.random.default_rng(seed)
    config = ContactConfig()
    solver = ContactSolver(7, MASS, config)
    right, left = rng.normal(0, 0.1, 2) - np.array((0, 0.1)), rng.normal(0, 0.3, 2) + np.array((0, 0.1))
    points = _feet((right[0], right[1]), (left[0], left[1]))
    gate = 10 ** rng.uniform(0, 6, (2, 7))
    wrench = rng.normal(size=6) * (150, 150, 200, 60, 60, 20) + (0, 0, MASS * GRAVITY, 0, 0, 0)
    found = solver.solve(wrench, PELVIS, points, gate)
    assert found.solved
    _residual_identity(found, wrench)
    shear = np.linalg.norm(found.force[:, :2], axis=1)
    assert np.all(shear <= config.friction * found.force[:, 2] + 1e-3)
    assert np.all(found.loads >= 0)

    hessian, gradient, _ = solver.problem(wrench, PELVIS, points, gate)
    cone, upper, lower = solver.constraints()
    x = np.concatenate([np.concatenate([found.loads[f], found.force[f, :2], [0.0]]) for f in range(2)])
    weight = MASS * GRAVITY
    x /= weight
    for f in range(2):
        share = 1 / gate[f]
        at = (share @ points[f]) / share.sum() - found.cop[f]
        x[10 * f + 9] = (
            found.free_torque[f] - at[0] * found.force[f, 1] + at[1] * found.force[f, 0]
        ) / weight
    rows = np.concatenate([np.eye(20), cone])
    # stationarity with multipliers >= 0 of the active constraints: a non-negative least squares problem
    slack_low = rows @ x - lower
    slack_up = upper - rows @ x
    normals = np.concatenate([rows[slack_low < 1e-6], -rows[slack_up < 1e-6]])
    _, miss = (
        nnls(normals.T, hessian @ x + gradient)
        if len(normals)
        else (None, np.abs(hessian @ x + gradient).max())
    )
    assert miss < 1e-4 * max(1.0, np.abs(hessian).max() * 1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_a_generic_solver(seed: int) -> None:
    rng = np.random.default_rng(seed)
    solver = ContactSolver(7, MASS)
    points = _feet((0.0, -0.1), (0.4, 0.1))
    gate = 10 ** rng.uniform(0, 3, (2, 7))
    wrench = rng.normal(size=6) * (60, 60, 100, 30, 30, 5) + (0, 0, MASS * GRAVITY, 0, 0, 0)
    hessian, gradient, _ = solver.problem(wrench, PELVIS, points, gate)
    cone, upper, lower = solver.constraints()
    generic = minimize(
        lambda x: 0.5 * x @ hessian @ x + gradient @ x,
        np.full(20, 0.05),
        jac=lambda x: hessian @ x + gradient,
        bounds=[(lo if lo > -1e29 else None, None) for lo in lower[:20]],
        constraints=[LinearConstraint(cone, -np.inf, upper[20:])],
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-14},
    )
    found = solver.solve(wrench, PELVIS, points, gate)
    for f in range(2):
        np.testing.assert_allclose(
            found.force[f, 2], generic.x[10 * f : 10 * f + 7].sum() * MASS * GRAVITY, atol=0.5
        )


def test_sensitivity_is_the_derivative() -> None:
    points = _feet((0.0, -0.1), (0.4, 0.1))
    gate = np.full((2, 7), 1.0)
    gate[0, :4], gate[1, 4:] = 50.0, 400.0
    solver = ContactSolver(7, MASS)
    wrench = _wrench(np.array([20.0, 5.0, MASS * GRAVITY]), np.array([0.25, 0.0, 0.0]))
    base = solver.solve(wrench, PELVIS, points, gate)
    for k in range(6):
        step = np.zeros(6)
        step[k] = 0.01
        changed = (solver.solve(wrench + step, PELVIS, points, gate).force - base.force) / 0.01
        np.testing.assert_allclose(base.sensitivity[:, :, k], changed, atol=0.02)


def test_gate_is_one_on_the_floor_and_steep() -> None:
    heights = np.array([[0.0, 0.015, 0.03, 0.06], [-0.02, 0.0, 0.0, 0.2]])
    speeds = np.array([[0.0, 0.075, 0.0, 0.0], [0.0, 0.3, 0.6, 3.0]])
    gate = contact_gate(heights, speeds, ContactConfig())
    np.testing.assert_allclose(
        gate, [[1, 1 + 2**-4 + 4**-4, 2, 17], [1, 2, 17, 1e4 + (0.2 / 0.03) ** 4 + 1]], rtol=1e-9
    )
