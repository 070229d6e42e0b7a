"""The base body's file: what is written is read, what is not ours is refused; and how it meets a measured height."""

import json

import mujoco
import numpy as np
import pytest

from kincast.models.base_body import BaseBody, BaseBodyError, generic_base
from kincast.models.body import SCALES, BodyParameters, build_body
from kincast.models.body_prior import posture_table, shape_prior


@pytest.fixture(scope="module")
def base():
    rng = np.random.default_rng(3)
    generic = generic_base("HALPE_26")
    mean = generic.mean + 0.005 * rng.standard_normal(len(generic.mean))
    return BaseBody(
        "HALPE_26",
        mean,
        generic.covariance,
        generic.mean_posture + 0.01,
        people=7,
        recordings=9,
        inputs_sha256="ab" * 32,
        source="generated",
        licence="CC0-1.0",
        verdict="better",
        left_out={"raw deg": (3.0, 2.5)},
    )


def edited(base, **changes):
    return json.dumps(json.loads(base.to_json()) | changes)


def test_the_generic_base_is_the_literature():
    base, prior = generic_base("HALPE_26"), shape_prior("HALPE_26")
    np.testing.assert_allclose(base.shape_prior().precision, prior.precision, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(base.mean_posture, posture_table()[0])


def test_the_mean_person_lies_between_published_bodies():
    prior = shape_prior("HALPE_26")
    scales = {name: float(v) for name, v in zip(SCALES, np.exp(prior.mean[:8]), strict=True)}
    model = build_body(BodyParameters(scales=scales)).mj_model
    data = mujoco.MjData(model)
    data.qpos[3] = 1.0
    mujoco.mj_kinematics(model, data)
    hip, other, knee, ankle = (data.body(n).xpos for n in ("femur_r", "femur_l", "tibia_r", "talus_r"))
    assert (
        0.924 < np.linalg.norm(hip - knee) / np.linalg.norm(knee - ankle) < 0.996
    )  # Delp; Drillis and Contini
    assert 0.160 < np.linalg.norm(hip - other) < 0.185  # Delp 0.167; Harrington's regression 0.184
    assert shape_prior("MOVI_87").mean[SCALES.index("pelvis")] == 0.0  # sees the ASIS
    assert np.all(prior.mean[8:] == 0.0)


def test_file_round_trip(base):
    again = BaseBody.from_json(base.to_json())
    np.testing.assert_allclose(again.mean, base.mean, atol=1e-9)
    np.testing.assert_array_equal(again.covariance, base.covariance)
    np.testing.assert_allclose(again.mean_posture, base.mean_posture, atol=1e-9)
    assert (again.people, again.recordings, again.source, again.licence) == (7, 9, "generated", "CC0-1.0")
    assert (again.verdict, again.left_out) == ("better", {"raw deg": (3.0, 2.5)})
    assert again.to_json() == base.to_json()
    assert len(base.to_json()) < 8000
    assert again.sha256 == base.sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 1}, "schema version 1"),
        ({"schema": "something"}, "not a base body"),
        ({"people": -1}, "people"),
        ({"people": 8}, "fingerprint"),
        ({"verdict": "splendid"}, "better, worse, unverified"),
        ({"left_out": {"raw deg": [1.0]}}, "left_out raw deg"),
        ({"left_out": 3}, "left_out"),
        ({"log_scales": {"overall": "big"}}, "log_scales"),
        ({"sites": {}}, "sites"),
        ({"mean_posture_deg": []}, "posture"),
    ],
)
def test_what_is_not_ours_is_refused(base, changes, message):
    with pytest.raises(BaseBodyError, match=message):
        BaseBody.from_json(edited(base, **changes))


def test_a_missing_entry_is_named(base):
    document = json.loads(base.to_json())
    del document["sites"]
    with pytest.raises(BaseBodyError, match="sites is missing"):
        BaseBody.from_json(json.dumps(document))
    with pytest.raises(BaseBodyError, match="not valid JSON"):
        BaseBody.from_json("{")


def test_another_keypoint_set_is_refused(base):
    base.require("HALPE_26")
    with pytest.raises(BaseBodyError, match=r"HALPE_26.*COCO_133"):
        base.require("COCO_133")


def test_a_measured_height_says_the_size_and_what_goes_with_it():
    generic = generic_base("HALPE_26")
    covariance = generic.covariance.copy()
    covariance[0, 1] = covariance[1, 0] = 0.5 * np.sqrt(covariance[0, 0] * covariance[1, 1])
    base = BaseBody("HALPE_26", generic.mean, covariance, generic.mean_posture)
    found = base.shape_prior(height_ratio=1.1)
    assert found.mean[0] == pytest.approx(np.log(1.1), rel=0.03)
    sd = np.sqrt(np.diag(covariance))
    grown = found.mean[1] - generic.mean[1]
    assert grown == pytest.approx(0.5 * sd[1] / sd[0] * np.log(1.1), rel=0.05)
    np.testing.assert_allclose(found.mean[2:], generic.mean[2:], atol=1e-9)
