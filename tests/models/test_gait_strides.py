"""Stride measures against measured heels, and against what geometry says must not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kincast.models.gait.detector import GaitConfig
from kincast.models.gait.heading import progression
from kincast.models.gait.strides import Instant, StrideEvents, measure_stride, toe_clearance
from kincast.models.gait.track import GaitSample, GaitTrack
from tests.models.gait_walks import MeasuredWalk, detect, multiview_walk

LENGTHS = ("stride_length_m", "step_length_m", "step_width_m")


@pytest.fixture(scope="module")
def belt_walk(data_dir) -> MeasuredWalk:
    """Walks on a belt that nobody declares; its speed is that of the planted heels."""
    walk = multiview_walk(data_dir / "multiview" / "subject01_walk")
    return replace(walk, ground=np.array([-1.133, 0.0]))


def heels(walk: MeasuredWalk, side: str, begin_s: float, other_s: float, end_s: float) -> np.ndarray:
    """The three lengths from the plates' strikes."""
    mine, theirs = (0, 1) if side == "right" else (1, 0)

    def on_ground(x: np.ndarray, t: float) -> np.ndarray:
        return np.array([np.interp(t, walk.t_s, x[:, k]) for k in range(2)]) - walk.ground * (t - begin_s)

    path = on_ground(walk.pelvis, end_s) - on_ground(walk.pelvis, begin_s)
    ahead = path / np.linalg.norm(path)
    left = np.array([-ahead[1], ahead[0]]) * (1 if side == "left" else -1)
    stride = on_ground(walk.feet[:, mine, 0], end_s) - on_ground(walk.feet[:, mine, 0], begin_s)
    step = on_ground(walk.feet[:, mine, 0], end_s) - on_ground(walk.feet[:, theirs, 0], other_s)
    return np.array([stride @ ahead, step @ ahead, step @ left])


@pytest.mark.data
def test_lengths_against_plates_and_heels(belt_walk):
    found = detect(belt_walk.noisy(0.004))
    assert len(found.strides) >= 3
    for stride in found.strides:
        values = stride.measures.values
        strikes = {
            side: np.array([e.time_s for e in belt_walk.events if (e.side, e.event) == (side, "foot_strike")])
            for side in ("right", "left")
        }
        mine = strikes[stride.side]
        begin = mine[np.argmin(np.abs(mine - values["foot_strike_s"] - belt_walk.t_s[0]))]
        end = mine[np.argmin(np.abs(mine - values["next_foot_strike_s"] - belt_walk.t_s[0]))]
        other = strikes["left" if stride.side == "right" else "right"]
        between = other[(other > begin) & (other < end)]
        if len(between) != 1:
            continue
        truth = heels(belt_walk, stride.side, begin, between[0], end)
        ours = np.array([values[name] for name in LENGTHS])
        np.testing.assert_allclose(ours, truth, atol=0.025)
        assert values["speed_m_s"] == pytest.approx(truth[0] / (end - begin), abs=0.05)
        assert values["cadence_steps_min"] == pytest.approx(120 / (end - begin), rel=0.04)
        assert 55 < values["stance_pct"] < 72
        assert 0.0 < values["toe_clearance_min_m"] < 0.08
        assert 0.15 < values["heel_clearance_max_m"] < 0.35
        assert set(values) == set(stride.measures.sd)
        assert all(np.isfinite(v) and v >= 0 for v in stride.measures.sd.values())


@pytest.mark.data
def test_belt_and_floor_give_the_same(belt_walk):
    """The same walk seen from the belt: only the frame of reference differs."""
    drift = -belt_walk.ground * (belt_walk.t_s - belt_walk.t_s[0])[:, None]
    feet, pelvis = belt_walk.feet.copy(), belt_walk.pelvis.copy()
    feet[..., :2] += drift[:, None, None, :]
    pelvis[:, :2] += drift
    floor = replace(belt_walk, feet=feet, pelvis=pelvis, ground=np.zeros(2))
    on_belt = detect(belt_walk, GaitConfig(belt_speed_m_s=1.133)).strides
    on_floor = detect(floor).strides
    assert len(on_belt) == len(on_floor) >= 3
    for a, b in zip(on_belt, on_floor, strict=True):
        for name in LENGTHS:
            assert a.measures.values[name] == pytest.approx(b.measures.values[name], abs=0.02)


@pytest.mark.data
def test_heading_makes_no_difference(belt_walk):
    straight, turned = detect(belt_walk).strides, detect(belt_walk.turned(2.1)).strides
    assert len(straight) == len(turned) >= 3
    for a, b in zip(straight, turned, strict=True):
        for name in (*LENGTHS, "speed_m_s"):
            assert a.measures.values[name] == pytest.approx(b.measures.values[name], abs=1.5e-2)


def footprints(path_left: bool = False, backwards: bool = False, radius_m: float | None = None) -> GaitTrack:
    """Feet that jump from print to print: stride 1.2 m in 1.2 s, heels 0.16 m apart, on a line or a circle."""
    track, samples = GaitTrack(), []
    for t in np.arange(0.0, 3.0, 1 / 60):
        s_body = t
        feet = np.zeros((2, 3, 3))
        for side in (0, 1):
            k = np.floor((t - 0.6 * side) / 1.2)
            feet[side, :, :] = place(1.2 * k + 0.6 * side, -0.08 if side == 0 else 0.08, radius_m)
        body, ahead = place(s_body, 0.0, radius_m), place(s_body + 0.01, 0.0, radius_m)
        forward = (ahead - body)[:2] / np.linalg.norm((ahead - body)[:2])
        samples.append(
            GaitSample(
                round(t * 1e9), feet, body + np.array([0, 0, 0.9]), -forward if backwards else forward, 0.95
            )
        )
    track.update(tuple(samples), ())
    return track


def place(arc_m: float, left_m: float, radius_m: float | None) -> np.ndarray:
    if radius_m is None:
        return np.array([arc_m, left_m, 0.0])
    angle = arc_m / radius_m
    return np.array(
        [(radius_m - left_m) * np.sin(angle), radius_m - (radius_m - left_m) * np.cos(angle), 0.0]
    )


EVENTS = StrideEvents(0, Instant(0.3, 0.01), Instant(1.0, 0.01), Instant(0.9, 0.01), Instant(1.5, 0.01))


def test_known_footprints():
    measures = measure_stride(footprints(), EVENTS, np.zeros(2))
    assert measures is not None
    assert measures.values["stride_length_m"] == pytest.approx(1.2, abs=1e-6)
    assert measures.values["step_length_m"] == pytest.approx(0.6, abs=1e-6)
    assert measures.values["step_width_m"] == pytest.approx(0.16, abs=1e-6)
    assert measures.values["speed_m_s"] == pytest.approx(1.0, abs=1e-6)
    assert measures.values["cadence_steps_min"] == pytest.approx(100.0)
    assert measures.values["stance_pct"] == pytest.approx(100 * 0.7 / 1.2)


def test_backwards_keeps_right_right():
    """Facing against the path the right foot is on its left: width stays positive."""
    track = footprints(backwards=True)
    measures = measure_stride(track, replace(EVENTS, side=0), np.zeros(2))
    assert measures is not None
    assert measures.values["step_width_m"] == pytest.approx(-0.16, abs=1e-6)
    assert measures.values["stride_length_m"] == pytest.approx(1.2, abs=1e-6)


def test_round_a_curve_width_stays():
    measures = measure_stride(footprints(radius_m=3.0), EVENTS, np.zeros(2))
    assert measures is not None
    assert measures.values["step_width_m"] == pytest.approx(0.16, abs=0.07)
    assert measures.values["stride_length_m"] == pytest.approx(1.2 * 3.08 / 3.0, abs=0.03)


@pytest.mark.parametrize(
    "events",
    [
        replace(EVENTS, off=Instant(1.6, 0.01)),
        replace(EVENTS, other_strike=Instant(0.1, 0.01)),
        replace(EVENTS, next_strike=Instant(0.31, 0.01)),
        replace(EVENTS, strike=Instant(-1.0, 0.01)),
    ],
)
def test_contradicting_events_give_no_stride(events):
    assert measure_stride(footprints(), events, np.zeros(2)) is None


def test_path_too_short_for_a_direction_uses_the_facing():
    short = progression(np.array([0.0, 0.03]), np.array([1.0, 0.0]))
    assert short.direction == pytest.approx([1.0, 0.0])
    assert not short.backwards
    assert progression(np.array([-1.0, 0.0]), np.array([1.0, 0.0])).backwards


def test_toe_clearance_is_of_mid_swing():
    t = np.linspace(0, 1, 101)
    heights = np.zeros((101, 3))
    heights[60:, 1:] = (0.06 - 0.04 * np.sin(np.pi * (t[60:] - 0.6) / 0.4))[:, None]
    assert toe_clearance(t, heights, t < 0.6, t >= 0.6) == pytest.approx(0.02, abs=2e-3)


def test_what_all_events_share_does_not_enter_a_duration():
    shared = Instant(1.0, 0.012, 0.005)
    assert shared.own_sd_s == 0.005
    assert Instant(1.0, 0.012).own_sd_s == 0.012
    assert Instant(1.0, 0.004, 0.005).own_sd_s == 0.004
