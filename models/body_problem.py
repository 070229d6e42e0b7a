"""The bilevel least-squares problem of body calibration and its solver with arrow structure.

Unknown: one pose per instant; shared by all: 8 log scales, 3 offsets per site, the person's mean posture and
how each foot's axis lies when the foot stands flat. Gauss-Newton with Levenberg-Marquardt damping, poses
eliminated per instant (Schur complement), as in bundle adjustment (Triggs et al. 2000).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from kincast.models.body_prior import FLAT_FOOT_SD, posture_table
from kincast.models.foot_flat import foot_pitch
from kincast.models.pose_fit import BatchKinematics, PosePrior, PoseTerms, integrated, pose_terms, posture
from kincast.models.seen_points import SeenPoints

N_POSTURE = 36
N_FEET = 2
SPREAD_DOF = 2.0
"""Weight, in independent looks, of the usual spread of a posture angle against the one seen in a recording."""


@dataclass(frozen=True)
class Shared:
    """What all instants have in common. ``flat_pitch``: right and left foot axis (rad) when the foot stands flat."""

    log_scales: Float[np.ndarray, "8"]
    offsets: Float[np.ndarray, "site 3"]
    mean_posture: Float[np.ndarray, "36"]
    flat_pitch: Float[np.ndarray, "2"]

    def moved(self, step: Float[np.ndarray, " shared"]) -> Shared:
        n = 8 + self.offsets.size
        return Shared(
            self.log_scales + step[:8],
            self.offsets + step[8:n].reshape(-1, 3),
            self.mean_posture + step[n : n + N_POSTURE],
            self.flat_pitch + step[n + N_POSTURE :],
        )

    @staticmethod
    def of(vector: Float[np.ndarray, " shared"], sites: int) -> Shared:
        n = 8 + 3 * sites
        return Shared(vector[:8], vector[8:n].reshape(-1, 3), vector[n:-N_FEET], vector[-N_FEET:])

    @property
    def vector(self) -> Float[np.ndarray, " shared"]:
        return np.concatenate([self.log_scales, self.offsets.ravel(), self.mean_posture, self.flat_pitch])


MEASURED_SD = np.radians(1.5)
"""How far optical joint angles may be off (rad): skin movement and the fit to markers."""


@dataclass(frozen=True)
class MeasuredAngles:
    """Posture angles (rad) known from elsewhere, such as an optical system; NaN where unknown."""

    t_ns: Int64[np.ndarray, " row"]
    angles: Float[np.ndarray, "row 36"]

    def at(self, t_ns: Int64[np.ndarray, " time"]) -> Float[np.ndarray, "time 36"]:
        """Linear in time, NaN beyond the record."""
        known = (self.t_ns - t_ns[0]).astype(float)
        asked = (t_ns - t_ns[0]).astype(float)
        return np.stack(
            [np.interp(asked, known, column, left=np.nan, right=np.nan) for column in self.angles.T], axis=1
        )


@dataclass(frozen=True)
class BodyProblem:
    """Data and priors. ``weight`` (per instant): effective instants over instants; ``owner``: which recording.

    ``kinematics`` has four foot-axis sites behind the seen ones if ``flat`` (right, left) is ever true.
    ``measured``: angles (rad) known from elsewhere, NaN where unknown.
    """

    kinematics: BatchKinematics
    seen: SeenPoints
    flat: Bool[np.ndarray, "time 2"]
    owner: Int[np.ndarray, " time"]
    weight: Float[np.ndarray, " time"]
    within: PosePrior
    prior_mean: Float[np.ndarray, " shared"]
    prior_precision: Float[np.ndarray, "shared shared"]
    measured: Float[np.ndarray, "time 36"] | None = None


@dataclass(frozen=True)
class Evaluation:
    """Cost and Gauss-Newton terms of the poses at one point; Jacobian of the seen sites and of the flat feet."""

    cost: float
    terms: PoseTerms
    jacobian: Float[np.ndarray, "time site 3 40"]
    foot_slope: Float[np.ndarray, "time 2 40"]
    foot_residual: Float[np.ndarray, "time 2"]


@dataclass(frozen=True)
class Solution:
    """Best shared values and poses, covariance of the shared, iterations used."""

    shared: Shared
    q: Float[np.ndarray, "time 41"]
    covariance: Float[np.ndarray, "shared shared"]
    iterations: int


def padded_offsets(problem: BodyProblem, offsets: Float[np.ndarray, "site 3"]) -> Float[np.ndarray, "all 3"]:
    """Zero offsets for the foot-axis sites behind the seen ones."""
    extra = len(problem.kinematics.skeleton.site_names) - len(offsets)
    return np.concatenate([offsets, np.zeros((extra, 3))])


def evaluate(problem: BodyProblem, shared: Shared, q: Float[np.ndarray, "time 41"]) -> Evaluation:
    """Cost and linearised terms."""
    n_sites = len(shared.offsets)
    all_sites, all_jacobian = problem.kinematics.poses(
        shared.log_scales, padded_offsets(problem, shared.offsets), q
    )
    sites, jacobian = all_sites[:, :n_sites], all_jacobian[:, :n_sites]
    within = replace(problem.within, mean=shared.mean_posture)
    terms = pose_terms(sites, jacobian, q, problem.seen.points, problem.seen.information, within)
    foot_slope, foot_residual = np.zeros((len(q), N_FEET, 40)), np.zeros((len(q), N_FEET))
    if problem.flat.any():
        pitch, slope = foot_pitch(all_sites[:, n_sites:], all_jacobian[:, n_sites:])
        # in units of the sd, zero where the foot is not flat
        foot_residual = (pitch - shared.flat_pitch) * problem.flat / FLAT_FOOT_SD
        foot_slope = slope * problem.flat[..., None] / FLAT_FOOT_SD
        terms = replace(
            terms,
            cost=terms.cost + 0.5 * (foot_residual**2).sum(axis=1),
            normal=terms.normal + np.swapaxes(foot_slope, 1, 2) @ foot_slope,
            gradient=terms.gradient + np.einsum("tfi,tf->ti", foot_slope, foot_residual),
        )
    if problem.measured is not None:
        terms = _with_measured(terms, problem.measured, q)
    deviation = shared.vector - problem.prior_mean
    cost = float((problem.weight * terms.cost).sum() + 0.5 * deviation @ problem.prior_precision @ deviation)
    return Evaluation(cost, terms, jacobian, foot_slope, foot_residual)


def _with_measured(
    terms: PoseTerms, measured: Float[np.ndarray, "time 36"], q: Float[np.ndarray, "time 41"]
) -> PoseTerms:
    """Angles known from elsewhere as further observations of the poses."""
    value, slope = posture(q)
    known = np.isfinite(measured)
    off = np.where(known, value - measured, 0.0) / MEASURED_SD
    rows = slope * known[..., None] / MEASURED_SD
    return replace(
        terms,
        cost=terms.cost + 0.5 * (off**2).sum(axis=1),
        normal=terms.normal + np.swapaxes(rows, 1, 2) @ rows,
        gradient=terms.gradient + np.einsum("tfi,tf->ti", rows, off),
    )


@dataclass(frozen=True)
class ArrowSystem:
    """Normal equations: pose blocks, coupling pose x shared, shared block; gradients of both."""

    pose_normal: Float[np.ndarray, "time 40 40"]
    pose_gradient: Float[np.ndarray, "time 40"]
    coupling: Float[np.ndarray, "time 40 shared"]
    shared_normal: Float[np.ndarray, "shared shared"]
    shared_gradient: Float[np.ndarray, " shared"]

    def reduced(
        self, damping: float
    ) -> tuple[
        Float[np.ndarray, "shared shared"], Float[np.ndarray, " shared"], Float[np.ndarray, "time 40 _"]
    ]:
        """Schur complement onto the shared parameters, its right side, and the eliminated columns (last: gradient)."""
        pose = self.pose_normal + damping * np.einsum("tii->ti", self.pose_normal)[:, :, None] * np.eye(40)
        columns = np.concatenate([self.coupling, self.pose_gradient[..., None]], axis=2)
        eliminated = np.linalg.solve(pose, columns)
        flat = self.coupling.reshape(-1, self.coupling.shape[2])
        schur = self.shared_normal - flat.T @ eliminated[:, :, :-1].reshape(flat.shape)
        schur += damping * np.diag(np.diag(self.shared_normal))
        right = self.shared_gradient - np.einsum("tik,ti->k", self.coupling, eliminated[:, :, -1])
        return schur, right, eliminated


def arrow_system(
    problem: BodyProblem, shared: Shared, q: Float[np.ndarray, "time 41"], at: Evaluation
) -> ArrowSystem:
    """All blocks, weighted by effective instants."""
    terms, weight = at.terms, problem.weight
    t, s = terms.residual.shape[:2]
    all_scale, all_offset = problem.kinematics.shape(
        shared.log_scales, padded_offsets(problem, shared.offsets), q
    )
    by_scale, by_offset = all_scale[:, :s], all_offset[:, :s]
    weighted = terms.weighted * weight[:, None, None, None]
    weighted_scale, weighted_offset = weighted @ by_scale, weighted @ by_offset
    n_shape = 8 + 3 * s
    n_shared = len(problem.prior_mean)
    posture_columns, foot_columns = slice(n_shape, n_shape + N_POSTURE), slice(n_shape + N_POSTURE, n_shared)

    coupling = np.zeros((t, 40, n_shared))
    pose_rows = np.swapaxes(at.jacobian.reshape(t, 3 * s, 40), 1, 2)
    coupling[:, :, :8] = pose_rows @ weighted_scale.reshape(t, 3 * s, 8)
    by_site = np.swapaxes(at.jacobian, -1, -2) @ weighted_offset
    coupling[:, :, 8:n_shape] = np.moveaxis(by_site, 1, 2).reshape(t, 40, 3 * s)
    value, slope = posture(q)
    inverse_variance = problem.within.sd**-2 * weight[:, None]
    coupling[:, :, posture_columns] = -np.swapaxes(slope, 1, 2) * inverse_variance[:, None, :]
    coupling[:, :, foot_columns] = -np.swapaxes(at.foot_slope, 1, 2) * weight[:, None, None] / FLAT_FOOT_SD

    normal = problem.prior_precision.copy()
    normal[:8, :8] += np.einsum("tsik,tsil->kl", by_scale, weighted_scale)
    cross = np.einsum("tsik,tsij->ksj", weighted_scale, by_offset).reshape(8, 3 * s)
    normal[:8, 8:n_shape] += cross
    normal[8:n_shape, :8] += cross.T
    own = np.einsum("tski,tskj->sij", by_offset, weighted_offset)
    for site in range(s):
        block = slice(8 + 3 * site, 11 + 3 * site)
        normal[block, block] += own[site]
    diagonal = np.einsum("ii->i", normal)
    diagonal[posture_columns] += inverse_variance.sum(axis=0)
    diagonal[foot_columns] += (problem.flat * weight[:, None]).sum(axis=0) / FLAT_FOOT_SD**2

    gradient = problem.prior_precision @ (shared.vector - problem.prior_mean)
    gradient[:8] += np.einsum("tsik,tsi->k", weighted_scale, terms.residual)
    gradient[8:n_shape] += np.einsum("tsij,tsi->sj", weighted_offset, terms.residual).ravel()
    gradient[posture_columns] -= ((value - shared.mean_posture) * inverse_variance).sum(axis=0)
    gradient[foot_columns] -= (at.foot_residual * weight[:, None]).sum(axis=0) / FLAT_FOOT_SD
    return ArrowSystem(
        terms.normal * weight[:, None, None], terms.gradient * weight[:, None], coupling, normal, gradient
    )


def solve(problem: BodyProblem, shared: Shared, q: Float[np.ndarray, "time 41"], iterations: int) -> Solution:
    """Levenberg-Marquardt on poses and shared parameters together; the spread of postures is learned on the way."""
    damping = 1e-3
    problem = _with_learned_spread(problem, q)
    at = evaluate(problem, shared, q)
    done = 0
    while done < iterations:
        done += 1
        system = arrow_system(problem, shared, q, at)
        for _ in range(6):
            schur, right, eliminated = system.reduced(damping)
            step = -np.linalg.solve(schur, right)
            pose_step = -eliminated[:, :, -1] - eliminated[:, :, :-1] @ step
            pose_step *= np.minimum(1.0, 0.5 / np.maximum(np.abs(pose_step).max(axis=1), 1e-9))[:, None]
            trial, trial_q = shared.moved(step), integrated(q, pose_step)
            new = evaluate(problem, trial, trial_q)
            if new.cost < at.cost:
                break
            damping *= 10.0
        else:
            break
        gain = at.cost - new.cost
        shared, q, at = trial, trial_q, new
        damping = max(damping * 0.2, 1e-8)
        if gain < 1e-5 * (1.0 + abs(at.cost)) and done > 3:
            break
        if done <= 8:
            problem = _with_learned_spread(problem, q)
            at = evaluate(problem, shared, q)
    schur, _, _ = arrow_system(problem, shared, q, at).reduced(0.0)
    return Solution(shared, q, np.linalg.inv(schur), done)


def _with_learned_spread(problem: BodyProblem, q: Float[np.ndarray, "time 41"]) -> BodyProblem:
    """How far each recording moves about its own mean posture, learned from it (scaled-inverse-chi-square prior).

    Walking hardly tilts the pelvis, so there its mean decides; sitting down moves it by 40 degrees, so there
    it must not. One fixed spread is wrong for one of the two.
    """
    value, _ = posture(q)
    typical = posture_table()[2]
    sd = np.tile(typical, (len(q), 1))
    for i in np.unique(problem.owner):
        rows = problem.owner == i
        looks = problem.weight[rows].sum()
        variance = value[rows].var(axis=0)
        sd[rows] = np.sqrt((SPREAD_DOF * typical**2 + looks * variance) / (SPREAD_DOF + looks))
    return replace(problem, within=replace(problem.within, sd=sd))
