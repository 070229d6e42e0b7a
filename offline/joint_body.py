"""The body from whole trajectories: the outer step of the bilevel fit over all recordings of a person together.

Shared by all: 8 log scales, three offsets per site, and how each foot's axis lies when the foot stands flat; each recording
has a mean posture of its own. Every recording's trajectory and mean posture are eliminated (:mod:`.trajectory.bordered`); what is
left is a Gauss-Newton step on the shared, with the priors of the body calibration.

A recording's pictures say less of the body than their number suggests: a detector's bias depends on the view, not on
time. So each recording counts as its effective instants (:func:`kincast.models.body_fit.effective_instants`) against the
priors. Pictures much sharper than the model is true would bend the body to its errors: then there is no step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.body import BodyParameters, log_scales, site_offsets
from kincast.models.body.skeleton import skeleton_of
from kincast.models.body_fit import BodyFitConfig, effective_instants, shared_prior, with_shape
from kincast.models.body_prior import FLAT_FOOT_MEAN, FLAT_FOOT_SD, posture_table
from kincast.models.foot_flat import flat_feet, foot_pitch, with_foot_axes
from kincast.models.knee_centre import KneeCentre
from kincast.models.observations import Observations
from kincast.models.pose_fit import BatchKinematics
from kincast.models.seen_points import SITE_NOISE_M, SeenPoints
from kincast.offline.trajectory.bordered import N_POSTURE, Border, border_of
from kincast.offline.trajectory.linearise import Linearisation
from kincast.offline.trajectory.posture import LearnedPosture
from kincast.offline.trajectory.problem import FitProblem
from kincast.offline.trajectory.spline import SplineFit

N_FEET = 2
LONGEST_S = 60.0
"""Of one recording; of a longer one stretches are taken, spread over it."""
STRETCH_S = 10.0
FOOT_STEP_NS = 17_000_000
FLAT_INSTANTS = 40
LEAST_SHARE = 0.05
"""Below, a look's own error is under a quarter of the model's (1.4 mm against 6)."""
MOST_LOG_SCALE = 0.1
MOST_OFFSET_M = 0.03
"""A step goes no further: beyond, the linearisation is worth little."""


class SharperThanModel(ArithmeticError):
    """Pictures know the sites' places far better than the model can put them: what is left over is the model's error."""


@dataclass(frozen=True)
class FittedRecording:
    """One recording with its trajectory, at the body that is to be improved."""

    observations: Observations
    problem: FitProblem
    fit: SplineFit


@dataclass(frozen=True)
class JointBody:
    """The improved body, the feet's pitch (rad) when flat, and the covariance of (8 log scales, 3 S offsets).

    ``borders``: per recording, the same with its own mean posture (36 angles) where that is learned.
    """

    parameters: BodyParameters
    flat_pitch: Float64[np.ndarray, "2"]
    covariance: Float64[np.ndarray, "shape shape"]
    borders: tuple[Float64[np.ndarray, "border border"], ...]


def joint_step(
    recordings: Sequence[FittedRecording],
    body: BodyParameters,
    flat_pitch: Float64[np.ndarray, "2"] | None,
    height_ratio: float | None,
    config: BodyFitConfig,
) -> JointBody:
    """One Gauss-Newton step from ``body``; the trajectories are to be fitted anew with what it returns.

    ``flat_pitch``: as the step before returned it; ``height_ratio``: stature over the generic adult's where it was measured.

    Raises:
        SharperThanModel: error-free keypoints, say; the body calibration weighs the model's error instant by instant.
        numpy.linalg.LinAlgError, NotPositiveDefinite: the recordings hold no trajectory to speak of.
    """
    site_set = recordings[0].problem.keypoint_set
    skeleton = skeleton_of(site_set)
    feet = np.full(N_FEET, FLAT_FOOT_MEAN) if flat_pitch is None else flat_pitch
    here = np.concatenate([log_scales(body), site_offsets(body, skeleton).ravel(), feet])
    everything, precision = shared_prior(site_set, height_ratio, config)
    kept = np.delete(np.arange(len(everything)), np.s_[-N_FEET - N_POSTURE : -N_FEET])
    usual = everything[-N_FEET - N_POSTURE : -N_FEET]
    mean, precision = everything[kept], precision[np.ix_(kept, kept)]
    knees = KneeCentre.of(skeleton, len(here))
    normal = knees.widened(precision)
    descent = normal @ (mean - here)
    postures: list[_Posture | None] = []
    for recording in recordings:
        said = _said_by(recording, body, feet, config)
        own_normal, own_descent, posture = _without_posture(*said, recording, usual)
        normal = normal + own_normal
        descent = descent + own_descent
        postures.append(posture)
    step = np.linalg.solve(normal, descent)
    step *= min(
        1.0,
        MOST_LOG_SCALE / max(float(np.abs(step[:8]).max()), 1e-12),
        MOST_OFFSET_M / max(float(np.abs(step[8:-N_FEET]).max()), 1e-12),
    )
    vector, covariance = knees.integrated_out(here + step, np.linalg.inv(normal), mean, precision)
    shape = covariance[:-N_FEET, :-N_FEET]
    borders = tuple(shape if own is None else own.with_shape(covariance) for own in postures)
    found = with_shape(body, skeleton.site_names, vector[:-N_FEET], shape)
    return JointBody(found, vector[-N_FEET:], shape, borders)


@dataclass(frozen=True)
class _Posture:
    """How a recording's mean posture answers to (shape, feet), and its covariance where those are known."""

    answer: Float64[np.ndarray, "36 rest"]
    own: Float64[np.ndarray, "36 36"]

    def with_shape(self, rest: Float64[np.ndarray, "rest rest"]) -> Float64[np.ndarray, "border border"]:
        """Covariance of shape and mean posture together; ``rest``: of shape and feet."""
        known = np.eye(len(rest))[:-N_FEET]
        both = np.concatenate([known, self.answer])
        out = both @ rest @ both.T
        out[-N_POSTURE:, -N_POSTURE:] += self.own
        return out


def _said_by(
    recording: FittedRecording, body: BodyParameters, feet: Float64[np.ndarray, "2"], config: BodyFitConfig
) -> tuple[Float64[np.ndarray, "all all"], Float64[np.ndarray, " all"]]:
    """Normal matrix and descent of one recording over shape, feet, and mean posture if it was learned."""
    stretches = _stretches(recording.fit)
    borders = [border_of(recording.problem, body, recording.fit, controls) for controls in stretches]
    spacing_s = recording.fit.trajectory.knots.spacing_s
    used_s = spacing_s * sum(len(b.answer) - recording.fit.trajectory.knots.degree for b in borders)
    looks = _effective(recording, config)
    left = _share_beside_model(np.concatenate([b.site_information for b in borders]))
    if left < LEAST_SHARE:
        raise SharperThanModel
    weight = looks / (1.0 + used_s / (2.0 * config.noise_correlation_s))
    size = len(borders[0].descent)
    shape = 8 + 3 * recording.problem.pictures.sites
    places = np.concatenate([np.arange(shape), np.arange(shape + N_FEET, size + N_FEET)])
    normal, descent = np.zeros((size + N_FEET,) * 2), np.zeros(size + N_FEET)
    for border in borders:
        normal[np.ix_(places, places)] += weight * border.normal
        descent[places] += weight * border.descent
        rows, residual = _flat_feet(recording, body, feet, border)
        share = looks / len(borders) / FLAT_INSTANTS / FLAT_FOOT_SD**2
        full = np.insert(rows, [shape, shape], 0.0, axis=2)
        full[:, 0, shape] = full[:, 1, shape + 1] = -1.0
        counted = share * np.isfinite(residual)
        normal += np.einsum("tfi,tf,tfj->ij", full, counted, full)
        descent -= np.einsum("tfi,tf,tf->i", full, counted, np.nan_to_num(residual))
    return normal, descent


def _share_beside_model(information: Float64[np.ndarray, "instant site"]) -> float:
    """How much of what looks say of the sites' places is left with the model's own error added to theirs."""
    seen = information[information > 0]
    return float((seen / (1.0 + SITE_NOISE_M**2 * seen)).sum() / seen.sum()) if len(seen) else 1.0


def _without_posture(
    normal: np.ndarray, descent: np.ndarray, recording: FittedRecording, usual: Float64[np.ndarray, "36"]
) -> tuple[np.ndarray, np.ndarray, _Posture | None]:
    """The recording's own mean posture eliminated, drawn to the usual one as far as people differ."""
    learned = recording.problem.prior.posture
    if not isinstance(learned, LearnedPosture):
        return normal, descent, None
    _, between, _ = posture_table()
    own = slice(len(descent) - N_POSTURE, None)
    rest = slice(0, len(descent) - N_POSTURE)
    inner = normal[own, own] + np.diag(between**-2)
    pull = descent[own] + (usual - np.asarray(learned.mean, np.float64)) / between**2
    gain = np.linalg.solve(inner, normal[own, rest]).T
    posture = _Posture(-gain.T, np.linalg.inv(inner))
    return normal[rest, rest] - gain @ normal[own, rest], descent[rest] - gain @ pull, posture


def _effective(recording: FittedRecording, config: BodyFitConfig) -> float:
    t_ns = recording.fit.trajectory.knots.greville_ns()
    t_ns = np.clip(t_ns, recording.problem.first_ns, recording.problem.last_ns)
    return effective_instants(recording.observations, t_ns, recording.fit.trajectory.motion(t_ns).q, config)


def _stretches(fit: SplineFit) -> list[slice]:
    knots = fit.trajectory.knots
    if knots.intervals * knots.spacing_s <= LONGEST_S:
        return [slice(0, knots.count)]
    length = int(STRETCH_S / knots.spacing_s) + knots.degree
    starts = np.linspace(0, knots.count - length, int(LONGEST_S / STRETCH_S)).astype(int)
    return [slice(start, start + length) for start in starts.tolist()]


def _instants(recording: FittedRecording, border: Border) -> Int64[np.ndarray, " time"]:
    """Evenly over the border's stretch, dense enough to see feet stand."""
    knots = recording.fit.trajectory.knots
    last = border.first + len(border.answer) - knots.degree
    first_ns, last_ns = (knots.start_ns + i * knots.spacing_ns for i in (border.first, last))
    return np.arange(first_ns, min(last_ns, recording.problem.last_ns), FOOT_STEP_NS)


def _flat_feet(
    recording: FittedRecording, body: BodyParameters, feet: Float64[np.ndarray, "2"], border: Border
) -> tuple[Float64[np.ndarray, "time 2 border"], Float64[np.ndarray, "time 2"]]:
    """How each foot's pitch answers to the border, and pitch minus that of a flat foot; NaN where it is not flat."""
    problem, fit = recording.problem, recording.fit
    skeleton = skeleton_of(problem.keypoint_set)
    axes = with_foot_axes(skeleton, problem.keypoint_set)
    t_ns = _instants(recording, border)
    if axes is None or len(t_ns) < FLAT_INSTANTS:
        return np.zeros((1, 2, len(border.descent))), np.full((1, 2), np.nan)
    motion = fit.trajectory.motion(t_ns)
    places, _ = Linearisation(problem, body).sites(motion.q, motion.v)
    unknown = np.zeros((*places.shape, 3))
    points = SeenPoints(t_ns, places.astype(np.float64), unknown, np.ones(places.shape[:2], bool))
    chosen = np.linspace(0, len(t_ns) - 1, FLAT_INSTANTS).astype(int)
    flat = flat_feet(points, problem.keypoint_set)[chosen]
    offsets = np.concatenate([site_offsets(body, skeleton), np.zeros((4, 3))])
    sites, jacobian = BatchKinematics(axes).poses(log_scales(body), offsets, motion.q[chosen])
    pitch, slope = foot_pitch(sites[:, -4:], jacobian[:, -4:])
    return slope @ border.poses_answer(fit, t_ns[chosen]), np.where(flat, pitch - feet, np.nan)
