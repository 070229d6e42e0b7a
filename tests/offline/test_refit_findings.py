"""Findings of a refit say what is wrong, where, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from kincast.models.body import BodyParameters
from kincast.models.body.sites import sites_of
from kincast.models.observations import Observations
from kincast.offline import refit_findings as module
from kincast.offline.bundle import Bundle, CameraChange
from kincast.offline.camera_change import ROTATION, TRANSLATION
from kincast.offline.live_start import LivePoses
from kincast.offline.noise import assumed_noise
from kincast.offline.refit_findings import body_findings, findings, knows_lengths
from kincast.offline.refitted import RefittedTrial, Trial
from kincast.offline.rig_refined import RefinedRig
from kincast.offline.same_person import ShapeEvidence, evidence_of_body
from kincast.offline.trajectory.motion import MotionCovariance
from kincast.offline.trajectory.problem import FitProblem, ViewErrors, pictures_of
from kincast.streaming.messages import SessionHeader
from tests.models.rig import ring_of_cameras

PERIOD_NS = 100_000_000
CAMERAS = ring_of_cameras(4)


@dataclass(frozen=True)
class _Fitted:
    """A fit of which only the errors matter."""

    errors: ViewErrors
    trajectory: LivePoses
    loss: float = 0.0
    iterations: int = 1

    def covariance(self, t_ns: np.ndarray) -> MotionCovariance:
        raise NotImplementedError


def _refitted(
    tracked: list[tuple[int, int]], far: int | None = None, blind: int | None = None
) -> RefittedTrial:
    """40 rows; ``far``: a camera 100 px off; ``blind``: one that sees nobody."""
    rows = 40
    keypoints = np.tile(np.array([900.0, 500.0, 0.9], np.float32), (rows, 4, 26, 1))
    if blind is not None:
        keypoints[:, blind] = 0.0
    t_ns = 1 + np.arange(rows) * PERIOD_NS
    observations = Observations("HALPE_26", CAMERAS, np.tile(t_ns[:, None], (1, 4)), keypoints)
    pictures = pictures_of(observations)
    error_px = np.full(pictures.confidence.shape, 3.0, np.float32)
    error_px[pictures.camera == (-1 if far is None else far)] = 100.0
    errors = ViewErrors(error_px, np.ones_like(error_px), np.zeros(error_px.shape[:2], bool))
    noise = assumed_noise(pictures, 4)
    problem = FitProblem("HALPE_26", CAMERAS, pictures, noise.information)
    seen = np.zeros(rows, bool)
    for first, last in tracked:
        seen[first : last + 1] = True
    live = LivePoses(t_ns, np.zeros((rows, 41)), seen)
    header = SessionHeader("session", "P1", "HALPE_26", CAMERAS, start_ns=1)
    trial = Trial(Path("walk.mcap"), header, observations, pictures, live)
    return RefittedTrial(trial, problem, _Fitted(errors, live), noise, seen)


def _rig(turns_deg: list[float], after_px: list[float]) -> RefinedRig:
    changes = []
    for camera, turn, after in zip(CAMERAS, turns_deg, after_px, strict=True):
        change = np.zeros(10)
        change[ROTATION] = (np.radians(turn), 0.0, 0.0)
        change[TRANSLATION] = (0.001 * turn, 0.0, 0.0)
        changes.append(CameraChange(camera.name, change, np.zeros(10), (20.0 * turn + after, after)))
    bundle = Bundle(CAMERAS, tuple(changes), (10.0, 3.0), True)
    return RefinedRig((), (bundle,))


def test_a_good_trial_needs_no_finding() -> None:
    assert findings(_refitted([(0, 39)]), RefinedRig((), (None,)), False) == ()


def test_when_the_person_was_in_view_is_said() -> None:
    (said,) = findings(_refitted([(5, 9), (20, 22)]), None, False)
    assert "in 20% of the recording only (0.5 to 0.9 s, 2.0 to 2.2 s)" in said
    assert "place the cameras" in said
    (said,) = findings(_refitted([]), None, False)
    assert "0% of the recording only (nowhere)" in said
    (said,) = findings(_refitted([(0, 3), (6, 6), (9, 10), (13, 16), (20, 21)]), None, False)
    assert "(0.0 to 0.3 s, 0.9 to 1.0 s, 1.3 to 1.6 s and 2 shorter stretches)" in said


def test_the_camera_that_contradicts_the_pictures_is_named() -> None:
    refitted, rig = _refitted([(0, 39)]), _rig([0.1, 5.0, 0.1, 0.1], [3.0, 3.0, 3.0, 3.0])
    (said,) = findings(refitted, rig, False)
    assert "camera cam_1 most (103.0 px, 3.0 once turned by 5.0 deg and moved by 5 mm)" in said
    assert "calibrate the rig anew" in said
    (held,) = findings(refitted, rig, True)
    assert "kept as asked (--fix-cameras)" in held
    assert knows_lengths(rig)


def test_cameras_that_still_disagree_are_named() -> None:
    said = findings(_refitted([(0, 39)]), _rig([0.1, 5.0, 0.1, 0.1], [3.0, 20.0, 3.0, 3.0]), False)
    assert "still disagree: cam_1 (20 px)" in said[1]


def test_a_calibration_of_another_rig_tells_no_lengths() -> None:
    rig = _rig([10.0, 5.0, 8.0, 0.1], [3.0, 3.0, 3.0, 3.0])
    assert not knows_lengths(rig)
    assert knows_lengths(None)
    said = findings(_refitted([(0, 39)]), rig, False)
    assert "neither the floor nor lengths are known" in said[1]


def test_cameras_that_are_blind_or_look_elsewhere_are_named() -> None:
    (said,) = findings(_refitted([(0, 39)], far=2), None, False)
    assert said.startswith("camera cam_2 disagrees with the others (100 px median)")
    (said,) = findings(_refitted([(0, 39)], blind=3), None, False)
    assert said.startswith("camera cam_3 never sees the person")


def test_a_body_of_another_person_or_keypoint_set_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    refitted = _refitted([(0, 39)])
    (said,) = body_findings(BodyParameters(site_offsets={"Nose": (0.01, 0.0, 0.0)}), refitted)
    assert "1 of the 26 points of HALPE_26" in said
    offsets = dict.fromkeys(sites_of("HALPE_26"), (0.0, 0.0, 0.0))
    body = BodyParameters({"overall": 1.0}, site_offsets=offsets)

    def seen(overall: float) -> None:
        shown = replace(body, scales={"overall": overall}) if overall else None
        monkeypatch.setattr(
            module,
            "shape_evidence",
            lambda observations, base: None if shown is None else evidence_of_body(shown, base),
        )

    seen(1.15)
    (said,) = body_findings(body, refitted)
    assert "size 1.00 of an average adult's, the recording shows 1.15" in said
    for overall in (1.01, 0.0):
        seen(overall)
        assert body_findings(body, refitted) == ()
    assert isinstance(evidence_of_body(body, module.generic_base("HALPE_26")), ShapeEvidence)
