"""Implicit trajectory: a network from time to pose, trained by stochastic gradients (Differentiable Biomechanics).

The loss is that of the spline fit: the same residuals and the same priors. A batch of instants is drawn per step; of
each instant the descent direction by the 40 velocities of its pose is known analytically
(:mod:`kincast.offline.trajectory.linearise`) and is passed back through the network, so nothing differentiates through
kinematics and cameras. One-step consistency: where the pose and its analytic velocity lead within ``step_s`` is compared
with the pose and velocity there, weighed by the white-noise acceleration of the motion prior.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float32, Int64

from kincast.models.body import BodyParameters
from kincast.models.kinematics import difference
from kincast.models.residuals import Views
from kincast.models.smoothness import motion_factor
from kincast.offline.trajectory.bspline import one_sign
from kincast.offline.trajectory.implicit_network import (
    Parameters,
    PoseFrame,
    PoseNetwork,
    frame_of,
    motion_at,
    octaves_for,
    pose_and_velocity,
)
from kincast.offline.trajectory.interface import Trajectory
from kincast.offline.trajectory.linearise import Instant, Linearisation, Structure, instant_terms
from kincast.offline.trajectory.motion import Motion, MotionCovariance
from kincast.offline.trajectory.problem import FitProblem, ViewErrors
from kincast.offline.trajectory.spline import SplineFitter

CHUNK = 256
STEPS_AT_ONCE = 25
"""Steps per call of the compiled training loop."""
START_SD = np.concatenate([np.full(3, 0.02), np.full(37, np.radians(3.0))])
"""While the network learns the start: 2 cm and 3 degrees count alike."""


@dataclass(frozen=True)
class ImplicitConfig:
    """The network and its training.

    Attributes:
        hidden: widths of the layers.
        activation: ``silu``, whose second derivative exists, or ``relu`` as published.
        batch: instants per step.
        steps: per iteration that the refit allows.
        start_steps: in which a new network learns the start.
        rate, last_rate: learning rate, falling exponentially from one to the other within a call.
        again_rate: first rate where an already trained network is refined.
        step_s: of the one-step consistency.
        norm_penalty: on the length of the quaternion before it is normalised.
    """

    hidden: tuple[int, ...] = (128, 256, 256)
    activation: str = "silu"
    batch: int = 128
    steps: int = 50
    start_steps: int = 500
    rate: float = 2e-3
    again_rate: float = 5e-4
    last_rate: float = 1e-5
    momentum: float = 0.9
    weight_decay: float = 1e-5
    clip: float = 0.1
    step_s: float = 1.0 / 60.0
    norm_penalty: float = 100.0
    seed: int = 0

    @staticmethod
    def published() -> ImplicitConfig:
        """The lab's settings for 12 iterations; hours on a computer without an accelerator."""
        return ImplicitConfig(
            hidden=(128, 256, 512, 1024, 2048, 2048, 4096),
            activation="relu",
            batch=300,
            steps=2083,
            rate=1e-3,
            again_rate=1e-3,
            last_rate=1e-6,
            momentum=0.8,
        )


@dataclass(frozen=True, eq=False)
class ImplicitTrajectory:
    """A trained network over one recording."""

    network: PoseNetwork
    parameters: Parameters
    frame: PoseFrame
    first_ns: int
    last_ns: int

    def motion(self, t_ns: Int64[np.ndarray, " time"]) -> Motion:
        t_s = ((np.clip(t_ns, self.first_ns, self.last_ns) - self.first_ns) * 1e-9).astype(np.float32)
        parts = []
        for start in range(0, len(t_s), CHUNK):
            rows = np.minimum(np.arange(start, start + CHUNK), len(t_s) - 1)
            parts.append(jax.device_get(_motion(self.network, self.parameters, self.frame, t_s[rows])))
        q, v, a, _ = (np.concatenate(x)[: len(t_s)].astype(np.float64) for x in zip(*parts, strict=True))
        q[:, 3:7] /= np.linalg.norm(q[:, 3:7], axis=1, keepdims=True)
        return Motion(np.asarray(t_ns, np.int64), q, v, a)


@dataclass(frozen=True, eq=False)
class ImplicitFit:
    """A trained trajectory; ``losses`` is the mean loss per instant (nats) over the training."""

    trajectory: ImplicitTrajectory
    errors: ViewErrors
    loss: float
    iterations: int
    losses: Float32[np.ndarray, " step"]
    problem: FitProblem
    body: BodyParameters

    def covariance(self, t_ns: Int64[np.ndarray, " time"]) -> MotionCovariance:
        """Laplace posterior of the same loss, over a spline laid through the motion: a network's weights have none
        that could be inverted."""
        return self._spline.covariance(t_ns)

    @cached_property
    def _spline(self):
        return SplineFitter().fit(self.problem, self.body, self.trajectory, 0)


class ImplicitFitter:
    """:class:`~kincast.offline.trajectory.interface.TrajectoryFitter` with a network."""

    def __init__(self, config: ImplicitConfig = ImplicitConfig()) -> None:
        self._config = config

    def fit(
        self, problem: FitProblem, body: BodyParameters, start: Trajectory, iterations: int
    ) -> ImplicitFit:
        """Train ``iterations`` times ``config.steps`` steps; a network that was trained before is refined."""
        config = self._config
        linearisation = Linearisation(problem, body)
        duration_s = max((problem.last_ns - problem.first_ns) * 1e-9, 1e-3)
        network = PoseNetwork(config.hidden, octaves_for(duration_s), config.activation)
        span = (problem.first_ns, problem.last_ns)
        if isinstance(start, ImplicitTrajectory) and (start.network, start.first_ns, start.last_ns) == (
            network,
            *span,
        ):
            trajectory, rate = start, config.again_rate
        else:
            trajectory, rate = _follow(config, network, problem, start, duration_s), config.rate
        total = max(1, iterations) * config.steps
        parameters, losses = _trained(config, linearisation, problem, trajectory, total, rate)
        trajectory = replace(trajectory, parameters=parameters)
        motion = trajectory.motion(problem.pictures.t_ns)
        _, errors = linearisation.terms(motion.q, motion.v)
        return ImplicitFit(
            trajectory, errors, float(losses[-50:].mean()) * len(motion.q), total, losses, problem, body
        )


class _Batch(NamedTuple):
    """Steps (leading axis) of instants."""

    instant: Instant
    t_s: Any
    rate: Any


class _State(NamedTuple):
    parameters: Parameters
    moments: Any


def _optimiser(config: ImplicitConfig) -> optax.GradientTransformation:
    return optax.chain(
        optax.clip_by_global_norm(config.clip),
        optax.scale_by_adam(b1=config.momentum),
        optax.add_decayed_weights(config.weight_decay),
    )


def _follow(
    config: ImplicitConfig, network: PoseNetwork, problem: FitProblem, start: Trajectory, duration_s: float
) -> ImplicitTrajectory:
    """A new network taught the start's poses."""
    random = np.random.default_rng(config.seed)
    t_ns = problem.pictures.t_ns
    q = start.motion(t_ns).q
    q = np.concatenate([q[:, :3], one_sign(q[:, 3:7]), q[:, 7:]], axis=1)
    frame = frame_of(q, duration_s)
    parameters = network.init(jax.random.key(config.seed), jnp.zeros(()))
    state = _State(parameters, _optimiser(config).init(parameters))
    t_s = ((t_ns - problem.first_ns) * 1e-9).astype(np.float32)
    for _ in range(0, config.start_steps, STEPS_AT_ONCE):
        rows = random.integers(0, len(t_s), (STEPS_AT_ONCE, config.batch))
        state = _learn_start(config, network, frame, state, t_s[rows], q[rows].astype(np.float32))
    return ImplicitTrajectory(network, state.parameters, frame, problem.first_ns, problem.last_ns)


def _trained(
    config: ImplicitConfig,
    linearisation: Linearisation,
    problem: FitProblem,
    trajectory: ImplicitTrajectory,
    total: int,
    rate: float,
) -> tuple[Parameters, Float32[np.ndarray, " step"]]:
    random = np.random.default_rng(config.seed + 1)
    schedule = optax.exponential_decay(rate, total, min(1.0, config.last_rate / rate))
    rates = np.asarray(schedule(jnp.arange(total)), np.float32)
    density = jnp.asarray(problem.prior.smoothness.spectral_density(), jnp.float32)
    state = _State(trajectory.parameters, _optimiser(config).init(trajectory.parameters))
    t_s = ((problem.pictures.t_ns - problem.first_ns) * 1e-9).astype(np.float32)
    losses = []
    for first in range(0, total, STEPS_AT_ONCE):
        steps = min(STEPS_AT_ONCE, total - first)
        rows = random.integers(0, len(t_s), (steps, config.batch))
        batch = _Batch(_instants(problem, rows), t_s[rows], rates[first : first + steps])
        state, loss = _train(
            config,
            linearisation.structure,
            trajectory.network,
            trajectory.frame,
            linearisation.prior,
            linearisation.values,
            linearisation.rig,
            density,
            state,
            batch,
        )
        losses.append(np.asarray(loss))
    return state.parameters, np.concatenate(losses)


def _instants(problem: FitProblem, rows: Int64[np.ndarray, "step batch"]) -> Instant:
    """Everything but the poses, which the network gives."""
    p = problem.pictures
    none = np.zeros((*rows.shape, 0))
    views: Any = (p.pixels[rows], problem.information[rows], p.offset_s[rows])
    return Instant(
        none,
        none,
        p.camera[rows],
        Views(*views),
        None if p.markers is None else p.markers[rows],
        p.since_s[rows],
        p.step_s[rows],
    )


@partial(jax.jit, static_argnums=0)
def _motion(network: PoseNetwork, parameters: Parameters, frame: PoseFrame, t_s):
    return jax.vmap(partial(motion_at, network, parameters, frame))(t_s)


def _stepped(config: ImplicitConfig, state: _State, gradient: Parameters, rate) -> _State:
    updates, moments = _optimiser(config).update(gradient, state.moments, state.parameters)
    updates = jax.tree.map(lambda u: -rate * u, updates)
    return _State(optax.apply_updates(state.parameters, updates), moments)


@partial(jax.jit, static_argnums=(0, 1))
def _learn_start(config: ImplicitConfig, network: PoseNetwork, frame: PoseFrame, state: _State, t_s, q):
    def loss(parameters, t_s, q):
        def one(t, target):
            pose, _, norm = pose_and_velocity(network, parameters, frame, t)
            error = difference(target, pose) / jnp.asarray(START_SD, pose.dtype)
            return jnp.mean(error**2) + config.norm_penalty * (1.0 - norm) ** 2

        return jnp.mean(jax.vmap(one)(t_s, q))

    def step(state, xs):
        gradient = jax.grad(loss)(state.parameters, *xs)
        return _stepped(config, state, gradient, config.rate), None

    return jax.lax.scan(step, state, (t_s, q))[0]


@partial(jax.jit, static_argnums=(0, 1, 2))
def _train(
    config: ImplicitConfig,
    structure: Structure,
    network: PoseNetwork,
    frame: PoseFrame,
    prior,
    values,
    rig,
    density,
    state: _State,
    batch: _Batch,
):
    rest = 1.0 / (prior.smoothness.rest_time_s * prior.smoothness.rest_speed**2)

    def loss(parameters, instant: Instant, t_s):
        here = partial(pose_and_velocity, network, parameters, frame)
        q, v, norm = jax.vmap(here)(t_s)
        q_next, v_next, _ = jax.vmap(here)(t_s + config.step_s)
        fixed = jax.lax.stop_gradient(instant._replace(q=q, v=v))
        terms, _ = jax.vmap(partial(instant_terms, structure, prior, values, rig))(fixed)
        # a function with the known gradient: descent by the pose's velocities, through the network to its weights
        moved = jax.vmap(difference)(fixed.q, q)
        towards = -jnp.sum(jax.lax.stop_gradient(terms.descent) * moved, axis=1)
        step_s = jnp.full_like(t_s, config.step_s)
        step = partial(motion_factor, density=density)
        consistent = jax.vmap(step)(q, v, q_next, v_next, step_s).loss / config.step_s
        still = 0.5 * rest * jnp.sum(v**2, axis=1)
        smooth = instant.step_s * (consistent + still)
        length = config.norm_penalty * (1.0 - norm) ** 2
        value = jnp.mean(terms.loss + smooth)
        return jnp.mean(towards + smooth + length), value

    def step(state, xs: _Batch):
        gradient, value = jax.grad(loss, has_aux=True)(state.parameters, xs.instant, xs.t_s)
        return _stepped(config, state, gradient, xs.rate), value

    return jax.lax.scan(step, state, batch)
