"""Formats of the results folder: what is written is read back, damaged files are refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kincast.models.camera import Camera
from kincast.streaming.results.cameras_toml import read_cameras, write_cameras
from kincast.streaming.results.csv_table import read_csv, write_csv
from kincast.streaming.results.errors import (
    CalibrationFormatError,
    DuplicateCameraError,
    FileMissingError,
    StorageFormatError,
    TableFormatError,
    TrcFormatError,
    UnitsError,
)
from kincast.streaming.results.ground_frame import from_opensim, to_opensim
from kincast.streaming.results.storage import read_storage, write_storage
from kincast.streaming.results.trc import read_trc, write_trc

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


def camera(name: str = "cam_01", **changes: object) -> Camera:
    fields = {
        "name": name,
        "size_px": (1920, 1080),
        "matrix": np.array([[1200.5, 0, 960.25], [0, 1201.5, 540.75], [0, 0, 1.0]]),
        "distortions": np.array([-0.1, 0.05, 1e-4, -2e-4, 0.01, 0, 0, 0]),
        "rotation": np.array([1.2, 1.6, -1.3]),
        "translation": np.array([0.1, 0.7, 5.2]),
    } | changes
    return Camera(**fields)  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(values=arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=FINITE))
def test_storage_round_trip(tmp_path_factory: pytest.TempPathFactory, values: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("storage") / "a.sto"
    time_s = np.arange(len(values)) / 60.0
    names = tuple(f"c{i}" for i in range(values.shape[1]))
    write_storage(path, "a", time_s, names, values, in_degrees=True)
    back = read_storage(path)
    assert back.columns == names
    assert back.in_degrees
    np.testing.assert_allclose(back.values, values, rtol=1e-8, atol=1e-30)
    np.testing.assert_allclose(back.time_s, time_s, atol=1e-9)


def test_storage_refuses_numbers_that_are_not_finite(tmp_path) -> None:
    with pytest.raises(ValueError, match="finite"):
        write_storage(tmp_path / "a.mot", "a", np.zeros(1), ("x",), np.full((1, 1), np.nan), in_degrees=False)


def test_storage_skips_damaged_rows_and_counts_them(tmp_path) -> None:
    path = tmp_path / "a.mot"
    path.write_text("a\nnRows=5\ninDegrees=yes\nendheader\ntime\tx\n0\t1\n0.1\tabc\n0.2\n0.1\t9\n0.3\t4\n")
    back = read_storage(path)
    assert back.time_s.tolist() == [0.0, 0.1, 0.3]
    assert back.skipped_rows == 2


@pytest.mark.parametrize(
    "text", ["", "x y z", "endheader\n", "endheader\nx\ty\n1\t2\n", "endheader\ntime\tx\tx\n1\t2\t3\n"]
)
def test_storage_refuses_other_files(tmp_path, text: str) -> None:
    path = tmp_path / "a.mot"
    path.write_text(text)
    with pytest.raises(StorageFormatError, match=r"a\.mot"):
        read_storage(path)


def test_missing_file_is_named(tmp_path) -> None:
    for read in (read_storage, read_trc, read_csv, read_cameras):
        with pytest.raises(FileMissingError, match="nowhere"):
            read(tmp_path / "nowhere.xyz")


@settings(max_examples=20, deadline=None)
@given(
    points=arrays(
        np.float64, st.tuples(st.integers(1, 5), st.integers(1, 3), st.just(3)), elements=st.floats(0.1, 9)
    )
)
def test_trc_round_trip(tmp_path_factory: pytest.TempPathFactory, points: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("trc") / "a.trc"
    points[0, 0] = np.nan
    names = tuple(f"M{i}" for i in range(points.shape[1]))
    time_s = 0.5 + np.arange(len(points)) / 100.0
    write_trc(path, time_s, names, points)
    back = read_trc(path)
    assert back.markers == names
    np.testing.assert_allclose(back.points_m, points, atol=1e-6)
    np.testing.assert_allclose(back.time_s, time_s, atol=1e-9)


def _trc(units: str, rows: str, names: str = "A\t\t\tB\t\t") -> str:
    return (
        "PathFileType\t4\t(X/Y/Z)\ta.trc\nDataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\n"
        f"100\t100\t3\t2\t{units}\nFrame#\tTime\t{names}\n\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n\n{rows}"
    )


def test_trc_missing_markers_units_and_duplicates(tmp_path) -> None:
    path = tmp_path / "a.trc"
    path.write_text(
        _trc(
            "mm",
            "1\t0.00\t1000\t2000\t3000\t\t\t\n2\t0.01\t0\t0\t0\t1\t2\tNaN\n2\tx\t1\t1\t1\n1\t0.0\t1\t1\t1\n",
        )
    )
    trc = read_trc(path)
    np.testing.assert_allclose(trc.points_m[0, 0], [1, 2, 3])
    assert np.isnan(trc.points_m[0, 1]).all()
    assert np.isnan(trc.points_m[1]).all()
    assert trc.skipped_rows == 2
    path.write_text(_trc("m", "1\t0\t1\t2\t3\t4\t5\t6\n", names="A\t\t\tA\t\t"))
    trc = read_trc(path)
    assert trc.markers == ("A",)
    assert trc.duplicate_names == ("A",)


def test_trc_refusals(tmp_path) -> None:
    path = tmp_path / "a.trc"
    path.write_text(_trc("furlong", "1\t0\t1\t2\t3\t4\t5\t6\n"))
    with pytest.raises(UnitsError, match="mm, cm or m"):
        read_trc(path)
    for text in ("hello", _trc("m", ""), _trc("m", "1\t0\t1\n", names="")):
        path.write_text(text)
        with pytest.raises(TrcFormatError):
            read_trc(path)


def test_cameras_round_trip_to_the_last_bit(tmp_path) -> None:
    cameras = (
        camera(),
        camera('Cam 2 "left"', distortions=np.array([0.1, 0.2, 0.01, 0.02, 0.3, 0.4, 0.5, 0.6])),
        camera("fish", distortions=np.array([0.1, 0.2, 0.3, 0.4, 0, 0, 0, 0]), fisheye=True),
    )
    write_cameras(tmp_path / "c.toml", cameras, adjusted=True)
    back = read_cameras(tmp_path / "c.toml")
    for a, b in zip(cameras, back, strict=True):
        assert (a.name, a.size_px, a.fisheye) == (b.name, b.size_px, b.fisheye)
        for field in ("matrix", "distortions", "rotation", "translation"):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


def _calibration(**changes: str) -> str:
    fields = {
        "name": '"a"',
        "size": "[10, 10]",
        "matrix": "[[9.0, 0, 5], [0, 9, 5], [0, 0, 1]]",
        "distortions": "[0, 0, 0, 0]",
        "rotation": "[0, 0, 0]",
        "translation": "[0, 0, 3]",
    } | changes
    return "[a]\n" + "\n".join(f"{k} = {v}" for k, v in fields.items() if v)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("", CalibrationFormatError, "no camera"),
        ("[a", CalibrationFormatError, "TOML"),
        (_calibration(matrix="[[0, 0, 5], [0, 9, 5], [0, 0, 1]]"), CalibrationFormatError, "fx, fy > 0"),
        (_calibration(matrix="[[nan, 0, 5], [0, 9, 5], [0, 0, 1]]"), CalibrationFormatError, "not finite"),
        (_calibration(matrix="[[9, 2, 5], [0, 9, 5], [0, 0, 1]]"), CalibrationFormatError, "skew"),
        (_calibration(matrix='"x"'), CalibrationFormatError, "numbers"),
        (_calibration(rotation=""), CalibrationFormatError, "'rotation' is missing"),
        (_calibration(rotation="[0, 0]"), CalibrationFormatError, "shape"),
        (_calibration(distortions="[1, 2, 3, 4, 5, 6]"), CalibrationFormatError, "6 numbers"),
        (_calibration(size="[0, 10]"), CalibrationFormatError, "size"),
        (_calibration(translation="[100, 200, 3000]"), UnitsError, "millimetres"),
        (_calibration() + "\n" + _calibration().replace("[a]", "[b]"), DuplicateCameraError, "named a"),
        (_calibration() + "\n" + _calibration(), DuplicateCameraError, "every camera its own name"),
    ],
)
def test_calibration_refusals(tmp_path, text: str, error: type[Exception], says: str) -> None:
    path = tmp_path / "Calib.toml"
    path.write_text(text)
    with pytest.raises(error, match=says):
        read_cameras(path)


def test_csv_round_trip_and_refusals(tmp_path) -> None:
    path = tmp_path / "a.csv"
    write_csv(path, ("a", "b"), [("1", "x,y"), ("2", "")])
    table = read_csv(path)
    assert table.text("b") == ("x,y", "")
    assert table.numbers("a").tolist() == [1.0, 2.0]
    with pytest.raises(TableFormatError, match="no column 'c'"):
        table.text("c")
    for text in ("", "a,a\n1,2\n"):
        path.write_text(text)
        with pytest.raises(TableFormatError):
            read_csv(path)


def test_ground_frame_is_a_proper_rotation() -> None:
    axes = to_opensim(np.eye(3))  # rows: where x, y, z of the world go
    np.testing.assert_array_equal(axes, [[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    assert np.linalg.det(axes) == pytest.approx(1.0)
    points = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(from_opensim(to_opensim(points)), points)


@pytest.mark.data
def test_storage_and_trc_of_many_programs_are_read(data_dir) -> None:
    for folder in (
        "opensim_subject01_walk",
        "opencap_subject5_markers",
        "bmc_walk_trials",
        "lencioni_step",
        "pose2sim_balancing",
    ):
        for path in sorted([*(data_dir / folder).rglob("*.mot"), *(data_dir / folder).rglob("*.sto")]):
            assert len(read_storage(path).time_s) > 10
        for path in sorted((data_dir / folder).rglob("*.trc")):
            assert np.isfinite(read_trc(path).points_m).any()
    for path in sorted(data_dir.rglob("Calib*.toml")):
        assert len(read_cameras(path)) >= 4
