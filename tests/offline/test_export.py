"""Exports read back: by ezc3d, by our own importer, by the csv module, by the readers of the results folder."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kincast.deploy.cli import main
from kincast.models.errors import UserMistakeError
from kincast.offline.export import ExportError, ExportOptions, export
from kincast.offline.export_rows import TooManyRowsError, even_steps, nearest_rows
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.importers.source import import_source
from kincast.streaming.messages import GaitEvent, MarkerFrame
from kincast.streaming.results.reader import read_results
from kincast.streaming.results.storage import read_storage
from kincast.streaming.results.trc import read_trc
from tests.offline.written_session import MASS_KG, MUSCLES, SITES, Walk, results, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    session = results(Walk())
    tracked = session.tracked.copy()
    tracked[100:110] = False
    return write(tmp_path_factory.mktemp("walk"), Walk(), dataclasses.replace(session, tracked=tracked))


def columns_of(path: Path) -> dict[str, np.ndarray]:
    with path.open() as file:
        rows = list(csv.reader(file))
    table = [[float(cell) if cell else np.nan for cell in row] for row in rows[1:]]
    return dict(zip(rows[0], np.array(table).T, strict=True))


def test_csv_is_one_table_of_everything(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "t.csv"
    assert export(folder, output, ExportOptions("csv")) == len(results(Walk()).t_ns)
    table, source = columns_of(output), read_results(folder)
    np.testing.assert_allclose(table["knee_angle_l_deg"], source.kinematics.column("knee_angle_l"), rtol=1e-8)
    assert source.kinematics_sd is not None
    assert source.torques is not None
    assert source.ground_forces is not None
    np.testing.assert_allclose(table["knee_angle_l_sd_within_deg"], 1.2)
    np.testing.assert_allclose(
        table["ankle_angle_r_moment_Nm"], source.torques.column("ankle_angle_r_moment")
    )
    np.testing.assert_allclose(table["ground_force_r_vy_N"], source.ground_forces.column("ground_force_r_vy"))
    assert {
        "pelvis_tx_m",
        "pelvis_tx_force_N",
        "ground_force_l_px_m",
        "ground_torque_l_x_Nm",
        "pelvis_residual_FX_N",
    } <= set(table)
    assert {"activation_soleus_r", "activation_soleus_r_sd", "marker_RHeel_x_m", "marker_Nose_z_m"} <= set(
        table
    )
    assert table["tracked"].sum() == len(table["time_s"]) - 10
    walk = Walk()
    cycle, time = table["gait_cycle_r_pct"], table["time_s"]
    inside = (time >= walk.start_of("right", 2)) & (time < walk.start_of("right", 3))
    np.testing.assert_allclose(
        cycle[inside], 100 * (time[inside] - walk.start_of("right", 2)) / 1.1, atol=1e-3
    )
    assert np.isnan(cycle[time < walk.start_of("right", 0) - 1e-6]).all()


def test_c3d_reads_back_as_it_was(folder: Path, tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    output = tmp_path / "t.c3d"
    frames = export(folder, output, ExportOptions("c3d"))
    file = ezc3d.c3d(str(output))
    parameters, points = file["parameters"], file["data"]["points"]
    source = read_results(folder)
    assert points.shape[2] == frames
    assert parameters["POINT"]["RATE"]["value"][0] == 60.0
    labels = list(parameters["POINT"]["LABELS"]["value"])
    assert labels[: len(SITES)] == list(SITES)
    t = np.arange(frames) / 60.0
    knee = points[:3, labels.index("LKneeAngles")]
    seen = file["data"]["meta_points"]["residuals"][0, labels.index("LKneeAngles")] >= 0
    expected = np.interp(t, source.kinematics.time_s, source.kinematics.column("knee_angle_l"))
    np.testing.assert_allclose(knee[0, seen], expected[seen], atol=1e-3)
    assert (~seen).sum() in (10, 11)
    np.testing.assert_allclose(points[2, labels.index("RHeel"), seen], 200.0, atol=1e-2)  # 0.2 m, Z up, mm
    force = points[:3, labels.index("RGroundReactionForce"), seen]
    np.testing.assert_allclose(force.max(axis=1)[2], MASS_KG * 9.80665, rtol=2e-3)
    assert "RAnkleMoment" in parameters["POINT"]["MOMENTS"]["value"]
    assert "RGroundReactionForce" in parameters["POINT"]["FORCES"]["value"]
    assert list(parameters["ANALOG"]["LABELS"]["value"])[-len(MUSCLES) :] == list(MUSCLES)
    assert parameters["PROCESSING"]["Bodymass"]["value"][0] == pytest.approx(MASS_KG)
    events = results(Walk()).events
    assert parameters["EVENT"]["USED"]["value"][0] == len(events)
    minutes, seconds = parameters["EVENT"]["TIMES"]["value"]
    np.testing.assert_allclose(
        60 * minutes + seconds, [(e.t_ns - Walk().start_ns) * 1e-9 for e in events], atol=1e-4
    )
    assert [c.lower() for c in parameters["EVENT"]["CONTEXTS"]["value"]] == [e.side for e in events]
    names = {"foot_strike": "Foot Strike", "foot_off": "Foot Off"}
    assert list(parameters["EVENT"]["LABELS"]["value"]) == [names[e.event] for e in events]


def test_our_own_importer_takes_the_markers_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("ezc3d")
    output = tmp_path / "t.c3d"
    export(folder, output, ExportOptions("c3d"))
    imported = import_source(output, ImportOptions(keypoint_set="HALPE_26"))
    assert imported.header.mass_kg == pytest.approx(MASS_KG)
    assert imported.header.height_m == pytest.approx(1.75, abs=1e-3)
    frames = [m for m in imported.messages if isinstance(m, MarkerFrame)]
    heel = imported.header.marker_names.index("RHeel")
    t = np.array([m.t_ns for m in frames]) * 1e-9
    seen = np.array([m.markers[heel, 3] > 0 for m in frames])
    x = np.array([m.markers[heel, 0] for m in frames])
    np.testing.assert_allclose(x[seen], 1.2 * t[seen], atol=2e-3)
    assert seen.all()  # frames in which nothing was tracked are not there at all
    assert not ((t > 101 / 60 - 0.02) & (t < 109 / 60)).any()


def test_many_events_go_on_in_numbered_lists(tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    start = Walk().start_ns
    events = tuple(GaitEvent("left", "foot_strike", start + i * 10_000_000, 0.01, start) for i in range(300))
    folder = write(tmp_path, Walk(), dataclasses.replace(results(Walk()), events=events))
    export(folder, tmp_path / "t.c3d", ExportOptions("c3d"))
    event = ezc3d.c3d(str(tmp_path / "t.c3d"))["parameters"]["EVENT"]
    assert len(event["LABELS"]["value"]) == 255
    assert len(event["LABELS2"]["value"]) == 45
    assert event["TIMES2"]["value"][1][-1] == pytest.approx(2.99)


@pytest.mark.parametrize(
    "content", ["kinematics", "torques", "grf", "activations", "residuals", "kinematics_sd"]
)
def test_storage_of_any_content_reads_back(content: str, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / f"{content}.sto"
    export(folder, output, ExportOptions("sto", content, rate_hz=100.0))  # type: ignore[arg-type]
    back = read_storage(output)
    np.testing.assert_allclose(np.diff(back.time_s), 0.01, atol=1e-8)
    own = {"grf": "grf.mot", "kinematics": "kinematics.mot"}.get(content, f"{content}.sto")
    source = read_storage(folder / own)
    assert back.columns == source.columns
    np.testing.assert_allclose(back.values, source.at(back.time_s, source.columns), rtol=1e-6, atol=1e-6)
    assert back.in_degrees == source.in_degrees


def test_trc_reads_back(folder: Path, tmp_path: Path) -> None:
    export(folder, tmp_path / "t.trc", ExportOptions("trc"))
    back, source = read_trc(tmp_path / "t.trc"), read_trc(folder / "markers.trc")
    assert back.markers == source.markers
    np.testing.assert_allclose(back.points_m, source.points_m, atol=1e-6)


def test_what_cannot_be_exported_is_refused_in_words(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "kinematics.mot").write_bytes((folder / "kinematics.mot").read_bytes())
    with pytest.raises(ExportError, match="no torques in this folder; there are kinematics"):
        export(bare, tmp_path / "x.sto", ExportOptions("sto", "torques"))
    with pytest.raises(ExportError, match="nothing to write as TRC"):
        export(bare, tmp_path / "x.trc", ExportOptions("trc"))
    with pytest.raises(ExportError, match="1 to 2000 Hz"):
        export(folder, tmp_path / "x.csv", ExportOptions("csv", rate_hz=0.0))
    with pytest.raises(UserMistakeError, match="cannot be written"):
        export(folder, folder / "kinematics.mot" / "x.csv", ExportOptions("csv"))
    assert export(bare, tmp_path / "x.csv", ExportOptions("csv")) > 0
    assert main(["export", str(tmp_path / "nowhere"), "-o", str(tmp_path / "y.csv"), "--to", "csv"]) == 2
    assert main(["export", str(folder), "-o", str(tmp_path / "y.mot"), "--to", "mot"]) == 0
    assert (tmp_path / "y.mot").is_file()


def test_even_steps_stay_within_and_nearest_rows_are_nearest() -> None:
    times = np.array([0.5, 0.61, 0.7, 0.93])
    steps = even_steps(times, 100.0)
    assert steps[0] == 0.5
    assert len(steps) == 44
    assert steps[-1] <= times[-1]
    query = np.linspace(0.3, 1.1, 33)
    expected = np.abs(times[None] - query[:, None]).argmin(axis=1)
    np.testing.assert_array_equal(nearest_rows(times, query), expected)
    assert nearest_rows(times[:1], query).tolist() == [0] * 33
    with pytest.raises(TooManyRowsError):
        even_steps(np.array([0.0, 1e9]), 100.0)
