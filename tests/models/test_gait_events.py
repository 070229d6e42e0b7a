"""Foot strikes and foot offs against force plates, on measured walks and on what can be made of them."""

from __future__ import annotations

import numpy as np
import pytest

from kincast.models.gait.activity import Activity
from kincast.models.gait.detector import GaitConfig
from tests.models.gait_walks import MeasuredWalk, detect, multiview_walk, score

WALKS = ("walking1", "walkingTI1", "walkingTS2", "subject01_walk")
pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def walks(data_dir) -> dict[str, MeasuredWalk]:
    cases = {name: multiview_walk(data_dir / "multiview" / name) for name in (*WALKS, "camargo_levelground")}
    long = multiview_walk(data_dir / "multiview" / "treadmill60")
    cases["treadmill"] = long.at(long.t_s[long.t_s < 6.5])
    return cases


def pooled(walks, change=lambda w: w, names=(*WALKS, "treadmill"), **options):
    scores = [score(w := change(walks[n]), detect(w), **options) for n in names]
    errors, delays = np.concatenate([s.errors for s in scores]), np.concatenate([s.delays for s in scores])
    wrong = sum(s.missed + s.extra for s in scores)
    return np.median(np.abs(errors)), np.percentile(delays, 95), 2 * len(errors) / (2 * len(errors) + wrong)


def test_plate_events_are_found_on_time(walks):
    error, delay, f1 = pooled(walks)
    assert error < 0.020
    assert delay < 0.080
    assert f1 > 0.98


@pytest.mark.parametrize("rate_hz", [25.0, 30.0, 120.0])
def test_any_frame_rate(walks, rate_hz):
    error, delay, f1 = pooled(walks, lambda w: w.at_rate(rate_hz))
    assert error < 0.025
    assert delay < 0.080 + 1.0 / rate_hz
    assert f1 > 0.95


def test_correlated_noise_of_five_millimetres(walks):
    error, _, f1 = pooled(walks, lambda w: w.noisy(0.005))
    assert error < 0.022
    assert f1 > 0.95


def test_child(walks):
    error, _, f1 = pooled(walks, lambda w: w.smaller(0.55).noisy(0.003))
    assert error < 0.022
    assert f1 > 0.95


def test_very_slow(walks):
    """Twice slowed down: 0.65 m/s with a swing of 0.8 s, which is slower than slow walkers swing."""
    error, _, f1 = pooled(walks, lambda w: w.slower(2.0).noisy(0.003), reach_s=0.15)
    assert error < 0.040
    assert f1 > 0.95


def test_backwards(walks):
    """Time reversal: the toes touch first, the heel leaves last; strike and off change places."""
    error, _, f1 = pooled(walks, lambda w: w.reversed().noisy(0.003))
    assert error < 0.025
    assert f1 > 0.95


def test_asymmetric(walks):
    """The right foot lifts and travels at two thirds of the speed: unequal steps through stretched time."""

    def limp(w: MeasuredWalk) -> MeasuredWalk:
        strikes = sorted(e.time_s for e in w.events if e.event == "foot_strike" and e.side == "right")
        knots, warped = [w.t_s[0]], [w.t_s[0]]
        for strike in strikes:
            for t, pace in ((strike - 0.4, 1.0), (strike, 1.5)):
                if t > knots[-1] + 0.05:
                    warped.append(warped[-1] + pace * (t - knots[-1]))
                    knots.append(t)
        warped.append(warped[-1] + w.t_s[-1] - knots[-1] + 1e-6)
        knots.append(w.t_s[-1] + 1e-6)
        to = lambda t: np.interp(t, knots, warped)  # noqa: E731
        events = tuple(type(e)(float(to(e.time_s)), e.side, e.event) for e in w.events)
        return MeasuredWalk(w.name, to(w.t_s), w.feet, w.pelvis, w.ground, events).at_rate(60.0)

    overground = ("walking1", "walkingTI1", "walkingTS2")
    error, _, f1 = pooled(walks, limp, names=overground)
    assert error < 0.030
    assert f1 > 0.9


def test_heading_makes_no_difference(walks):
    for angle in (1.0, 2.5, -2.0):
        error, _, f1 = pooled(walks, lambda w, a=angle: w.turned(a), names=("walking1", "subject01_walk"))
        assert error < 0.022
        assert f1 > 0.98


def test_steps_stand_and_turn(walks):
    """Two steps, standing, a quarter turn: steps of normal size are found, standing says so."""
    walk = walks["camargo_levelground"]
    found = detect(walk)
    result = score(walk, found)
    assert result.extra == 0
    assert len(result.errors) >= 7
    assert np.median(np.abs(result.errors)) < 0.025
    standing = [s.reason for s, t in zip(found.steps, walk.t_s, strict=True) if 3.2 < t < 3.9]
    assert set(standing) == {"no event, because the person is standing"}


def test_sit_to_stand_has_no_events(data_dir):
    walk = multiview_walk(data_dir / "multiview" / "STS1")
    hips = walk.pelvis[:, 2] / np.percentile(walk.pelvis[:, 2], 98)
    found = detect(
        MeasuredWalk(walk.name, walk.t_s, walk.feet, walk.pelvis, walk.ground, (), leg_extension=hips).noisy(
            0.004
        )
    )
    assert found.events == []
    assert {s.activity for s in found.steps} >= {Activity.SITTING, Activity.RISING}
    assert all(s.reason.startswith("no event, because") for s in found.steps)


def test_causal_and_deterministic(walks):
    """Cutting the recording changes nothing said before; twice the same gives the same."""
    walk = walks["subject01_walk"].noisy(0.003)
    whole = detect(walk).events
    assert whole == detect(walk).events
    cut = detect(walk.at(walk.t_s[:150])).events
    assert cut == [e for e in whole if e[1] <= round(walk.t_s[149] * 1e9)]


def test_declared_belt_is_no_worse(walks):
    walk = walks["treadmill"]
    free, declared = score(walk, detect(walk)), score(walk, detect(walk, GaitConfig(belt_speed_m_s=1.209)))
    assert declared.f1 >= free.f1 - 1e-9
    assert abs(np.median(np.abs(declared.errors)) - np.median(np.abs(free.errors))) < 0.003


def test_deviations_are_honest(walks):
    """The stated deviation covers the errors: two thirds within one, none beyond four."""
    z = []
    for name in (*WALKS, "treadmill", "camargo_levelground"):
        walk = walks[name].noisy(0.004)
        found = detect(walk)
        for e in walk.events:
            near = [o for o, _ in found.events if (o.side, o.event) == (e.side, e.event)]
            near = [o for o in near if abs(o.t_ns * 1e-9 - e.time_s) < 0.1]
            z += [(near[0].t_ns * 1e-9 - e.time_s) / near[0].sd_s] if near else []
    assert 0.5 < np.sqrt(np.mean(np.square(z))) < 2.0
    assert np.abs(z).max() < 5
