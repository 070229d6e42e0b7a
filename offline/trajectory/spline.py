"""B-spline trajectory fitted by a sparse second-order solver: Levenberg-Marquardt over control poses.

Every instant's pictures give a 40 x 40 normal matrix by the pose there; the spline spreads it over the
degree + 1 control poses that act, so the whole system is block-banded and solved in time linear in the duration.
The regularisation is that of the live fit (white noise on the acceleration, Barfoot 2017, section 3.4), integrated
exactly over the spline: ``1/2 int a' Q^-1 a dt``, and a slow pull of velocities to rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from kincast.models.body import BodyParameters
from kincast.models.rotations import quaternion_exp, quaternion_multiply
from kincast.offline.trajectory.block_band import (
    BlockBand,
    NotPositiveDefinite,
    inverse_near_diagonal,
    solved,
)
from kincast.offline.trajectory.bspline import Knots, PoseSpline, through
from kincast.offline.trajectory.interface import Trajectory
from kincast.offline.trajectory.linearise import Linearisation, Terms, joined
from kincast.offline.trajectory.motion import MotionCovariance
from kincast.offline.trajectory.problem import FitProblem, ViewErrors

N = 40
TURN = slice(3, 6)
"""Where the pelvis' turn stands in a velocity."""


@dataclass(frozen=True)
class SplineConfig:
    """``spacing_s`` of the knots and ``degree`` of the polynomials; how the solver stops."""

    spacing_s: float = 0.05
    degree: int = 3
    damping: float = 1e-5
    max_step: float = 0.5
    settled_step: float = 2e-4
    settled_gain: float = 1e-5


@dataclass(frozen=True)
class Sampling:
    """Which control poses act at some instants, and how much."""

    first: Int64[np.ndarray, " n"]
    weights: Float64[np.ndarray, "n 3 order"]

    def at(self, rows: slice) -> Sampling:
        """At some of the instants."""
        return Sampling(self.first[rows], self.weights[rows])


def sampling_of(knots: Knots, t_ns: Int64[np.ndarray, " n"]) -> Sampling:
    """At instants ``t_ns``."""
    first, u = knots.place(t_ns)
    return Sampling(first, knots.weights(u))


@dataclass
class _System:
    """Normal equations over the control poses."""

    band: BlockBand
    descent: Float64[np.ndarray, "control 40"]
    loss: float
    errors: ViewErrors


class SplineFitter:
    """:class:`~kincast.offline.trajectory.interface.TrajectoryFitter` with B-splines."""

    def __init__(self, config: SplineConfig = SplineConfig()) -> None:
        self._config = config

    def fit(self, problem: FitProblem, body: BodyParameters, start: Trajectory, iterations: int) -> SplineFit:
        """Levenberg-Marquardt from ``start``; a step that does not lower the loss is undone and damped more."""
        config = self._config
        knots = Knots.covering(problem.first_ns, problem.last_ns, config.spacing_s, config.degree)
        if isinstance(start, PoseSpline) and start.knots == knots:
            spline = start
        else:
            dense = np.linspace(problem.first_ns, problem.last_ns, 2 * knots.count + 2).astype(np.int64)
            spline = through(knots, dense, start.motion(dense).q)
        linearisation = Linearisation(problem, body)
        sampling = sampling_of(knots, problem.pictures.t_ns)
        roughness = _Roughness(knots, problem)
        system = _assembled(linearisation, roughness, sampling, spline)
        damping, done = config.damping, 0
        while done < iterations:
            done += 1
            try:
                step = solved(system.band, system.descent, damping)
            except NotPositiveDefinite:
                damping = max(10.0 * damping, 1e-6)
                continue
            step = np.clip(step, -config.max_step, config.max_step)
            candidate = moved_by(spline, step)
            new = _assembled(linearisation, roughness, sampling, candidate)
            if not new.loss <= system.loss:
                if np.abs(step).max() < config.settled_step:
                    break
                damping = max(10.0 * damping, 1e-6)
                continue
            gain = (system.loss - new.loss) / (1.0 + abs(system.loss))
            spline, system = candidate, new
            damping = max(0.2 * damping, 1e-9)
            if np.abs(step).max() < config.settled_step or gain < config.settled_gain:
                break
        return SplineFit(spline, system.errors, system.loss, done, system.band)


@dataclass(frozen=True)
class SplineFit:
    """A fitted spline with its normal equations."""

    trajectory: PoseSpline
    errors: ViewErrors
    loss: float
    iterations: int
    band: BlockBand

    def covariance(self, t_ns: Int64[np.ndarray, " time"]) -> MotionCovariance:
        """Laplace posterior: the inverse of the normal equations, spread over the spline."""
        knots = self.trajectory.knots
        order = knots.degree + 1
        sampling = sampling_of(knots, t_ns)
        turns = self.trajectory.evaluate(sampling.first, sampling.weights)[3]
        pose = np.empty((len(t_ns), N, N))
        rates = np.empty((2, len(t_ns), N))
        by_interval = np.argsort(sampling.first, kind="stable")
        bounds = np.searchsorted(sampling.first[by_interval], np.arange(knots.intervals + 1))
        for near in inverse_near_diagonal(self.band):
            for first in range(near.first, min(near.first + self.band.width, knots.intervals)):
                rows = by_interval[bounds[first] : bounds[first + 1]]
                if len(rows):
                    spread = _Spread(near.over(first, order, N), turns[rows])
                    value, velocity, acceleration = np.moveaxis(sampling.weights[rows], 1, 0)
                    pose[rows] = spread.covariance(value)
                    rates[0, rows] = spread.variance(velocity)
                    rates[1, rows] = spread.variance(acceleration)
        sd = np.sqrt(np.maximum(rates, 0.0))
        return MotionCovariance(pose, sd[0], sd[1])


class _Spread:
    """Covariance of acting control poses, spread over instants of their interval with given weights."""

    def __init__(self, around: Float64[np.ndarray, "k k"], turns: Float64[np.ndarray, "n order 3 3"]) -> None:
        order = turns.shape[1]
        self._order, self._turns = order, turns
        blocks = around.reshape(order, N, order, N).transpose(0, 2, 1, 3)
        self._blocks = np.ascontiguousarray(blocks).reshape(order**2, N * N)
        self._turn_rows = around.reshape(order, N, -1)[:, TURN].reshape(3 * order, -1)

    def covariance(self, weights: Float64[np.ndarray, "n order"]) -> Float64[np.ndarray, "n 40 40"]:
        """Of the weighted sum of control poses."""
        out = (self._pairs(weights) @ self._blocks).reshape(-1, N, N)
        turns = self._weighted_turns(weights)
        with_control = self._of_turn(turns)
        rows = (weights[:, None, None] @ with_control)[:, :, 0]
        own = with_control[..., TURN].reshape(len(weights), 3, -1)
        rows[:, :, TURN] = own @ np.swapaxes(turns.reshape(own.shape), 1, 2)
        out[:, TURN], out[:, :, TURN] = rows, np.swapaxes(rows, 1, 2)
        return out

    def variance(self, weights: Float64[np.ndarray, "n order"]) -> Float64[np.ndarray, "n 40"]:
        """Diagonal of the covariance."""
        out = self._pairs(weights) @ self._blocks[:, :: N + 1]
        turns = self._weighted_turns(weights)
        out[:, TURN] = (self._of_turn(turns)[..., TURN] * turns).sum(axis=(2, 3))
        return out

    def _pairs(self, weights: Float64[np.ndarray, "n order"]) -> Float64[np.ndarray, "n pair"]:
        return (weights[:, :, None] * weights[:, None, :]).reshape(len(weights), -1)

    def _weighted_turns(self, weights: Float64[np.ndarray, "n order"]) -> Float64[np.ndarray, "n 3 order 3"]:
        """The pelvis' turn per turn of the control poses."""
        return np.ascontiguousarray((weights[:, :, None, None] * self._turns).transpose(0, 2, 1, 3))

    def _of_turn(self, turns: Float64[np.ndarray, "n 3 order 3"]) -> Float64[np.ndarray, "n 3 order 40"]:
        """Covariance of the pelvis' turn with the control poses."""
        return (turns.reshape(-1, 3 * self._order) @ self._turn_rows).reshape(*turns.shape[:3], N)


class _Roughness:
    """The regularisation's quadrature: accelerations and velocities at Gauss-Legendre points of every interval."""

    def __init__(self, knots: Knots, problem: FitProblem) -> None:
        smoothness = problem.prior.smoothness
        points, weights = np.polynomial.legendre.leggauss(knots.degree)
        u = 0.5 * (points + 1.0)
        self._first = np.repeat(np.arange(knots.intervals), len(u))
        one = knots.weights(u)
        self._weights = np.tile(one, (knots.intervals, 1, 1))
        share_s = 0.5 * weights * knots.spacing_s
        density = np.asarray(smoothness.spectral_density(), np.float64)
        self._share = np.tile(share_s, knots.intervals)[:, None] / density
        rest = 1.0 / (float(smoothness.rest_time_s) * float(smoothness.rest_speed) ** 2)
        self._rest = np.tile(share_s, knots.intervals)[:, None] * rest
        # the same matrix over the control poses of every interval, diagonal in the coordinates
        gram = np.einsum("p,pi,pl->il", share_s, one[:, 2], one[:, 2])[:, :, None] / density
        gram = gram + rest * np.einsum("p,pi,pl->il", share_s, one[:, 1], one[:, 1])[:, :, None]
        order = knots.degree + 1
        self.diagonals = np.zeros((order, knots.count, N))
        for i in range(order):
            for l in range(i + 1):
                self.diagonals[i - l, l : l + knots.intervals] += gram[i, l]

    def descent(self, spline: PoseSpline) -> tuple[Float64[np.ndarray, "control 40"], float]:
        """Descent direction of every control pose and the loss."""
        _, v, a, turns = spline.evaluate(self._first, self._weights)
        pull_a, pull_v = self._share * a, self._rest * v
        loss = 0.5 * float(np.sum(pull_a * a) + np.sum(pull_v * v))
        out = np.zeros((spline.knots.count, N))
        for i in range(spline.knots.degree + 1):
            part = -(self._weights[:, 2, i, None] * pull_a + self._weights[:, 1, i, None] * pull_v)
            part[:, TURN] = np.einsum("nji,nj->ni", turns[:, i], part[:, TURN])
            np.add.at(out, self._first + i, part)
        return out, loss


def _assembled(
    linearisation: Linearisation, roughness: _Roughness, sampling: Sampling, spline: PoseSpline
) -> _System:
    knots, order = spline.knots, spline.knots.degree + 1
    blocks = np.zeros((order, knots.count, N * N), np.float32)
    descent, loss = roughness.descent(spline)
    errors: list[ViewErrors] = []
    q, v, _, turns = spline.evaluate(sampling.first, sampling.weights)
    for rows, terms, seen in linearisation.chunks(q, v):
        _spread(blocks, descent, sampling.at(rows), turns[rows], terms)
        loss += float(np.sum(terms.loss, dtype=np.float64))
        errors.append(seen)
    band = BlockBand(blocks.reshape(order, knots.count, N, N), roughness.diagonals)
    return _System(band, descent, loss, joined(errors))


def _spread(
    blocks: Float32[np.ndarray, "offset control 1600"],
    descent: Float64[np.ndarray, "control 40"],
    sampling: Sampling,
    turns: Float64[np.ndarray, "n order 3 3"],
    terms: Terms,
) -> None:
    """Add instants' terms to those of the control poses that act there.

    In the matrix (not in the descent) the turn of the pose is taken as that of the control poses, which differ from
    it by the few degrees that the pelvis turns within the spline's support.
    """
    order = len(blocks)
    value = sampling.weights[:, 0]
    starts = np.flatnonzero(np.diff(sampling.first, prepend=-1))
    rhs = np.asarray(terms.descent, np.float64)
    for i in range(order):
        part = rhs * value[:, i, None]
        part[:, TURN] = np.einsum("nji,nj->ni", turns[:, i], part[:, TURN])
        descent[sampling.first[starts] + i] += np.add.reduceat(part, starts)
    rows, columns = np.tril_indices(order)
    products = (value[:, rows] * value[:, columns]).astype(np.float32)
    normal = np.asarray(terms.normal, np.float32).reshape(-1, N * N)
    for start, end in zip(starts, [*starts[1:], len(value)], strict=True):
        first = sampling.first[start]
        blocks[rows - columns, first + columns] += products[start:end].T @ normal[start:end]


def moved_by(spline: PoseSpline, step: Float64[np.ndarray, "control 40"]) -> PoseSpline:
    """Every control pose moved by a tangent step."""
    control = spline.control.copy()
    control[:, :3] += step[:, :3]
    control[:, 3:7] = quaternion_multiply(control[:, 3:7], quaternion_exp(step[:, TURN]))
    control[:, 3:7] /= np.linalg.norm(control[:, 3:7], axis=1, keepdims=True)
    control[:, 7:] += step[:, 6:]
    return PoseSpline(spline.knots, control)
