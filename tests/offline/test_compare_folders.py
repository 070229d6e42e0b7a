"""Two results folders beside each other: known differences are found, and what cannot be compared is said."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kincast.deploy.cli import main
from kincast.models.coordinates import COORDINATES
from kincast.offline.compare_difference import difference
from kincast.offline.compare_folders import FolderComparison, compare_folders, load_folders
from kincast.offline.compare_folders_plot import plot_folders
from kincast.offline.compare_folders_table import folders_table
from kincast.offline.compare_panels import Panel, PictureError, Trace, draw
from kincast.streaming.results.session import SessionResults
from kincast.streaming.results.storage import read_storage, write_storage
from tests.offline.written_session import MASS_KG, Walk, results, write

KNEE = COORDINATES.index("knee_angle_r")


def changed(walk: Walk | None = None, **changes: np.ndarray) -> SessionResults:
    return dataclasses.replace(results(walk or Walk()), **changes)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("first"), Walk())


def compared(first: Path, second: Path, **options: object) -> FolderComparison:
    found = compare_folders(first, second, **options)
    json.dumps(found.document(), allow_nan=False)
    assert folders_table(found)
    return found


def test_a_folder_beside_itself_does_not_differ(first: Path) -> None:
    found = compared(first, first)
    assert found.clock.by == "time"
    assert found.time is not None
    for table in (found.time.angles_deg, found.time.moments_Nm, found.time.forces_N, found.time.activations):
        assert table
        assert max(d.largest for d in table.values()) < 1e-9
    assert found.time.angles_deg["knee_angle_r"].correlation == pytest.approx(1.0)
    assert found.time.shift_s == pytest.approx(0.0, abs=1e-3)
    assert found.time.events["foot_strike"].both == 14
    assert found.time.strides["stride_length_m"].rows == 12
    assert max(found.time.markers_mm.values()) < 1e-6
    assert found.absent == ()


def test_known_differences_come_out_in_their_units(first: Path, tmp_path: Path) -> None:
    base = results(Walk())
    coordinates, force, torques = base.coordinates.copy(), base.force.copy(), base.torques.copy()
    coordinates[:, KNEE] += 3.0 + np.where(np.arange(len(coordinates)) % 2, 1.0, -1.0)
    coordinates[:, COORDINATES.index("pelvis_tx")] -= 0.02
    coordinates[:, COORDINATES.index("hip_flexion_l")] *= -1.0
    force[:, 0, 2] += 0.05 * MASS_KG * 9.80665
    torques[:, KNEE] += 7.0
    valid = base.kinetics_valid.copy()
    valid[:50] = False
    torques[:50] = 1e4  # not valid, so it must not count
    second = write(
        tmp_path,
        Walk(),
        changed(coordinates=coordinates, force=force, torques=torques, kinetics_valid=valid),
    )
    found = compared(first, second)
    assert found.time is not None
    knee = found.time.angles_deg["knee_angle_r"]
    assert (knee.mean, knee.sd, knee.largest) == pytest.approx((-3.0, 1.0, 4.0), abs=0.01)
    assert knee.rmse == pytest.approx(np.sqrt(10.0), abs=0.01)
    assert found.time.pelvis_mm["pelvis_tx"].mean == pytest.approx(20.0, abs=1e-3)
    assert found.time.forces_N["right vertical"].mean == pytest.approx(-0.05 * MASS_KG * 9.80665, rel=1e-4)
    assert found.time.moments_Nm["knee_angle_r_moment"].mean == pytest.approx(-7.0, abs=1e-3)
    assert found.time.rows - found.time.rows_forces == 50
    text = folders_table(found)
    assert "hip_flexion_l: the two run against each other" in text
    assert "% body weight RMSE: vertical 3.54" in text  # 5 % on one foot of two


def test_another_programs_folder_with_less_in_it_and_radians(first: Path, tmp_path: Path) -> None:
    own = read_storage(first / "kinematics.mot")
    names = ("knee_angle_r", "hip_flexion_r", "pelvis_tx", "patella_x")
    values = np.column_stack([own.column(n) for n in names[:3]] + [np.zeros(len(own.time_s))])
    values[:, :2] = np.deg2rad(values[:, :2])
    write_storage(tmp_path / "kinematics.mot", "x", own.time_s, names, values, in_degrees=False)
    found = compared(first, tmp_path)
    assert found.time is not None
    assert set(found.time.angles_deg) == {"knee_angle_r", "hip_flexion_r"}
    assert found.time.angles_deg["knee_angle_r"].largest < 1e-5
    assert "does not say when it begins" in found.clock.reason
    said = "\n".join(found.absent)
    assert "torques: only in the first" in said
    assert "coordinates only in the second (1): patella_x" in said
    assert "coordinates only in the first (37): ankle_angle_l" in said


def test_the_clocks_of_both_are_laid_upon_each_other(first: Path, tmp_path: Path) -> None:
    """The same session whose recording began 2 s later: its rows carry smaller times."""
    base = results(Walk())
    keep = base.t_ns >= Walk().start_ns + 2_000_000_000
    later = dataclasses.replace(
        base,
        events=tuple(e for e in base.events if e.t_ns > Walk().start_ns + 2_000_000_000),
        strides=(),
        **{
            f.name: getattr(base, f.name)[keep]
            for f in dataclasses.fields(base)
            if isinstance(getattr(base, f.name), np.ndarray) and len(getattr(base, f.name)) == len(keep)
        },
    )
    walk = Walk(start_ns=Walk().start_ns + 2_000_000_000)
    found = compared(first, write(tmp_path, walk, later))
    assert found.clock.offset_s == pytest.approx(2.0)
    assert found.time is not None
    assert found.time.rows == keep.sum()
    assert found.time.angles_deg["knee_angle_r"].largest < 1e-4
    assert found.time.events["foot_off"].both > 5


@pytest.mark.parametrize("lag_ms", [-40, 70])
def test_a_run_that_lags_is_told(lag_ms: int, first: Path, tmp_path: Path) -> None:
    base = results(Walk())
    t = (base.t_ns - base.t_ns[0]) * 1e-9
    late = np.stack([np.interp(t - lag_ms * 1e-3, t, c) for c in base.coordinates.T], axis=1)
    found = compared(first, write(tmp_path, Walk(), changed(coordinates=late)))
    assert found.time is not None
    assert found.time.shift_s == pytest.approx(lag_ms * 1e-3, abs=4e-3)


def test_two_sessions_meet_over_the_gait_cycle(first: Path, tmp_path: Path) -> None:
    peaks = {"right": (52.0,) * 6, "left": (41.0,) * 6}
    second = write(tmp_path, Walk(knee_peaks=peaks, session="visit-2", start_ns=Walk().start_ns + 10**15))
    found = compared(first, second)
    assert found.clock.by == "cycle"
    assert found.time is None
    assert found.cycles is not None
    assert found.cycles.strides == {"left": (6, 6), "right": (6, 6)}
    curves = {(c.label, c.side): c.difference for c in found.cycles.curves}
    assert curves["Knee flexion", "right"].largest == pytest.approx(60.9 - 52.0, abs=0.5)
    assert curves["Knee flexion", "left"].largest < 0.5
    assert curves["Ankle moment", "left"].rmse < 1e-6
    measures = {(m.label, m.side): m for m in found.cycles.measures}
    assert measures["Knee flexion, peak in swing", "right"].difference == pytest.approx(8.9, abs=0.5)
    assert "visit" not in folders_table(found).split("\n")[3]
    assert compare_folders(first, second, by="time").time is not None


def test_a_session_without_strides_says_so(first: Path, tmp_path: Path) -> None:
    standing = dataclasses.replace(results(Walk()), strides=(), events=())
    walk = Walk(session="visit-3", subject="P018", start_ns=Walk().start_ns + 10**15)
    text = folders_table(compared(first, write(tmp_path, walk, standing)))
    assert "no stride that counts" in text
    assert "check that both are the same person's" in text


def test_the_command_prints_draws_and_explains(first: Path, tmp_path: Path, capsys) -> None:
    second = write(tmp_path / "second", Walk())
    assert main(["compare", str(first), str(second), "--plot", str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").stat().st_size > 50_000
    other = write(tmp_path / "visit2", Walk(session="visit-2", start_ns=Walk().start_ns + 10**15))
    assert main(["compare", str(first), str(other)]) == 0
    capsys.readouterr()
    plot_folders(load_folders(first, other), tmp_path / "cycle.png")
    assert (tmp_path / "cycle.png").stat().st_size > 50_000
    capsys.readouterr()
    assert main(["compare", str(first), str(second), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["time"]["angles_deg"]["knee_angle_r"]["rmse"] < 1e-9
    assert main(["compare", str(first), str(second), "--plot", str(tmp_path / "x.xyz")]) == 2
    assert ".png, .pdf, .svg" in capsys.readouterr().err
    assert main(["compare", str(first), str(tmp_path / "nowhere")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    (tmp_path / "ik.mot").write_text("")
    assert main(["compare", str(tmp_path / "ik.mot"), str(first)]) == 2
    assert "the results come first" in capsys.readouterr().err
    assert main(["compare", str(first), str(tmp_path)]) == 2
    assert "ik.mot" in capsys.readouterr().err
    (second / "torques.sto").write_text("endheader\ntime\tx\n")
    assert main(["compare", str(first), str(second)]) == 2
    assert "torques.sto" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".png", ".PDF", ".svg"])
def test_pictures_are_written_in_the_formats_they_say(suffix: str, tmp_path: Path) -> None:
    line = Trace(np.arange(5.0), np.arange(5.0), np.ones(5))
    panel = Panel("x", line, None, line.x, line.x > 3, ((2.0, "first"),))
    path = tmp_path / "new" / f"x{suffix}"
    draw([panel], path, names=("a", "b"), note="n", x_label="s", x_range=(0.0, 4.0))
    start = {".png": b"\x89PNG", ".PDF": b"%PDF", ".svg": b"<?xml"}[suffix]
    assert path.read_bytes().startswith(start)


def test_a_picture_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="nothing to draw"):
        draw([Panel("x", None, None)], tmp_path / "x.png", names=("a", "b"), note="", x_label="s")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=20),
    st.booleans(),
)
def test_figures_of_a_difference_agree_with_each_other(pairs: list[tuple[float, float]], wrap: bool) -> None:
    a, b = (np.array(v) for v in zip(*pairs, strict=True))
    found = difference(a, b, period=360.0 if wrap else None)
    assert found is not None
    assert found.rmse**2 == pytest.approx(found.mean**2 + found.sd**2, abs=1e-6)
    assert abs(found.mean) <= found.largest + 1e-9
    assert found.largest <= (180.0 if wrap else 2e3) + 1e-9
    assert found.correlation is None or -1.0 <= found.correlation <= 1.0
    assert difference(np.full(3, np.nan), np.zeros(3)) is None
