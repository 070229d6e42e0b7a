"""What is known of a person before seeing them: proportions, where detectors put their points, usual posture.

Points in pictures cannot tell a displaced keypoint from a tilted segment, nor pelvis from lumbar motion:
there these priors decide, so they are deliberately plain, and their spreads honest. Sources: proportions,
variation coefficients of segment lengths relative to stature of 2-5 % (ANSUR II, Gordon et al. 2014; Drillis and
Contini 1966); keypoint attachment, 10-30 mm against marker-based joint centres, hips worst (Needham et
al. 2021, Sci Rep 11:20673; Van Hooren et al. 2023), alike on both sides; posture, adult walking and standing
means in Rajagopal's convention, in which the neutral pelvis includes its usual 10 degrees of anterior tilt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from kincast.models.body import SCALES
from kincast.models.body.keypoint_sets import KEYPOINT_LANDMARKS
from kincast.models.body.landmarks import LANDMARKS
from kincast.models.body.segments import LEG_RANGES_DEG, UPPER_BODIES, hinges
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.mirrored_sites import left_right_pairs, site_landmarks
from kincast.models.pose_fit import PosePrior

POSTURE = ("pelvis_tilt", "pelvis_list", *JOINT_COORDINATES)

# Degrees: mean over people, sd between people, sd of a person's motion about their own mean.
# The last is loose where a therapy session is (sitting, reaching); tilt looser than lumbar extension, so
# that a bent trunk is read as hips bending rather than the spine (sit-to-stand), whatever the shape says.
_POSTURE_DEG: dict[str, tuple[float, float, float]] = {
    "pelvis_tilt": (0.0, 4.0, 4.0),
    "pelvis_list": (0.0, 2.0, 3.0),
    "hip_flexion": (10.0, 30.0, 20.0),
    "hip_adduction": (-1.0, 3.0, 5.0),
    "hip_rotation": (-2.0, 6.0, 5.0),
    "knee_angle": (20.0, 30.0, 20.0),
    "ankle_angle": (5.0, 8.0, 10.0),
    "subtalar_angle": (3.0, 6.0, 6.0),
    "mtp_angle": (0.0, 5.0, 10.0),
    "lumbar_extension": (-8.0, 5.0, 4.0),
    "lumbar_bending": (0.0, 3.0, 4.0),
    "lumbar_rotation": (0.0, 3.0, 6.0),
    "neck_extension": (0.0, 10.0, 15.0),
    "neck_bending": (0.0, 4.0, 10.0),
    "neck_rotation": (0.0, 6.0, 20.0),
    "arm_flex": (0.0, 30.0, 40.0),
    "arm_add": (-8.0, 15.0, 30.0),
    "arm_rot": (0.0, 20.0, 30.0),
    "elbow_flex": (40.0, 30.0, 40.0),
    "pro_sup": (90.0, 20.0, 30.0),
    "wrist_flex": (0.0, 5.0, 10.0),
    "wrist_dev": (0.0, 5.0, 10.0),
}


FLAT_FOOT_SD = np.radians(1.5)
"""How constant (rad) a foot's pitch is while it stands flat."""
FLAT_FOOT_MEAN = np.radians(2.0)
FLAT_FOOT_BETWEEN_SD = np.radians(5.0)
FLAT_FOOT_SIDES_SD = np.radians(2.5)
"""Shoes and the model's idea of the foot's axis differ between people; the two feet of one person hardly do."""


def flat_foot_precision() -> Float[np.ndarray, "2 2"]:
    """Of the right and the left foot's pitch when standing flat."""
    own = 0.5 * FLAT_FOOT_SIDES_SD**2
    return np.linalg.inv(FLAT_FOOT_BETWEEN_SD**2 * np.ones((2, 2)) + own * np.eye(2))


@dataclass(frozen=True)
class ShapePriorConfig:
    """Means and standard deviations of the log scales; standard deviations of the site offsets (m).

    ``overall`` is a whole person against the generic adult (children are found by the data, which say it to
    1 %); the others are proportions. ``side_correlation``: how far left and right are alike.

    The generic adult (Rajagopal et al. 2016) is not the mean of what is published. Thigh over shank, joint centre to joint
    centre: 1.011; Drillis and Contini 1966 0.996, de Leva 1996 (men) 0.959, Delp et al. 1990 0.924; mean 0.972. Between the
    hips: 154 mm; Delp 167 mm; the regressions on the breadth of the ASIS (257 mm here) of Bell et al. 1990 and Harrington et al. 2007 185 mm.
    Where a set has the ASIS themselves, they say how broad the pelvis is, and its mean stays.
    """

    pelvis_mean: float = 0.085
    thigh_mean: float = -0.02
    shank_foot_mean: float = 0.02
    overall_sd: float = 0.15
    pelvis_sd: float = 0.08
    thigh_sd: float = 0.06
    shank_foot_sd: float = 0.06
    arm_sd: float = 0.05
    scale_side_correlation: float = 0.96
    hip_offset_sd_m: float = 0.016
    limb_offset_sd_m: float = 0.010
    foot_length_sd_m: float = 0.015
    trunk_offset_sd_m: float = 0.012
    shoulder_height_sd_m: float = 0.020
    trunk_length_sd_m: float = 0.020
    marker_offset_sd_m: float = 0.015
    offset_side_correlation: float = 0.7


@dataclass(frozen=True)
class ShapePrior:
    """Gaussian on (8 log scales, 3 S site offsets): ``mean`` and ``precision``."""

    mean: Float[np.ndarray, " shape"]
    precision: Float[np.ndarray, "shape shape"]


def _sided(name: str) -> str:
    return name[:-2] if name.endswith(("_r", "_l")) else name


def posture_table() -> tuple[Float[np.ndarray, "36"], Float[np.ndarray, "36"], Float[np.ndarray, "36"]]:
    """Mean over people, sd between people and sd within a person (rad) of tilt, list and the 34 joint angles."""
    table = np.radians([_POSTURE_DEG[_sided(name)] for name in POSTURE])
    return table[:, 0], table[:, 1], table[:, 2]


def joint_limits_deg() -> Float[np.ndarray, "34 2"]:
    """The body's own joint limits, in the order of ``JOINT_COORDINATES``."""
    upper = {hinge.name: hinge.range_deg for body in UPPER_BODIES for hinge in hinges(body)}
    return np.array(
        [upper[name] if name in upper else LEG_RANGES_DEG[_sided(name)] for name in JOINT_COORDINATES], float
    )


def pose_prior() -> PosePrior:
    """Prior on one pose of an unknown person: both spreads together."""
    mean, between, within = posture_table()
    limits = np.radians(joint_limits_deg())
    # a pose may be of any activity: three times the usual motion, and the pelvis freer than the spine
    sd = np.hypot(between, 3.0 * within)
    sd[0] = np.radians(30.0)
    return PosePrior(mean, sd, limits[:, 0], limits[:, 1])


def shape_prior(
    site_set: str, height_ratio: float | None = None, config: ShapePriorConfig = ShapePriorConfig()
) -> ShapePrior:
    """Prior on the shape of a person seen through a keypoint or marker set.

    ``height_ratio``: stature over the generic adult's where it was measured (then 2 % certain: proportions vary).
    """
    landmarks = site_landmarks(site_set)
    n = 8 + 3 * len(landmarks)
    mean = np.zeros(n)
    mean[:8] = _mean_log_scales(config, has_asis="asis_r" in landmarks)
    precision = np.zeros((n, n))
    precision[:8, :8] = np.linalg.inv(_scale_covariance(config, height_ratio))
    if height_ratio is not None:
        mean[0] = np.log(height_ratio)
    sd = np.array([_offset_sd(site_set, landmark, config) for landmark in landmarks])
    covariance = np.diag(sd.ravel() ** 2)
    mirror = np.array([1.0, 1.0, -1.0])
    for left, right in left_right_pairs(site_set):
        for axis in range(3):
            together = config.offset_side_correlation * mirror[axis] * sd[left, axis] * sd[right, axis]
            covariance[3 * left + axis, 3 * right + axis] = together
            covariance[3 * right + axis, 3 * left + axis] = together
    # The trunk has no scale of its own: its length against the legs moves all that sits on it alike.
    on_trunk = np.array([LANDMARKS[landmark][0] in ("torso", "head") for landmark in landmarks])
    on_trunk |= np.array([landmark.startswith("shoulder") for landmark in landmarks])
    up = 3 * np.flatnonzero(on_trunk) + 1
    covariance[np.ix_(up, up)] += config.trunk_length_sd_m**2
    precision[8:, 8:] = np.linalg.inv(covariance)
    return ShapePrior(mean, precision)


def _mean_log_scales(config: ShapePriorConfig, has_asis: bool) -> Float[np.ndarray, "8"]:
    means = {
        "pelvis": 0.0 if has_asis else config.pelvis_mean,
        "thigh": config.thigh_mean,
        "shank_foot": config.shank_foot_mean,
    }
    return np.array([means.get(_sided(name), 0.0) for name in SCALES])


def _scale_covariance(config: ShapePriorConfig, height_ratio: float | None) -> Float[np.ndarray, "8 8"]:
    sd = {
        "overall": config.overall_sd if height_ratio is None else 0.02,
        "pelvis": config.pelvis_sd,
        "thigh": config.thigh_sd,
        "shank_foot": config.shank_foot_sd,
        "arm": config.arm_sd,
    }
    covariance = np.diag([sd[_sided(name)] ** 2 for name in SCALES])
    for i, first in enumerate(SCALES):
        for j, second in enumerate(SCALES):
            if i != j and _sided(first) == _sided(second):
                covariance[i, j] = config.scale_side_correlation * sd[_sided(first)] ** 2
    return covariance


def _offset_sd(site_set: str, landmark: str, config: ShapePriorConfig) -> list[float]:
    if site_set not in KEYPOINT_LANDMARKS:
        return [config.marker_offset_sd_m] * 3
    if landmark.startswith("hip"):
        return [config.hip_offset_sd_m] * 3
    # where the shoulder girdle is carried is posture, not attachment alone
    if landmark.startswith("shoulder"):
        return [config.trunk_offset_sd_m, config.shoulder_height_sd_m, config.trunk_offset_sd_m]
    if _sided(landmark) == landmark or landmark.startswith(("eye", "ear")):
        return [config.trunk_offset_sd_m] * 3
    # the model's foot scales with its shank, people's do not
    if LANDMARKS[landmark][0].startswith(("calcn", "toes")):
        return [config.foot_length_sd_m, config.limb_offset_sd_m, config.limb_offset_sd_m]
    return [config.limb_offset_sd_m] * 3
