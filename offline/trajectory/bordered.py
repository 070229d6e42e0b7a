"""How a recording's trajectory and the person's body hang together: the dense border of the block-banded normal equations.

The border's unknowns are 8 log scales, three offsets per site, and where it is learned the person's mean posture in the
recording. ``[H B; B' N]`` has the spline's matrix H in its corner; eliminating the trajectory (Schur complement) leaves
what the recording says of the border, the trajectory answering with ``-H^-1 B`` (Triggs et al. 2000, section 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.body import BodyParameters, log_scales, site_offsets
from kincast.models.kinematics import scaled_values, site_jacobians, site_positions
from kincast.models.pose_fit import N_DIRECTIONS, posture
from kincast.models.residuals import fresh_share
from kincast.offline.trajectory.block_band import BlockBand, solved
from kincast.offline.trajectory.linearise import (
    CHUNK,
    AnyArray,
    Instant,
    Linearisation,
    Structure,
    seen_at,
)
from kincast.offline.trajectory.posture import LearnedPosture
from kincast.offline.trajectory.problem import FitProblem
from kincast.offline.trajectory.spline import TURN, N, SplineFit, sampling_of

N_SCALES = 8
N_POSTURE = 36


@dataclass(frozen=True)
class Border:
    """What a stretch of a recording says of shape and mean posture, its trajectory eliminated.

    ``normal`` and ``descent`` (down the loss) over 8 log scales, 3 S offsets and, if it was learned, 36 mean angles.
    ``answer``: change of the control poses from ``first`` on per unit of each. ``site_information`` (1/m^2): what one look
    of all cameras says of one site's place, by instant and site; 0 where it is not seen.
    """

    normal: Float64[np.ndarray, "border border"]
    descent: Float64[np.ndarray, " border"]
    first: int
    answer: Float64[np.ndarray, "control 40 border"]
    site_information: Float64[np.ndarray, "instant site"]

    def poses_answer(
        self, fit: SplineFit, t_ns: Int64[np.ndarray, " time"]
    ) -> Float64[np.ndarray, "time 40 border"]:
        """Change of the poses at instants of the stretch per unit of the border."""
        order = fit.trajectory.knots.degree + 1
        sampling = sampling_of(fit.trajectory.knots, t_ns)
        turns = fit.trajectory.evaluate(sampling.first, sampling.weights)[3]
        acting = self.answer[sampling.first[:, None] - self.first + np.arange(order)].copy()
        acting[:, :, TURN] = turns @ acting[:, :, TURN]
        return np.einsum("to,toab->tab", sampling.weights[:, 0], acting, optimize=True)


class _Terms(NamedTuple):
    """Per instant: pose by shape, shape by shape (scales, scales by offsets, each site's offsets), descent by shape."""

    coupling: AnyArray  # (instant, 40, 8 + 3 S)
    scales: AnyArray  # (instant, 8, 8)
    cross: AnyArray  # (instant, 8, 3 S)
    offsets: AnyArray  # (instant, S, 3, 3)
    descent: AnyArray  # (instant, 8 + 3 S)
    information: AnyArray  # (instant, S)


@partial(jax.jit, static_argnums=0)
def _chunk(structure: Structure, prior, scales, offsets, rig, instants: Instant) -> _Terms:
    skeleton = structure.skeleton
    values = scaled_values(skeleton, scales, offsets)
    none = jnp.zeros(3, scales.dtype)

    def one(instant: Instant) -> _Terms:
        blocks = seen_at(structure, prior, values, rig, instant).blocks
        _, by_pose = site_jacobians(skeleton, values, instant.q)

        def places(s, offset):
            return site_positions(skeleton, scaled_values(skeleton, s, offsets + offset[None]), instant.q)

        # a site feels only its own offset: all of them at once
        directions = jnp.eye(N_DIRECTIONS, dtype=scales.dtype)
        slopes = jax.vmap(lambda d: jax.jvp(places, (scales, none), (d[:N_SCALES], d[N_SCALES:]))[1])(
            directions
        )
        slopes = jnp.moveaxis(slopes, 0, -1)  # (S, 3, 11)
        by_scale, by_offset = slopes[..., :N_SCALES], slopes[..., N_SCALES:]
        weighted_scale, weighted_offset = blocks.normal @ by_scale, blocks.normal @ by_offset
        sites = len(by_scale)
        coupling = [
            jnp.einsum("sik,sij->kj", by_pose, weighted_scale),
            jnp.einsum("sik,sij->ksj", by_pose, weighted_offset).reshape(N, 3 * sites),
        ]
        descent = [
            jnp.einsum("sik,si->k", by_scale, blocks.descent),
            jnp.einsum("sik,si->sk", by_offset, blocks.descent).ravel(),
        ]
        return _Terms(
            jnp.concatenate(coupling, axis=1),
            jnp.einsum("sik,sij->kj", by_scale, weighted_scale),
            jnp.einsum("sik,sij->ksj", by_scale, weighted_offset).reshape(N_SCALES, 3 * sites),
            jnp.einsum("sik,sij->skj", by_offset, weighted_offset),
            jnp.concatenate(descent),
            jnp.trace(blocks.normal, axis1=1, axis2=2) / 3.0,
        )

    return jax.vmap(one)(instants)


def border_of(
    problem: FitProblem, body: BodyParameters, fit: SplineFit, controls: slice = slice(None)
) -> Border:
    """At a fitted trajectory; ``controls``: of a stretch alone, the poses beside it taken as known."""
    knots = fit.trajectory.knots
    first, last, _ = controls.indices(knots.count)
    linearisation = Linearisation(problem, body)
    skeleton = linearisation.structure.skeleton
    scales = jnp.asarray(log_scales(body), jnp.float32)
    offsets = jnp.asarray(site_offsets(body, skeleton), jnp.float32)
    sampling = sampling_of(knots, problem.pictures.t_ns)
    inside = (sampling.first >= first) & (sampling.first + knots.degree < last)
    begin, end = (int(np.flatnonzero(inside)[i]) for i in (0, -1)) if inside.any() else (0, -1)
    sampling = sampling.at(slice(0, end + 1))
    q, v, _, _ = fit.trajectory.evaluate(sampling.first, sampling.weights)

    learned = problem.prior.posture if isinstance(problem.prior.posture, LearnedPosture) else None
    shape = N_SCALES + 3 * len(skeleton.site_names)
    size = shape if learned is None else shape + N_POSTURE
    normal, descent = np.zeros((size, size)), np.zeros(size)
    coupling = np.zeros((last - first, N, size))
    interval_s = problem.pictures.since_s if problem.pictures.markers is None else problem.pictures.step_s
    new = np.asarray(fresh_share(jnp.asarray(interval_s), problem.prior.pixel_noise))
    information = [np.zeros((0, len(skeleton.site_names)))]
    for start in range(begin, end + 1, CHUNK):
        rows = slice(start, min(start + CHUNK, end + 1))
        found = _chunk(
            linearisation.structure,
            linearisation.prior,
            scales,
            offsets,
            linearisation.rig,
            linearisation.instants(q, v, rows),
        )
        terms = _of_instants(found, rows.stop - rows.start)
        _add_shape(normal, descent, terms)
        information.append(terms.information / new[rows, None])
        by_border = terms.coupling
        if learned is not None:
            share = problem.pictures.step_s[rows] / float(learned.correlation_time_s)
            by_posture = _add_posture(normal, descent, learned, q[rows], share)
            by_border = np.concatenate([by_border, by_posture], axis=2)
        _spread(coupling, sampling.first[rows] - first, sampling.weights[rows, 0], by_border)
    answer = -solved(_part(fit.band, first, last), coupling)
    normal += np.tensordot(coupling, answer, axes=([0, 1], [0, 1]))
    return Border(normal, descent, first, answer, np.concatenate(information))


def _of_instants(terms: _Terms, count: int) -> _Terms:
    """The first ``count`` of a chunk, in double precision."""
    return jax.tree.map(lambda x: np.asarray(x)[:count].astype(np.float64), terms)


def _add_shape(normal: np.ndarray, descent: np.ndarray, terms: _Terms) -> None:
    shape = terms.descent.shape[1]
    scales, offsets = slice(0, N_SCALES), slice(N_SCALES, shape)
    cross = terms.cross.sum(axis=0)
    normal[scales, scales] += terms.scales.sum(axis=0)
    normal[scales, offsets] += cross
    normal[offsets, scales] += cross.T
    for site, block in enumerate(terms.offsets.sum(axis=0)):
        place = slice(N_SCALES + 3 * site, N_SCALES + 3 * site + 3)
        normal[place, place] += block
    descent[:shape] += terms.descent.sum(axis=0)


def _add_posture(
    normal: np.ndarray,
    descent: np.ndarray,
    learned: LearnedPosture,
    q: Float64[np.ndarray, "n 41"],
    share: np.ndarray,
) -> Float64[np.ndarray, "n 40 36"]:
    """The pull towards the mean posture, by that mean; returns what couples it to the poses."""
    value, slope = posture(q)
    precision = np.asarray(learned.precision, np.float64)
    normal[-N_POSTURE:, -N_POSTURE:] += share.sum() * precision
    descent[-N_POSTURE:] += precision @ (share @ (value - np.asarray(learned.mean, np.float64)))
    return -share[:, None, None] * (np.swapaxes(slope, 1, 2) @ precision)


def _spread(
    coupling: Float64[np.ndarray, "control 40 border"],
    first: Int64[np.ndarray, " n"],
    value: Float64[np.ndarray, "n order"],
    by_border: Float64[np.ndarray, "n 40 border"],
) -> None:
    """Add what couples instants' poses to the border to the control poses that act there (turns as in the band)."""
    starts = np.flatnonzero(np.diff(first, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(first)], strict=True):
        own = value[start:end].T @ by_border[start:end].reshape(end - start, -1)
        coupling[first[start] : first[start] + len(own)] += own.reshape(-1, *coupling.shape[1:])


def _part(band: BlockBand, first: int, last: int) -> BlockBand:
    """The band over some of the control poses."""
    diagonals = None if band.diagonals is None else band.diagonals[:, first:last]
    return BlockBand(band.blocks[:, first:last], diagonals)
