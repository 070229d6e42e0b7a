"""Kinds of walking no recording here has: initiation, half steps, turns, shuffles, aids, children. Planned, with noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.models.gait_generated import Fall, Style, generated, steps
from tests.models.gait_walks import MeasuredWalk, detect, score

REACH_S = 0.2
"""Made-up feet leave the floor more slowly than real ones: found or not is asked here, plates tell the timing."""


def planned(name: str, lengths: list[float], style=None, backwards: bool = False, **plan) -> MeasuredWalk:
    right, left, end_s = steps(lengths, **plan)
    return generated(name, right, left, end_s + 1.5, style, backwards=backwards)


WALKS = (
    planned("start and stop", [0.35] + [0.65] * 6 + [0.3, 0.0]),
    planned("half steps", [0.3, 0.0] * 4, step_s=0.7, double_s=0.2),
    planned("turn on the spot", [0.0] * 10, turn=0.5, step_s=0.6, double_s=0.15),
    planned("curve", [0.5] * 10, turn=0.25),
    planned("shuffle", [0.15] * 12, Style(0.03, 0.1, 0.012, 0.1, 0.2), step_s=0.5, double_s=0.2),
    planned("backwards", [-0.45] * 8, Style(-0.25, -0.3, 0.05), backwards=True, step_s=0.6),
    planned("very slow", [0.3] * 6, step_s=1.2, double_s=0.6),
    planned(
        "asymmetric", [0.55, 0.3] * 4, (Style(), Style(0.05, 0.3, 0.03)), step_times=(0.5, 0.85), double_s=0.2
    ),
    planned(
        "child",
        [0.2] + [0.38] * 8 + [0.2, 0.0],
        Style(0.3, 0.8, 0.04, scale=0.6),
        step_s=0.4,
        double_s=0.08,
        width_m=0.07,
    ),
    planned(
        "cane",
        [0.3, 0.15] * 4,
        (Style(0.1, 0.5, 0.04), Style(0.03, 0.2, 0.02)),
        step_times=(0.7, 1.3),
        double_s=0.4,
    ),
    planned("toes first", [0.5] * 8, Style(-0.3, 0.6, 0.05)),
    planned("fast", [0.5] + [0.95] * 6 + [0.5, 0.0], step_s=0.43, double_s=0.06),
)


def figures(walk: MeasuredWalk) -> tuple[int, int, int]:
    """Found, missed, false (also before the first and after the last step)."""
    found = detect(walk)
    scored = score(walk, found, reach_s=REACH_S)
    n = len(scored.errors)
    return n, scored.missed, len(found.events) - n


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.name)
def test_every_kind_is_found(walk):
    n, missed, false = figures(walk.noisy(0.004, seed=1))
    assert 2 * n / (2 * n + missed + false) >= 0.93


def test_all_kinds_at_thirty_pictures_a_second_and_more_noise():
    counts = np.array([figures(walk.at_rate(30.0).noisy(0.006, seed=2)) for walk in WALKS]).sum(axis=0)
    n, missed, false = counts
    assert 2 * n / (2 * n + missed + false) >= 0.95


STANDING = [Fall((0.0, -0.1), 0.0, -1.0, 99.0)], [Fall((0.0, 0.1), 0.0, -1.0, 99.0)]


@pytest.mark.parametrize("rate_hz", [25.0, 60.0])
def test_shifting_weight_and_raising_heels_are_no_steps(rate_hz):
    sway = generated("sway", *STANDING, 8.0, sway=(0.05, 0.5))
    raised = [Fall((0.0, -0.1), 0.0, begin, begin + 1.9999) for begin in (-1.0, 1.0, 3.0)]
    heels = generated("heels", raised, STANDING[1], 6.0, Style(0.0, 0.35, 0.0, 0.3, 0.6), sway=(0.03, 0.4))
    for walk in (sway, heels):
        found = detect(replace(walk.at_rate(rate_hz), events=()).noisy(0.004, seed=3))
        assert found.events == []
        assert found.steps[-1].reason.startswith("no event, because")


def test_events_of_the_first_tenths_of_a_second_are_told():
    """The record begins in mid-walk: what happened before the ground was known is told at once when it is."""
    walk = WALKS[0]
    begins_s = 3.0
    cut = walk.at(walk.t_s[walk.t_s >= begins_s])
    early = [e for e in walk.events if begins_s + 0.1 < e.time_s < begins_s + 0.45]
    found = [(o.side, o.event, o.t_ns * 1e-9) for o, _ in detect(cut.noisy(0.003)).events]
    assert early
    for e in early:
        assert any((s, k) == (e.side, e.event) and abs(t - e.time_s) < 0.06 for s, k, t in found)
