"""Findings about cameras name the camera, by how much, and what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kincast.offline.bundle import Bundle, CameraChange
from kincast.offline.camera_change import CLOCK, FOCAL, PARAMETERS
from kincast.offline.refit import rig_lines
from kincast.offline.rig_findings import camera_findings
from kincast.offline.rig_refined import RefinedRig
from tests.models.rig import ring_of_cameras


def _bundle(count: int, demanded: bool = True, **numbers: float) -> Bundle:
    cameras = ring_of_cameras(count)
    changes = []
    for c, camera in enumerate(cameras):
        change = np.zeros(PARAMETERS)
        if c == 1:
            change[CLOCK], change[FOCAL] = numbers.get("clock", 0.0), numbers.get("focal", 0.0)
        changes.append(CameraChange(camera.name, change, np.full(PARAMETERS, 1e-3), (9.0, 2.0)))
    return Bundle(cameras, tuple(changes), (9.0, 2.0), demanded)


def test_a_late_clock_and_a_wrong_lens_are_named() -> None:
    late, lens = camera_findings(_bundle(4, clock=0.012, focal=-0.02))
    assert "camera cam_1 takes its pictures 12 ms later" in late
    assert "synchronisation" in late
    assert "cam_1: the lens is not as calibrated (focal length -2.0 %)" in lens


def test_small_changes_and_a_right_calibration_say_nothing() -> None:
    assert camera_findings(_bundle(4, clock=0.001, focal=0.002)) == ()
    assert camera_findings(_bundle(4, demanded=False, clock=0.02)) == ()


def test_two_cameras_do_not_tell_which_is_wrong() -> None:
    (said,) = camera_findings(_bundle(2))
    assert "cam_0 and cam_1" in said
    assert "third camera" in said


def test_a_rig_of_wrong_size_is_told_with_both_ways_out() -> None:
    (said,) = camera_findings(replace(_bundle(4), size_off=-np.log(1.06)))
    assert "6.0 % too large" in said
    assert "board" in said
    assert "grown" in said
    (small,) = camera_findings(replace(_bundle(4), size_off=-np.log(0.95)))
    assert "5.0 % too small" in small
    rig = RefinedRig((), (replace(_bundle(4, demanded=False), size_off=-np.log(1.06)),))
    told = rig_lines(rig)
    assert "6.0 % longer" in told[0]
    assert "kept" in told[0]
