"""Sd of stride lengths from a posterior whose heel moves in a known way."""

from __future__ import annotations

import numpy as np
import pytest

from kincast.models.body import BodyParameters, build_body
from kincast.offline.gait_sd import (
    CLEARANCE_FLOOR_M,
    CLEARANCES,
    FLOOR_M,
    heel_site,
    strides_with_posterior_sd,
)
from kincast.offline.trajectory.motion import Motion, MotionCovariance
from kincast.streaming.messages import Stride
from tests.models.rig import standing_pose


def _standing(pelvis_sd_m: float) -> tuple[Motion, MotionCovariance]:
    """A motion at rest of which only the pelvis' place is uncertain."""
    t_ns = 5_000 + np.arange(0, 2_000_000_000, 16_666_667)
    still = np.zeros((len(t_ns), 40))
    pose = np.zeros((len(t_ns), 40, 40))
    pose[:, [0, 1], [0, 1]] = pelvis_sd_m**2
    pose[:, 2, 2] = (0.5 * pelvis_sd_m) ** 2
    motion = Motion(t_ns, np.tile(standing_pose(None), (len(t_ns), 1)), still, still)
    return motion, MotionCovariance(pose, still, still)


def _stride(side: str, at_s: float) -> Stride:
    values = {"foot_strike_s": at_s, "next_foot_strike_s": at_s + 1.0, "stride_length_m": 1.2}
    return Stride(side, values, dict.fromkeys(values, 0.01))


@pytest.mark.parametrize("keypoint_set", ["HALPE_26", "MOVI_87", "OPENCAP"])
def test_the_heel_is_the_rearmost_point_of_its_segment(keypoint_set: str) -> None:
    body = build_body(BodyParameters(), keypoint_set=keypoint_set)
    for side in "rl":
        site = heel_site(body, side)
        assert site is not None
        assert body.sites[site].lower().replace("_", "")[:1] == side
        assert "he" in body.sites[site].lower() or "calc" in body.sites[site].lower()


def test_variances_of_the_two_ends_add() -> None:
    body = build_body(BodyParameters(), keypoint_set="HALPE_26")
    found = strides_with_posterior_sd(
        [_stride("left", 0.5), _stride("right", 0.1)], body, *_standing(0.010), 5_000
    )
    assert [s.side for s in found] == ["left", "right"]
    for stride in found:
        assert stride.sd["stride_length_m"] == pytest.approx(
            np.hypot(0.010 * np.sqrt(2.0), FLOOR_M), rel=1e-3
        )
        assert stride.sd["step_width_m"] == pytest.approx(stride.sd["stride_length_m"], rel=1e-3)
        for clearance in CLEARANCES:
            assert stride.sd[clearance] == pytest.approx(
                np.hypot(0.005 * np.sqrt(2.0), CLEARANCE_FLOOR_M), rel=1e-3
            )
        assert stride.sd["foot_strike_s"] == 0.01
        assert stride.sd["speed_m_s"] == pytest.approx(stride.sd["stride_length_m"] / 1.0)


def test_no_strides_are_no_strides() -> None:
    body = build_body(BodyParameters(), keypoint_set="HALPE_26")
    assert strides_with_posterior_sd([], body, *_standing(0.01), 0) == ()
