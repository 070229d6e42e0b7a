"""Importing markers: TRC and C3D, their axes, units, times and people."""

from __future__ import annotations

import numpy as np
import pytest

from kincast.models.body.sites import MARKER_SETS
from kincast.streaming.importers.errors import (
    AxesError,
    C3dFormatError,
    ExtraMissingError,
    KeypointSetError,
    MirroredError,
    SourceKindError,
)
from kincast.streaming.importers.markers import measured_up
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.importers.recording import Losses
from kincast.streaming.importers.source import import_source
from kincast.streaming.importers.trc_session import exact_times
from kincast.streaming.messages import MarkerFrame
from kincast.streaming.results.errors import UnitsError
from kincast.streaming.results.trc import write_trc

NAMES = ("R.ASIS", "L.ASIS", "R.Heel", "L.Heel", "R.Toe.Tip", "L.Toe.Tip", "Extra")


def standing(n: int = 20) -> np.ndarray:
    """World (Z up): hips a metre above the feet, walking along x with a long stride."""
    base = np.array(
        [
            [0.1, -0.12, 1],
            [0.1, 0.12, 1],
            [-0.4, -0.1, 0.05],
            [0.4, 0.1, 0.05],
            [-0.2, -0.1, 0.02],
            [0.6, 0.1, 0.02],
            [0, 0, 1.2],
        ]
    )
    return base[None] + np.linspace(0, 1, n)[:, None, None] * [1.0, 0, 0]


def as_y_up(world: np.ndarray) -> np.ndarray:
    return np.stack([world[..., 0], world[..., 2], -world[..., 1]], axis=-1)


@pytest.mark.parametrize("up", ["y", "z"])
def test_trc_either_way_up(tmp_path, up: str) -> None:
    world = standing()
    path = tmp_path / "walk.trc"
    points = as_y_up(world) if up == "y" else world
    points[3, 2] = np.nan
    write_trc(path, 0.5 + np.arange(20) / 100, NAMES, points)
    got = import_source(path, ImportOptions())
    assert got.header.keypoint_set == "GAIT2392"
    assert got.header.marker_names == MARKER_SETS["GAIT2392"]
    assert got.header.start_ns == 500_000_000
    assert any("Extra" in note for note in got.notes)
    frame = got.messages[7]
    assert isinstance(frame, MarkerFrame)
    column = got.header.marker_names.index("L.Heel")
    np.testing.assert_allclose(frame.markers[column], [*world[7, 3], 1], atol=1e-6)
    assert frame.markers[got.header.marker_names.index("V.Sacral")].tolist() == [0, 0, 0, 0]
    gap = got.messages[3]
    assert isinstance(gap, MarkerFrame)
    assert gap.markers[got.header.marker_names.index("R.Heel"), 3] == 0
    assert got.lost.reasons["missing markers (single markers of single frames)"] == 1
    forced = import_source(path, ImportOptions(up="z"))
    assert isinstance(forced.messages[7], MarkerFrame)
    np.testing.assert_allclose(forced.messages[7].markers[column, :3], points[7, 3], atol=1e-6)


def test_trc_refusals(tmp_path) -> None:
    path = tmp_path / "walk.trc"
    write_trc(path, np.arange(20) / 100, NAMES, standing() * 1000)  # millimetres called metres
    with pytest.raises(UnitsError, match="no person"):
        import_source(path, ImportOptions())
    write_trc(path, np.arange(20) / 100, NAMES, standing() * [1, 1, -1])
    with pytest.raises(AxesError, match="feet are above"):
        import_source(path, ImportOptions())
    write_trc(path, np.arange(20) / 100, [f"P{i}" for i in range(7)], standing())
    with pytest.raises((AxesError, KeypointSetError)):
        import_source(path, ImportOptions())
    with pytest.raises(KeypointSetError, match="GAIT2392"):
        import_source(path, ImportOptions(up="z"))
    write_trc(tmp_path / "other.trc", np.arange(20) / 100, NAMES, standing())
    with pytest.raises(SourceKindError, match=r"other\.trc, walk\.trc"):
        import_source(tmp_path, ImportOptions())


def test_rounded_times_are_freed_from_rounding() -> None:
    true = np.arange(100) / 150.0
    got = exact_times(np.round(true, 3), 150.0, Losses())
    assert np.abs(got - true * 1e9).max() < 2e5
    assert np.ptp(np.diff(got)) <= 1
    irregular = true + np.random.default_rng(0).uniform(-0.002, 0.002, 100)
    np.testing.assert_array_equal(exact_times(irregular, 150.0, Losses()), np.round(irregular * 1e9))


def test_up_is_measured_from_feet_to_trunk_not_from_extent() -> None:
    lunge = standing() * [3.0, 1, 1]  # the stride is longer than the legs
    assert measured_up(NAMES, lunge) == ("z", 1)
    assert measured_up(["A", "B"], lunge[:, :2]) is None


PELVIS_AND_FEET = {
    "R.ASIS": (0.0, -0.12, 1.0),
    "L.ASIS": (0.0, 0.12, 1.0),
    "V.Sacral": (-0.16, 0.0, 1.02),
    "R.Heel": (-0.3, -0.1, 0.05),
    "L.Heel": (0.3, 0.1, 0.05),
    "R.Toe.Tip": (-0.06, -0.12, 0.02),
    "L.Toe.Tip": (0.54, 0.12, 0.02),
}


@pytest.mark.parametrize("heading_deg", [0.0, 100.0, 215.0])
@pytest.mark.parametrize("up", ["y", "z"])
def test_a_mirrored_person_is_refused_whatever_the_heading(tmp_path, up: str, heading_deg: float) -> None:
    c, s = np.cos(np.deg2rad(heading_deg)), np.sin(np.deg2rad(heading_deg))
    world = np.array(list(PELVIS_AND_FEET.values())) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    world = world + np.linspace(0, 1, 20)[:, None, None] * [c, s, 0]
    points = as_y_up(world) if up == "y" else world
    time_s = np.arange(20) / 100
    write_trc(tmp_path / "right.trc", time_s, tuple(PELVIS_AND_FEET), points)
    assert len(import_source(tmp_path / "right.trc", ImportOptions()).messages) == 20
    write_trc(tmp_path / "mirror.trc", time_s, tuple(PELVIS_AND_FEET), points * [-1, 1, 1])
    exchanged = [n.replace("R.", "?.").replace("L.", "R.").replace("?.", "L.") for n in PELVIS_AND_FEET]
    write_trc(tmp_path / "names.trc", time_s, exchanged, points)
    for name in ("mirror", "names"):
        with pytest.raises(
            MirroredError, match=f"{name}: with {up.upper()} up, the right side's markers lie on the left"
        ):
            import_source(tmp_path / f"{name}.trc", ImportOptions())


def test_rows_that_the_header_promises_are_counted_as_lost(tmp_path) -> None:
    path = tmp_path / "walk.trc"
    write_trc(path, np.arange(20) / 100, NAMES, standing())
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-6]) + lines[-6][:3])
    got = import_source(path, ImportOptions())
    assert len(got.messages) == 14
    assert got.lost.messages == 6
    assert got.lost.seconds == pytest.approx(0.06, abs=0.005)
    assert got.lost.reasons["rows that the header promises and the file lacks"] == 5
    path.write_text("".join(lines).replace("\t20\t", "\tmany\t"))
    assert import_source(path, ImportOptions()).lost.messages == 0


@pytest.mark.data
def test_a_mirrored_trial_of_a_laboratory(data_dir) -> None:
    folder = data_dir / "bmc_walk_trials"
    with pytest.raises(MirroredError):
        import_source(folder / "walk1.trc", ImportOptions())
    assert import_source(folder / "walk2.trc", ImportOptions()).messages


@pytest.mark.data
def test_a_mirrored_c3d_is_refused(data_dir, monkeypatch) -> None:
    from kincast.streaming.importers import c3d

    read = c3d._arrays
    monkeypatch.setattr(
        c3d, "_arrays", lambda path: {**(a := read(path)), "points": a["points"] * [[[1]], [[-1]], [[1]]]}
    )
    with pytest.raises(MirroredError, match=r"walk: with Z up"):
        import_source(data_dir / "btk_fullbody" / "walk.c3d", ImportOptions())


def test_spelling_of_marker_names_does_not_matter(tmp_path) -> None:
    path = tmp_path / "walk.trc"
    spelled = ("r_asis", "L.ASIS_study", "R Heel", "l_heel", "p1:R.Toe.Tip", "L-Toe-Tip", "Extra")
    write_trc(path, np.arange(20) / 100, spelled, standing())
    got = import_source(path, ImportOptions(keypoint_set="GAIT2392"))
    first = got.messages[0]
    assert isinstance(first, MarkerFrame)
    assert (first.markers[:, 3] > 0).sum() == 6


def test_c3d_without_ezc3d_says_what_to_install(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.c3d"
    path.write_bytes(b"x" * 600)
    with pytest.raises(C3dFormatError, match=r"a\.c3d"):
        import_source(path, ImportOptions())
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "ezc3d.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(shadow))
    with pytest.raises(ExtraMissingError, match=r"kincast\[c3d\]"):
        import_source(path, ImportOptions())


@pytest.mark.data
def test_real_c3d(data_dir) -> None:
    got = import_source(data_dir / "btk_fullbody" / "walk.c3d", ImportOptions())
    assert got.header.mass_kg == 47.5
    assert got.header.height_m == 1.505
    assert got.header.keypoint_set == "PLUGIN_GAIT"
    assert len(got.messages) == 315
    frames = np.stack([m.markers for m in got.messages if isinstance(m, MarkerFrame)])
    names = got.header.marker_names
    heel, head = (frames[:, names.index(n)] for n in ("RHEE", "RFHD"))
    assert 0.0 < np.median(heel[heel[:, 3] > 0, 2]) < 0.3
    assert 1.2 < np.median(head[head[:, 3] > 0, 2]) < 1.7
    assert np.median(np.diff([m.t_ns for m in got.messages])) == pytest.approx(1e7)
    heavier = import_source(data_dir / "btk_fullbody" / "walk.c3d", ImportOptions(mass_kg=50.0))
    assert heavier.header.mass_kg == 50.0


@pytest.mark.data
def test_real_trc_agrees_with_the_published_world(data_dir) -> None:
    """The marker file in the world frame of the multi-view case is an independent conversion of the same trial."""
    from kincast.streaming.results.trc import read_trc

    got = import_source(data_dir / "opencap_subject4_markers/MarkerData/walking1.trc", ImportOptions())
    world = read_trc(data_dir / "multiview/walking1/truth/markers.trc")
    column = got.header.marker_names.index("r_calc") if "r_calc" in world.markers else None
    name = "r_calc" if column is not None else next(m for m in world.markers if m in got.header.marker_names)
    mine = np.stack(
        [m.markers[got.header.marker_names.index(name)] for m in got.messages if isinstance(m, MarkerFrame)]
    )
    theirs = world.points_m[:, world.markers.index(name)]
    offset = mine[: len(theirs), :3] - theirs
    seen = np.isfinite(offset).all(axis=1) & (mine[: len(theirs), 3] > 0)
    np.testing.assert_allclose(offset[seen] - offset[seen][0], 0, atol=2e-4)
    np.testing.assert_allclose(offset[seen][0], [0, 0, 0.006], atol=1e-3)


@pytest.mark.parametrize(
    ("expected", "labels"),
    [
        ("HELEN_HAYES", "VSAC RASI LASI RTHI RKNE RSHA RANK LSHA LTHI LKNE LANK RFOO LFOO ROFF"),
        ("HELEN_HAYES", "V.Sacral R.ASIS L.ASIS R.Thigh R.Shank L.Thigh L.Shank R.Toe L.Toe"),
        ("IOR_GAIT", "R_IAS L_IAS R_FLE L_FLE R_FAL L_FAL R_FCC L_FCC R_FM2 L_FM2"),
        ("LAMB", "RxAsis LxAsis RxLatCon LxLatCon RxLatMal LxLatMal RxHeel LxHeel Psis maxkif"),
        (
            "PLUGIN_GAIT",
            "Anna:LASI Anna:RASI Anna:LKNE Anna:RKNE Anna:LANK Anna:RANK Anna:RHEE Anna:LHEE Anna:RFMH",
        ),
    ],
)
def test_laboratories_labels_find_their_set(tmp_path, expected: str, labels: str) -> None:
    names = tuple(labels.split())
    world = np.zeros((9, len(names), 3))
    low = ("ank", "mal", "fal", "hee", "fcc", "foo", "toe", "fm2", "fmh")
    for i, name in enumerate(names):
        world[:, i] = [0.02 * i, 0.1, 0.05 if any(part in name.lower() for part in low) else 0.9 + 0.005 * i]
    path = tmp_path / "walk.trc"
    write_trc(
        path, np.arange(9) / 100, names, as_y_up(world + np.linspace(0, 1, 9)[:, None, None] * [1.0, 0, 0])
    )
    got = import_source(path, ImportOptions(up="y"))
    assert got.header.keypoint_set == expected
    frame = got.messages[0]
    assert isinstance(frame, MarkerFrame)
    assert int((frame.markers[:, 3] > 0).sum()) == len(names)


def test_an_unknown_set_is_refused_with_the_nearest(tmp_path) -> None:
    names = ("R.ASIS", "L.ASIS", "one", "two", "three", "four", "five")
    path = tmp_path / "walk.trc"
    write_trc(path, np.arange(20) / 100, names, as_y_up(standing()))
    with pytest.raises(KeypointSetError, match=r"nearest is .*R\.ASIS, L\.ASIS") as refused:
        import_source(path, ImportOptions(up="y"))
    assert "HELEN_HAYES" in str(refused.value)
