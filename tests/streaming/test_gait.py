"""The gait stream on fit results: points of the body, visibility, lost tracking, session times, determinism."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kincast.deploy.demo.motion import Walk, WalkPlan, generate_walk
from kincast.deploy.demo.steps import Path
from kincast.models.body import Body, BodyParameters, build_body
from kincast.models.fit_result import CameraStatistics, FitCode, FitResult, SettledPose, WindowState
from kincast.models.gait.landmarks import GaitLandmarks
from kincast.models.ground_velocity import GroundVelocity
from kincast.models.kinematics import difference, site_positions
from kincast.streaming.gait import GaitOutput, GaitStream, ground_findings

START_NS = 5_000_000_000
LAG, WINDOW = 2, 6


@pytest.fixture(scope="module")
def body() -> Body:
    offsets = {"RHeel": (-0.01, 0.005, 0.0), "LBigToe": (0.012, 0.0, 0.004)}
    return build_body(BodyParameters(scales={"overall": 0.95}, site_offsets=offsets))


@pytest.fixture(scope="module")
def walk(body) -> Walk:
    """A few metres straight on, at 30 Hz."""
    made = generate_walk(body, WalkPlan(path=Path(straight_m=5.0), stand_s=0.8, duration_s=5.0, rate_hz=60.0))
    return replace(made, t_s=made.t_s[::2], q=made.q[::2])


def statistics(confidence: np.ndarray) -> CameraStatistics:
    cameras = len(confidence)
    one = np.ones(cameras, np.float32)
    return CameraStatistics(
        present=np.ones(cameras, bool),
        person_index=np.zeros(cameras, np.int64),
        median_px=one,
        inlier_share=one,
        swapped=np.zeros(cameras, bool),
        weight=one,
        knocked=np.zeros(cameras, bool),
        error_px=np.zeros(confidence.shape, np.float32),
        confidence=confidence,
    )


def results(walk: Walk, confidence: np.ndarray | None = None) -> list[FitResult]:
    """What a perfect fitter would say, two snapshots behind."""
    t_ns = START_NS + np.round(walk.t_s * 1e9).astype(np.int64)
    qvel = np.stack([difference(a, b) for a, b in zip(walk.q[:-1], walk.q[1:], strict=True)]) * 30.0
    qvel = np.concatenate([qvel, qvel[-1:]])
    sd = np.full(40, 0.01)
    seen = statistics(np.ones((4, 26), np.float32) if confidence is None else confidence)
    out = []
    for i in range(len(t_ns)):
        first = max(0, i - WINDOW + 1)
        rows = np.arange(first, i + 1)
        window = WindowState(rows.astype(np.int64), t_ns[rows], walk.q[rows], qvel[rows])
        k = i - LAG
        settled = (SettledPose(k, int(t_ns[k]), walk.q[k], qvel[k], sd, sd, True),) if k >= 0 else ()
        out.append(FitResult(i, int(t_ns[i]), FitCode.OK, walk.q[i], window, settled, seen))
    return out


def run(stream: GaitStream, fits: list[FitResult]) -> list[GaitOutput]:
    return [stream.step(fit) for fit in fits]


def test_points_are_the_sites_of_the_body(body, walk):
    sample = GaitLandmarks(body).samples([0], walk.q[70:71])[0]
    sites = np.asarray(site_positions(body.skeleton, body.values, walk.q[70]))
    for side, tag in enumerate("RL"):
        for point, name in enumerate(("Heel", "BigToe", "SmallToe")):
            np.testing.assert_allclose(
                sample.feet[side, point], sites[body.sites.index(tag + name)], atol=1e-5
            )
    assert 0.9 < sample.leg_extension < 1.02


@pytest.mark.parametrize("keypoint_set", ["COCO_133", "BODY_25", "MOVI_87"])
def test_other_keypoint_sets_have_feet_too(keypoint_set, walk):
    landmarks = GaitLandmarks(build_body(BodyParameters(), keypoint_set=keypoint_set))
    feet = landmarks.samples([0], walk.q[:1])[0].feet
    assert np.ptp(feet[..., 0]) > 0.15
    assert np.abs(feet[..., 2]).max() < 0.15
    assert all(len(sites) >= 3 for sites in landmarks.seen_sites)


def test_planned_footfalls_are_found(body, walk):
    outputs = run(GaitStream(body, START_NS), results(walk))
    events = [e for o in outputs for e in o.events]
    for side, name in enumerate(("right", "left")):
        planned = [f.strike_s for f in walk.falls[side] if 0.8 < f.strike_s < 4.7]
        found = [(e.t_ns - START_NS) * 1e-9 for e in events if (e.side, e.event) == (name, "foot_strike")]
        assert len(found) == len(planned)
        np.testing.assert_allclose(found, planned, atol=0.08)
    assert all(e.emitted_ns >= e.t_ns - 20_000_000 for e in events)
    assert all(0.005 < e.sd_s <= 0.1 for e in events)


def test_stride_times_are_of_the_session(body, walk):
    fits = results(walk)
    here = [s for o in run(GaitStream(body, START_NS), fits) for s in o.strides]
    earlier = [s for o in run(GaitStream(body, START_NS - 2_000_000_000), fits) for s in o.strides]
    assert len(here) == len(earlier) >= 2
    for a, b in zip(here, earlier, strict=True):
        assert b.values["foot_strike_s"] == pytest.approx(a.values["foot_strike_s"] + 2.0)
        assert b.values["stride_length_m"] == a.values["stride_length_m"]
        assert 0.0 < a.values["foot_strike_s"] < a.values["foot_off_s"] < a.values["next_foot_strike_s"] < 5.0


def test_standing_says_so(body, walk):
    outputs = run(GaitStream(body, START_NS), results(walk))
    reasons = {o.reason for o, t in zip(outputs, walk.t_s, strict=True) if 0.55 < t < 0.7}
    assert reasons == {"no event, because the person is standing"}


def test_hidden_foot_gives_no_events_of_that_foot(body, walk):
    confidence = np.ones((4, 26), np.float32)
    hidden = [body.sites.index(n) for n in ("LHeel", "LBigToe", "LSmallToe")]
    confidence[1:, hidden] = 0.0
    outputs = run(GaitStream(body, START_NS), results(walk, confidence))
    assert {e.side for o in outputs for e in o.events} == {"right"}
    assert outputs[-1].reason == "no event, because the left foot cannot be seen well enough"


def test_lost_tracking_gives_no_events_and_recovers(body, walk):
    fits = results(walk)
    middle = range(60, 75)
    for i in middle:
        lost = tuple(replace(p, tracked=False) for p in fits[i].settled)
        fits[i] = replace(fits[i], code=FitCode.LOST, settled=lost)
    outputs = run(GaitStream(body, START_NS), fits)
    assert all(not outputs[i].events for i in middle)
    assert outputs[65].reason == "no event, because tracking of the person is lost"
    assert any(o.events for o in outputs[90:])


def test_equal_input_equal_output(body, walk):
    fits = results(walk)
    assert run(GaitStream(body, START_NS), fits) == run(GaitStream(body, START_NS), fits)


def test_a_belt_that_runs_otherwise_than_declared_is_told():
    def seen(speed_m_s: float, contradicts: bool = False) -> GroundVelocity:
        return GroundVelocity(
            np.array([-speed_m_s, 0.0]), seen_m_s=speed_m_s, contradicts_declared=contradicts
        )

    assert ground_findings(1.2, seen(1.22), walking=True) == ()
    assert ground_findings(None, seen(1.22), walking=True) == ()
    assert ground_findings(1.2, seen(0.0, True), walking=False) == ()  # the belt has not started yet
    (doubt,) = ground_findings(1.2, seen(1.26), walking=True)
    assert "1.20" in doubt
    assert "1.26" in doubt
    assert "the declared speed is used" in doubt
    (wrong,) = ground_findings(1.2, seen(1.5, True), walking=True)
    assert "the feet are believed" in wrong
