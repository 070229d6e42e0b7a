"""LiveFrames to the results folder and back."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from kincast.models.body.parameters import BodyParameters
from kincast.models.camera import Camera, camera_arrays, project
from kincast.models.coordinates import COORDINATES, coordinates_from_pose, pose_from_coordinates
from kincast.streaming.marker_columns import MarkerColumns
from kincast.streaming.messages import (
    Dropped,
    FootForce,
    GaitEvent,
    KeypointFrame,
    Kinematics,
    Kinetics,
    LiveFrame,
    MarkerFrame,
    SessionHeader,
    Stride,
)
from kincast.streaming.results import columns
from kincast.streaming.results.collect import Collector
from kincast.streaming.results.pelvis_angles import file_coordinates
from kincast.streaming.results.reader import read_results
from kincast.streaming.results.reprojection import reprojection_errors, share_within
from kincast.streaming.results.session import RunFacts
from kincast.streaming.results.writer import write_results

SITES = ("LHip", "RHip", "LHeel")
MUSCLES = ("soleus_r", "soleus_l")
START = 500_000_000
PERIOD = 16_666_667


def looking_camera(name: str = "cam_01") -> Camera:
    return Camera(
        name=name,
        size_px=(1000, 800),
        matrix=np.array([[900.0, 0, 500], [0, 900, 400], [0, 0, 1]]),
        distortions=np.zeros(8),
        rotation=np.array([np.pi / 2, 0, 0]),  # looks along +y, picture y downwards
        translation=np.array([0.0, 1.0, 4.0]),
    )


def header(cameras: tuple[Camera, ...] = ()) -> SessionHeader:
    return SessionHeader("s", "p", "HALPE_26", cameras, start_ns=START, mass_kg=70.0)


def kinematics(i: int, qpos: np.ndarray | None = None, valid: bool = True) -> Kinematics:
    pose = np.zeros(41)
    pose[:7] = (0.1 * i, 0.2, 0.9, 1, 0, 0, 0)
    return Kinematics(
        t_ns=START + i * PERIOD,
        qpos=pose if qpos is None else qpos,
        angles=np.zeros(40, np.float32),
        angles_sd=np.full(40, 2.0, np.float32),
        angles_sd_within=np.full(40, 1.0, np.float32),
        valid=valid,
        tracked=valid,
        at_limit=np.zeros(40, bool),
        sites=np.array([[0.01 * i, 0, 1], [0.1, 0, 1], [0, 0, 0.1]], np.float32),
    )


def kinetics(i: int, valid: bool = True) -> Kinetics:
    loaded = FootForce(
        np.array([10.0, 20.0, 700.0], np.float32),
        np.array([0.1, 0.2, 0.0], np.float32),
        np.array([0, 0, 3.0], np.float32),
    )
    unloaded = FootForce(
        np.zeros(3, np.float32), np.array([0.5, 0.6, 0.0], np.float32), np.zeros(3, np.float32)
    )
    return Kinetics(
        t_ns=START + i * PERIOD,
        torques=np.arange(40, dtype=np.float32),
        torques_sd=np.full(40, 0.5, np.float32),
        right=loaded,
        left=unloaded,
        force_sd=np.array([[7, 8, 35], [1, 2, 3]], np.float32),
        residual=np.array([1, 2, 3, 4, 5, 6], np.float32),
        residual_pct_bw=2.0,
        activations=np.array([0.1, 0.2], np.float32),
        activations_sd=np.array([0.01, 0.02], np.float32),
        valid=valid,
    )


def live(i: int, k: Kinematics | None, d: Kinetics | None, flush: bool = False, **more: object) -> LiveFrame:
    fields: dict[str, object] = {
        "seq": i,
        "t_ns": START + i * PERIOD,
        "now_qpos": np.zeros(41, np.float32),
        "body_xpos": np.zeros((1, 3), np.float32),
        "body_xquat": np.zeros((1, 4), np.float32),
        "kinematics": k,
        "kinetics": d,
        "events": (),
        "strides": (),
        "no_event_reason": "",
        "cameras": (),
        "status": "ok",
        "recorded_through_ns": 0,
        "body_sha256": "",
        "flush": flush,
    } | more
    return LiveFrame(**fields)  # type: ignore[arg-type]


def lagging_session(n: int = 6) -> Collector:
    """Kinematics one frame behind, kinetics two, the rest flushed at the end."""
    collector = Collector(SITES, MUSCLES)
    event = GaitEvent("r", "foot_strike", START + PERIOD, 0.01, START + 3 * PERIOD)
    stride = Stride("r", {"foot_strike_s": 0.016667, "stride_length_m": 1.234567}, {"stride_length_m": 0.01})
    for i in range(n):
        collector.add(
            live(
                i,
                kinematics(i - 1) if i >= 1 else None,
                kinetics(i - 2) if i >= 2 else None,
                events=(event,) if i == 3 else (),
                strides=(stride,) if i == 3 else (),
            )
        )
    collector.add(live(n - 1, kinematics(n - 1), kinetics(n - 2), flush=True))
    collector.add(live(n - 1, None, kinetics(n - 1), flush=True))
    return collector


def facts(cameras: tuple[Camera, ...] = ()) -> RunFacts:
    return RunFacts(
        header(cameras),
        BodyParameters(mass_kg=70.0),
        cameras,
        "optimisation",
        "00",
        lost_messages=3,
        lost_seconds=0.05,
    )


def test_every_file_has_a_row_per_snapshot_and_finite_numbers(tmp_path) -> None:
    write_results(tmp_path, lagging_session().results(), facts((looking_camera(),)))
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {
        "kinematics.mot", "kinematics_sd.sto", "torques.sto", "grf.mot", "residuals.sto", "activations.sto",
        "activations_sd.sto", "torques_sd.sto", "grf_sd.sto", "valid.csv", "events.csv", "gait.csv", "markers.trc", "body.json", "cameras.toml",
        "summary.json",
    }  # fmt: skip
    back = read_results(tmp_path)
    time_s = np.arange(6) * PERIOD * 1e-9
    for storage in (
        back.kinematics, back.kinematics_sd, back.torques, back.ground_forces, back.residuals, back.activations,
        back.activations_sd,
    ):  # fmt: skip
        assert storage is not None
        np.testing.assert_allclose(storage.time_s, time_s, atol=1e-9)
        assert np.isfinite(storage.values).all()
    assert back.valid is not None
    assert [back.valid.text(c) for c in columns.VALID_COLUMNS[1:]] == [("1",) * 6] * 3
    assert back.markers is not None
    assert np.isfinite(back.markers.points_m).all()
    assert not list(tmp_path.rglob("*nan*"))
    assert "nan" not in (tmp_path / "grf.mot").read_text().lower()


def test_columns_units_and_axes(tmp_path) -> None:
    write_results(tmp_path, lagging_session().results(), facts())
    back = read_results(tmp_path)
    assert back.kinematics.columns == COORDINATES
    assert back.kinematics.in_degrees
    np.testing.assert_allclose(
        back.kinematics.at(np.array([PERIOD * 1e-9]), ["pelvis_tx", "pelvis_ty", "pelvis_tz"])[0],
        [0.1, 0.9, -0.2],
        atol=1e-6,
    )
    assert back.ground_forces is not None
    row = dict(zip(back.ground_forces.columns, back.ground_forces.values[2], strict=True))
    assert (row["ground_force_r_vx"], row["ground_force_r_vy"], row["ground_force_r_vz"]) == (
        10.0,
        700.0,
        -20.0,
    )
    np.testing.assert_allclose(
        [row["ground_force_r_px"], row["ground_force_r_py"], row["ground_force_r_pz"]],
        [0.1, 0, -0.2],
        atol=1e-6,
    )
    assert row["ground_torque_r_y"] == 3.0
    assert row["ground_force_l_vy"] == 0.0
    assert row["ground_force_l_px"] == pytest.approx(0.5)
    assert back.residuals is not None
    np.testing.assert_allclose(back.residuals.values[1], [1, 3, -2, 4, 6, -5])
    assert back.torques is not None
    assert back.torques.columns[:6] == (
        "pelvis_tilt_moment", "pelvis_list_moment", "pelvis_rotation_moment",
        "pelvis_tx_force", "pelvis_ty_force", "pelvis_tz_force",
    )  # fmt: skip
    assert back.kinematics_sd is not None
    assert back.kinematics_sd.columns[:2] == ("pelvis_tilt", "pelvis_tilt_within")
    assert back.kinematics_sd.values[0, :2].tolist() == [2.0, 1.0]


def test_events_gait_summary_body(tmp_path) -> None:
    told = [Dropped(START, "cam_01", 2), Dropped(START, "cam_07", 1)]
    seen = [
        KeypointFrame(
            "cam_01",
            i,
            START + i * PERIOD,
            START,
            "HALPE_26",
            np.zeros((0, 3, 3), np.float32),
            dropped=i // 5,
        )
        for i in range(6)
    ]
    write_results(tmp_path, lagging_session().results(), facts((looking_camera(),)), [*told, *seen])
    back = read_results(tmp_path)
    assert back.events is not None
    assert back.events.rows == (("0.016667", "right", "foot_strike", "0.01", "0.050000"),)
    assert back.gait is not None
    assert back.gait.columns == columns.GAIT_COLUMNS
    assert back.gait.numbers("stride_length_m").tolist() == [1.23457]
    assert back.gait.numbers("stride_length_m_sd").tolist() == [0.01]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["lost"]["messages"] == 3 + 2 + 1 + 1
    assert summary["lost"]["seconds"] == pytest.approx(0.05 + 3 * PERIOD * 1e-9, abs=1e-3)
    assert summary["frames"]["snapshots"] == 6
    assert set(summary["gc"]) == {str(x) for x in range(1, 51)}
    assert summary["residual_pct_bw_mean"] == 2.0
    assert summary["lag_ms"]["kinetics"] == pytest.approx(2 * PERIOD * 1e-6)
    assert summary["cameras"] == {"cam_01": {"gc5": None, "median_px": None}}
    assert summary["start_ns"] == START
    assert back.body is not None
    assert back.body.mass_kg == 70.0
    body = json.loads((tmp_path / "body.json").read_text())
    assert set(body) >= {
        "scales",
        "mass_kg",
        "mass_sd_kg",
        "segments",
        "sites",
        "external_support",
        "body_sha256",
    }


def test_torques_and_forces_carry_sd_in_the_files_axes(tmp_path) -> None:
    write_results(tmp_path, lagging_session().results(), facts())
    back = read_results(tmp_path)
    assert back.torques is not None
    assert back.torques_sd is not None
    assert back.torques_sd.columns == back.torques.columns
    np.testing.assert_allclose(back.torques_sd.values, 0.5)
    assert back.ground_forces is not None
    assert back.ground_forces_sd is not None
    sd = back.ground_forces_sd
    assert sd.columns == back.ground_forces.columns
    force = [sd.column(f"ground_force_{side}_v{axis}")[0] for side in "rl" for axis in "xyz"]
    assert force == [7, 35, 8, 1, 3, 2]  # Y up: never negative, though the world's y is OpenSim's -z
    assert (sd.values >= 0).all()
    place = [sd.column(f"ground_force_{side}_px")[0] for side in "rl"]
    assert 0.01 < place[0] < place[1]  # the left foot is unloaded


def test_rows_without_an_answer_are_held_and_invalid() -> None:
    collector = Collector(SITES, MUSCLES)
    broken = dataclasses.replace(kinematics(2), qpos=np.full(41, np.nan))
    for i, (k, d) in enumerate(
        [(None, None), (kinematics(1), kinetics(1)), (broken, None), (kinematics(3), kinetics(3))]
    ):
        collector.add(live(i, k, d))
    got = collector.results()
    assert len(got.t_ns) == 4
    assert got.kinematics_valid.tolist() == [False, True, False, True]
    assert got.kinetics_valid.tolist() == [False, True, False, True]
    np.testing.assert_allclose(
        got.coordinates[:, 3], [0.0, 0.1, 0.1, 0.3], atol=1e-6
    )  # never from later rows
    np.testing.assert_allclose(got.force[:, 0, 2], [0, 700, 0, 700])
    np.testing.assert_allclose(got.cop[:, 1, 0], [0, 0.5, 0.5, 0.5], atol=1e-6)  # held where nothing was said


def test_an_empty_session_writes_all_files_and_leaves_no_stale_ones(tmp_path) -> None:
    write_results(tmp_path, lagging_session().results(), facts())
    write_results(tmp_path, Collector(SITES, ()).results(), facts())
    assert json.loads((tmp_path / "summary.json").read_text())["frames"]["snapshots"] == 0
    assert not (tmp_path / "activations.sto").exists()


def test_file_coordinates_agree_with_the_models_conversion() -> None:
    rng = np.random.default_rng(3)
    coordinates = rng.uniform(-1, 1, (20, 40))
    qpos = np.stack([np.asarray(pose_from_coordinates(c)) for c in coordinates])
    expected = np.stack([np.asarray(coordinates_from_pose(q)) for q in qpos])
    got = file_coordinates(qpos)
    got[:, [0, 1, 2, *range(6, 40)]] = np.deg2rad(got[:, [0, 1, 2, *range(6, 40)]])
    np.testing.assert_allclose(got[:1], expected[:1], atol=1e-9)
    difference = (got - expected + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(difference[:, :3], 0, atol=1e-9)
    np.testing.assert_allclose(got[:, 3:], expected[:, 3:], atol=1e-9)


def test_pelvis_angles_are_continuous_over_turns_and_lying_down() -> None:
    turn = np.zeros((400, 40))
    turn[:, 2] = np.linspace(0, 5 * np.pi, 400)  # two and a half turns
    turn[:, 1] = np.linspace(0, np.deg2rad(120), 400)  # and over onto the side
    qpos = np.stack([np.asarray(pose_from_coordinates(c)) for c in turn])
    got = file_coordinates(qpos)
    np.testing.assert_allclose(np.deg2rad(got[:, 2]), turn[:, 2], atol=1e-6)
    np.testing.assert_allclose(np.deg2rad(got[:, 1]), turn[:, 1], atol=1e-6)


def test_reprojection_interpolates_to_each_camera_instant_and_picks_the_person() -> None:
    camera = looking_camera()
    t_ns = np.array([0, 10_000_000], dtype=np.int64)
    sites = np.array([[[0.0, 0, 1]], [[0.1, 0, 1]]])
    at_4ms = np.array([[0.04, 0, 1]])
    arrays = camera_arrays((camera,))
    one = type(arrays)(*(None if v is None else v[0] for v in arrays))
    pixel = project(one, at_4ms)[0]
    subject = np.array([[[pixel[0] + 3, pixel[1] + 4, 0.9]]], np.float32)
    bystander = np.array([[[pixel[0] + 200, pixel[1], 0.9]]], np.float32)
    doubtful = np.array([[[pixel[0], pixel[1], 0.3]]], np.float32)

    def picture(t: int, people: np.ndarray) -> KeypointFrame:
        return KeypointFrame("cam_01", 0, t, t, "X", people)

    got = reprojection_errors(
        t_ns, sites, (camera,), [picture(4_000_000, np.concatenate([bystander, subject, doubtful]))]
    )
    np.testing.assert_allclose(got.by_camera["cam_01"], [5.0], atol=1e-3)
    alone = [picture(4_000_000, subject), picture(4_000_000, doubtful), picture(0, subject)]
    expected = [5.0, np.hypot(*(subject[0, 0, :2] - project(one, sites[0])[0]))]
    got = reprojection_errors(t_ns, sites, (camera,), alone)
    np.testing.assert_allclose(got.by_camera["cam_01"], expected, atol=1e-3)
    marker = MarkerFrame(0, 4_000_000, 0, np.array([[0.04, 0.003, 1.004, 1.0]], np.float32))
    hidden = MarkerFrame(0, 4_000_000, 0, np.array([[9.0, 9.0, 9.0, 0.0]], np.float32))
    by_markers = reprojection_errors(t_ns, sites, (), [marker, hidden])
    np.testing.assert_allclose(by_markers.markers_m, [0.005], atol=1e-6)
    wider = dataclasses.replace(marker, markers=np.concatenate([hidden.markers, marker.markers]))
    columns = MarkerColumns.between(("gone", "kept"), ("kept",))
    by_name = reprojection_errors(t_ns, sites, (), [wider], columns)
    np.testing.assert_allclose(by_name.markers_m, [0.005], atol=1e-6)
    far = reprojection_errors(t_ns, sites, (camera,), [picture(200_000_000, subject)])
    assert np.isinf(far.by_camera["cam_01"]).all()
    assert share_within(far.all_px, 50) == 0.0
