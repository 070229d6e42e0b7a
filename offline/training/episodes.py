"""Where instances begin, and when they begin anew."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from kincast.models.twin.bank import MotionBank

LEAST_ROWS = 30
"""That an episode has before its clip ends."""


def starts(
    bank: MotionBank, count: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Clip and row of ``count`` episodes: every instant of the library is as likely as every other."""
    usable = np.maximum(bank.length - LEAST_ROWS, 1)
    clip = rng.choice(len(usable), size=count, p=usable / usable.sum())
    return clip, (rng.random(count) * usable[clip]).astype(int)
