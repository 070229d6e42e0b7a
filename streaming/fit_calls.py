"""The live window on the device: the session's numbers, the compiled calls, and the packing of what goes in and out.

One snapshot is one call: everything the solver reads of the pictures goes in as one array, all it says comes back as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from kincast.models.body import Body
from kincast.models.body_prior import joint_limits_deg
from kincast.models.camera import Camera, camera_arrays
from kincast.models.coordinates import POSE_SIZE, VELOCITY_SIZE
from kincast.models.kinematics import site_positions
from kincast.models.mirrored_sites import leg_pairs
from kincast.models.pose_uncertainty import site_variance_m2
from kincast.models.residuals import ViewReport, Views
from kincast.models.window_model import WindowModel, WindowObservations, initial_estimate
from kincast.models.window_solver import (
    Control,
    Window,
    WindowSolution,
    looked_at,
    predicted_pixels,
    step,
)
from kincast.streaming.fitter_config import FitterConfig
from kincast.streaming.instant import Instant, unpacked

PAST_SHARE = 0.01
"""What the past counts for once it was seen through another body or other cameras."""


class FitCalls:
    """State: the window. Body and cameras may be exchanged for others of the same shapes; nothing is compiled anew."""

    def __init__(self, body: Body, cameras: Sequence[Camera], config: FitterConfig) -> None:
        self._config = config
        self._cameras, self._sites = len(cameras), len(body.sites)
        limits = tuple((float(low), float(high)) for low, high in np.radians(joint_limits_deg()))
        self._model = WindowModel(body.skeleton, limits, leg_pairs(body.keypoint_set), config.solver)
        self._tuning = jax.tree.map(jnp.float32, config.tuning)
        rest = np.zeros(POSE_SIZE)
        rest[3] = 1.0
        self.begin(rest)
        self.use(body)
        self.aim(cameras)

    # ------------------------------------------------------------------ what may change

    def begin(self, q: Float[np.ndarray, "41"]) -> None:
        """A new window, resting at a pose."""
        self._q, self._v = np.asarray(q, np.float32), np.zeros(VELOCITY_SIZE, np.float32)
        self._estimate = initial_estimate(q, self._config.solver.window)
        self._window: Window | None = None
        self._past = 1.0
        self._solution: WindowSolution | None = None
        self._arguments: tuple[Any, ...] = ()

    def use(self, body: Body) -> None:
        """This body from now on."""
        self.body = body
        self._values = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), body.values)
        self._site_variance = jnp.asarray(site_variance_m2(body), jnp.float32)
        self.look_again(PAST_SHARE)

    def aim(self, cameras: Sequence[Camera]) -> None:
        """These numbers of the same cameras from now on."""
        self._rig = jax.tree.map(jnp.asarray, camera_arrays(cameras, np.float32)) if cameras else None
        self.look_again(PAST_SHARE)

    def look_again(self, past: float = 1.0) -> None:
        """What older instants of the window say has changed; ``past``: what is known from before counts only so much."""
        if self._window is not None:
            self._estimate, self._window = self._window.estimate, None
            self._past *= past

    # ------------------------------------------------------------------ calls

    def solve(self, instants: Sequence[Instant], iterations: int, place: int) -> WindowSolution:
        """Take in the newest of the instants (oldest first) and move the window on.

        The uncertainty in the solution is that of the pose at ``place``.
        """
        rows = np.stack([instant.row for instant in instants])
        shape = self._cameras, self._sites
        if self._window is None:
            looked = _looked_at(
                self._model, shape, self._tuning, self._values, self._rig, self._estimate, rows
            )
            self._window = looked
        fixed = self._model, shape, self._tuning, self._values, self._site_variance, self._rig
        self._arguments = *fixed, self._window, rows, iterations, self._past
        self._past = 1.0
        self._window, self._solution = self._step(place)
        self._q, self._v = self._solution.q[-1], self._solution.v[-1]
        return self._solution

    def uncertain(self, place: int) -> WindowSolution:
        """The last solution with the uncertainty of another place."""
        return self._step(place)[1]

    def _step(self, place: int) -> tuple[Window, WindowSolution]:
        *arguments, rows, iterations, past = self._arguments
        control = np.array([iterations, self._config.damping, past, place], np.float32)
        window, flat = _step(*arguments, rows, control)
        return window, _solution(np.asarray(flat), self._config.solver.window, self._cameras, self._sites)

    def predicted_px(self, dt_s: float) -> Float[np.ndarray, "camera keypoint 2"]:
        """Where the cameras will see the sites ``dt_s`` after their last pictures."""
        if self._solution is not None:
            report = self._solution.report
            return np.moveaxis(report.pixel + report.pixel_rate * np.float32(dt_s), 0, -1)
        return self.pixels_at(self._q, self._v)

    def pixels_at(
        self, q: Float[np.ndarray, "41"], v: Float[np.ndarray, "40"]
    ) -> Float[np.ndarray, "camera keypoint 2"]:
        """Where the cameras see the sites of a pose."""
        zero = np.float32(0.0)
        return np.asarray(predicted_pixels(self._model, self._values, self._rig, q, v, zero))

    def sites_at(self, offset_s: Float[np.ndarray, " camera"]) -> Float[np.ndarray, "camera keypoint 3"]:
        """World positions of the newest pose's sites at every camera's instant."""
        assert self._solution is not None
        site, rate = (np.asarray(x, np.float64) for x in self._solution.report[-2:])
        return site[None] + rate[None] * np.asarray(offset_s, np.float64)[:, None, None]

    def warm(self) -> None:
        """Compile everything that the loop calls (seconds with a cold compilation cache)."""
        rest, still = self._q, self._v
        window = self._config.solver.window
        period_s = self._config.frame_period_s
        self.solve([Instant(-1, 0, period_s, self._cameras, self._sites) for _ in range(window)], 1, 0)
        if self._cameras:
            self.pixels_at(rest, still)
        self.begin(rest)

    def sites_m(self, q: np.ndarray) -> Float[np.ndarray, "keypoint 3"]:
        """World positions of the sites."""
        return np.asarray(site_positions(self._model.skeleton, self._values, jnp.asarray(q, jnp.float32)))


# ---------------------------------------------------------------------- packing


def _observations(rows: Float[Array, "window n"], shape: tuple[int, int]) -> WindowObservations:
    interval_s, pixels, information, offset_s, markers = unpacked(rows, *shape)
    return WindowObservations(Views(pixels, information, offset_s), markers, interval_s)


@partial(jax.jit, static_argnums=(0, 1))
def _looked_at(model, shape, tuning, values, rig, estimate, rows) -> Window:
    return looked_at(model, tuning, values, rig, estimate, _observations(rows, shape))


@partial(jax.jit, static_argnums=(0, 1))
def _step(model, shape, tuning, values, site_variance, rig, window, rows, control) -> tuple[Window, Array]:
    how = Control(control[0].astype(jnp.int32), control[1], control[2], control[3].astype(jnp.int32))
    observations = _observations(rows, shape)
    window, solution = step(model, tuning, values, site_variance, rig, window, observations, how)
    return window, jnp.concatenate([jnp.ravel(x).astype(jnp.float32) for x in jax.tree.leaves(solution)])


@lru_cache(maxsize=8)
def _layout(window: int, cameras: int, sites: int) -> tuple[tuple[int, int, tuple[int, ...]], ...]:
    """Where each array of a solution stands in the packed one."""
    n, m = POSE_SIZE, VELOCITY_SIZE
    views = (cameras, sites)
    report = (views, views, (cameras,), (2, *views), (2, *views), (sites, 3), (sites, 3))
    shapes = (window, n), (window, m), (), (m, m), (m, m), (m, m), *report
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)]).tolist()
    return tuple(zip(ends, ends[1:], shapes, strict=False))


def _solution(flat: Float[np.ndarray, " n"], window: int, cameras: int, sites: int) -> WindowSolution:
    parts = [flat[start:stop].reshape(shape) for start, stop, shape in _layout(window, cameras, sites)]
    report = ViewReport._make(parts[6:])
    return WindowSolution._make([*parts[:6], report._replace(exchanged=report.exchanged > 0)])
