"""OpenSim's and the clinic's pelvis angles of a pose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kincast.models.coordinates import (
    COORDINATES,
    clinical_pelvis,
    coordinates_from_pose,
    pose_from_coordinates,
    unwrapped,
)
from kincast.models.rotations import quaternion_multiply


def about_vertical(q: np.ndarray, angle: float) -> np.ndarray:
    """The same person, turned about the world's vertical through the origin."""
    c, s = np.cos(angle), np.sin(angle)
    turned = q.copy()
    turned[:2] = (c * q[0] - s * q[1], s * q[0] + c * q[1])
    turned[3:7] = quaternion_multiply(np.array([np.cos(angle / 2), 0.0, 0.0, np.sin(angle / 2)]), q[3:7])
    return turned


def test_names_are_the_forty() -> None:
    assert len(COORDINATES) == 40
    assert len(set(COORDINATES)) == 40


def test_upright_pose_has_zero_angles_and_opensim_axes() -> None:
    q = np.zeros(41)
    q[:3] = (1.0, 2.0, 0.9)  # forward, left, up
    q[3:5] = np.sqrt(0.5)  # segment y up is world z
    np.testing.assert_allclose(coordinates_from_pose(q)[:6], (0, 0, 0, 1.0, 0.9, -2.0), atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1.4, 1.4), min_size=40, max_size=40))
def test_round_trip(values: list[float]) -> None:
    coordinates = np.array(values)
    np.testing.assert_allclose(
        coordinates_from_pose(pose_from_coordinates(coordinates)), coordinates, atol=1e-12
    )


def test_one_walk_at_eight_headings_has_the_same_clinical_curves() -> None:
    t = np.linspace(0.0, 1.0, 25)
    curves = np.zeros((len(t), 40))
    curves[:, 0] = np.deg2rad(-12 + 3 * np.sin(4 * np.pi * t))
    curves[:, 1] = np.deg2rad(5 * np.sin(2 * np.pi * t))
    curves[:, 2] = np.deg2rad(8 * np.cos(2 * np.pi * t))
    curves[:, 3] = 1.2 * t
    walk = [pose_from_coordinates(c) for c in curves]
    reference = np.array([clinical_pelvis(q, 0.0) for q in walk])
    assert np.rad2deg(reference[:, 0]).mean() == pytest.approx(-12.0, abs=0.5)
    for heading in np.arange(8) * np.pi / 4:
        turned = np.array([clinical_pelvis(about_vertical(q, heading), heading) for q in walk])
        np.testing.assert_allclose(turned, reference, atol=1e-12)


def test_clinical_rotation_is_the_heading_left_over() -> None:
    q = pose_from_coordinates(np.eye(40)[2] * 0.3)
    np.testing.assert_allclose(clinical_pelvis(q, 0.1), (0.0, 0.0, 0.2), atol=1e-12)


def test_angles_are_continuous_over_whole_turns() -> None:
    upright = pose_from_coordinates(np.zeros(40))
    upright[2] = 0.9
    previous = coordinates_from_pose(upright)
    for angle in np.deg2rad(np.arange(0, 800, 7)):
        now = unwrapped(coordinates_from_pose(about_vertical(upright, angle)), previous)
        assert np.abs(now - previous)[:3].max() < np.deg2rad(7.1)
        previous = now
    assert np.rad2deg(previous[2]) == pytest.approx(798.0)
