"""Angles known from elsewhere in body calibration: derivatives, interpolation, absence."""

import numpy as np

from kincast.models.body_problem import MEASURED_SD, MeasuredAngles, _with_measured
from kincast.models.pose_fit import PoseTerms, integrated, posture
from tests.models.rig import standing_pose


def nothing(n):
    return PoseTerms(
        np.zeros(n),
        np.zeros((n, 40, 40)),
        np.zeros((n, 40)),
        np.zeros((n, 1, 3)),
        np.zeros((n, 1, 3, 3)),
        np.zeros((n, 1)),
    )


def test_derivatives_against_finite_differences():
    rng = np.random.default_rng(0)
    q = np.stack([standing_pose(rng) for _ in range(3)])
    measured = posture(q)[0] + 0.05 * rng.standard_normal((3, 36))
    measured[:, [0, 5]] = np.nan
    measured[2] = np.nan
    terms = _with_measured(nothing(3), measured, q)
    assert terms.cost[2] == 0.0
    step, numeric = 1e-6, np.zeros((3, 40))
    for k in range(40):
        dv = np.zeros((3, 40))
        dv[:, k] = step
        ahead, behind = (
            _with_measured(nothing(3), measured, integrated(q, s * dv)).cost for s in (1.0, -1.0)
        )
        numeric[:, k] = (ahead - behind) / (2 * step)
    np.testing.assert_allclose(terms.gradient, numeric, rtol=1e-4, atol=1e-2 / MEASURED_SD * 1e-2)
    assert (np.linalg.eigvalsh(terms.normal) > -1e-6).all()


def test_angles_are_unknown_beyond_their_record():
    angles = np.zeros((2, 36))
    angles[1] = 1.0
    angles[:, 3] = np.nan
    found = MeasuredAngles(np.array([10, 20]), angles).at(np.array([5, 15, 20, 25]))
    assert np.isnan(found[[0, 3]]).all()
    assert found[1, 0] == 0.5
    assert np.isnan(found[:, 3]).all()
