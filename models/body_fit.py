"""Body calibration: scales, site offsets and posture of one person from what was seen of them (bilevel).

Every instant has its own pose; all share the shape (8 log scales, 3 offsets per site) and the person's mean
posture. Gauss-Newton with the arrow structure: poses are eliminated per instant (Schur complement) onto the
shared parameters. Instants are not independent (detector noise is correlated over some 75 ms and its
bias depends on the view, not on time), so each recording counts as a small number of effective instants
against the priors: hundreds of frames of one walk do not overrule anatomy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int, Int64
from scipy.linalg import block_diag

from kincast.models.base_body import BaseBody
from kincast.models.body import SCALES, BodyParameters
from kincast.models.body.skeleton import skeleton_of
from kincast.models.body_prior import (
    FLAT_FOOT_MEAN,
    ShapePriorConfig,
    flat_foot_precision,
    pose_prior,
    posture_table,
    shape_prior,
)
from kincast.models.body_problem import N_POSTURE, BodyProblem, MeasuredAngles, Shared, solve
from kincast.models.errors import UserMistakeError
from kincast.models.foot_flat import flat_feet, with_foot_axes
from kincast.models.knee_centre import KneeCentre
from kincast.models.observations import Observations, without_soft_sites
from kincast.models.pose_fit import BatchKinematics
from kincast.models.rig_shift import aimed
from kincast.models.rough_start import GENERIC_HEIGHT_M, explained_instants, rough_poses, rough_size
from kincast.models.seen_points import SeenPoints, seen_points
from kincast.models.triangulation import ViewGeometry

MEAN_BODY_MASS_INDEX = 24.5
NEIGHBOUR_NS = 70_000_000
"""Pictures this near tell how fast a foot moves and what a free-running camera saw at the instant itself."""


class TooLittleSeenError(UserMistakeError):
    """The recordings do not show enough of the person to calibrate a body."""


class UnlikePersonError(UserMistakeError):
    """What was seen cannot be explained by a human body."""


@dataclass(frozen=True)
class BodyFitConfig:
    """``max_frames`` over all recordings. The noise figures set how many effective instants a recording has.

    ``noise_px`` and ``noise_correlation_s``: detector noise about its bias; ``bias_px``: constant per keypoint and
    45 degrees of view direction. ``base``: what is known of people, in place of the literature's ``shape``.
    """

    max_frames: int = 120
    min_frames: int = 8
    min_points: int = 10
    iterations: int = 25
    noise_px: float = 4.5
    noise_correlation_s: float = 0.075
    bias_px: float = 2.0
    max_median_m: float = 0.06
    shape: ShapePriorConfig = field(default_factory=ShapePriorConfig)
    base: BaseBody | None = None


@dataclass(frozen=True)
class FittedFrames:
    """Poses of the instants used of one recording."""

    t_ns: Int64[np.ndarray, " time"]
    q: Float[np.ndarray, "time 41"]
    distance_m: Float[np.ndarray, "time site"]


@dataclass(frozen=True)
class BodyFit:
    """The person, the covariance of (8 log scales, 3 S offsets, 36 mean posture angles, 2 flat feet) and how it was reached."""

    parameters: BodyParameters
    covariance: Float[np.ndarray, "shared shared"]
    mean_posture: Float[np.ndarray, "36"]
    frames: tuple[FittedFrames, ...]
    effective_instants: float
    median_distance_m: float
    iterations: int


def fit_body(
    observations: Observations | Sequence[Observations],
    *,
    mass_kg: float | None = None,
    height_m: float | None = None,
    external_support: str = "none",
    measured: Sequence[MeasuredAngles | None] = (),
    config: BodyFitConfig = BodyFitConfig(),
) -> BodyFit:
    """Calibrate the body of the one person seen in all ``observations`` (recordings of one keypoint or marker set).

    A measured mass wins; otherwise it is guessed from the size with its honest, wide sd. ``measured``: joint angles
    known from elsewhere, per recording (or none at all): what keypoints alone cannot tell from displaced sites.

    Raises:
        TooLittleSeenError: too few instants, or too few keypoints seen by two cameras.
        UnlikePersonError: no human body explains the points (calibration wrong, people mixed up).
        BaseBodyError: ``config.base`` is that of another keypoint set.
    """
    recordings = [observations] if isinstance(observations, Observations) else list(observations)
    recordings = [
        recording if recording.markers is not None else aimed(recording) for recording in recordings
    ]
    if not recordings:
        raise TooLittleSeenError("no recording was given to calibrate the body from")
    site_set = recordings[0].keypoint_set
    skeleton = skeleton_of(site_set)
    if config.base is not None:
        config.base.require(site_set)
    if other := [r.keypoint_set for r in recordings if r.keypoint_set != site_set]:
        raise TooLittleSeenError(
            f"recordings of different keypoint sets ({site_set}, {other[0]}) share no sites"
        )
    chosen = [_chosen_rows(recording, config, len(recordings)) for recording in recordings]
    _require_enough([seen for seen, _ in chosen], recordings, config)
    seen = SeenPoints.joined([part for part, _ in chosen])
    flat = np.concatenate([flags for _, flags in chosen])
    owner = np.concatenate([np.full(len(part.t_ns), i) for i, (part, _) in enumerate(chosen)])

    kinematics = BatchKinematics(skeleton)
    height_ratio = None if height_m is None else height_m / GENERIC_HEIGHT_M
    start = rough_size(kinematics, seen, height_ratio)
    q = rough_poses(kinematics, start, seen)
    good = explained_instants(kinematics, start, q, seen)
    if good.sum() < config.min_frames:
        raise UnlikePersonError(
            f"only {int(good.sum())} of {len(q)} instants look like one person: check the cameras' calibration"
        )
    q, seen, flat, owner = q[good], seen.rows(np.flatnonzero(good)), flat[good], owner[good]
    weight = _weights(recordings, seen, q, owner, config)

    prior_mean, precision = shared_prior(site_set, height_ratio, config)
    knees = KneeCentre.of(skeleton, len(prior_mean))
    foot_axes = with_foot_axes(skeleton, site_set)
    problem = BodyProblem(
        kinematics=kinematics if foot_axes is None else BatchKinematics(foot_axes),
        seen=seen,
        flat=flat if foot_axes is not None else np.zeros_like(flat),
        owner=owner,
        weight=weight,
        within=replace(pose_prior(), sd=np.tile(posture_table()[2], (len(q), 1))),
        prior_mean=prior_mean,
        prior_precision=knees.widened(precision),
        measured=_measured_at(measured, owner, seen.t_ns),
    )
    n_shape = 8 + 3 * len(skeleton.site_names)
    offsets = prior_mean[8:n_shape].reshape(-1, 3)
    usual, feet = prior_mean[n_shape:-2], prior_mean[-2:]
    solution = solve(problem, Shared(start, offsets, usual, feet), q, config.iterations)
    shared, q = solution.shared, solution.q

    sites, _ = kinematics.poses(shared.log_scales, shared.offsets, q)
    distance = np.where(seen.valid, np.linalg.norm(sites - seen.points, axis=-1), np.nan)
    median = float(np.nanmedian(distance))
    if not median < config.max_median_m:
        raise UnlikePersonError(
            f"no body explains the recording: its points lie {median * 1000:.0f} mm (median) off the best one; check"
            " the cameras' calibration, the keypoint set's name and that one person was followed"
        )
    vector, covariance = knees.integrated_out(shared.vector, solution.covariance, prior_mean, precision)
    person = Shared.of(vector, len(offsets))
    frames = tuple(
        FittedFrames(seen.t_ns[owner == i], q[owner == i], distance[owner == i])
        for i in range(len(recordings))
    )
    return BodyFit(
        parameters=_parameters(skeleton.site_names, person, covariance, mass_kg, external_support),
        covariance=covariance,
        mean_posture=person.mean_posture,
        frames=frames,
        effective_instants=float(weight.sum()),
        median_distance_m=median,
        iterations=solution.iterations,
    )


def _measured_at(
    measured: Sequence[MeasuredAngles | None],
    owner: Int[np.ndarray, " time"],
    t_ns: Int64[np.ndarray, " time"],
) -> Float[np.ndarray, "time 36"] | None:
    """At the instants used; NaN for recordings without."""
    if not any(one is not None for one in measured):
        return None
    angles = np.full((len(t_ns), N_POSTURE), np.nan)
    for i, one in enumerate(measured):
        if one is not None and (owner == i).any():
            angles[owner == i] = one.at(t_ns[owner == i])
    return angles


def shared_prior(
    site_set: str, height_ratio: float | None, config: BodyFitConfig
) -> tuple[Float[np.ndarray, " shared"], Float[np.ndarray, "shared shared"]]:
    """Mean and precision of shape, mean posture and flat feet."""
    mean, between, _ = posture_table()
    if config.base is None:
        shape = shape_prior(site_set, height_ratio, config.shape)
    else:
        shape, mean = config.base.shape_prior(height_ratio), config.base.mean_posture
    prior_mean = np.concatenate([shape.mean, mean, np.full(2, FLAT_FOOT_MEAN)])
    precision = np.asarray(block_diag(shape.precision, np.diag(between**-2), flat_foot_precision()))
    return prior_mean, precision


def _weights(
    recordings: list[Observations],
    seen: SeenPoints,
    q: Float[np.ndarray, "time 41"],
    owner: Int[np.ndarray, " time"],
    config: BodyFitConfig,
) -> Float[np.ndarray, " time"]:
    """Effective instants over instants, per instant."""
    weight = np.zeros(len(q))
    for i, recording in enumerate(recordings):
        rows = owner == i
        if rows.any():
            instants = effective_instants(recording, seen.t_ns[rows], q[rows], config)
            weight[rows] = min(1.0, instants / rows.sum())
    return weight


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


def _chosen_rows(
    recording: Observations, config: BodyFitConfig, n_recordings: int
) -> tuple[SeenPoints, Bool[np.ndarray, "time 2"]]:
    """Instants spread over the recording, at irregular spacing lest they all fall on the same phase of the gait.

    With them, whether each foot stands flat, which takes the neighbouring pictures; the rest is not looked at.
    """
    recording = without_soft_sites(recording)
    if recording.markers is not None:
        visible = (recording.markers[..., 3] > 0).sum(axis=1)
    else:
        visible = ((recording.keypoints[..., 2] > 0.2).sum(axis=1) >= 2).sum(axis=1)
    chosen = np.flatnonzero(visible >= config.min_points)
    most = max(config.min_frames, config.max_frames // n_recordings)
    if len(chosen) > most:
        place = (np.arange(most) + (np.arange(most) * 0.6180339887) % 1.0) / most
        chosen = chosen[np.unique((place * len(chosen)).astype(int))]
    t_ns = recording.reference_t_ns
    first = np.searchsorted(t_ns, t_ns[chosen] - NEIGHBOUR_NS, side="left")
    last = np.searchsorted(t_ns, t_ns[chosen] + NEIGHBOUR_NS, side="right")
    near = np.zeros(len(t_ns), dtype=bool)
    for a, b in zip(first, last, strict=True):
        near[a:b] = True
    around = np.flatnonzero(near)
    seen = seen_points(recording.rows(around))
    flat = flat_feet(seen, recording.keypoint_set)
    wanted = np.isin(around, chosen) & (seen.valid.sum(axis=1) >= config.min_points)
    return seen.rows(np.flatnonzero(wanted)), flat[wanted]


def _require_enough(parts: list[SeenPoints], recordings: list[Observations], config: BodyFitConfig) -> None:
    found = sum(len(p.t_ns) for p in parts)
    if found < config.min_frames:
        rows = sum(len(r.t_ns) for r in recordings)
        raise TooLittleSeenError(
            f"the body needs {config.min_frames} instants with {config.min_points} keypoints seen by two cameras at an"
            f" angle; the recording has {found} of {rows}: check the calibration, or record a few steps in view of all cameras"
        )


def _parameters(
    names: tuple[str, ...],
    shared: Shared,
    covariance: np.ndarray,
    mass_kg: float | None,
    external_support: str,
) -> BodyParameters:
    if mass_kg is None:
        mass_kg, mass_sd_kg = guessed_mass(float(np.exp(shared.log_scales[0])))
    else:
        mass_sd_kg = 0.0
    person = BodyParameters(
        mass_kg=float(mass_kg), mass_sd_kg=float(mass_sd_kg), external_support=external_support
    )
    n = 8 + 3 * len(names)
    return with_shape(person, names, shared.vector[:n], covariance[:n, :n])


def with_shape(
    body: BodyParameters,
    names: tuple[str, ...],
    vector: Float[np.ndarray, " shape"],
    covariance: Float[np.ndarray, "shape shape"],
) -> BodyParameters:
    """The person with 8 log scales and an offset per site of ``names``, and their sd."""
    scales, sd = np.exp(vector[:8]), np.sqrt(np.diag(covariance))
    return replace(
        body,
        scales={name: float(v) for name, v in zip(SCALES, scales, strict=True)},
        scales_sd={name: float(v) for name, v in zip(SCALES, scales * sd[:8], strict=True)},
        site_offsets=_by_name(names, vector[8:].reshape(-1, 3)),
        site_offsets_sd=_by_name(names, sd[8:].reshape(-1, 3)),
    )


def _by_name(
    names: tuple[str, ...], vectors: Float[np.ndarray, "site 3"]
) -> dict[str, tuple[float, float, float]]:
    return {name: (float(v[0]), float(v[1]), float(v[2])) for name, v in zip(names, vectors, strict=True)}


def guessed_mass(overall_scale: float) -> tuple[float, float]:
    """Mass (kg) and its sd from the size alone: body mass index 24.5 (adults' mean, NCD-RisC 2016), 18 % spread.

    Mass goes with height squared among adults (Quetelet), nearer its cube in children of the same build.
    """
    mass = (
        MEAN_BODY_MASS_INDEX * GENERIC_HEIGHT_M**2 * overall_scale ** (2.0 if overall_scale > 0.85 else 2.6)
    )
    return mass, 0.18 * mass
