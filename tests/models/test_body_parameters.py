"""body.json: round trip and refusals."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kincast.models.body import SCALES, BodyParameters, BodyParametersError
from kincast.models.body.parameters import harness_force

PERSON = BodyParameters(
    scales={"overall": 1.04, "thigh_r": 0.97},
    mass_kg=71.5,
    mass_sd_kg=0.5,
    site_offsets={"LKnee": (0.01, -0.02, 0.003)},
    mass_factors={"tibia_r": 0.6},
    external_support="harness(200)",
    scales_sd={"thigh_r": 0.01},
    site_offsets_sd={"LKnee": (0.004, 0.004, 0.004)},
)


def test_round_trip() -> None:
    text = PERSON.to_json()
    again = BodyParameters.from_json(text)
    assert again == PERSON
    assert again.to_json() == text
    assert again.sha256 == json.loads(text)["body_sha256"]


def test_parameters_are_values() -> None:
    again = pickle.loads(pickle.dumps(PERSON))
    assert again == PERSON
    assert hash(again) == hash(PERSON)
    assert copy.deepcopy(PERSON) == PERSON
    assert dataclasses.replace(PERSON, mass_kg=70.0).scales == PERSON.scales


def test_contract_entries() -> None:
    document = json.loads(PERSON.to_json())
    assert set(document["scales"]) == set(SCALES)
    assert document["segments"]["tibia_r"]["mass_factor"] == 0.6
    femur = document["segments"]["femur_r"]
    assert femur["length_m"] == pytest.approx(1.04 * 0.97 * 0.4044, abs=1e-3)
    assert femur["sd_m"] == pytest.approx(femur["length_m"] * 0.01 / 0.97, rel=1e-3)
    assert document["sites"]["LKnee"] == [0.01, -0.02, 0.003]
    assert document["external_support"] == "harness(200)"


@pytest.mark.parametrize("mass", [0, -70.0, math.nan, math.inf, 0.5, 1000.0, True])
def test_mass_is_refused(mass: float) -> None:
    with pytest.raises(BodyParametersError, match="mass_kg"):
        BodyParameters(mass_kg=mass)


def test_refusals_list_valid_choices() -> None:
    with pytest.raises(BodyParametersError, match="thigh_r, thigh_l"):
        BodyParameters(scales={"thigh": 1.0})
    with pytest.raises(BodyParametersError, match="LKnee"):
        BodyParameters(site_offsets={"left_kneecap": (0.0, 0.0, 0.0)})
    with pytest.raises(BodyParametersError, match="tibia_r"):
        BodyParameters(mass_factors={"shin": 0.5})
    with pytest.raises(BodyParametersError, match="cane"):
        BodyParameters(external_support="crutch")
    with pytest.raises(BodyParametersError, match=r"0\.2 to 3"):
        BodyParameters(scales={"overall": 0.0})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"scales": {}}',
        '{"scales": [], "mass_kg": 70}',
        '{"scales": {}, "mass_kg": "70"}',
        '{"scales": {}, "mass_kg": NaN}',
        '{"scales": {}, "mass_kg": 70, "wings": 2}',
        '{"scales": {}, "mass_kg": 70, "sites": {"LKnee": [1, 2]}}',
        '{"scales": {}, "mass_kg": 70, "sites": {"LKnee": "abc"}}',
        '{"scales": {}, "mass_kg": 70, "sites": {"LKnee": [null, 0, 0]}}',
        '{"scales": {}, "mass_kg": 70, "segments": {"tibia_r": 3}}',
        '{"scales": {}, "mass_kg": 70, "segments": {"tibia_r": {"mass_factor": null}}}',
        '{"scales": {"overall": null}, "mass_kg": 70}',
        '{"scales": {}, "mass_kg": 70, "external_support": 3}',
        '{"scales": {}, "mass_kg": 1' + 400 * "0" + "}",
        200_000 * "[",
    ],
)
def test_broken_files_are_refused(text: str) -> None:
    with pytest.raises(BodyParametersError):
        BodyParameters.from_json(text)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_damaged_files_never_end_in_another_error(position: int, replacement: bytes) -> None:
    raw = bytearray(PERSON.to_json().encode())
    at = position % len(raw)
    raw[at : at + len(replacement)] = replacement
    with contextlib.suppress(BodyParametersError):
        BodyParameters.from_json(raw.decode(errors="replace"))


def test_harness_force() -> None:
    assert harness_force("none") == 0.0
    assert harness_force("harness(150 N)") == 150.0
    with pytest.raises(BodyParametersError):
        harness_force("harness(-3)")
