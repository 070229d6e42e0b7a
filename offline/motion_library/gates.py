"""Which motions may teach: everything else is kept out, with the reason in the library's report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.body.body import Body
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.twin.soles import Ground
from kincast.offline.motion_library.smooth import smooth_motion


@dataclass(frozen=True)
class GateConfig:
    """Limits of what a recorded person does.

    Attributes:
        least_s: shorter motions hold no stride.
        gap_s: longest pause between two poses.
        jump_m_s: pelvis speed between two poses; a sprinter reaches 10 m/s.
        joint_rad_s, turn_rad_s: joint and pelvis rates after smoothing at ``rate_cutoff_hz``; knees reach 12 rad/s in running.
        through_m, through_share: depth of the lowest sole point under the floor, and in how much of the time.
        airborne_s, airborne_m: longest time with every sole point higher; 0.8 s of flight is a jump of 0.8 m.
        step_m, step_share: height at which feet rest (stairs, a bench), and in how much of their resting time.
        support_bw, support_share: force (body weights) that the feet leave unexplained, as where the kinetics suspect another support,
            and in how much of the time.
        beyond_deg, beyond_share: how far a joint angle may lie beyond its limit, and in how much of the time.
    """

    least_s: float = 1.0
    gap_s: float = 0.25
    jump_m_s: float = 12.0
    joint_rad_s: float = 30.0
    turn_rad_s: float = 15.0
    rate_cutoff_hz: float = 8.0
    through_m: float = 0.04
    through_share: float = 0.02
    airborne_s: float = 0.8
    airborne_m: float = 0.06
    step_m: float = 0.08
    step_share: float = 0.1
    beyond_deg: float = 10.0
    beyond_share: float = 0.02
    support_bw: float = 0.3
    support_share: float = 0.1


@dataclass(frozen=True)
class Reason:
    """Why a motion is kept out: a stable code and one sentence."""

    code: str
    sentence: str


def reasons_in_time(
    t_ns: Int64[np.ndarray, " time"], q: Float64[np.ndarray, "time 41"], config: GateConfig
) -> tuple[Reason, ...]:
    """What can be said before the motion is smoothed or put on a floor."""
    c = config
    if not np.all(np.isfinite(q)):
        return (Reason("not_finite", "poses hold numbers that are not finite"),)
    if len(t_ns) < 2:
        return (Reason("short", "fewer than two poses"),)
    step_s = np.diff(t_ns) * 1e-9
    found = []
    seconds = float(t_ns[-1] - t_ns[0]) * 1e-9
    if seconds < c.least_s:
        found.append(Reason("short", f"{seconds:.2f} s long; at least {c.least_s:g} s hold a stride"))
    if step_s.max() > c.gap_s:
        found.append(
            Reason("gap", f"nothing is known for {step_s.max():.2f} s; at most {c.gap_s:g} s are bridged")
        )
    speed = np.linalg.norm(np.diff(q[:, :3], axis=0), axis=1) / step_s
    if speed.max() > c.jump_m_s:
        found.append(Reason("jump", f"the pelvis moves at {speed.max():.0f} m/s between two poses"))
    return tuple(found)


def reasons_in_motion(
    body: Body,
    t_ns: Int64[np.ndarray, " time"],
    q: Float64[np.ndarray, "time 41"],
    ground: Ground,
    config: GateConfig,
) -> tuple[Reason, ...]:
    """Impossible speeds and angles, and a motion that does not stand on one floor."""
    return (*_speeds(t_ns, q, config), *_angles(body, q, config), *_floor(t_ns, ground, config))


def _speeds(t_ns: np.ndarray, q: np.ndarray, c: GateConfig) -> list[Reason]:
    rate = np.abs(smooth_motion(t_ns, q, c.rate_cutoff_hz).motion(t_ns).v)
    found = []
    joint = np.unravel_index(int(np.argmax(rate[:, 6:])), rate[:, 6:].shape)
    fastest = float(rate[:, 6:][joint])
    if fastest > c.joint_rad_s:
        name = JOINT_COORDINATES[int(joint[1])]
        found.append(Reason("speed", f"{name} turns at {np.rad2deg(fastest):.0f} deg/s"))
    turning = float(np.linalg.norm(rate[:, 3:6], axis=1).max())
    if turning > c.turn_rad_s:
        found.append(Reason("speed", f"the pelvis turns at {np.rad2deg(turning):.0f} deg/s"))
    return found


def _angles(body: Body, q: np.ndarray, c: GateConfig) -> list[Reason]:
    model = body.mj_model
    limits = np.array([model.joint(name).range for name in JOINT_COORDINATES])
    beyond = np.maximum(limits[:, 0] - q[:, 7:], q[:, 7:] - limits[:, 1])
    share = np.mean(beyond > np.deg2rad(c.beyond_deg), axis=0)
    worst = int(np.argmax(share))
    if share[worst] <= c.beyond_share:
        return []
    low, high = np.rad2deg(limits[worst])
    return [
        Reason(
            "angle",
            f"{JOINT_COORDINATES[worst]} leaves {low:.0f} to {high:.0f} deg by more than {c.beyond_deg:g} deg"
            f" in {share[worst]:.0%} of the time",
        )
    ]


def _floor(t_ns: np.ndarray, ground: Ground, c: GateConfig) -> list[Reason]:
    found = []
    through = float(np.mean(ground.least_m < -c.through_m))
    if through > c.through_share:
        found.append(
            Reason(
                "through_floor",
                f"soles lie more than {100 * c.through_m:g} cm under the floor in {through:.0%} of the time",
            )
        )
    airborne = _longest_s(t_ns, ground.least_m > c.airborne_m)
    if airborne > c.airborne_s:
        found.append(Reason("airborne", f"no foot is near the floor for {airborne:.1f} s"))
    resting = ground.resting_m[np.isfinite(ground.resting_m)]
    high = float(np.mean(resting > c.step_m)) if len(resting) else 0.0
    if high > c.step_share:
        found.append(
            Reason(
                "uneven",
                f"feet rest more than {100 * c.step_m:g} cm over the floor in {high:.0%} of their rest: stairs or a bench",
            )
        )
    return found


def _longest_s(t_ns: np.ndarray, state: np.ndarray) -> float:
    """Longest stretch of instants in ``state``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], state, [False]]).astype(int)))
    spans = [
        float(t_ns[end - 1] - t_ns[begin]) * 1e-9 for begin, end in zip(edges[::2], edges[1::2], strict=True)
    ]
    return max(spans, default=0.0)
