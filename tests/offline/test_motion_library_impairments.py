"""Each impairment has the property it is named for, and the feet still stand where they stood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kincast.models.body import build_body
from kincast.models.coordinates import COORDINATES, JOINT_COORDINATES, coordinates_from_pose
from kincast.models.differentiation import MotionState
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.offline.motion_library.clip import Clip
from kincast.offline.motion_library.gates import GateConfig
from kincast.offline.motion_library.impairments import (
    NotAWalkError,
    Walk,
    cane,
    foot_drop,
    hip_hiking,
    short_steps,
    stiff_knee,
    trunk_lean,
)
from kincast.offline.motion_library.retarget import by_another
from kincast.offline.motion_library.sit_to_stand import WEAK, StandingUp, sit_to_stand
from kincast.offline.motion_library.variants import reasons_of
from tests.offline.stepping_clip import BODY, stepping_clip, stepping_walk


def degrees(clip: Clip, name: str) -> np.ndarray:
    return np.rad2deg(clip.q[:, 7 + JOINT_COORDINATES.index(name)].astype(float))


def seen(clip: Clip) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Sole points (time, foot, point, 3) and places of segments, from MuJoCo alone."""
    body = build_body(clip.body)
    dynamics, still = InverseDynamics(body), np.zeros(40)
    soles, places = [], []
    for q in clip.q.astype(np.float64):
        dynamics.set_motion(MotionState(0, q, still, still, still, still, still))
        soles.append(dynamics.sole_state().position)
        places.append(dynamics.data.xpos.copy())
    names = [body.mj_model.body(i).name for i in range(body.mj_model.nbody)]
    return np.array(soles), dict(zip(names, np.array(places).transpose(1, 0, 2), strict=True))


def stands(walk: Walk, side: str) -> np.ndarray:
    """Rows well inside stance, as the walk was made."""
    clip = walk.clip
    cycle = (clip.t_ns * 1e-9 / 1.1 + 0.5 * "rl".index(side)) % 1.0
    return (cycle > 0.08) & (cycle < 0.54)


def slide_and_sink_m(clip: Clip, walk: Walk) -> tuple[float, float]:
    """The furthest that a point of a standing foot moves along the floor and off it."""
    soles, _ = seen(clip)
    slide, off = 0.0, 0.0
    for foot, side in enumerate("rl"):
        rows = np.flatnonzero(stands(walk, side))
        for piece in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
            slide = max(slide, float(np.ptp(soles[piece, foot, :, :2], axis=0).max()))
            off = max(off, float(np.abs(soles[piece, foot, :, 2]).max()))
    return slide, off


def test_the_made_up_walk_is_one() -> None:
    walk = stepping_walk()
    slide, off = slide_and_sink_m(walk.clip, walk)
    assert slide < 0.005
    assert off < 0.005
    assert reasons_of(walk.clip, GateConfig()) == ()
    for side in "rl":
        begins = [b / 60.0 for b, _ in walk.swings(side)]
        expected = [(0.62 - 0.5 * "rl".index(side) + n) * 1.1 for n in range(3)]
        assert len(begins) >= 1
        assert all(min(abs(b - e) for e in expected) < 0.1 for b in begins)


@pytest.mark.parametrize("side", ["r", "l"])
def test_a_stiff_knee_bends_no_further_and_the_pelvis_hikes(side: str) -> None:
    walk = stepping_walk()
    assert degrees(walk.clip, f"knee_angle_{side}").max() > 50.0
    clip = stiff_knee(walk, side, 35.0)
    assert degrees(clip, f"knee_angle_{side}").max() == pytest.approx(35.0, abs=1.5)
    (before, a), (after, b) = seen(walk.clip), seen(clip)
    other = {"r": "l", "l": "r"}[side]
    rows = np.concatenate([np.arange(*s) for s in walk.swings(side)])

    def hike(places: dict[str, np.ndarray]) -> np.ndarray:
        return places[f"femur_{side}"][rows, 2] - places[f"femur_{other}"][rows, 2]

    assert (hike(b) - hike(a)).max() > 0.01
    swinging = after[rows, "rl".index(side), :, 2].min(axis=1)
    assert swinging.min() > -0.004
    assert before[rows, "rl".index(side), :, 2].max() > 0.05
    slide, off = slide_and_sink_m(clip, walk)
    assert slide < 0.006
    assert off < 0.006


def test_a_dropped_foot_hangs_in_swing_and_steps_over_itself() -> None:
    walk = stepping_walk()
    clip = foot_drop(walk, "l", 18.0)
    middle = [(b + e) // 2 for b, e in walk.swings("l")]
    np.testing.assert_allclose(degrees(clip, "ankle_angle_l")[middle], -18.0, atol=3.0)
    np.testing.assert_allclose(degrees(clip, "ankle_angle_r"), degrees(walk.clip, "ankle_angle_r"), atol=4.0)
    rows = np.concatenate([np.arange(*s) for s in walk.swings("l")])
    assert seen(clip)[0][rows, 1, :, 2].min() > -0.004
    assert slide_and_sink_m(clip, walk)[0] < 0.006


@pytest.mark.parametrize("side", ["r", "l"])
def test_a_hiked_hip_rises_by_the_angle_asked_for(side: str) -> None:
    walk = stepping_walk()
    clip = hip_hiking(walk, side, 8.0)
    _, places = seen(clip)
    _, usual = seen(walk.clip)
    other = {"r": "l", "l": "r"}[side]
    middle = [(b + e) // 2 for b, e in walk.swings(side)]

    def lift(p: dict[str, np.ndarray]) -> np.ndarray:
        across = p[f"femur_{side}"][middle] - p[f"femur_{other}"][middle]
        return np.rad2deg(np.arcsin(across[:, 2] / np.linalg.norm(across, axis=1)))

    np.testing.assert_allclose(lift(places) - lift(usual), 8.0, atol=1.5)
    assert slide_and_sink_m(clip, walk)[0] < 0.006


def test_short_steps_are_as_short_as_said() -> None:
    walk = stepping_walk()
    clip = short_steps(walk, 0.6)
    soles, _ = seen(clip)
    before, _ = seen(walk.clip)
    for foot, side in enumerate("rl"):
        rows = np.flatnonzero(stands(walk, side))
        pieces = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
        where = [[np.median(s[p, foot, :, 0]) for p in (pieces[0], pieces[-1])] for s in (soles, before)]
        (a, b), (c, d) = where
        assert b - a == pytest.approx(0.6 * (d - c), abs=0.01)
    assert clip.seconds == walk.clip.seconds
    assert slide_and_sink_m(clip, walk)[0] < 0.006


def test_a_bent_way_has_no_short_steps_and_standing_is_no_walk() -> None:
    clip = stepping_clip()
    q = clip.q.copy()
    q[:, 1] += 0.5 * np.sin(np.linspace(0.0, 2.0 * np.pi, len(q))).astype(np.float32)
    bent = Walk(clip)
    object.__setattr__(bent, "q", q.astype(np.float64))
    with pytest.raises(NotAWalkError, match="bends"):
        short_steps(bent, 0.6)
    with pytest.raises(NotAWalkError, match="no walk"):
        Walk(replace(clip, q=np.tile(clip.q[:1], (len(clip.q), 1))))


@pytest.mark.parametrize(("side", "sign"), [("r", 1.0), ("l", -1.0)])
def test_the_trunk_leans_over_the_leg_that_carries(side: str, sign: float) -> None:
    walk = stepping_walk()
    clip = trunk_lean(walk, side, 12.0)
    alone = walk.in_single_stance(side)
    _, usual = seen(walk.clip)
    _, places = seen(clip)
    row = int(np.argmax(alone))
    moved = places["head"][row, 1] - usual["head"][row, 1]
    # who walks along x has the right side at -y
    assert -sign * moved > 0.05
    bend = np.abs(degrees(clip, "lumbar_bending") - degrees(walk.clip, "lumbar_bending"))
    np.testing.assert_allclose(bend, 12.0 * alone, atol=0.01)


def test_a_cane_declares_its_load_in_the_other_hand_while_the_weak_leg_carries() -> None:
    walk = stepping_walk()
    clip = cane(walk, "l", 0.2)
    assert clip.support is not None
    assert (clip.support.kind, clip.support.side) == ("cane", "r")
    assert clip.body.external_support == "cane"
    assert clip.forces is None
    assert 0.1 < clip.support.share.max() <= 0.2
    swings = np.concatenate([np.arange(b + 6, e - 6) for b, e in walk.swings("l")])
    assert clip.support.share[swings].max() < 0.02


def test_another_body_walks_similarly_and_does_not_slide() -> None:
    walk = stepping_walk()
    small = replace(BODY, scales={**BODY.scales, "overall": 0.8, "shank_foot_r": 1.03}, mass_kg=35.0)
    clip = by_another(walk.clip, small, "a child")
    factor = 0.8 / 1.02
    assert clip.seconds / walk.clip.seconds == pytest.approx(np.sqrt(factor), rel=0.02)
    way = clip.q[-1, 0] - clip.q[0, 0]
    assert way / (walk.clip.q[-1, 0] - walk.clip.q[0, 0]) == pytest.approx(factor, rel=0.03)
    slide, off = slide_and_sink_m(clip, walk)
    assert slide < 0.006
    assert off < 0.006
    assert clip.body.mass_kg == 35.0
    assert clip.person == walk.clip.person


@pytest.mark.parametrize("how", [StandingUp(), WEAK])
def test_standing_up_keeps_the_feet_and_begins_on_a_seat(how: StandingUp) -> None:
    clip = sit_to_stand(stepping_clip(), how, "up")
    soles, _ = seen(clip)
    assert np.ptp(soles[..., :2], axis=0).max() < 0.004
    assert np.abs(soles[..., 2]).max() < 0.004
    c = np.array([np.asarray(coordinates_from_pose(q)) for q in clip.q.astype(float)])
    angle = {n: np.rad2deg(c[:, COORDINATES.index(n)]) for n in COORDINATES}
    assert angle["knee_angle_r"][0] > 80.0
    assert 0.0 < angle["knee_angle_r"][-1] < 25.0
    trunk = -(angle["pelvis_tilt"] + angle["lumbar_extension"])
    assert trunk.max() == pytest.approx(how.lean_deg, abs=4.0)
    assert abs(trunk[-1]) < 3.0
    assert clip.support is not None
    assert clip.support.kind == "seat"
    assert 0.6 < clip.support.share[0] < 1.0
    assert clip.support.share[-30:].max() == 0.0
    assert clip.seconds == pytest.approx(how.seated_s + how.lead_s + how.rise_s + how.standing_s, abs=0.05)
