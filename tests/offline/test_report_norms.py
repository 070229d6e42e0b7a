"""Normative bands: read from either format, refused without a source, drawn and scored."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from kincast.offline.report.norm_bands import (
    NormFileError,
    choose_norms,
    gait_variable_score,
    read_norms,
    shipped_norms,
)

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


def test_every_shipped_set_is_whole_and_tells_where_it_comes_from() -> None:
    assert shipped_norms() == ("adults",)
    readme = (resources.files("kincast.offline.report") / "norms" / "README.md").read_text()
    for name in shipped_norms():
        norms = choose_norms(name)
        assert norms is not None
        assert f"## {name}.csv" in readme
        assert "doi" in norms.citation
        assert norms.licence
        assert norms.population
        assert norms.note
        assert norms.speed_m_s is not None
        for curve in norms.curves.values():
            assert np.isfinite(curve.mean).all()
            assert abs(curve.mean[0] - curve.mean[-1]) < 0.1  # a cycle ends where it begins
            assert np.abs(np.diff(curve.mean, 3)).max() < 1.0  # no digit went wrong on the way
            assert np.abs(np.diff(curve.sd, 3)).max() < 0.3
            assert (curve.sd > 0.5).all()


def test_the_shipped_adults_agree_with_other_computations_of_the_same_study() -> None:
    """Fukuchi 2018 overground, comfortable third by Froude number, as other people worked it out (see the README)."""
    norms = choose_norms("adults")
    assert norms is not None
    assert norms.curves["knee_flexion"].mean.max() == pytest.approx(61.7, abs=4.0)
    assert norms.curves["hip_flexion"].mean.max() == pytest.approx(30.7, abs=6.6)
    assert norms.curves["ankle_dorsiflexion"].mean.min() == pytest.approx(-11.6, abs=6.0)
    speed, cadence, step = (norms.measures[k][0] for k in ("speed_m_s", "cadence_steps_min", "step_length_m"))
    assert speed == pytest.approx(step * cadence / 60.0, abs=0.02)
    stance, double = (norms.measures[k][0] for k in ("stance_pct", "double_support_pct"))
    assert double == pytest.approx(2.0 * stance - 100.0, abs=0.5)


@pytest.mark.parametrize("speed", ["fast", "0", "99"])
def test_impossible_speeds_are_refused(speed: str, tmp_path: Path) -> None:
    with pytest.raises(NormFileError, match="no walking speed"):
        read_norms(written(tmp_path / "n.json", GOOD | {"speed_m_s": speed}))
