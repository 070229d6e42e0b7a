"""How far the lengths and clearances of a stride may be off, from the posterior of the motion.

A length is between two heels at instants far apart compared with how long detector errors persist, so their variances
add. ``FLOOR_M`` stands for what no covariance knows: the model's heel is not the person's. A foot stands or nearly stands
at its strike, and a late or early strike shifts both ends of a stride alike, so the sd of the events' times does not enter
the lengths (against 23 strides with plates, lengths with it were stated two to three times too wide).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from kincast.models.body import Body, log_scales
from kincast.models.pose_fit import BatchKinematics
from kincast.offline.trajectory.motion import Motion, MotionCovariance
from kincast.streaming.messages import Stride

FLOOR_M = 0.005
"""Between the lengths of error-free recordings and those of measured heels (rms 3 to 6 mm)."""
CLEARANCE_FLOOR_M = 0.002
CLEARANCES = ("toe_clearance_min_m", "heel_clearance_max_m")
LENGTHS = ("stride_length_m", "step_length_m", "step_width_m")


def strides_with_posterior_sd(
    strides: Sequence[Stride], body: Body, motion: Motion, covariance: MotionCovariance, start_ns: int
) -> tuple[Stride, ...]:
    """The strides with sd of lengths and speed by the posterior at the nearest rows; ``start_ns``: zero of the strides' times.

    Strides are left as they are where the keypoint set has no point on the heel's segment.
    """
    heels = [site for site in (heel_site(body, side) for side in ("r", "l")) if site is not None]
    if len(heels) < 2 or not strides or not len(motion.t_ns):
        return tuple(strides)
    ends_s = [[s.values[name] for name in ("foot_strike_s", "next_foot_strike_s")] for s in strides]
    t_ns = (np.array(ends_s).reshape(-1) * 1e9).astype(np.int64) + start_ns
    after = np.clip(np.searchsorted(motion.t_ns, t_ns), 1, max(len(motion.t_ns) - 1, 1))
    earlier = t_ns - motion.t_ns[after - 1] < motion.t_ns[np.minimum(after, len(motion.t_ns) - 1)] - t_ns
    rows = np.minimum(after - earlier, len(motion.t_ns) - 1)
    variance = _heel_variance(body, motion.q[rows], covariance.pose[rows], heels)
    variance = variance.reshape(len(strides), 2, 2, 2)
    return tuple(_with_sd(s, v[..., 0], v[..., 1]) for s, v in zip(strides, variance, strict=True))


def heel_site(body: Body, side: str) -> int | None:
    """The rearmost point on the heel's segment."""
    skeleton = body.skeleton
    own = [i for i, name in enumerate(skeleton.site_bodies) if name == f"calcn_{side}"]
    return min(own, key=lambda i: float(skeleton.site_pos[i, 0])) if own else None


def _heel_variance(
    body: Body,
    q: Float64[np.ndarray, "time 41"],
    pose: Float64[np.ndarray, "time 40 40"],
    heels: list[int],
) -> Float64[np.ndarray, "time 2 2"]:
    """Of the right and left heel: mean of the two horizontal axes, and vertical, m^2."""
    parameters = body.parameters
    offsets = np.array([parameters.site_offsets.get(n, (0.0, 0.0, 0.0)) for n in body.sites], float)
    _, jacobian = BatchKinematics(body.skeleton, chunk=256).poses(log_scales(parameters), offsets, q)
    own = jacobian[:, heels]
    axes = np.einsum("tsai,tij,tsaj->tsa", own, pose, own, optimize=True)
    return np.stack([axes[..., :2].mean(axis=-1), axes[..., 2]], axis=-1)


def _with_sd(
    stride: Stride, variance: Float64[np.ndarray, "end foot"], vertical: Float64[np.ndarray, "end foot"]
) -> Stride:
    """``variance`` at the stride's two strikes; the other foot's, at its own strike between them, is taken as their mean."""
    mine = 0 if stride.side == "right" else 1
    other = float(variance[:, 1 - mine].mean())
    length = float(np.sqrt(variance[:, mine].sum() + FLOOR_M**2))
    step = float(np.sqrt(variance[1, mine] + other + FLOOR_M**2))
    values = stride.values
    duration_s = values["next_foot_strike_s"] - values["foot_strike_s"]
    speed = length / duration_s  # as in the live path: a later strike is also found further on
    # a clearance is between the foot in swing and the foot in stance
    clearance = float(np.sqrt(vertical[:, mine].sum() + CLEARANCE_FLOOR_M**2))
    sd = {**stride.sd, **dict(zip(LENGTHS, (length, step, step), strict=True)), "speed_m_s": speed}
    sd |= dict.fromkeys(CLEARANCES, clearance)
    return replace(stride, sd=sd)
