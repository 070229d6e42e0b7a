"""Normative bands: read from either format, refused without a source, drawn and scored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kincast.offline.report.norms import NormFileError, gait_variable_score, read_norms

GOOD = {
    "citation": "Nobody 2001, J Tests 1, 1",
    "population": "12 adults",
    "curves": {"knee_flexion": {"percent": [0, 50, 100], "mean": [5, 20, 5], "sd": [2, 3, 2]}},
    "measures": {"stride_length_m": {"mean": 1.4, "sd": 0.1}},
}


def written(path: Path, document: object) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_both_formats_say_the_same(tmp_path: Path) -> None:
    of_json = read_norms(written(tmp_path / "n.json", GOOD))
    table = (
        "# citation: Nobody 2001, J Tests 1, 1\n# population: 12 adults\nvariable,percent,mean,sd\n"
        "knee_flexion,0,5,2\nknee_flexion,50,20,3\nknee_flexion,100,5,2\nstride_length_m,,1.4,0.1\n"
    )
    of_csv = read_norms(written(tmp_path / "n.csv", table))
    assert of_csv.citation == of_json.citation == GOOD["citation"]
    assert of_csv.measures == of_json.measures == {"stride_length_m": (1.4, 0.1)}
    for norms in (of_json, of_csv):
        band = norms.curves["knee_flexion"]
        assert band.mean[[0, 25, 50, 100]] == pytest.approx([5.0, 12.5, 20.0, 5.0])
        assert gait_variable_score(band.mean + 3.0, band) == pytest.approx(3.0)


def test_outside_the_given_percentages_nothing_is_known(tmp_path: Path) -> None:
    part = {"percent": [10, 90], "mean": [1, 1], "sd": [1, 1]}
    band = read_norms(written(tmp_path / "n.json", GOOD | {"curves": {"knee_flexion": part}})).curves[
        "knee_flexion"
    ]
    assert np.isnan(band.mean[:10]).all()
    assert np.isfinite(band.mean[10:91]).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"citation": " "}, "no norm"),
        ({"curves": {"knee": {}}}, "unknown curve 'knee'; valid: pelvic_tilt"),
        ({"measures": {"stride": {"mean": 1, "sd": 1}}}, "unknown measure"),
        ({"curves": {"knee_flexion": {"percent": [0, 50], "mean": [1], "sd": [1, 1]}}}, "as many"),
        ({"curves": {"knee_flexion": {"percent": [50, 0], "mean": [1, 1], "sd": [1, 1]}}}, "rise"),
        (
            {"curves": {"knee_flexion": {"percent": [0, 50], "mean": [1, "x"], "sd": [1, 1]}}},
            "finite numbers",
        ),
        ({"measures": {"stride_length_m": {"mean": 1, "sd": -1}}}, "negative"),
        ({"curves": {}, "measures": {}}, "no band"),
    ],
)
def test_unusable_files_are_refused(change: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(NormFileError, match=said):
        read_norms(written(tmp_path / "n.json", GOOD | change))


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "# citation: x\nvariable,percent,mean,sd\nknee_flexion,0,a,1\n"]
)
def test_unreadable_tables_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(NormFileError):
        read_norms(written(tmp_path / "n.csv", text))
