"""Figures of a run: errors put in come out, and a fall counts as a failure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.twin.follow import Followed
from kincast.models.twin.model import Twin
from kincast.models.twin.reference import Reference
from kincast.models.twin.tracking import tracking_of, walking_axes
from kincast.offline.evaluation.evaluate import Run, figures
from kincast.offline.evaluation.trials import Trial
from kincast.offline.motion_library.clip import Clip, Origin
from tests.models.twin_people import PERSON, twin

WEIGHT = 700.0
ROWS = 60


def walking_diagonally() -> Reference:
    q = np.zeros((ROWS, 41))
    q[:, 0] = q[:, 1] = np.linspace(0.0, 1.0, ROWS)
    q[:, 3], q[:, 6] = np.cos(np.pi / 8), np.sin(np.pi / 8)
    force = np.zeros((ROWS, 2, 3))
    force[..., 2] = WEIGHT / 2
    cop = np.tile([0.2, 0.4, 0.0], (ROWS, 2, 1))
    measured = np.ones((ROWS, 2), bool)
    measured[:, 1] = False
    return Reference(
        q, np.zeros((ROWS, 40)), np.zeros((ROWS, 40)), force, cop, measured, measured, np.full(ROWS, np.nan)
    )  # fmt: skip


def exact(reference: Reference) -> Followed:
    return Followed(
        np.array(reference.q),
        np.array(reference.v),
        np.full((ROWS, 34), 10.0),
        np.full((ROWS, 34), 2.0),
        np.tile([0.0, 0.05 * WEIGHT, 0.0, 0.03 * WEIGHT, 0.0, 0.0], (ROWS, 1)),
        np.array(reference.force),
        np.array(reference.cop),
    )


def test_errors_put_in_come_out() -> None:
    reference = walking_diagonally()
    run = exact(reference)
    knee = JOINT_COORDINATES.index("knee_angle_r")
    run.q[:, 7 + knee] += np.deg2rad(4.0)
    run.v[:, 6 + knee] -= np.deg2rad(30.0)
    run.q[:, :3] += (0.03, -0.04, 0.007)
    run.force[:, 0] += WEIGHT * np.array([0.02, 0.02, 0.1])  # along the way, nothing across
    run.force[:, 1] += WEIGHT  # no plate saw it
    run.cop[:, 0] += (-0.01, 0.01, 0.0)  # to the left
    found = tracking_of(run, reference, WEIGHT)
    rows = ROWS - 24
    assert found.joint_deg.shape == (rows, 34)
    np.testing.assert_allclose(found.joint_deg[:, knee], 4.0)
    np.testing.assert_allclose(np.delete(found.joint_deg, knee, axis=1), 0.0, atol=1e-9)
    np.testing.assert_allclose(found.joint_rate_deg_s[:, knee], -30.0)
    np.testing.assert_allclose(found.pelvis_m, 0.05)
    np.testing.assert_allclose(found.pelvis_up_m, 0.007)
    np.testing.assert_allclose(found.residual, 0.05)
    np.testing.assert_allclose(found.residual_moment, 0.03)
    np.testing.assert_allclose(
        found.force[found.measured], [[0.02 * np.sqrt(2.0), 0.0, 0.1]] * rows, atol=1e-12
    )
    np.testing.assert_allclose(found.pressure_m[:, 0], [[0.0, 0.01 * np.sqrt(2.0)]] * rows, atol=1e-12)
    assert np.isnan(found.pressure_m[:, 1]).all()
    assert not found.lost
    assert not found.fell


def test_a_changing_force_is_compared_with_its_mean_over_the_step() -> None:
    reference = walking_diagonally()
    rising = np.array(reference.force)
    rising[:, 0, 2] += 3.0 * np.arange(ROWS)
    run = exact(reference)
    run.force[:, 0, 2] += 3.0 * (np.arange(ROWS) + 0.5)
    off = tracking_of(run, reference._replace(force=rising), WEIGHT).force[:-1, 0]
    np.testing.assert_allclose(off, 0.0, atol=1e-12)


def test_directions_turn_with_the_person() -> None:
    q = np.array(walking_diagonally().q)
    turn = np.linspace(0.0, np.pi, 600)
    turning = np.tile(q[0], (600, 1))
    turning[:, 3], turning[:, 6] = np.cos(turn / 2), np.sin(turn / 2)
    axes = walking_axes(turning)
    at = turn[300]
    np.testing.assert_allclose(axes[300, 0], [np.cos(at), np.sin(at), 0.0], atol=0.01)
    np.testing.assert_allclose(axes[300, 1], [-np.sin(at), np.cos(at), 0.0], atol=0.01)
    assert walking_axes(turning[:0]).shape == (0, 3, 3)


def run_of(body: Twin, trial: str, fell: str, rows: int = ROWS, aside_m: float = 0.0) -> Run:
    reference = walking_diagonally()
    whole = exact(reference)
    arrays = ("q", "v", "torque", "servo", "residual", "force", "cop")
    short = replace(whole, **{n: getattr(whole, n)[:rows] for n in arrays}, fell=fell)
    short.q[:, 0] += aside_m
    tracking = tracking_of(short, reference, WEIGHT)
    clip = Clip(
        trial, "P1", PERSON, np.arange(ROWS) * 8_333_333, np.asarray(reference.q, np.float32), np.zeros((2, 8)), np.zeros(2),
        Origin("made up", "", "generated"),
    )  # fmt: skip
    return Run(Trial(trial, "P1", clip), body, reference, reference, short, tracking)


def test_a_fall_is_a_failed_trial_and_counts_in_nothing_else() -> None:
    body = twin()
    fell = run_of(body, "low", "pelvis 0.29 m above the floor", 30)
    fell.followed.q[:, 10] += 3.0
    runs = [
        run_of(body, "good", ""),
        fell,
        run_of(body, "burst", "simulation diverged", 3),
        run_of(body, "away", "", aside_m=1.2),
    ]
    found = figures([runs[0], *runs[1:3], run_of(body, "good too", "")])
    assert found.shares["failed_trials_pct"] == found.shares["lost_trials_pct"] == 50.0
    assert found.headline()["all_joints_deg"] == 0.0
    assert found.headline()["servo_share_pct"] == pytest.approx(20.0)
    assert found.headline()["residual_pct_bw"] == pytest.approx(5.0)
    nothing = figures(runs[1:3])
    assert nothing.shares["failed_trials_pct"] == 100.0
    assert not nothing.spreads
    # to walk a metre beside the motion is no fall, but it is told
    strayed = figures([runs[0], runs[3]])
    assert (strayed.shares["failed_trials_pct"], strayed.shares["lost_trials_pct"]) == (0.0, 50.0)
    assert strayed.headline()["pelvis_mm"] == pytest.approx(600.0)
