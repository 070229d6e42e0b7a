"""The window problem as data: fixed structure, settings, observations and the estimate.

The state of an instant is (pose, velocity), 80 tangent numbers; the window holds the newest instants, oldest first.
All numbers of person, rig and settings that can change live are arrays, so nothing is compiled twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from kincast.models.kinematics import Skeleton
from kincast.models.normal_equations import SiteSupport, site_support
from kincast.models.posture_prior import PosturePrior
from kincast.models.residuals import ExchangeGroups, MarkerNoise, PixelNoise, Views, exchange_groups
from kincast.models.smoothness import Smoothness

N = 40
VELOCITY_UNIT_S = 1.0 / 30.0
"""Velocities are solved for as displacement per this time, which keeps the 80 unknowns of one size."""


@dataclass(frozen=True)
class SolverConfig:
    """Fixed at compilation: ``window`` instants are refined together, no coordinate moves more than ``max_step``
    (rad, m) at once."""

    window: int = 6
    max_step: float = 0.5


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SolverTuning:
    """Numbers that may change without a new compilation."""

    pixel_noise: PixelNoise = field(default_factory=PixelNoise)
    marker_noise: MarkerNoise = field(default_factory=MarkerNoise)
    smoothness: Smoothness = field(default_factory=Smoothness)
    posture: PosturePrior = field(default_factory=PosturePrior)


class WindowObservations(NamedTuple):
    """Leading axis: the window, oldest first. ``interval_s[k]`` is the time since the instant before."""

    views: Views
    markers: Float[Array, "window site 4"] | None
    interval_s: Float[Array, " window"]


class WindowEstimate(NamedTuple):
    """Poses and velocities of the window, and what is known of the first from before the window."""

    q: Float[Array, "window 41"]
    v: Float[Array, "window 40"]
    prior_matrix: Float[Array, "80 80"]
    prior_rhs: Float[Array, "80"]
    prior_q: Float[Array, "41"]
    prior_v: Float[Array, "40"]


@dataclass(frozen=True, eq=False)
class WindowModel:
    """Fixed structure of one problem, hashed by content for ``jax.jit``: skeleton, joint limits (rad), (left, right)
    sites of the legs, settings."""

    skeleton: Skeleton
    limits: tuple[tuple[float, float], ...]
    leg_pairs: tuple[tuple[int, int], ...]
    config: SolverConfig
    support: SiteSupport = field(init=False)
    groups: ExchangeGroups = field(init=False)
    digest: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "support", site_support(self.skeleton.site_mask))
        object.__setattr__(self, "groups", exchange_groups(len(self.skeleton.site_names), self.leg_pairs))
        object.__setattr__(self, "digest", hash(self._content()))

    def __hash__(self) -> int:
        return self.digest  # asked at every call

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, WindowModel) and self._content() == other._content())

    def _content(self) -> tuple:
        return self.skeleton, self.limits, self.leg_pairs, self.config


def initial_estimate(q: Float[np.ndarray, "41"], window: int, sd: float = 1.0) -> WindowEstimate:
    """A window resting at ``q`` with a wide prior (``sd`` rad or m; as much per ``VELOCITY_UNIT_S``)."""
    start = np.asarray(q, np.float32)
    arrays = (
        np.tile(start, (window, 1)),
        np.zeros((window, N), np.float32),
        np.eye(2 * N, dtype=np.float32) / np.float32(sd**2),
        np.zeros(2 * N, np.float32),
        start,
        np.zeros(N, np.float32),
    )
    return WindowEstimate(*(jnp.asarray(array) for array in arrays))  # made by NumPy: nothing to compile
