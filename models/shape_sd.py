"""How uncertain a pose is because the body is: the part of an angle's sd that no further picture removes.

Linearised: the pose answers a small change of site offsets and usual posture as the least-squares
fit would, ``dq = -(J' W J + P)^-1 (J' W dx - P dm)``. Constant over a trial, so it adds to the total sd, not to
the sd around the trial's mean.

``body.json`` holds no covariance. In the calibration's posterior the scales and the offsets along a segment go
together (the distances between the points are seen), so they hardly turn a segment; the offsets across it
do. Only those count here, as independent; against the full posterior of real trials the angles' sd then come
out 5-20 % too small, with all of them as independent 30-100 % too large.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from kincast.models.body import BodyParameters, log_scales
from kincast.models.body_prior import posture_table
from kincast.models.kinematics import Skeleton
from kincast.models.pose_fit import BatchKinematics, posture

SITE_SD_M = 0.010


def shape_sd(
    skeleton: Skeleton,
    parameters: BodyParameters,
    q: Float[np.ndarray, "41"],
    seen: Bool[np.ndarray, " site"] | None = None,
) -> Float[np.ndarray, "40"]:
    """Sd (rad, m) of the 40 coordinates in the order of ``COORDINATES`` due to the stated sd of body and posture.

    ``seen``: the sites that hold the pose; all by default. About 1 ms once compiled; it changes slowly.
    """
    names = skeleton.site_names
    zero = (0.0, 0.0, 0.0)
    offsets = np.array([parameters.site_offsets.get(n, zero) for n in names], float).reshape(-1, 3)
    offsets_sd = np.array([parameters.site_offsets_sd.get(n, zero) for n in names], float).reshape(-1, 3)
    along = [0 if body.startswith(("calcn", "toes")) else 1 for body in skeleton.site_bodies]
    offsets_sd[np.arange(len(names)), along] = 0.0
    kinematics = BatchKinematics(skeleton, chunk=1)
    scales = log_scales(parameters)
    _, jacobian = kinematics.poses(scales, offsets, q[None])
    _, by_offset = kinematics.shape(scales, offsets, q[None])
    weight = np.ones(len(names)) if seen is None else seen.astype(float)
    rows = jacobian[0] * (weight / SITE_SD_M**2)[:, None, None]
    _, between, within = posture_table()
    slope = posture(q[None])[1][0]
    pull = slope / within[:, None] ** 2
    # the small ridge only keeps what nothing sees (a hidden arm) solvable
    normal = np.einsum("sik,sil->kl", rows, jacobian[0]) + slope.T @ pull + 1e-3 * np.eye(40)
    answers = np.concatenate(
        [
            (np.einsum("sik,sij->ksj", rows, by_offset[0]) * offsets_sd).reshape(40, -1),
            pull.T * between,
        ],
        axis=1,
    )
    sd = np.linalg.norm(np.linalg.solve(normal, answers), axis=1)
    # velocities turn about the pelvis' own x, y, z and move along the world's; files list tilt (z), list (x), rotation (y)
    return np.concatenate([sd[[5, 3, 4]], sd[[0, 2, 1]], sd[6:]])
