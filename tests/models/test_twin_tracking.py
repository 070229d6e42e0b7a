"""Figures of a run: errors put in come out, and a fall counts as a failure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.twin.follow import Followed
from kincast.models.twin.reference import Reference
from kincast.models.twin.tracking import heading_of, summary, tracking_of

WEIGHT = 700.0
ROWS = 60


def walking_diagonally() -> Reference:
    q = np.zeros((ROWS, 41))
    q[:, 0] = q[:, 1] = np.linspace(0.0, 1.0, ROWS)
    q[:, 3] = 1.0
    force = np.zeros((ROWS, 2, 3))
    force[..., 2] = WEIGHT / 2
    measured = np.ones((ROWS, 2), bool)
    measured[:, 1] = False
    return Reference(
        q,
        np.zeros((ROWS, 40)),
        np.zeros((ROWS, 40)),
        force,
        np.zeros((ROWS, 2, 3)),
        measured,
        measured,
        np.full(ROWS, np.nan),
    )


def exact(reference: Reference) -> Followed:
    return Followed(
        np.array(reference.q),
        np.array(reference.v),
        np.full((ROWS, 34), 10.0),
        np.full((ROWS, 34), 2.0),
        np.tile([0.0, 0.05 * WEIGHT, 0.0, 1.0, 0.0, 0.0], (ROWS, 1)),
        np.array(reference.force),
        np.zeros((ROWS, 2, 3)),
    )


def test_errors_put_in_come_out() -> None:
    reference = walking_diagonally()
    np.testing.assert_allclose(heading_of(np.asarray(reference.q)), [np.sqrt(0.5), np.sqrt(0.5), 0.0])
    run = exact(reference)
    knee = JOINT_COORDINATES.index("knee_angle_r")
    run.q[:, 7 + knee] += np.deg2rad(4.0)
    run.v[:, 6 + knee] -= np.deg2rad(30.0)
    run.q[:, 0] += 0.03
    run.q[:, 1] -= 0.04
    run.force[:, 0] += WEIGHT * np.array([0.02, 0.02, 0.1])  # 2.83 % along the way, nothing across
    run.force[:, 1] += WEIGHT  # no plate saw it
    found = summary([tracking_of(run, reference, WEIGHT)])
    expected = {
        "failed_trials_pct": 0.0,
        "all_joints_deg": 4.0 / 34,
        "knee_deg": 2.0,
        "hip_deg": 0.0,
        "joint_velocity_deg_s": 30.0 / 34,
        "pelvis_mm": 50.0,
        "residual_pct_bw": 5.0,
        "servo_share_pct": 20.0,
        "vertical_pct_bw": 10.0,
        "fore_aft_pct_bw": 2.0 * np.sqrt(2.0),
        "lateral_pct_bw": 0.0,
    }
    assert {k: found[k] for k in expected} == pytest.approx(expected, abs=1e-9)


def test_a_fall_is_a_failed_trial_and_counts_in_nothing_else() -> None:
    reference = walking_diagonally()
    whole = exact(reference)
    arrays = ("q", "v", "torque", "servo", "residual", "force", "cop")
    short = replace(
        whole, **{n: getattr(whole, n)[:30] for n in arrays}, fell="pelvis 0.29 m above the floor"
    )
    none = replace(whole, **{n: getattr(whole, n)[:3] for n in arrays}, fell="simulation diverged")
    short.q[:, 10] += 3.0
    runs = [tracking_of(r, reference, WEIGHT) for r in (exact(reference), short, none, exact(reference))]
    found = summary(runs)
    assert found["failed_trials_pct"] == 50.0
    assert found["all_joints_deg"] == 0.0
    assert summary(runs[1:3]) == {"failed_trials_pct": 100.0}
