"""Damaged files: every reader answers with what is whole or with a named mistake, never otherwise."""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kincast.models.camera import Camera
from kincast.models.errors import UserMistakeError
from kincast.streaming.importers.json_lines import LineState, read_json_lines
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.importers.source import import_source
from kincast.streaming.messages import KeypointFrame
from kincast.streaming.results.cameras_toml import read_cameras, write_cameras
from kincast.streaming.results.csv_table import read_csv
from kincast.streaming.results.reader import read_json_object, read_results
from kincast.streaming.results.storage import read_storage, write_storage
from kincast.streaming.results.trc import read_trc, write_trc

FUZZ = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MARKERS = ("R.ASIS", "L.ASIS", "R.Heel", "L.Heel", "R.Toe.Tip", "L.Toe.Tip")


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Flip, insert, remove or cut bytes anywhere."""
    kind = draw(st.sampled_from(["flip", "flip", "flip", "cut", "insert", "remove", "double"]))
    places = draw(st.lists(st.floats(0, 0.999999), min_size=1, max_size=6))
    values = draw(st.binary(min_size=6, max_size=6))

    def apply(data: bytes) -> bytes:
        out = bytearray(data)
        for place, value in zip(places, values, strict=False):
            at = int(place * max(len(out), 1))
            if kind == "flip" and out:
                out[at] = value
            elif kind == "insert":
                out[at:at] = values
            elif kind == "remove":
                del out[at : at + 1 + value]
        if kind == "cut":
            del out[int(places[0] * len(out)) :]
        if kind == "double":
            out += out[int(places[0] * len(out)) :]
        return bytes(out)

    return apply


def survives(read: Callable[[], object]) -> object | None:
    """The answer, or None if the reader refused by name."""
    try:
        return read()
    except UserMistakeError:
        return None


def person(at: float) -> dict[str, list[float]]:
    return {"pose_keypoints_2d": [v for i in range(26) for v in (at + i, 200.0 + i, 0.9)]}


def a_camera(name: str) -> Camera:
    return Camera(
        name=name,
        size_px=(1000, 800),
        matrix=np.array([[900.0, 0, 500], [0, 900, 400], [0, 0, 1]]),
        distortions=np.zeros(8),
        rotation=np.array([1.5, 0, 0]),
        translation=np.array([0.0, 1.0, 4.0]),
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One undamaged file of every kind."""
    folder = tmp_path_factory.mktemp("whole")
    time_s = np.arange(30) / 50.0
    write_storage(folder / "a.mot", "a", time_s, ("x", "y"), np.ones((30, 2)), in_degrees=True)
    base = np.array(
        [
            [0.1, -0.1, 1],
            [0.1, 0.1, 1],
            [-0.4, -0.1, 0.05],
            [0.4, 0.1, 0.05],
            [-0.2, -0.1, 0.02],
            [0.6, 0.1, 0.02],
        ]
    )
    write_trc(folder / "a.trc", time_s, MARKERS, base + time_s[:, None, None])
    write_cameras(folder / "Calib.toml", (a_camera("cam_01"), a_camera("cam_02")))
    (folder / "a.csv").write_text(
        "time_s,side,event,sd_s,emitted_s\n" + "0.5,right,foot_strike,0.01,0.55\n" * 20
    )
    (folder / "a.json").write_text(json.dumps({"versions": {"kincast": "1"}, "gc": {"1": 0.5}, "lost": None}))
    (folder / "pose").mkdir()
    for camera in ("cam_01", "cam_02"):
        lines = [
            json.dumps({"frame": i, "t_ns": 10**9 + i * 20_000_000, "people": [person(100.0 + i)]})
            for i in range(60)
        ]
        (folder / "pose" / f"{camera}.jsonl").write_text("\n".join(lines) + "\n")
        (folder / f"{camera}_json").mkdir()
        for i in range(6):
            (folder / f"{camera}_json" / f"{camera}_{i:06d}.json").write_text(
                json.dumps({"people": [person(100.0)]})
            )
    with zipfile.ZipFile(folder / "pose.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.glob("*_json/*.json")):
            archive.write(path, path.relative_to(folder))
    (folder / "Config.toml").write_text("[project]\nframe_rate = 60\n[pose]\npose_model = 'HALPE_26'\n")
    return folder


@FUZZ
@given(hurt=damage())
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.mot", read_storage),
        ("a.trc", read_trc),
        ("Calib.toml", read_cameras),
        ("a.csv", read_csv),
        ("a.json", read_json_object),
    ],
)
def test_damaged_tables(whole: Path, tmp_path: Path, name: str, read: Callable[[Path], object], hurt) -> None:
    path = tmp_path / name
    path.write_bytes(hurt((whole / name).read_bytes()))
    survives(lambda: read(path))


@FUZZ
@given(data=st.binary(max_size=300))
@pytest.mark.parametrize("suffix", [".mot", ".trc", ".toml", ".csv", ".json", ".zip", ".jsonl", ".gz"])
def test_noise_instead_of_a_file(tmp_path: Path, suffix: str, data: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    readers: dict[str, Callable[[Path], object]] = {
        ".mot": read_storage,
        ".trc": read_trc,
        ".toml": read_cameras,
        ".csv": read_csv,
        ".json": read_json_object,
        ".zip": lambda p: import_source(p, ImportOptions(frame_rate_hz=60.0)),
        ".jsonl": lambda p: list(read_json_lines(p, LineState())),
        ".gz": lambda p: list(read_json_lines(p, LineState())),
    }
    survives(lambda: readers[suffix](path))


@FUZZ
@given(text=st.text(alphabet="0123456789.-e\t\n abXYZ#FrameTimnidhr=[]{}\"',", max_size=400))
@pytest.mark.parametrize(
    "top",
    [
        "endheader\ntime\tx\n",
        "DataRate\tUnits\n100\tmm\nFrame#\tTime\tA\t\t\n",
        "[a]\nmatrix = ",
        "a,b\n",
        "{",
    ],
)
def test_words_of_the_formats_in_any_order(tmp_path: Path, top: str, text: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(top + text)
    for read in (read_storage, read_trc, read_cameras, read_csv, read_json_object):
        survives(lambda read=read: read(path))


@FUZZ
@given(hurt=damage())
def test_a_damaged_marker_file_imports_or_refuses(whole: Path, tmp_path: Path, hurt) -> None:
    path = tmp_path / "a.trc"
    path.write_bytes(hurt((whole / "a.trc").read_bytes()))
    survives(lambda: import_source(path, ImportOptions()))


@FUZZ
@given(hurt=damage(), compress=st.booleans())
def test_a_damaged_stream_costs_its_own_camera_alone(
    whole: Path, tmp_path: Path, hurt, compress: bool
) -> None:
    case = tmp_path / "case"
    shutil.rmtree(case, ignore_errors=True)
    (case / "pose").mkdir(parents=True)
    shutil.copy(whole / "Calib.toml", case)
    shutil.copy(whole / "pose/cam_02.jsonl", case / "pose")
    data = (whole / "pose/cam_01.jsonl").read_bytes()
    name = "cam_01.jsonl.gz" if compress else "cam_01.jsonl"
    (case / "pose" / name).write_bytes(hurt(gzip.compress(data) if compress else data))
    got = import_source(case, ImportOptions())
    others = [m for m in got.messages if isinstance(m, KeypointFrame) and m.camera == "cam_02"]
    assert len(others) == 60
    assert all(np.isfinite(m.people).all() for m in got.messages if isinstance(m, KeypointFrame))


@FUZZ
@given(row=st.integers(0, 59), place=st.floats(0, 0.999), value=st.integers(0, 255))
def test_one_wrong_byte_costs_at_most_the_lines_it_touches(
    whole: Path, tmp_path: Path, row: int, place: float, value: int
) -> None:
    case = tmp_path / "case"
    shutil.rmtree(case, ignore_errors=True)
    shutil.copytree(whole / "pose", case / "pose")
    shutil.copy(whole / "Calib.toml", case)
    path = case / "pose" / "cam_01.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    hit = bytearray(lines[row])
    hit[int(place * len(hit))] = value
    path.write_bytes(b"".join([*lines[:row], bytes(hit), *lines[row + 1 :]]))
    got = import_source(case, ImportOptions())
    kept = {m.seq: m for m in got.messages if isinstance(m, KeypointFrame) and m.camera == "cam_01"}
    for other in set(range(60)) - {row, row + 1}:
        np.testing.assert_allclose(kept[other].people[0, 0, :2], [100.0 + other, 200.0])
    assert len(kept) + got.lost.messages >= 59


@FUZZ
@given(cut=st.floats(0.02, 0.999))
def test_a_cut_gzip_keeps_a_true_beginning(whole: Path, tmp_path: Path, cut: float) -> None:
    data = (whole / "pose/cam_01.jsonl").read_bytes()
    packed = gzip.compress(data)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(packed[: int(cut * len(packed))])
    state = LineState()
    found = list(read_json_lines(path, state))
    assert found == [json.loads(line) for line in data.splitlines()[: len(found)]]
    assert state.truncated


@FUZZ
@given(
    hurt=damage(),
    target=st.sampled_from(["cam_01_json/cam_01_000002.json", "Calib.toml", "pose.zip", "Config.toml"]),
)
def test_damaged_openpose_and_projects(whole: Path, tmp_path: Path, hurt, target: str) -> None:
    case = tmp_path / "case"
    shutil.rmtree(case, ignore_errors=True)
    case.mkdir()
    for folder in ("cam_01_json", "cam_02_json"):
        shutil.copytree(whole / folder, case / ("pose/" if target == "Config.toml" else "") / folder)
    for name in ("Calib.toml", "pose.zip", "Config.toml"):
        if name != "Config.toml" or target == "Config.toml":
            shutil.copy(whole / name, case)
    (case / target).write_bytes(hurt((whole / target).read_bytes()))
    source = case / "pose.zip" if target == "pose.zip" else case
    got = survives(lambda: import_source(source, ImportOptions(frame_rate_hz=60.0)))
    if target.endswith(".json"):
        assert got is not None


@FUZZ
@given(
    hurt=damage(),
    name=st.sampled_from(
        ["kinematics.mot", "summary.json", "valid.csv", "markers.trc", "cameras.toml", "body.json"]
    ),
)
def test_a_damaged_results_folder(whole: Path, tmp_path: Path, hurt, name: str) -> None:
    contents = {
        "kinematics.mot": (whole / "a.mot").read_bytes(),
        "summary.json": (whole / "a.json").read_bytes(),
        "valid.csv": (whole / "a.csv").read_bytes(),
        "markers.trc": (whole / "a.trc").read_bytes(),
        "cameras.toml": (whole / "Calib.toml").read_bytes(),
        "body.json": b'{"scales": {"overall": 1.0}, "mass_kg": 70.0}',
    }
    for file, data in contents.items():
        (tmp_path / file).write_bytes(hurt(data) if file == name else data)
    survives(lambda: read_results(tmp_path))


@pytest.mark.data
def test_damaged_c3d_files_do_not_take_us_down(data_dir: Path, tmp_path: Path) -> None:
    """ezc3d crashes (SIGSEGV) on some of these; the import then says so."""
    data = (data_dir / "btk_plugin_gait" / "PiG_Calibration3_FF.c3d").read_bytes()
    rng = np.random.default_rng(5)
    outcomes = []
    for i in range(8):
        hurt = bytearray(data)
        if i % 2:
            del hurt[int(rng.integers(len(hurt))) :]
        else:
            for at in rng.integers(0, 4096, 6):
                hurt[at] = rng.integers(256)
        path = tmp_path / "a.c3d"
        path.write_bytes(bytes(hurt))
        outcomes.append(survives(lambda path=path: import_source(path, ImportOptions())))
    assert len(outcomes) == 8
