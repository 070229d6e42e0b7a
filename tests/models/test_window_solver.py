"""The window solver against dense least squares, finite differences and its own batch solution."""

from __future__ import annotations

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import block_diag
from scipy.optimize import least_squares

from kincast.models.block_tridiagonal import eliminate, marginal, root_covariance, substitute
from kincast.models.body import Body, BodyParameters, build_body
from kincast.models.camera import CameraValues, camera_arrays, project
from kincast.models.kinematics import coordinate_twists, difference, integrate, site_jacobians, site_positions
from kincast.models.normal_equations import Twists, normal_equations, site_support, site_velocities
from kincast.models.posture_prior import PosturePrior, posture_factor
from kincast.models.residuals import PointBlocks, Views
from kincast.models.sight import sights, unsure
from kincast.models.smoothness import Smoothness, motion_factor
from kincast.models.window_model import (
    SolverConfig,
    SolverTuning,
    WindowEstimate,
    WindowModel,
    WindowObservations,
    initial_estimate,
)
from kincast.models.window_solver import Control, looked_at, step
from kincast.models.window_system import motions, window_loss, window_system
from tests.models.rig import ring_of_cameras, standing_pose

N = 80


def random_blocks(rng, blocks: int, n: int):
    """A well conditioned block-tridiagonal system as blocks and dense."""
    upper = rng.normal(size=(blocks, n, n)) * 0.3
    upper[-1] = 0.0
    diagonal = np.stack([a @ a.T + 3.0 * n * np.eye(n) for a in rng.normal(size=(blocks, n, n))])
    dense = block_diag(*diagonal)
    for k in range(blocks - 1):
        dense[k * n : (k + 1) * n, (k + 1) * n : (k + 2) * n] = upper[k]
        dense[(k + 1) * n : (k + 2) * n, k * n : (k + 1) * n] = upper[k].T
    return diagonal, upper, rng.normal(size=(blocks, n)), dense


def as_f32(*arrays):
    return tuple(jnp.asarray(a, jnp.float32) for a in arrays)


@pytest.mark.parametrize("root", [0, 2, 4])
def test_block_elimination_equals_a_dense_solution_and_inverse(root):
    diagonal, upper, rhs, dense = random_blocks(np.random.default_rng(0), 5, 4)
    elimination = eliminate(*as_f32(diagonal, upper, rhs), root)
    np.testing.assert_allclose(
        np.ravel(substitute(elimination)), np.linalg.solve(dense, rhs.ravel()), atol=1e-5
    )
    expected = np.linalg.inv(dense)[4 * root : 4 * root + 3, 4 * root : 4 * root + 3]
    np.testing.assert_allclose(np.asarray(root_covariance(elimination, 3)), expected, atol=1e-6)


def test_marginalising_a_block_leaves_the_others_solution_unchanged():
    diagonal, upper, rhs, dense = random_blocks(np.random.default_rng(1), 4, 3)
    matrix, vector = marginal(*as_f32(diagonal[0], upper[0], rhs[0]))
    shorter = diagonal[1:].copy(), upper[1:], rhs[1:].copy()
    shorter[0][0] += np.asarray(matrix)
    shorter[2][0] += np.asarray(vector)
    solution = substitute(eliminate(*as_f32(*shorter), 2))
    np.testing.assert_allclose(np.ravel(solution), np.linalg.solve(dense, rhs.ravel())[3:], atol=1e-5)


@lru_cache(maxsize=1)
def the_body() -> Body:
    return build_body(BodyParameters())


def values_of(body: Body):
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), body.values)


def test_composite_normal_equations_equal_the_sites_jacobians():
    body, rng = the_body(), np.random.default_rng(2)
    q = jnp.asarray(standing_pose(rng), jnp.float32)
    _, jacobian = site_jacobians(body.skeleton, values_of(body), q)
    angular, linear, sites = coordinate_twists(body.skeleton, values_of(body), q)
    support, twists = site_support(body.skeleton.site_mask), Twists(angular, linear)
    a = rng.normal(size=(len(sites), 3, 3))
    blocks = a @ np.swapaxes(a, 1, 2)
    descent = rng.normal(size=(len(sites), 3))
    matrix, rhs = normal_equations(
        support, twists, sites, PointBlocks(*as_f32(blocks, descent), jnp.zeros(()))
    )
    j = np.asarray(jacobian, np.float64)
    expected = np.einsum("sai,sab,sbj->ij", j, blocks, j)
    np.testing.assert_allclose(np.asarray(matrix), expected, atol=2e-5 * np.abs(expected).max())
    np.testing.assert_allclose(np.asarray(rhs), np.einsum("sai,sa->i", j, descent), atol=2e-4)
    v = rng.normal(size=40)
    moving = site_velocities(support, twists, sites, *as_f32(v))
    np.testing.assert_allclose(np.asarray(moving), j @ v, atol=1e-4)


def test_a_site_mask_that_is_no_tree_is_refused():
    mask = np.zeros((3, 34))
    mask[[0, 1], 0] = 1.0
    mask[[1, 2], 1] = 1.0
    with pytest.raises(ValueError, match="not that of a tree"):
        site_support(mask)


def test_motion_factor_gradient_and_matrix_against_finite_differences():
    rng = np.random.default_rng(3)
    q0 = standing_pose(rng)
    v0, v1 = rng.normal(size=40) * 0.3, rng.normal(size=40) * 0.3
    dt = 0.02
    density = np.asarray(Smoothness().spectral_density(), np.float64)
    with jax.enable_x64(True):
        q0 = jnp.asarray(q0, jnp.float64)
        q1 = integrate(q0, jnp.asarray(v0 * dt + rng.normal(size=40) * 1e-3))
        v0, v1 = jnp.asarray(v0), jnp.asarray(v1)
        dt, density = jnp.float64(dt), jnp.asarray(density)

        def loss(x):
            first, second = integrate(q0, x[:40]), integrate(q1, x[80:120])
            return motion_factor(first, v0 + x[40:80], second, v1 + x[120:], dt, density).loss

        factor = motion_factor(q0, v0, q1, v1, dt, density)
        gradient = np.asarray(jax.grad(loss)(jnp.zeros(160, jnp.float64)))
    rhs = -np.concatenate([np.ravel(factor.rhs_first), np.ravel(factor.rhs_second)])
    # the pelvis' turn between neighbours is treated to first order
    scale = np.abs(gradient).max()
    straight = np.ones(160, bool)
    straight[3:6] = straight[83:86] = False
    np.testing.assert_allclose(rhs[straight], gradient[straight], atol=1e-6 * scale)
    np.testing.assert_allclose(rhs[~straight], gradient[~straight], atol=0.02 * scale)


def test_motion_factor_covariance_is_that_of_white_acceleration():
    dt, q = 0.03, 5.0
    still = jnp.asarray(standing_pose(None), jnp.float32)
    zero = jnp.zeros(40)
    factor = motion_factor(still, zero, still, zero, jnp.float32(dt), jnp.full(40, q))
    expected = q * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    np.testing.assert_allclose(np.linalg.inv(np.asarray(factor.second[:, :, 7])), expected, rtol=1e-3)


def test_posture_factor_against_finite_differences():
    limits = np.tile([-0.4, 0.4], (34, 1))
    rng = np.random.default_rng(4)
    with jax.enable_x64(True):
        q = jnp.asarray(standing_pose(rng), jnp.float64)

        def loss(dv):
            return posture_factor(integrate(q, dv), jnp.float64(0.02), limits, PosturePrior()).loss

        factor = posture_factor(q, jnp.float64(0.02), limits, PosturePrior())
        gradient = np.asarray(jax.grad(loss)(jnp.zeros(40, jnp.float64)))
    np.testing.assert_allclose(np.asarray(factor.rhs), -gradient, rtol=1e-4, atol=1e-4)
    assert np.linalg.eigvalsh(np.asarray(factor.matrix)).min() > -1e-9


# ---------------------------------------------------------------- the whole window


def the_problem(window: int, instants: int, seed: int = 5, pixel_sd: float = 1.0, cameras: int = 3):
    """A swaying person seen by a ring of cameras, each at its own instants; 1 / 60 s apart."""
    rng = np.random.default_rng(seed)
    body = the_body()
    values = values_of(body)
    rig = jax.tree.map(jnp.asarray, camera_arrays(ring_of_cameras(cameras), np.float32))
    base, rate = standing_pose(rng), rng.normal(size=40) * np.r_[np.full(6, 0.3), np.full(34, 1.0)]
    config = SolverConfig(window=window)
    model = WindowModel(body.skeleton, tuple((-3.0, 3.0) for _ in range(34)), (), config)
    poses = jax.jit(lambda t: integrate(jnp.asarray(base, jnp.float32), jnp.asarray(rate, jnp.float32) * t))
    see = jax.jit(lambda q: site_positions(body.skeleton, values, q))
    pixels = np.zeros((instants, cameras, len(body.sites), 2), np.float32)
    offsets = rng.uniform(-0.006, 0.006, size=(instants, cameras)).astype(np.float32)
    for k in range(instants):
        for c in range(cameras):
            sites = see(poses(np.float32(k / 60.0 + offsets[k, c])))
            one = CameraValues(*(None if v is None else v[c] for v in rig))
            pixels[k, c] = np.asarray(project(one, sites))
    pixels += rng.normal(size=pixels.shape).astype(np.float32) * pixel_sd
    information = np.full(pixels.shape[:-1], 1.0 / max(pixel_sd, 0.3) ** 2, np.float32)
    truth = np.stack([np.asarray(poses(np.float32(k / 60.0))) for k in range(instants)])
    return model, values, rig, (pixels, information, offsets), truth, rate


def observed(data, rows: slice) -> WindowObservations:
    pixels, information, offsets = (a[rows] for a in data)
    interval = np.full(len(pixels), 1.0 / 60.0, np.float32)
    return jax.tree.map(jnp.asarray, WindowObservations(Views(pixels, information, offsets), None, interval))


def no_site_doubt(model: WindowModel) -> jax.Array:
    return jnp.zeros(len(model.skeleton.site_names))


def control(iterations: int, damping: float, place: int) -> Control:
    return Control(np.int32(iterations), np.float32(damping), np.float32(1.0), np.int32(place))


def loss_of(model, values, rig, estimate, observations):
    tuning = SolverTuning()
    seen, _ = sights(model, tuning, values, rig, estimate, observations)
    interval_s = observations.interval_s
    motion = motions(tuning.smoothness, estimate, interval_s)
    return window_loss(tuning.smoothness, estimate, seen, motion, interval_s)


def test_the_right_hand_side_is_the_gradient_of_the_loss():
    model, values, rig, data, truth, _ = the_problem(3, 3)
    estimate = initial_estimate(truth[1], 3)
    rng = np.random.default_rng(6)
    q = jnp.stack(
        [integrate(jnp.asarray(t), jnp.asarray(rng.normal(size=40) * 0.02, jnp.float32)) for t in truth]
    )
    estimate = estimate._replace(q=q, v=jnp.zeros((3, 40)))
    motionless = observed((data[0], data[1], np.zeros_like(data[2])), slice(0, 3))

    @jax.jit
    def assembled(estimate):
        tuning, interval_s = SolverTuning(), motionless.interval_s
        seen, _ = sights(model, tuning, values, rig, estimate, motionless)
        motion = motions(tuning.smoothness, estimate, interval_s)
        return window_system(tuning.smoothness, estimate, seen, motion, interval_s)

    system = assembled(estimate)

    @jax.jit
    def loss(dv):
        moved = estimate._replace(q=jax.vmap(integrate)(estimate.q, dv))
        return loss_of(model, values, rig, moved, motionless)

    rhs = np.asarray(system.rhs[:, :40])
    direction = rhs / np.linalg.norm(rhs)
    slope = rhs.ravel() @ direction.ravel()
    step_size = 3e-4
    numeric = (loss(direction * step_size) - loss(-direction * step_size)) / (2 * step_size)
    assert abs(-float(numeric) - slope) < 0.02 * slope
    np.testing.assert_allclose(np.asarray(system.diagonal), np.swapaxes(system.diagonal, 1, 2), atol=1.0)


def test_the_window_finds_what_dense_least_squares_finds():
    """Gaussian limit of the robust loss; scipy minimises the same residuals over all poses and velocities."""
    window = 3
    model, values, rig, data, truth, rate = the_problem(window, window, pixel_sd=0.5)
    tuning = SolverTuning()
    tuning = jax.tree.map(jnp.float32, tuning)
    observations = observed(data, slice(0, window))
    start = initial_estimate(truth[0], window)._replace(
        v=jnp.tile(jnp.asarray(rate, jnp.float32), (window, 1))
    )
    window_seen = looked_at(model, tuning, values, rig, start, observations)
    _, solution = step(
        model, tuning, values, no_site_doubt(model), rig, window_seen, observations, control(15, 1e-3, 2)
    )
    evaluate = jax.jit(lambda e: loss_of(model, values, rig, e, observations))

    def at(x) -> WindowEstimate:
        x = jnp.asarray(x.reshape(window, N), jnp.float32)
        q = jax.vmap(integrate)(jnp.asarray(solution.q), x[:, :40])
        return start._replace(q=q, v=jnp.asarray(solution.v) + x[:, 40:])

    best = float(evaluate(at(np.zeros(window * N))))
    rng = np.random.default_rng(7)
    for _ in range(20):  # no neighbour explains the pictures better
        nudge = rng.normal(size=window * N) * 2e-3
        assert float(evaluate(at(nudge))) >= best - 0.02
    difference_to_truth = np.asarray(jax.vmap(difference)(jnp.asarray(truth), jnp.asarray(solution.q)))
    hips_and_knees = [6, 7, 9, 13, 14, 16]
    assert np.abs(difference_to_truth[:, hips_and_knees]).max() < np.radians(1.5)


def test_linear_window_with_marginalisation_equals_batch_least_squares():
    """The recursion of ``marginal`` over a chain, against scipy on the whole chain at once."""
    rng = np.random.default_rng(8)
    instants, n = 9, 3
    h = rng.normal(size=(instants, 4, n))
    z = rng.normal(size=(instants, 4))
    f = np.eye(n) + 0.1 * rng.normal(size=(n, n))

    def residuals(x):
        x = x.reshape(instants, n)
        seen = np.einsum("kij,kj->ki", h, x) - z
        moved = 2.0 * (x[1:] - x[:-1] @ f.T)
        return np.concatenate([seen.ravel(), moved.ravel()])

    batch = least_squares(residuals, np.zeros(instants * n)).x.reshape(instants, n)
    prior, prior_rhs = np.zeros((n, n)), np.zeros(n)
    for k in range(instants - 1):
        diagonal = h[k].T @ h[k] + 4.0 * f.T @ f + prior
        matrix, vector = marginal(*as_f32(diagonal, -4.0 * f.T, h[k].T @ z[k] + prior_rhs))
        prior, prior_rhs = 4.0 * np.eye(n) + np.asarray(matrix), np.asarray(vector)
    last = np.linalg.solve(h[-1].T @ h[-1] + prior, h[-1].T @ z[-1] + prior_rhs)
    np.testing.assert_allclose(last, batch[-1], atol=1e-4)


def test_a_sliding_window_agrees_with_one_long_window():
    instants, short = 10, 4
    model, values, rig, data, truth, rate = the_problem(instants, instants, pixel_sd=0.5)
    tuning = jax.tree.map(jnp.float32, SolverTuning())
    velocity = jnp.asarray(rate, jnp.float32)

    def run(solver_model, window, rows, iterations):
        args = solver_model, tuning, values, no_site_doubt(model), rig, window, observed(data, rows)
        return step(*args, control(iterations, 1e-4, solver_model.config.window - 1))

    def looked(solver_model, estimate, rows):
        return looked_at(solver_model, tuning, values, rig, estimate, observed(data, rows))

    start = initial_estimate(truth[0], instants)._replace(
        q=jnp.asarray(truth), v=jnp.tile(velocity, (instants, 1))
    )
    _, whole = run(model, looked(model, start, slice(0, instants)), slice(0, instants), 12)
    small = WindowModel(model.skeleton, model.limits, (), SolverConfig(window=short))
    estimate = initial_estimate(truth[0], short)._replace(
        q=jnp.asarray(truth[:short]), v=jnp.tile(velocity, (short, 1))
    )
    moving, sliding = run(small, looked(small, estimate, slice(0, short)), slice(0, short), 12)
    for k in range(1, instants - short + 1):
        moving, sliding = run(small, moving, slice(k, k + short), 3)
    gap = np.asarray(jax.vmap(difference)(jnp.asarray(whole.q[-short:]), jnp.asarray(sliding.q)))
    sd = np.sqrt(np.diagonal(np.asarray(sliding.covariance)))
    assert np.abs(gap[-1] / sd).max() < 0.15


def test_the_uncertainty_of_any_place_leaves_the_solution_as_it_is():
    model, values, rig, data, truth, rate = the_problem(4, 4, pixel_sd=0.5)
    tuning, observations = jax.tree.map(jnp.float32, SolverTuning()), observed(data, slice(0, 4))
    start = initial_estimate(truth[0], 4)._replace(v=jnp.tile(jnp.asarray(rate, jnp.float32), (4, 1)))
    window = looked_at(model, tuning, values, rig, start, observations)
    doubt = jnp.full(len(model.skeleton.site_names), 1e-4)
    solutions = [
        step(model, tuning, values, doubt, rig, window, observations, control(8, 1e-4, place))[1]
        for place in range(4)
    ]
    for place, solution in enumerate(solutions):
        np.testing.assert_allclose(solution.q, solutions[0].q, atol=2e-4)
        assert np.linalg.eigvalsh(np.asarray(solution.covariance, np.float64)).min() > 0
        # against the sight of that pose alone
        seen, _ = sights(model, tuning, values, rig, start._replace(q=solution.q, v=solution.v), observations)
        here = jax.tree.map(lambda x, k=place: x[k], seen)
        np.testing.assert_allclose(solution.seen, here.seen, atol=2e-3 * np.abs(here.seen).max())
        expected = unsure(model, here, doubt)
        np.testing.assert_allclose(solution.unsure, expected, atol=4e-3 * np.abs(expected).max())


def test_what_is_known_of_older_instants_need_not_be_looked_at_again():
    model, values, rig, data, truth, rate = the_problem(4, 5, pixel_sd=0.5)
    tuning = jax.tree.map(jnp.float32, SolverTuning())
    start = initial_estimate(truth[0], 4)._replace(v=jnp.tile(jnp.asarray(rate, jnp.float32), (4, 1)))
    first, then = observed(data, slice(0, 4)), observed(data, slice(1, 5))
    common = model, tuning, values, no_site_doubt(model), rig
    moved_on, _ = step(
        *common, looked_at(model, tuning, values, rig, start, first), first, control(4, 1e-4, 2)
    )
    again = looked_at(model, tuning, values, rig, moved_on.estimate, then)
    kept, anew = (step(*common, window, then, control(1, 1e-4, 2))[1] for window in (moved_on, again))
    np.testing.assert_allclose(kept.q, anew.q, atol=1e-5)
    np.testing.assert_allclose(kept.loss, anew.loss, rtol=1e-5)
