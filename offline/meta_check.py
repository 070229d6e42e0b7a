"""Whether a base body helps people it was not learned from: live, with the body of their first seconds, before and after.

Everyone is judged with a base learned from the people of the other groups alone. Keypoints cannot judge: pictures are
explained equally well by a wrong base (a knee displaced on everyone, a knee bent more by everyone). So the verdict is that of
people with measured joint angles, and without such people there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kincast.models.base_body import BaseBody
from kincast.models.body import BodyParameters, build_body, log_scales, site_offsets
from kincast.models.body.scaling import segment_scale
from kincast.models.body_fit import BodyFit, BodyFitConfig, fit_body
from kincast.models.body_prior import POSTURE
from kincast.models.body_problem import MeasuredAngles
from kincast.models.camera import camera_arrays, project
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.observations import Observations, synchronised_keypoints
from kincast.models.pose_fit import BatchKinematics
from kincast.offline.angle_errors import MAIN
from kincast.offline.live_start import live_poses
from kincast.offline.population import Evidence, PopulationConfig, learned_base

LIVE_S = 3.0
"""A session that begins with a stranger has its body from so much."""
JUDGED_S = 8.0
GROUPS = 4
MIN_MEASURED = 3
SEGMENTS = ("pelvis", "femur_r", "femur_l", "tibia_r", "tibia_l", "humerus_r", "humerus_l")
RAW, MEAN_REMOVED, REPROJECTION, LENGTHS = "raw deg", "mean removed deg", "reprojection px", "lengths %"
FIGURES = (RAW, MEAN_REMOVED, REPROJECTION, LENGTHS)


@dataclass(frozen=True)
class Trial:
    """One recording of a person with what is known beside it: joint angles, and segment lengths over the generic adult's."""

    observations: Observations
    measured: MeasuredAngles | None = None
    lengths: Mapping[str, float] | None = None


def first_rows(observations: Observations, seconds: float) -> Observations:
    """The beginning of a recording."""
    t = observations.reference_t_ns
    return observations.rows(np.flatnonzero(t - t[0] <= seconds * 1e9))


def first_body(trial: Trial, base: BaseBody, config: BodyFitConfig | None = None) -> BodyFit:
    """The body of the first seconds, from keypoints alone.

    Raises:
        TooLittleSeenError, UnlikePersonError
    """
    return fit_body(
        first_rows(trial.observations, LIVE_S), config=replace(config or BodyFitConfig(), base=base)
    )


def live_figures(trial: Trial, body: BodyParameters) -> dict[str, float]:
    """Live errors with ``body``; of angles and lengths where they are known, with the mean error of each angle (``bias NAME``)."""
    seen = first_rows(trial.observations, JUDGED_S)
    built = build_body(body, "torque", seen.keypoint_set)
    live = live_poses(built, seen)
    t_ns, q = live.t_ns[live.tracked], live.q[live.tracked]
    out: dict[str, float] = {}
    if trial.measured is not None and len(q):
        expected = np.degrees(trial.measured.at(t_ns))
        errors = {
            n: np.degrees(q[:, 7 + JOINT_COORDINATES.index(n)]) - expected[:, POSTURE.index(n)] for n in MAIN
        }
        errors = {n: e for n, e in errors.items() if np.isfinite(e).any()}
        if errors:
            out[RAW] = float(np.median([np.sqrt(np.nanmean(e**2)) for e in errors.values()]))
            out[MEAN_REMOVED] = float(np.median([np.nanstd(e) for e in errors.values()]))
            out |= {f"bias {n}": float(np.nanmean(e)) for n, e in errors.items()}
    if len(q):
        sites, _ = BatchKinematics(built.skeleton).poses(
            log_scales(body), site_offsets(body, built.skeleton), q
        )
        out[REPROJECTION] = _median_px(seen, t_ns, sites)
    if trial.lengths:
        apart = [np.log(segment_scale(body.scales, s) / v) for s, v in trial.lengths.items()]
        out[LENGTHS] = float(100 * np.mean(np.abs(apart)))
    return out


def lengths_of(body: BodyParameters) -> dict[str, float]:
    """Segment lengths over the generic adult's."""
    return {segment: segment_scale(body.scales, segment) for segment in SEGMENTS}


def _median_px(seen: Observations, t_ns: np.ndarray, sites: np.ndarray) -> float:
    """Of detections with confidence from 0.5 on, pictures moved to the poses' instants."""
    rows = np.searchsorted(seen.reference_t_ns, t_ns).clip(0, len(seen.t_ns) - 1)
    pictures = synchronised_keypoints(seen)[rows]
    cameras = camera_arrays(seen.cameras)
    flat = np.repeat(sites.reshape(1, -1, 3), len(seen.cameras), axis=0)
    pixels = project(cameras, flat).reshape(len(seen.cameras), len(sites), -1, 2)
    apart = np.linalg.norm(np.moveaxis(pixels, 0, 1) - pictures[..., :2], axis=-1)
    return float(np.median(apart[pictures[..., 2] >= 0.5]))


def bases_of_others(
    first: BaseBody, evidence: Mapping[str, Evidence], config: PopulationConfig
) -> dict[str, BaseBody]:
    """For everyone a base learned from the people of the other groups alone."""
    names = list(evidence)
    bases: dict[str, BaseBody] = {}
    for group in range(min(GROUPS, len(names))):
        left_out = names[group::GROUPS]
        base = learned_base(first, [e for name, e in evidence.items() if name not in left_out], config)
        bases |= dict.fromkeys(left_out, base)
    return bases


@dataclass(frozen=True)
class LeftOut:
    """People left out: per figure, each person's before and after."""

    before: Mapping[str, Mapping[str, float]]
    after: Mapping[str, Mapping[str, float]]

    def medians(self) -> dict[str, tuple[float, float]]:
        """Over the people who have the figure."""
        out = {}
        for figure in FIGURES:
            pairs = self._pairs(figure)
            if len(pairs):
                out[figure] = (float(np.median(pairs[:, 0])), float(np.median(pairs[:, 1])))
        return out

    def verdict(self) -> str:
        """``better`` if raw angles are lower in the median and in the mean, ``worse``, or ``unverified``."""
        raw = self._pairs(RAW)
        if len(raw) < MIN_MEASURED:
            return "unverified"
        lower = (np.median(raw, axis=0)[1] < np.median(raw, axis=0)[0]) and raw[:, 1].mean() < raw[
            :, 0
        ].mean()
        return "better" if lower else "worse"

    def better(self, figure: str) -> tuple[int, int]:
        """How many people have less of it after, of how many."""
        pairs = self._pairs(figure)
        return int((pairs[:, 1] < pairs[:, 0]).sum()), len(pairs)

    def _pairs(self, figure: str) -> np.ndarray:
        both = [name for name in self.before if figure in self.before[name] and figure in self.after[name]]
        return np.array([[self.before[n][figure], self.after[n][figure]] for n in both]).reshape(-1, 2)


def left_out(
    trials: Mapping[str, Trial],
    first: BaseBody,
    bases: Mapping[str, BaseBody],
    fit: BodyFitConfig,
    map_: Callable[..., Sequence | map] = map,
) -> LeftOut:
    """One trial of every person with the earlier base and with that of the others."""
    names = [name for name in trials if name in bases]
    some = [trials[name] for name in names]
    before = list(map_(_figures, some, [first] * len(names), [fit] * len(names)))
    after = list(map_(_figures, some, [bases[name] for name in names], [fit] * len(names)))
    return LeftOut(dict(zip(names, before, strict=True)), dict(zip(names, after, strict=True)))


def _figures(trial: Trial, base: BaseBody, fit: BodyFitConfig) -> dict[str, float]:
    return live_figures(trial, first_body(trial, base, fit).parameters)
