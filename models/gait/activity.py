"""What the person is doing as far as gait goes, and the sentence why there is no event."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.models.gait.signals import middle


class Activity(enum.Enum):
    """WALKING: steps are coming. MOVING: feet or body move, but no step was clear enough to be one."""

    LOST = "tracking lost"
    HIDDEN = "feet not visible"
    SITTING = "sitting"
    STANDING = "standing"
    RISING = "rising or sitting down"
    MOVING = "moving without clear steps"
    WALKING = "walking"


@dataclass(frozen=True)
class ActivityConfig:
    """``sit_below`` / ``rise_above``: hip height over ankle per leg length; a crouch gait stays above 0.75.

    ``rising``: change of that height within ``recent_s``. A person who rests for ``recent_s`` stands; one who made a
    step within ``step_memory_s`` walks.
    """

    sit_below: float = 0.66
    rise_above: float = 0.74
    still_m_s: float = 0.12
    recent_s: float = 1.0
    step_memory_s: float = 2.5
    rising: float = 0.06


def is_sitting(was_sitting: bool, leg_extension: Float64[np.ndarray, " n"], config: ActivityConfig) -> bool:
    """Hysteresis on the hips' height over the recent past (median against single bad frames)."""
    if not len(leg_extension):
        return was_sitting
    level = middle(leg_extension)
    return level < (config.rise_above if was_sitting else config.sit_below)


def classify(
    sitting: bool,
    slowest: Float64[np.ndarray, "n 2"],
    pelvis_speed: Float64[np.ndarray, " n"],
    leg_extension: Float64[np.ndarray, " n"],
    since_event_s: float,
    config: ActivityConfig,
) -> Activity:
    """From the recent past: speeds of both feet's slowest points and of the pelvis over the ground, hip height."""
    if sitting:
        return Activity.SITTING
    if since_event_s > config.recent_s and len(slowest):
        still = middle(slowest.max(axis=1)) < config.still_m_s
        if still and float(np.ptp(leg_extension)) > config.rising:
            return Activity.RISING
        if still and middle(pelvis_speed) < 2 * config.still_m_s:
            return Activity.STANDING
    return Activity.WALKING if since_event_s < config.step_memory_s else Activity.MOVING


def no_event_reason(activity: Activity, hidden_sides: tuple[str, ...] = ()) -> str:
    """Why no event is said; empty while steps are coming."""
    if activity is Activity.WALKING:
        return ""
    if activity is Activity.HIDDEN:
        feet = " and ".join(hidden_sides) + (" foot" if len(hidden_sides) == 1 else " feet")
        return f"no event, because the {feet} cannot be seen well enough"
    why = {
        Activity.LOST: "tracking of the person is lost",
        Activity.SITTING: "the person is sitting",
        Activity.STANDING: "the person is standing",
        Activity.RISING: "the person is rising or sitting down",
        Activity.MOVING: "no clear step was seen",
    }[activity]
    return f"no event, because {why}"
