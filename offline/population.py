"""From what the recordings of many people say of each to the population they come from (hierarchical Gaussian model).

A person's shape and usual posture x_i (8 log scales, 3 S site offsets, 36 posture angles) are drawn from N(m, C); a body fit
says of them a Gaussian likelihood with information L_i and vector h_i, found by taking the prior off its posterior.
What a fit gets wrong where its data say little is not its own chance: how the model's knee moves, what counts as a flat foot, how
far a posture strays from its mean err alike for everyone. So the fits' errors have a common part e (share ``alike``):

    h_i = L_i (x_i + e + e_i),   x_i ~ N(m, C),   e ~ N(0, alike L^-1),   e_i ~ N(0, (1 - alike) L_i^-1),   L the mean of L_i

and (m, e) are solved together with every x_i integrated out, under a prior on m of the earlier base (Gelman et al., Bayesian Data
Analysis, ch. 5). Directions that people show well are learned as fast as people come; those they hardly show stay at the earlier
base however many come. Both sides of people are alike: a person's mirror image is as good a person.

The spread C is held, and so is the exported usual posture: people's posture in the recordings says what they were doing, not who
people are, and in pictures it is confused with displaced sites.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.linalg import block_diag

from kincast.models.base_body import BaseBody
from kincast.models.body import SCALES
from kincast.models.body.sites import sites_of
from kincast.models.body_fit import BodyFit
from kincast.models.body_prior import POSTURE, posture_table
from kincast.models.mirrored_sites import left_right_pairs


@dataclass(frozen=True)
class PopulationConfig:
    """``mean_people``: the earlier base counts as so many people; ``alike``: share of a fit's error common to all people.

    ``proportion_sd``: how far people's mean proportions may be off the earlier base (log): anthropometry knows the means
    better than detectors show them, and a thigh that is too long is what a knee off its place looks like.
    """

    mean_people: float = 1.0
    alike: float = 0.7
    proportion_sd: float = 0.015


@dataclass(frozen=True)
class Evidence:
    """What one person's recordings say of them, whatever was assumed: ``information`` L and ``vector`` h = L x^."""

    information: Float[np.ndarray, "shared shared"]
    vector: Float[np.ndarray, " shared"]


def evidence_of(fit: BodyFit, base: BaseBody) -> Evidence:
    """The likelihood alone: the fit's posterior without the prior ``base`` it was made with.

    A measured height was told to the fit beside the base, so it stays in the evidence.
    """
    n_shape = len(base.mean)
    n = n_shape + len(POSTURE)
    prior_mean, prior_precision = _prior(base)
    parameters = fit.parameters
    offsets = [parameters.site_offsets[name] for name in sites_of(base.keypoint_set)]
    scales = np.log([parameters.scales[name] for name in SCALES])
    found = np.concatenate([scales, np.ravel(offsets), fit.mean_posture])
    posterior = np.linalg.inv(fit.covariance[:n, :n])
    vector = posterior @ found - prior_precision @ prior_mean
    information = posterior - prior_precision
    # rounding may leave directions of nothing slightly below zero, in units of the prior
    root = np.linalg.cholesky(prior_precision)
    inverse = np.linalg.inv(root)
    share, direction = np.linalg.eigh(inverse @ (0.5 * (information + information.T)) @ inverse.T)
    basis = root @ direction
    known = share > 1e-9
    return Evidence(
        (basis * np.where(known, share, 0.0)) @ basis.T,
        basis @ np.where(known, direction.T @ inverse @ vector, 0.0),
    )


def learned_base(
    base: BaseBody, people: Sequence[Evidence], config: PopulationConfig = PopulationConfig()
) -> BaseBody:
    """The mean shape of the population of ``people`` with ``base`` as what was known before; nothing else of it is changed."""
    first, precision = _prior(base)
    # in units of the earlier base's spread, in which C is the identity
    root = np.linalg.cholesky(np.linalg.inv(precision))
    mirror = np.linalg.solve(root, mirror_matrix(base.keypoint_set) @ root)
    unit = np.eye(len(first))
    said, right, alike = np.zeros_like(unit), np.zeros_like(first), np.zeros_like(unit)
    for person in people:
        information = root.T @ person.information @ root
        own = information / (1.0 - config.alike)
        share = np.linalg.inv(own + unit)
        said += unit - share
        right += share @ root.T @ (person.vector - person.information @ first) / (1.0 - config.alike)
        alike += information / (len(people) * config.alike)
    said, alike = _symmetric(said, mirror), _symmetric(alike, mirror)
    right = 0.5 * (right + mirror @ right)
    # e is solved out of the system of m and e; where nobody shows anything it is left anywhere
    doubt = said @ np.linalg.inv(said + alike + 1e-9 * unit)
    hold = precision * config.mean_people
    hold[1:8, 1:8] += np.eye(7) / config.proportion_sd**2
    moved = root @ np.linalg.solve(root.T @ hold @ root + said - doubt @ said, right - doubt @ right)
    return replace(base, mean=base.mean + moved[: len(base.mean)], people=len(people))


def mirror_matrix(keypoint_set: str) -> Float[np.ndarray, "shared shared"]:
    """Shape and posture of a person -> those of their mirror image."""
    n_sites = len(sites_of(keypoint_set))
    partner = np.arange(n_sites)
    for left, right in left_right_pairs(keypoint_set):
        partner[left], partner[right] = right, left
    offsets = np.zeros((3 * n_sites, 3 * n_sites))
    for site, other in enumerate(partner):
        offsets[3 * site : 3 * site + 3, 3 * other : 3 * other + 3] = np.diag([1.0, 1.0, -1.0])
    return np.asarray(block_diag(_exchanged(SCALES), offsets, _exchanged(POSTURE)))


_TURNS_ROUND = ("pelvis_list", "lumbar_bending", "lumbar_rotation", "neck_bending", "neck_rotation")
"""Angles of the middle of the body that the mirror reverses; those of the limbs have one clinical meaning on both sides."""


def _exchanged(names: Sequence[str]) -> Float[np.ndarray, "name name"]:
    """Right and left exchanged."""
    other = {"_r": "_l", "_l": "_r"}
    matrix = np.zeros((len(names), len(names)))
    for i, name in enumerate(names):
        partner = name[:-2] + other[name[-2:]] if name[-2:] in other else name
        matrix[i, names.index(partner)] = -1.0 if name in _TURNS_ROUND else 1.0
    return matrix


def _prior(base: BaseBody) -> tuple[Float[np.ndarray, " shared"], Float[np.ndarray, "shared shared"]]:
    """Mean and precision of shape and usual posture."""
    between = posture_table()[1]
    shape = base.shape_prior()
    mean = np.concatenate([base.mean, base.mean_posture])
    return mean, np.asarray(block_diag(shape.precision, np.diag(between**-2)))


def _symmetric(matrix: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Mean of a matrix and its mirror image."""
    return 0.5 * (matrix + mirror @ matrix @ mirror.T)
