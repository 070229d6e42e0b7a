"""Body calibration: scales, site offsets and posture of one person from what was seen of them (bilevel).

Every instant has its own pose; all share the shape (8 log scales, 3 offsets per site) and the person's mean
posture. Gauss-Newton with the arrow structure: poses are eliminated per instant (Schur complement) onto the
shared parameters. Instants are not independent (detector noise is correlated over some 75 ms and its
bias depends on the view, not on time), so each recording counts as a small number of effective instants
against the priors: hundreds of frames of one walk do not overrule anatomy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int64

from kincast.models.body import SCALES, BodyParameters
from kincast.models.body.skeleton import skeleton_of
from kincast.models.body_prior import ShapePriorConfig, pose_prior, posture_table, shape_prior
from kincast.models.errors import UserMistakeError
from kincast.models.initial_pose import laid_onto, similarity, start_postures
from kincast.models.observations import Observations
from kincast.models.pose_fit import BatchKinematics, PosePrior, fit_poses, integrated, pose_terms, posture
from kincast.models.seen_points import SeenPoints, seen_points
from kincast.models.triangulation import ViewGeometry

GENERIC_HEIGHT_M = 1.70
GENERIC_MASS_KG = 75.3
N_POSTURE = 36


class TooLittleSeenError(UserMistakeError):
    """The recordings do not show enough of the person to calibrate a body."""


class UnlikePersonError(UserMistakeError):
    """What was seen cannot be explained by a human body."""


@dataclass(frozen=True)
class BodyFitConfig:
    """``max_frames`` over all recordings. The noise figures set how many effective instants a recording has.

    ``noise_px`` and ``noise_correlation_s``: detector noise about its bias; ``bias_px``: constant per keypoint and
    45 degrees of view direction.
    """

    max_frames: int = 120
    min_frames: int = 8
    min_points: int = 10
    iterations: int = 25
    noise_px: float = 3.5
    noise_correlation_s: float = 0.075
    bias_px: float = 2.0
    max_median_m: float = 0.06
    shape: ShapePriorConfig = field(default_factory=ShapePriorConfig)


@dataclass(frozen=True)
class FittedFrames:
    """Poses of the instants used of one recording."""

    t_ns: Int64[np.ndarray, " time"]
    q: Float[np.ndarray, "time 41"]
    distance_m: Float[np.ndarray, "time site"]


@dataclass(frozen=True)
class BodyFit:
    """The person, the covariance of (8 log scales, 3 S offsets, 36 mean posture angles) and how it was reached."""

    parameters: BodyParameters
    covariance: Float[np.ndarray, "shared shared"]
    mean_posture: Float[np.ndarray, "36"]
    frames: tuple[FittedFrames, ...]
    effective_instants: float
    median_distance_m: float
    iterations: int


@dataclass(frozen=True)
class _Shared:
    """What all instants have in common."""

    log_scales: np.ndarray
    offsets: np.ndarray
    mean_posture: np.ndarray

    def moved(self, step: np.ndarray) -> _Shared:
        n = 8 + self.offsets.size
        return _Shared(
            self.log_scales + step[:8], self.offsets + step[8:n].reshape(-1, 3), self.mean_posture + step[n:]
        )

    @property
    def vector(self) -> np.ndarray:
        return np.concatenate([self.log_scales, self.offsets.ravel(), self.mean_posture])


@dataclass(frozen=True)
class _Problem:
    kinematics: BatchKinematics
    seen: SeenPoints
    weight: np.ndarray
    within: PosePrior
    prior_mean: np.ndarray
    prior_precision: np.ndarray


def fit_body(
    observations: Observations | Sequence[Observations],
    *,
    mass_kg: float | None = None,
    height_m: float | None = None,
    external_support: str = "none",
    config: BodyFitConfig = BodyFitConfig(),
) -> BodyFit:
    """Calibrate the body of the one person seen in all ``observations`` (recordings of one keypoint or marker set).

    A measured mass wins; otherwise it is guessed from the size with its honest, wide sd.

    Raises:
        TooLittleSeenError: too few instants, or too few keypoints seen by two cameras.
        UnlikePersonError: no human body explains the points (calibration wrong, people mixed up).
    """
    recordings = [observations] if isinstance(observations, Observations) else list(observations)
    if not recordings:
        raise TooLittleSeenError("no recording was given to calibrate the body from")
    site_set = recordings[0].keypoint_set
    skeleton = skeleton_of(site_set)
    if other := [r.keypoint_set for r in recordings if r.keypoint_set != site_set]:
        raise TooLittleSeenError(
            f"recordings of different keypoint sets ({site_set}, {other[0]}) share no sites"
        )
    parts = [_chosen_rows(recording, config, len(recordings)) for recording in recordings]
    _require_enough(parts, recordings, config)

    kinematics = BatchKinematics(skeleton)
    seen = SeenPoints.joined(parts)
    owner = np.concatenate([np.full(len(p.t_ns), i) for i, p in enumerate(parts)])
    height_ratio = None if height_m is None else height_m / GENERIC_HEIGHT_M
    start = _rough_size(kinematics, seen, height_ratio)
    q = _rough_poses(kinematics, start, seen)
    q, seen, owner = _without_strangers(kinematics, start, q, seen, owner, config)

    mean, between, within_sd = posture_table()
    weight = np.zeros(len(q))
    effective = 0.0
    for i, recording in enumerate(recordings):
        rows = owner == i
        if rows.any():
            instants = effective_instants(recording, seen.t_ns[rows], q[rows], config)
            weight[rows] = min(1.0, instants / rows.sum())
            effective += weight[rows].sum()
    shape = shape_prior(site_set, height_ratio, config.shape)
    prior_mean = np.concatenate([shape.mean, mean])
    precision = np.zeros((len(prior_mean), len(prior_mean)))
    n_shape = len(shape.mean)
    precision[:n_shape, :n_shape] = shape.precision
    precision[n_shape:, n_shape:] = np.diag(between**-2)
    within = PosePrior(mean, within_sd, pose_prior().lower, pose_prior().upper)
    problem = _Problem(kinematics, seen, weight, within, prior_mean, precision)
    shared = _Shared(start, np.zeros((len(skeleton.site_names), 3)), mean)
    shared, q, covariance, iterations = _solve(problem, shared, q, config.iterations)

    sites, _ = kinematics.poses(shared.log_scales, shared.offsets, q)
    distance = np.where(seen.valid, np.linalg.norm(sites - seen.points, axis=-1), np.nan)
    median = float(np.nanmedian(distance))
    if not median < config.max_median_m:
        raise UnlikePersonError(
            f"no body explains the recording: its points lie {median * 1000:.0f} mm (median) off the best one; check"
            " the cameras' calibration, the keypoint set's name and that one person was followed"
        )
    frames = tuple(
        FittedFrames(seen.t_ns[owner == i], q[owner == i], distance[owner == i])
        for i in range(len(recordings))
    )
    return BodyFit(
        parameters=_parameters(skeleton.site_names, shared, covariance, mass_kg, external_support),
        covariance=covariance,
        mean_posture=shared.mean_posture,
        frames=frames,
        effective_instants=effective,
        median_distance_m=median,
        iterations=iterations,
    )


def effective_instants(
    recording: Observations,
    t_ns: Int64[np.ndarray, " time"],
    q: Float[np.ndarray, "time 41"],
    config: BodyFitConfig,
) -> float:
    """How many independent looks a stretch is worth, from its duration and from how often the view changed.

    The mean over a stretch has the variance noise^2 / n_noise + bias^2 / n_views; divided by one look's noise^2.
    Optical markers have no view-dependent bias; their error (skin) follows the motion: one look per 0.5 s.
    """
    duration_s = float(t_ns[-1] - t_ns[0]) * 1e-9
    if recording.markers is not None:
        return 1.0 + duration_s / 0.5
    n_noise = 1.0 + duration_s / (2.0 * config.noise_correlation_s)
    directions = set()
    forward = _heading(q)
    for camera in range(len(recording.cameras)):
        side = q[:, :2] - _camera_place(recording, camera)
        view = np.arctan2(side[:, 1], side[:, 0]) - forward
        directions |= {(camera, int(b)) for b in np.floor((view % (2 * np.pi)) / (np.pi / 4))}
    n_views = len(directions) / len(recording.cameras)
    return config.noise_px**2 / (config.noise_px**2 / n_noise + config.bias_px**2 / n_views)


def _heading(q: Float[np.ndarray, "time 41"]) -> Float[np.ndarray, " time"]:
    w, x, y, z = q[:, 3:7].T
    return np.arctan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))


def _camera_place(recording: Observations, camera: int) -> Float[np.ndarray, "2"]:
    return ViewGeometry.of(recording.cameras[camera : camera + 1]).centre[0, :2]


def _chosen_rows(recording: Observations, config: BodyFitConfig, n_recordings: int) -> SeenPoints:
    """Instants spread over the recording, at irregular spacing lest they all fall on the same phase of the gait."""
    seen = seen_points(recording)
    enough = np.flatnonzero(seen.valid.sum(axis=1) >= min(config.min_points, seen.valid.shape[1]))
    most = max(config.min_frames, config.max_frames // n_recordings)
    if len(enough) > most:
        place = (np.arange(most) + (np.arange(most) * 0.6180339887) % 1.0) / most
        enough = enough[np.unique((place * len(enough)).astype(int))]
    return seen.rows(enough)


def _require_enough(parts: list[SeenPoints], recordings: list[Observations], config: BodyFitConfig) -> None:
    found = sum(len(p.t_ns) for p in parts)
    if found < config.min_frames:
        rows = sum(len(r.t_ns) for r in recordings)
        raise TooLittleSeenError(
            f"the body needs {config.min_frames} instants with {config.min_points} keypoints seen by two cameras at an"
            f" angle; the recording has {found} of {rows}: check the calibration, or record a few steps in view of all cameras"
        )


def _rough_size(kinematics: BatchKinematics, seen: SeenPoints, height_ratio: float | None) -> np.ndarray:
    """Overall log scale from the start postures laid onto the points: the scale of the best of them, median over time."""
    scales = np.zeros(8)
    if height_ratio is not None:
        scales[0] = np.log(height_ratio)
        return scales
    templates, _ = kinematics.poses(scales, np.zeros((seen.points.shape[1], 3)), start_postures())
    found = []
    for points, valid in zip(seen.points, seen.valid, strict=True):
        best = (np.inf, 1.0)
        for template in templates:
            rotation, _, scale = similarity(template[valid], points[valid])
            a = template[valid] - template[valid].mean(axis=0)
            b = points[valid] - points[valid].mean(axis=0)
            best = min(best, (float(((scale * a @ rotation.T - b) ** 2).sum()), scale))
        found.append(best[1])
    scales[0] = np.log(np.clip(np.median(found), 0.35, 1.6))
    return scales


def _rough_poses(kinematics: BatchKinematics, scales: np.ndarray, seen: SeenPoints) -> np.ndarray:
    """Best of the start postures per instant: a few steps for all, then the rest of the way for the winner."""
    offsets = np.zeros((seen.points.shape[1], 3))
    starts = laid_onto(kinematics, scales, offsets, seen.points, seen.valid)
    n, p = starts.shape[:2]
    loose = np.eye(3) / 0.03**2 * seen.valid[..., None, None]
    q, cost, _ = fit_poses(
        kinematics,
        scales,
        offsets,
        starts.reshape(n * p, 41),
        np.repeat(seen.points, p, axis=0),
        np.repeat(loose, p, axis=0),
        pose_prior(),
        iterations=5,
    )
    best = np.argmin(cost.reshape(n, p), axis=1)
    q = q.reshape(n, p, 41)[np.arange(n), best]
    q, _, _ = fit_poses(kinematics, scales, offsets, q, seen.points, loose, pose_prior(), iterations=15)
    return q


def _without_strangers(
    kinematics: BatchKinematics,
    scales: np.ndarray,
    q: np.ndarray,
    seen: SeenPoints,
    owner: np.ndarray,
    config: BodyFitConfig,
) -> tuple[np.ndarray, SeenPoints, np.ndarray]:
    """Drop instants that no pose of even the rough body explains (another person, a failed start)."""
    sites, _ = kinematics.poses(scales, np.zeros((seen.points.shape[1], 3)), q)
    distance = np.where(seen.valid, np.linalg.norm(sites - seen.points, axis=-1), np.nan)
    median = np.nanmedian(distance, axis=1)
    good = median < max(0.10, 2.0 * float(np.median(median)))
    if good.sum() < config.min_frames:
        raise UnlikePersonError(
            f"only {int(good.sum())} of {len(q)} instants look like one person: check the cameras' calibration"
        )
    return q[good], seen.rows(np.flatnonzero(good)), owner[good]


def _evaluate(problem: _Problem, shared: _Shared, q: np.ndarray):
    sites, jacobian = problem.kinematics.poses(shared.log_scales, shared.offsets, q)
    terms = pose_terms(
        sites,
        jacobian,
        q,
        problem.seen.points,
        problem.seen.information,
        problem.within.with_mean(shared.mean_posture),
    )
    deviation = shared.vector - problem.prior_mean
    cost = float((problem.weight * terms.cost).sum() + 0.5 * deviation @ problem.prior_precision @ deviation)
    return cost, terms, jacobian


def _system(problem: _Problem, shared: _Shared, q: np.ndarray, terms, jacobian):
    """Pose blocks, coupling blocks, shared block and gradients, already weighted by effective instants."""
    t, s = terms.residual.shape[:2]
    by_scale, by_offset = problem.kinematics.shape(shared.log_scales, shared.offsets, q)
    weighted = terms.weighted * problem.weight[:, None, None, None]
    n_shape, n_shared = 8 + 3 * s, 8 + 3 * s + N_POSTURE
    weighted_scale = weighted @ by_scale
    weighted_offset = weighted @ by_offset
    coupling = np.zeros((t, 40, n_shared))
    pose_rows = np.swapaxes(jacobian.reshape(t, 3 * s, 40), 1, 2)
    coupling[:, :, :8] = pose_rows @ weighted_scale.reshape(t, 3 * s, 8)
    coupling[:, :, 8:n_shape] = np.moveaxis(np.swapaxes(jacobian, -1, -2) @ weighted_offset, 1, 2).reshape(
        t, 40, 3 * s
    )
    value, slope = posture(q)
    inverse_variance = problem.within.sd**-2
    coupling[:, :, n_shape:] = -np.swapaxes(slope, 1, 2) * inverse_variance * problem.weight[:, None, None]

    shared_normal = problem.prior_precision.copy()
    shared_normal[:8, :8] += np.einsum("tsik,tsil->kl", by_scale, weighted_scale)
    cross = np.einsum("tsik,tsij->ksj", weighted_scale, by_offset).reshape(8, 3 * s)
    shared_normal[:8, 8:n_shape] += cross
    shared_normal[8:n_shape, :8] += cross.T
    own = np.einsum("tski,tskj->sij", by_offset, weighted_offset)
    for site in range(s):
        block = slice(8 + 3 * site, 11 + 3 * site)
        shared_normal[block, block] += own[site]
    rows = np.arange(n_shape, n_shared)
    shared_normal[rows, rows] += problem.weight.sum() * inverse_variance

    gradient = problem.prior_precision @ (shared.vector - problem.prior_mean)
    gradient[:8] += np.einsum("tsik,tsi->k", weighted_scale, terms.residual)
    gradient[8:n_shape] += np.einsum("tsij,tsi->sj", weighted_offset, terms.residual).ravel()
    deviation = (value - shared.mean_posture) * inverse_variance
    gradient[n_shape:] -= (problem.weight[:, None] * deviation).sum(axis=0)
    pose_normal = terms.normal * problem.weight[:, None, None]
    pose_gradient = terms.gradient * problem.weight[:, None]
    return pose_normal, pose_gradient, coupling, shared_normal, gradient


def _solve(problem: _Problem, shared: _Shared, q: np.ndarray, iterations: int):
    """Levenberg-Marquardt on poses and shared parameters together."""
    damping = 1e-3
    cost, terms, jacobian = _evaluate(problem, shared, q)
    done = 0
    while done < iterations:
        done += 1
        pose_normal, pose_gradient, coupling, shared_normal, gradient = _system(
            problem, shared, q, terms, jacobian
        )
        accepted = False
        for _ in range(6):
            damped = pose_normal + damping * np.einsum("tii->ti", pose_normal)[:, :, None] * np.eye(40)
            eliminated = np.linalg.solve(damped, np.concatenate([coupling, pose_gradient[..., None]], axis=2))
            flat = coupling.reshape(-1, coupling.shape[2])
            schur = shared_normal - flat.T @ eliminated[:, :, :-1].reshape(flat.shape)
            schur += damping * np.diag(np.diag(shared_normal))
            reduced = gradient - np.einsum("tik,ti->k", coupling, eliminated[:, :, -1])
            step = -np.linalg.solve(schur, reduced)
            pose_step = -eliminated[:, :, -1] - eliminated[:, :, :-1] @ step
            pose_step *= np.minimum(1.0, 0.5 / np.maximum(np.abs(pose_step).max(axis=1), 1e-9))[:, None]
            trial, trial_q = shared.moved(step), integrated(q, pose_step)
            new_cost, new_terms, new_jacobian = _evaluate(problem, trial, trial_q)
            if new_cost < cost:
                accepted = True
                break
            damping *= 10.0
        if not accepted:
            break
        gain = cost - new_cost
        shared, q, cost, terms, jacobian = trial, trial_q, new_cost, new_terms, new_jacobian
        damping = max(damping * 0.2, 1e-8)
        if gain < 1e-5 * (1.0 + abs(cost)):
            break
    pose_normal, _, coupling, shared_normal, _ = _system(problem, shared, q, terms, jacobian)
    flat = coupling.reshape(-1, coupling.shape[2])
    schur = shared_normal - flat.T @ np.linalg.solve(pose_normal, coupling).reshape(flat.shape)
    return shared, q, np.linalg.inv(schur), done


def _parameters(
    names: tuple[str, ...],
    shared: _Shared,
    covariance: np.ndarray,
    mass_kg: float | None,
    external_support: str,
) -> BodyParameters:
    scales = np.exp(shared.log_scales)
    sd = np.sqrt(np.diag(covariance))
    offsets_sd = sd[8 : 8 + 3 * len(names)].reshape(-1, 3)
    if mass_kg is None:
        mass_kg, mass_sd_kg = guessed_mass(float(scales[0]))
    else:
        mass_sd_kg = 0.0
    return BodyParameters(
        scales={name: float(v) for name, v in zip(SCALES, scales, strict=True)},
        scales_sd={name: float(v) for name, v in zip(SCALES, scales * sd[:8], strict=True)},
        mass_kg=float(mass_kg),
        mass_sd_kg=float(mass_sd_kg),
        site_offsets=_by_name(names, shared.offsets),
        site_offsets_sd=_by_name(names, offsets_sd),
        external_support=external_support,
    )


def _by_name(
    names: tuple[str, ...], vectors: Float[np.ndarray, "site 3"]
) -> dict[str, tuple[float, float, float]]:
    return {name: (float(v[0]), float(v[1]), float(v[2])) for name, v in zip(names, vectors, strict=True)}


def guessed_mass(overall_scale: float) -> tuple[float, float]:
    """Mass (kg) and its sd from the size alone: the generic build at that height, 20 % spread of body mass index.

    Mass goes with height squared among adults (Quetelet), nearer its cube in children of the same build.
    """
    mass = GENERIC_MASS_KG * overall_scale ** (2.0 if overall_scale > 0.85 else 2.6)
    return mass, 0.2 * mass
