"""Motions out of skeleton files: joint centres as keypoints, one body for all clips of a person, poses by the window fitter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kincast.models.body import build_body
from kincast.models.body.sites import sites_of
from kincast.models.body_fit import fit_body
from kincast.models.observations import Observations
from kincast.offline.file_hash import file_sha256
from kincast.offline.live_start import live_poses
from kincast.offline.motion_library.build import RawMotion, tracked_parts
from kincast.offline.motion_library.clip import Origin
from kincast.offline.motion_library.gates import GateConfig
from kincast.offline.motion_library.skeleton import CMU_RATE_HZ, keypoints, read_amc, read_asf

KEYPOINT_SET = "HALPE_26"
FITTED_HZ = 60.0


def motions_of_skeleton(
    asf: Path,
    amcs: Sequence[Path],
    person: str,
    licence: str = "",
    mass_kg: float | None = None,
    rate_hz: float = CMU_RATE_HZ,
    config: GateConfig | None = None,
) -> tuple[RawMotion, ...]:
    """The clips ``amcs`` of the skeleton ``asf`` as motions of one body; AMC files do not say their frame rate.

    Raises:
        SkeletonFormatError
        TooLittleSeenError, UnlikePersonError: see :func:`kincast.models.body_fit.fit_body`.
    """
    skeleton = read_asf(asf)
    names = tuple(sites_of(KEYPOINT_SET))
    every = max(1, round(rate_hz / FITTED_HZ))
    seen = []
    for path in amcs:
        points = keypoints(read_amc(path, skeleton), names)[::every].astype(np.float32)
        rows = len(points)
        t_ns = np.round(np.arange(rows) * (1e9 * every / rate_hz)).astype(np.int64)
        nothing = np.zeros((rows, 0, len(names), 3), np.float32)
        seen.append(Observations(KEYPOINT_SET, (), np.zeros((rows, 0), np.int64), nothing, points, t_ns))
    parameters = fit_body(seen, mass_kg=mass_kg).parameters
    body = build_body(parameters, "torque", KEYPOINT_SET)
    found: list[RawMotion] = []
    for path, observations in zip(amcs, seen, strict=True):
        poses = live_poses(body, observations)
        origin = Origin(path.name, file_sha256(path), "skeleton", licence)
        motion = RawMotion(path.stem, person, parameters, poses.t_ns, poses.q, origin, belt_speed_m_s=0.0)
        found.extend(tracked_parts(motion, poses.tracked, (config or GateConfig()).gap_s))
    return tuple(found)
