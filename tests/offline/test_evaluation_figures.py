"""Figures of evaluations: spreads, moments, muscles and tables, on numbers made by hand."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from kincast.models.twin.follow import Followed
from kincast.models.twin.model import CONTROL_HZ
from kincast.offline.evaluation.activations import agreement
from kincast.offline.evaluation.evaluate import Evaluation, Figures
from kincast.offline.evaluation.moments import net_moments
from kincast.offline.evaluation.spread import Spread, spread
from kincast.offline.evaluation.table import csv_text, json_text, markdown, text_table
from kincast.streaming.results.storage import Storage
from tests.models.twin_people import twin


def test_a_spread_of_normal_errors_is_their_mean_and_deviation() -> None:
    errors = np.random.default_rng(3).normal(2.0, 5.0, 40_000)
    found = spread(errors, 10.0)
    assert found is not None
    assert found.median == pytest.approx(20.0, abs=1.0)
    assert found.niqr == pytest.approx(50.0, rel=0.02)
    assert found.rms == pytest.approx(np.hypot(20.0, 50.0), rel=0.02)
    two = spread(np.array([3.0, -1.0, np.nan]))
    assert two is not None
    assert (two.count, two.median, two.mae) == (2, 1.0, 2.0)
    assert (two.niqr, two.rms) == pytest.approx((0.7413 * 2.0, np.sqrt(5.0)))
    assert spread(np.array([np.nan])) is None


def test_net_moments_leave_out_what_only_simulated_joints_have() -> None:
    made = twin()
    rows, joint = 30, 5
    time_s = np.arange(rows) / CONTROL_HZ
    v = np.zeros((rows, 40))
    v[:, 6 + joint] = 2.0 + 3.0 * time_s
    torque = np.full((rows, 34), 7.0)
    still = np.zeros((rows, 34))
    run = Followed(
        np.zeros((rows, 41)), v, torque, still, np.zeros((rows, 6)), np.zeros((rows, 2, 3)), np.zeros((rows, 2, 3))
    )  # fmt: skip
    found = net_moments(made, run)
    dof = made.body.coupling.independent_dof[6 + joint]
    middle_s = time_s[:-1] + 0.5 / CONTROL_HZ
    expected = 7.0 - made.model.dof_damping[dof] * (2.0 + 3.0 * middle_s) - made.model.dof_armature[dof] * 3.0
    np.testing.assert_allclose(found[:, joint], expected, atol=1e-9)
    np.testing.assert_array_equal(np.delete(found, joint, axis=1), 7.0)


def test_a_late_muscle_is_found_late() -> None:
    time_s = np.arange(0.0, 6.0, 0.01)
    burst = np.exp(-(((time_s % 1.2) - 0.5) ** 2) / 0.02)
    other = Storage("emg", time_s, ("soleus_l_activation",), 0.3 * burst[:, None], False)
    ours_s = np.arange(0.5, 5.5, 1.0 / 120.0)
    late = np.interp(ours_s - 0.06, time_s, burst)
    flat = np.full_like(late, 0.01)
    found = agreement(ours_s, np.stack([late, flat], axis=1), ("soleus_l", "recfem_l"), other)
    assert list(found) == ["soleus_l"]
    assert found["soleus_l"].lag_s == pytest.approx(0.06, abs=0.011)
    assert found["soleus_l"].best > 0.99 > 0.9 > found["soleus_l"].correlation
    exact = agreement(ours_s, np.interp(ours_s, time_s, burst)[:, None], ("soleus_l",), other)["soleus_l"]
    assert exact.difference < 0.01  # whatever its size
    assert agreement(ours_s[:20], late[:20, None], ("soleus_l",), other) == {}


def evaluation() -> Evaluation:
    some = Figures({"all_joints_deg": Spread(100, 0.1, 0.4, 0.5, 0.7)}, {"failed_trials_pct": 12.5})
    force = Figures({"force_vertical_pct_bw": Spread(50, -1.0, 3.0, 4.0, 6.5)}, {"trials": 8.0})
    total = Figures({**some.spreads, **force.spreads}, {**some.shares, **force.shares})
    return Evaluation(
        "somebody", total, {"P1": some}, {"P1: walk": some}, {"P1: fall": "low"}, {"P2: sit": ("seat",)}
    )


def test_tables_hold_ours_and_the_published_side_by_side() -> None:
    lines = text_table(evaluation()).splitlines()
    joints = next(line for line in lines if line.startswith("all_joints"))
    assert joints.replace("|", "").split()[1:] == [
        "100", "0.10", "0.40", "0.50", "0.70", "0.65", "1.45", "1.49", "1.68",
    ]  # fmt: skip
    forces = next(line for line in lines if line.startswith("force_vertical"))
    assert forces.split("|")[1].strip() == ""  # not reported by KinTwin
    page = markdown(evaluation())
    for line in ("| P1 |", "- P1: fall: low", "- P2: sit: seat"):
        assert line in page
    assert "Published, not measured here" in page
    rows = list(csv.DictReader(io.StringIO(csv_text(evaluation()))))
    assert {r["scope"] for r in rows} == {"all", "person", "clip", "published"}
    ours = next(r for r in rows if r["scope"] == "all" and r["figure"] == "force_vertical_pct_bw")
    assert (ours["n"], ours["RMS"]) == ("50", "6.5")
    said = json.loads(json_text(evaluation(), {"split": "test"}))
    assert said["total"]["force_vertical_pct_bw"] == 6.5  # forces by their root mean square
    assert said["total"]["all_joints_deg"] == 0.5
    assert said["split"] == "test"
    assert said["fell"] == {"P1: fall": "low"}
