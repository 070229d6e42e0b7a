"""Whether two recordings show one person: by how likely their bodies are, as one person's and as two people's.

A body fit without its prior says of the shape x (8 log scales, 3 offsets per site) a Gaussian likelihood. People are
drawn from the base body N(m, C); the same person is seen a little different every time, by N(0, D). Then the odds are

    Z(1 and 2) / (Z(1) Z(2)),   log Z = h'm + m'Lm terms: 1/2 (h + Km)' (L + K)^-1 (h + Km) - 1/2 log |L + K| + const,

with L, h the information and vector of the evidence widened by D, K = C^-1 (a Bayes factor; Kass & Raftery 1995).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from kincast.models.base_body import BaseBody, generic_base
from kincast.models.body import SCALES, BodyParameters, log_scales
from kincast.models.body.sites import sites_of
from kincast.models.body_fit import BodyFitConfig, fit_body
from kincast.models.body_prior import posture_table
from kincast.models.errors import UserMistakeError
from kincast.models.observations import Observations
from kincast.offline.population import evidence_of

SITE_SEEN_SD_M = 0.005
"""Of one person's keypoint between recordings, per axis: other clothes, another side to the cameras."""
SCALE_SEEN_SD = 0.01
"""The same of a log scale: calibrations agree on lengths to about a hundredth."""
ONE_PERSON_LOG_ODDS = float(np.log(1000.0))
"""What was given as one person's recordings is so, but for one time in a thousand."""
SURE_LOG_ODDS = float(np.log(10.0))
"""Two people are said only where they are ten times as likely all the same."""


@dataclass(frozen=True)
class ShapeEvidence:
    """What a recording says of the person's shape, as a Gaussian likelihood: information and vector; ``size``: overall scale."""

    information: Float[np.ndarray, "shape shape"]
    vector: Float[np.ndarray, " shape"]
    size: float


def shape_evidence(observations: Observations, base: BaseBody | None = None) -> ShapeEvidence | None:
    """Of one recording alone; None where it is too little for a body."""
    base = base or generic_base(observations.keypoint_set)
    try:
        fit = fit_body(observations, config=BodyFitConfig(base=base))
    except UserMistakeError:
        return None
    found = evidence_of(fit, base)
    n = len(base.mean)
    # posture is the recording's, not the person's: integrated out under its prior
    precision = posture_table()[1] ** -2.0
    posture = found.information[n:, n:] + np.diag(precision)
    right = np.concatenate(
        [found.information[n:, :n], (found.vector[n:] + precision * base.mean_posture)[:, None]], axis=1
    )
    solved = np.linalg.solve(posture, right)
    information = found.information[:n, :n] - found.information[:n, n:] @ solved[:, :-1]
    vector = found.vector[:n] - found.information[:n, n:] @ solved[:, -1]
    variance = np.full(n, SITE_SEEN_SD_M**2)
    variance[: len(SCALES)] = SCALE_SEEN_SD**2
    widened = np.linalg.inv(np.eye(n) + information * variance)  # (L^-1 + D)^-1 = (1 + L D)^-1 L
    return ShapeEvidence(widened @ information, widened @ vector, float(fit.parameters.scales["overall"]))


def evidence_of_body(body: BodyParameters, base: BaseBody) -> ShapeEvidence | None:
    """What a body file says; None where it is of another keypoint set."""
    sites = sites_of(base.keypoint_set)
    if any(name not in body.site_offsets for name in sites):
        return None
    zero = (0.0, 0.0, 0.0)
    shape = np.concatenate([log_scales(body), np.ravel([body.site_offsets[name] for name in sites])])
    scales_sd = [body.scales_sd[name] / body.scales[name] for name in SCALES]
    sites_sd = np.ravel([body.site_offsets_sd.get(name, zero) for name in sites])
    seen_sd = np.repeat([SCALE_SEEN_SD, SITE_SEEN_SD_M], [len(SCALES), len(sites_sd)])
    information = 1.0 / (np.concatenate([scales_sd, sites_sd]) ** 2 + seen_sd**2)
    return ShapeEvidence(np.diag(information), information * shape, float(body.scales["overall"]))


def log_odds(one: ShapeEvidence, other: ShapeEvidence, base: BaseBody) -> float:
    """Of one person against two, before what was believed: positive speaks for one.

    The smaller of the odds by the whole shape and by the scales alone, whatever the sites: like sites do not excuse
    another size (a calibration in other units).
    """
    scales = len(SCALES)
    few = BaseBody(
        base.keypoint_set, base.mean[:scales], base.covariance[:scales, :scales], base.mean_posture
    )
    by_scales = _log_odds(_of_scales(one, base), _of_scales(other, base), few)
    return min(_log_odds(one, other, base), by_scales)


def are_two_people(one: ShapeEvidence, other: ShapeEvidence, base: BaseBody) -> bool:
    """Whether they surely are, though they were given as one."""
    return log_odds(one, other, base) < -(ONE_PERSON_LOG_ODDS + SURE_LOG_ODDS)


def _of_scales(evidence: ShapeEvidence, base: BaseBody) -> ShapeEvidence:
    """The sites integrated out under the base."""
    n = len(SCALES)
    precision = np.linalg.inv(base.covariance)
    posterior, right = precision + evidence.information, precision @ base.mean + evidence.vector
    solved = np.linalg.solve(posterior[n:, n:], np.concatenate([posterior[n:, :n], right[n:, None]], axis=1))
    prior = np.linalg.inv(base.covariance[:n, :n])
    information = posterior[:n, :n] - posterior[:n, n:] @ solved[:, :-1] - prior
    vector = right[:n] - posterior[:n, n:] @ solved[:, -1] - prior @ base.mean[:n]
    return ShapeEvidence(information, vector, evidence.size)


def _log_odds(one: ShapeEvidence, other: ShapeEvidence, base: BaseBody) -> float:
    both = ShapeEvidence(one.information + other.information, one.vector + other.vector, one.size)
    together, first, second = (_log_evidence(e, base) for e in (both, one, other))
    return together - first - second


def _log_evidence(evidence: ShapeEvidence, base: BaseBody) -> float:
    """log of the integral of exp(-x'Lx/2 + h'x) over N(m, C)."""
    precision = np.linalg.inv(base.covariance)
    posterior = precision + 0.5 * (evidence.information + evidence.information.T)
    right = evidence.vector + precision @ base.mean
    quadratic = right @ np.linalg.solve(posterior, right) - base.mean @ precision @ base.mean
    determinants = np.linalg.slogdet(posterior)[1] - np.linalg.slogdet(precision)[1]
    return float(0.5 * (quadratic - determinants))
