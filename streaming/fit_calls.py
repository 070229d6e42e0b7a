"""The numbers of one session on the device, and the compiled calls of the live fit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from kincast.models.body import Body
from kincast.models.body_prior import joint_limits_deg
from kincast.models.camera import Camera, camera_arrays
from kincast.models.kinematics import SkeletonValues, integrate, site_positions
from kincast.models.mirrored_sites import leg_pairs
from kincast.models.pose_uncertainty import site_variance_m2
from kincast.models.residuals import Views
from kincast.models.rotations import Array
from kincast.models.window_solver import (
    WindowEstimate,
    WindowModel,
    WindowObservations,
    WindowSolution,
    predicted_pixels,
    step,
)
from kincast.streaming.fitter_config import FitterConfig
from kincast.streaming.instant import Instant

APART_S = 0.01
"""Two places of a site this far apart tell its velocity."""


class FitCalls:
    """``body`` may be exchanged for another of the same sites; nothing is compiled anew for it."""

    def __init__(self, body: Body, cameras: Sequence[Camera], config: FitterConfig) -> None:
        self._config = config
        self._cameras = len(cameras)
        limits = tuple((float(low), float(high)) for low, high in np.radians(joint_limits_deg()))
        self._model = WindowModel(body.skeleton, limits, leg_pairs(body.keypoint_set), config.solver)
        self.aim(cameras)
        self._tuning = jax.tree.map(jnp.float32, config.tuning)
        self.use(body)

    def aim(self, cameras: Sequence[Camera]) -> None:
        """These numbers of the same cameras from now on."""
        self._rig = jax.tree.map(jnp.asarray, camera_arrays(cameras, np.float32)) if cameras else None

    def use(self, body: Body) -> None:
        """This body from now on."""
        self.body = body
        self._values = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), body.values)
        self._site_variance = site_variance_m2(body).astype(np.float32)

    def solve(
        self, estimate: WindowEstimate, instants: Sequence[Instant], iterations: int
    ) -> tuple[WindowEstimate, WindowSolution]:
        """The window solver on the instants, oldest first. The estimate stays on the device."""
        t_s = np.array([i.t_ns - instants[-1].t_ns for i in instants]) * 1e-9
        interval_s = np.maximum(np.diff(t_s, prepend=t_s[0] - self._config.frame_period_s), 1e-4)
        views = Views(*(_device([getattr(i, name) for i in instants]) for name in Views._fields))
        markers = None if self._cameras else _device([i.markers for i in instants if i.markers is not None])
        observations = WindowObservations(views, markers, _device(interval_s))
        estimate, solution = step(
            self._model,
            self._tuning,
            self._values,
            self._site_variance,
            self._rig,
            estimate,
            observations,
            np.int32(iterations),
            np.float32(self._config.damping),
        )
        return estimate, jax.device_get(solution)

    def predicted_px(
        self, q: Float[Array, "41"], v: Float[Array, "40"], dt_s: float
    ) -> Float[np.ndarray, "camera keypoint 2"]:
        """Where the cameras will see the sites ``dt_s`` after pose ``q`` with velocity ``v``."""
        pixels = predicted_pixels(
            self._model,
            self._values,
            self._rig,
            np.asarray(q, np.float32),
            np.asarray(v, np.float32),
            np.float32(dt_s),
        )
        return np.asarray(pixels)

    def sites_at(
        self, q: Float[Array, "41"], v: Float[Array, "40"], offset_s: Float[Array, " camera"]
    ) -> Float[np.ndarray, "camera keypoint 3"]:
        """World positions of the sites ``offset_s`` after pose ``q`` with velocity ``v``, moving straight on."""
        places = _two_places(self._model, self._values, np.asarray(q, np.float32), np.asarray(v, np.float32))
        here, later = np.asarray(places, np.float64)
        return here + (later - here) * (np.asarray(offset_s, np.float64) / APART_S)[:, None, None]

    def sites_m(self, q: np.ndarray) -> Float[np.ndarray, "keypoint 3"]:
        """World positions of the sites."""
        return np.asarray(site_positions(self._model.skeleton, self._values, jnp.asarray(q, jnp.float32)))


@partial(jax.jit, static_argnums=0)
def _two_places(
    model: WindowModel, values: SkeletonValues, q: Float[jax.Array, "41"], v: Float[jax.Array, "40"]
) -> Float[jax.Array, "2 keypoint 3"]:
    """The sites at a pose and ``APART_S`` later."""
    places = jnp.stack([q, jnp.asarray(integrate(q, APART_S * v))])
    return jnp.asarray(jax.vmap(partial(site_positions, model.skeleton, values))(places))


def _device(rows: Sequence[np.ndarray] | np.ndarray) -> jax.Array:
    return jnp.asarray(np.asarray(rows, np.float32))
