"""The motion the twin is to follow, at the control instants: poses with derivatives, and what the ground exerts."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Bool, Float

from kincast.models.rotations import Array


class Reference(NamedTuple):
    """Rows at 120 Hz; a pytree. ``q``, ``v``, ``a`` as in :mod:`kincast.models.coordinates`.

    ``force`` (N, world, on the right and left foot) and ``cop`` (m; 0 where unloaded) count where ``force_known``;
    ``measured`` says where plates saw them. ``right_share``: of the right foot in the load of both, as the motion alone tells
    before soles were made to respect the floor (:mod:`kincast.models.load_expectation`); NaN where nobody asked.
    """

    q: Float[Array, "*n time 41"]
    v: Float[Array, "*n time 40"]
    a: Float[Array, "*n time 40"]
    force: Float[Array, "*n time 2 3"]
    cop: Float[Array, "*n time 2 3"]
    force_known: Bool[Array, "*n time 2"]
    measured: Bool[Array, "*n time 2"]
    right_share: Float[Array, "*n time"]
