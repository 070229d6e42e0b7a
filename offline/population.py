"""From what the recordings of many people say of each to the population they come from (empirical Bayes).

A person's shape and usual posture x_i (8 log scales, 3 S site offsets, 36 posture angles) are drawn from N(m, C); a body fit
says of them a Gaussian likelihood with information L_i and vector h_i = L_i x^_i, found by taking the prior off its
posterior. Given C the mean has a closed form (all x_i integrated out, a flat direction of one person left to others),

    m = (K + sum A_i)^-1 (K m_0 + sum A_i L_i^-1 h_i),     A_i = (L_i^-1 + C)^-1,     K = kappa C_0^-1 and more on proportions

and the shape's C its step of expectation-maximisation under an inverse-Wishart prior worth ``prior_people``,

    C = (nu C_0 + kappa (m - m_0)(m - m_0)' + sum (P_i + (x_i - m)(x_i - m)')) / (nu + kappa + N),

P_i, x_i the posterior of person i (Gelman et al., Bayesian Data Analysis, ch. 3 and 5; Dempster et al. 1977). Both sides of people
are alike: a person's mirror image is as good a person, so means and sums are made symmetric.
How people's usual posture differs is held: it says what they were doing, not who they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    """Weight of what was known before, in people.

    ``mean_people`` (kappa): of the earlier base, and of the table of usual posture, against the mean of the people
    seen (they were recorded at something: it must not be read as displaced sites); ``prior_people`` (nu): of the spreads.
    ``proportion_sd``: how far people's mean proportions may be off the earlier base (log): anthropometry knows the means
    better than detectors show them, and a thigh that is too long is what a knee off its place looks like.
    """

    mean_people: float = 1.0
    prior_people: float = 10.0
    proportion_sd: float = 0.015
    iterations: int = 60
    tolerance: float = 1e-4


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
    """The population of ``people`` with ``base`` as what was known before; nothing else of it is changed."""
    n_shape = len(base.mean)
    first_mean, first_precision = _prior(base)
    mean, covariance = first_mean, np.linalg.inv(first_precision)
    generic = covariance
    hold = config.mean_people * first_precision
    hold[1:8, 1:8] += np.eye(7) / config.proportion_sd**2
    mirror = mirror_matrix(base.keypoint_set)
    count = len(people)
    for _ in range(config.iterations):
        precision = np.linalg.inv(covariance)
        posteriors = [np.linalg.inv(person.information + precision) for person in people]
        normal, right = hold.copy(), hold @ first_mean
        for person, posterior in zip(people, posteriors, strict=True):
            normal += precision - precision @ posterior @ precision
            right += precision @ posterior @ person.vector
        new_mean = np.linalg.solve(_symmetric(normal, mirror), 0.5 * (right + mirror @ right))
        scatter = config.prior_people * generic
        scatter = scatter + config.mean_people * np.outer(new_mean - first_mean, new_mean - first_mean)
        for person, posterior in zip(people, posteriors, strict=True):
            deviation = posterior @ (person.vector + precision @ new_mean) - new_mean
            scatter += posterior + np.outer(deviation, deviation)
        scatter = _symmetric(scatter, mirror) / (config.prior_people + config.mean_people + count)
        new = generic.copy()
        new[:n_shape, :n_shape] = scatter[:n_shape, :n_shape]
        moved = np.abs(new_mean - mean) / np.sqrt(np.diag(covariance))
        widened = np.abs(np.diag(new) / np.diag(covariance) - 1.0)
        mean, covariance = new_mean, new
        if max(moved.max(), widened.max()) < config.tolerance:
            break
    return BaseBody(
        base.keypoint_set, mean[:n_shape], covariance[:n_shape, :n_shape], mean[n_shape:], people=count
    )


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
