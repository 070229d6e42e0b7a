"""Velocity of the ground under the feet: zero on a floor, that of the belt on a treadmill, declared or not.

A planted foot moves exactly as the ground does, and while a person walks one foot is planted at every instant.
So the ground's velocity is where the horizontal velocities of foot points pile up; swing spreads them out.

How well feet tell a belt's speed was measured on the optical heels and toes of a treadmill trial: the middle half
of stance gives 1.208 m/s by the heels, 1.228 by the big and 1.237 by the small toes, flat foot 1.245. A foot
rolls while it stands, so a speed from feet alone is good to some two per cent, whatever the number of steps.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True)
class GroundConfig:
    """Speeds m/s, times s, ``*_sd`` relative standard deviations of a speed.

    ``bandwidth``: velocities this close count as the same (some three times the noise of a planted keypoint's).
    Points that rise or sink faster than ``level`` are not planted, faster than ``flat`` not flat on the ground. A belt is believed from ``least_belt`` on, if it explains ``share`` of the
    instants and ``lead`` more than a floor at rest does, while the pelvis moves at less than ``pelvis_ratio`` of
    its speed; after ``evidence_s`` of samples, or from ``early_s`` on if it leads by ``early_lead``. That early a
    floor is believed if it leads so or the pelvis is ``travelling``: people on belts stay in their place.
    A declared speed gives way where feet differ from it by more than ``doubt`` standard deviations.
    """

    memory_s: float = 3.0
    spacing_s: float = 0.012
    early_s: float = 0.1
    early_lead: float = 0.5
    travelling: float = 0.5
    evidence_s: float = 0.3
    bandwidth: float = 0.12
    level: float = 0.25
    flat: float = 0.12
    least_belt: float = 0.12
    share: float = 0.55
    lead: float = 0.2
    pelvis_ratio: float = 0.4
    feet_sd: float = 0.02
    declared_sd: float = 0.01
    doubt: float = 3.0
    doubt_floor: float = 0.05
    same: float = 0.1
    gain: float = 0.1
    young: int = 40
    every: int = 8


@dataclass(frozen=True)
class GroundVelocity:
    """Horizontal ``velocity_m_s`` (2,) of the ground, standard deviation of its speed, and what it rests on.

    ``share`` of instants at which some foot moved with it; ``seen_m_s`` the speed by the feet alone, None
    while they have not told; ``contradicts_declared``: they clearly say otherwise than was declared.
    """

    velocity_m_s: Float64[np.ndarray, "2"]
    share: float = 0.0
    sd_m_s: float = 0.0
    seen_m_s: float | None = None
    contradicts_declared: bool = False

    @property
    def speed_m_s(self) -> float:
        return float(np.hypot(*self.velocity_m_s))


STILL_GROUND = GroundVelocity(np.zeros(2))


class GroundEstimator:
    """Causal estimate from foot points, one instant after the other.

    ``declared_m_s`` is the belt's speed where it is known (0: a floor); its direction is backwards along the
    pelvis' heading until the feet tell. It is averaged with what the feet say by their standard deviations;
    where the feet clearly contradict it (the belt stands, or runs at another speed) they are believed.
    """

    def __init__(self, declared_m_s: float | None = None, config: GroundConfig | None = None) -> None:
        self._declared = declared_m_s
        self._config = config or GroundConfig()
        self._samples: deque[tuple[int, Float64[np.ndarray, "point 3"], Float64[np.ndarray, "2"]]] = deque()
        self._seen: Float64[np.ndarray, "2"] | None = None
        self._agreed = 0
        self._since = 0
        self.ground = STILL_GROUND
        self.known = False
        """Whether the feet, or a declaration, have told."""

    @property
    def velocity_m_s(self) -> Float64[np.ndarray, "2"]:
        return self.ground.velocity_m_s

    def forget(self) -> None:
        """The stream was interrupted, or begins anew: samples go, the velocity stays until new ones tell otherwise."""
        self._samples.clear()

    def update(
        self,
        t_ns: int,
        foot_velocity: Float64[np.ndarray, "point 3"],
        pelvis_velocity: Float64[np.ndarray, "2"],
        heading: Float64[np.ndarray, "2"],
    ) -> GroundVelocity:
        """Take in the world velocities of all foot points (both feet) and of the pelvis at ``t_ns``."""
        c = self._config
        if self._samples and t_ns - self._samples[-1][0] < c.spacing_s * 1e9:
            return self.ground
        self._samples.append((t_ns, foot_velocity, pelvis_velocity))
        while t_ns - self._samples[0][0] > c.memory_s * 1e9:
            self._samples.popleft()
        if self._seen is None and self._declared is not None:
            self.ground = GroundVelocity(-self._declared * heading, 0.0, c.declared_sd * self._declared)
        self._since += 1
        if self._agreed >= c.young and self._since < c.every:
            return self.ground
        self._since = 0
        span_s = (t_ns - self._samples[0][0]) * 1e-9
        if span_s < c.early_s:
            return self.ground
        feet = np.array([s[1] for s in self._samples])
        pelvis = np.array([s[2] for s in self._samples])
        found = seen_velocity(feet, pelvis, c)
        if found is None or (span_s < c.evidence_s and not found.clear):
            self.known |= self._declared is not None and span_s >= c.evidence_s
            return self.ground
        self.known = True
        self._follow(found.velocity_m_s, whole=span_s > 0.9 * c.memory_s)
        self.ground = self._with_declared(found.share)
        return self.ground

    def _follow(self, velocity: Float64[np.ndarray, "2"], whole: bool) -> None:
        """A steady belt is averaged over seconds, a change of speed is taken as it comes."""
        c, before = self._config, self._seen
        still = not velocity.any()
        if before is None or still or not before.any() or float(np.hypot(*(velocity - before))) > c.same:
            self._agreed = c.young if still and before is not None and not before.any() else 0
            self._seen = velocity
            return
        self._agreed += 1
        # while the memory fills, each estimate knows all that the one before knew
        gain = c.gain if whole else 1.0
        self._seen = before + gain * (velocity - before)

    def _with_declared(self, share: float) -> GroundVelocity:
        c, seen, declared = self._config, self._seen, self._declared
        assert seen is not None
        speed = float(np.hypot(*seen))
        sd = c.feet_sd * speed
        if declared is None:
            return GroundVelocity(seen, share, sd, speed)
        tolerance = max(c.doubt * float(np.hypot(sd, c.declared_sd * declared)), c.doubt_floor)
        if abs(speed - declared) > tolerance:
            return GroundVelocity(seen, share, sd, speed, contradicts_declared=True)
        if declared == 0.0 or speed == 0.0:
            return GroundVelocity(np.zeros(2), share, 0.0, speed)
        trust = sd**2 / (sd**2 + (c.declared_sd * declared) ** 2)
        mean = trust * declared + (1 - trust) * speed
        mean_sd = float(np.hypot(0.5 * (speed - declared), 0.5 * c.declared_sd * declared))
        return GroundVelocity(seen * (mean / speed), share, mean_sd, speed)


@dataclass(frozen=True)
class SeenVelocity:
    """Ground velocity by the feet, the share of instants that agree, and whether little data is enough for it."""

    velocity_m_s: Float64[np.ndarray, "2"]
    share: float
    clear: bool


def seen_velocity(
    feet_velocity: Float64[np.ndarray, "t point 3"],
    pelvis_velocity: Float64[np.ndarray, "t 2"],
    config: GroundConfig,
) -> SeenVelocity | None:
    """What the feet say; None where they do not tell.

    A still floor is preferred whenever it explains the feet: a belt has to be the better explanation of most instants.
    """
    c = config
    planar = feet_velocity[..., :2]
    rise = np.abs(feet_velocity[..., 2])
    level = rise < c.level
    if len(planar) < 3 or not level.any():
        return None
    still = _share(planar, level, np.zeros(2), c.bandwidth)
    flat = level & (rise < c.flat)
    velocity = _mode(planar[flat if flat.any() else level], c)
    speed = float(np.hypot(*velocity))
    share = _share(planar, level, velocity, c.bandwidth)
    travels = float(np.hypot(*pelvis_velocity.mean(axis=0)))
    belt = speed >= c.least_belt and share >= c.share and share >= still + c.lead
    if belt and travels < c.pelvis_ratio * speed:
        return SeenVelocity(velocity, share, share >= still + c.early_lead)
    if speed < c.least_belt:
        still = max(still, share)
    if belt or still >= c.share or travels > c.travelling:
        clear = travels > c.travelling or still >= c.share + 0.5 * c.early_lead
        return SeenVelocity(np.zeros(2), still, clear)
    return None


def _share(
    planar: Float64[np.ndarray, "t point 2"], level: np.ndarray, velocity: np.ndarray, radius: float
) -> float:
    away = planar - velocity
    near = level & (away[..., 0] ** 2 + away[..., 1] ** 2 < radius**2)
    return float(np.count_nonzero(near.any(axis=1))) / len(near)


def _mode(velocities: Float64[np.ndarray, "m 2"], config: GroundConfig) -> Float64[np.ndarray, "2"]:
    """Densest place: the best of some samples, then mean shift with medians."""
    candidates = velocities[:: max(1, len(velocities) // 32)]
    away = candidates[:, None, :] - velocities[None, :, :]
    near = away[..., 0] ** 2 + away[..., 1] ** 2 < config.bandwidth**2
    centre = candidates[int(np.argmax(near.sum(axis=1)))]
    for width in (2 * config.bandwidth, config.bandwidth, config.bandwidth, config.bandwidth):
        away = velocities - centre
        inside = away[:, 0] ** 2 + away[:, 1] ** 2 < width**2
        if not inside.any():
            break
        centre = np.median(velocities[inside], axis=0)
    return centre
