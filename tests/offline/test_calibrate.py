"""Remarks and refusals of body calibration; the fit itself is tested in tests/models."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kincast.models.body import SCALES, BodyParameters
from kincast.models.body_fit import BodyFit, FittedFrames
from kincast.offline import calibrate as module
from kincast.offline.calibrate import DifferentPeopleError, calibrate, remarks


def fitted(distance_m, scales_sd=0.01, effective=5.0):
    names = ("RHip", "LHip", "RWrist")
    zero = (0.0, 0.0, 0.0)
    return BodyFit(
        parameters=BodyParameters(
            scales_sd=dict.fromkeys(SCALES, scales_sd),
            site_offsets=dict.fromkeys(names, zero),
            site_offsets_sd=dict.fromkeys(names, zero),
        ),
        covariance=np.eye(2),
        mean_posture=np.zeros(36),
        frames=(FittedFrames(np.arange(4, dtype=np.int64), np.zeros((4, 41)), np.tile(distance_m, (4, 1))),),
        effective_instants=effective,
        median_distance_m=0.006,
        iterations=9,
    )


def test_a_good_fit_needs_no_remark():
    assert remarks(fitted([0.005, 0.006, 0.004])) == ()


def test_what_is_uncertain_is_said():
    said = remarks(fitted([0.005, 0.05, np.nan], scales_sd=0.05, effective=1.2))
    assert len(said) == 4
    assert "walk back" in said[0]
    assert "arm_r" in said[1]
    assert "LHip" in said[2]
    assert "RHip" not in said[2]
    assert "RWrist" in said[3]


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ([("P01", 70.0, None), ("P02", 70.0, None)], "P01, P02"),
        ([("P01", 70.0, None), ("P01", 95.0, None)], "mass"),
        ([("P01", None, 1.6), ("P01", None, 1.8)], "height"),
    ],
)
def test_recordings_of_different_people_are_refused(monkeypatch, headers, message):
    queue = iter(
        (SimpleNamespace(subject_id=s, mass_kg=m, height_m=h, external_support="none"), None)
        for s, m, h in headers
    )
    monkeypatch.setattr(module, "observe", lambda path: next(queue))
    with pytest.raises(DifferentPeopleError, match=message):
        calibrate([Path("a"), Path("b")])


def test_the_report_names_every_scale():
    lines = module.Calibration(replace(fitted([0.005, 0.006, 0.004]), iterations=3), ("beware",)).lines()
    assert all(any(s in line for line in lines) for s in SCALES)
    assert lines[-1] == "beware"
