"""Refusals and findings of the refit say what is wrong and what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kincast.models.observations import Observations
from kincast.offline.calibrate import DifferentPeopleError
from kincast.offline.refit import NothingToRefitError, refit
from kincast.offline.refit_findings import TooFewViewsError, require_one_person, require_views
from kincast.streaming.messages import SessionHeader
from tests.models.rig import ring_of_cameras


def _seen_by(count: int) -> Observations:
    keypoints = np.zeros((20, 3, 26, 3), np.float32)
    keypoints[:, :count] = (900.0, 500.0, 0.9)
    t_ns = np.tile(np.arange(20)[:, None] * 16_666_667, (1, 3))
    return Observations("HALPE_26", ring_of_cameras(3), t_ns, keypoints)


def _header(subject: str = "", mass_kg: float | None = None) -> SessionHeader:
    return SessionHeader("session", subject, "HALPE_26", ring_of_cameras(3), mass_kg=mass_kg)


def test_no_view_and_one_view_are_refused_with_what_to_do() -> None:
    with pytest.raises(TooFewViewsError, match="no camera sees a person"):
        require_views("trial", _seen_by(0))
    with pytest.raises(TooFewViewsError, match=r"only camera cam_0 .* two or more cameras"):
        require_views("trial", _seen_by(1))
    require_views("trial", _seen_by(2))


def test_markers_need_no_cameras() -> None:
    markers = np.ones((20, 26, 4), np.float32)
    require_views("trial", replace(_seen_by(0), markers=markers, marker_t_ns=np.arange(20)))


def test_recordings_of_different_people_are_refused() -> None:
    with pytest.raises(DifferentPeopleError, match="A, B"):
        require_one_person([_header("A"), _header("B")], [], ["one", "two"])
    with pytest.raises(DifferentPeopleError, match="mass"):
        require_one_person([_header("A", 60.0), _header("A", 80.0)], [], ["one", "two"])
    require_one_person([_header("A", 60.0), _header("", 60.5)], [], ["one", "two"])


def test_nothing_to_refit() -> None:
    with pytest.raises(NothingToRefitError, match="at least one recording"):
        refit([])
