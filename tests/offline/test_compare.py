"""Comparison with truth: results made from the truth itself give no error, known errors are found as they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kincast.models.body.parameters import BodyParameters
from kincast.models.body.sites import KEYPOINT_SETS
from kincast.models.coordinates import COORDINATES
from kincast.offline.angle_errors import MAIN, calibration_error
from kincast.offline.compare import compare, load_sides
from kincast.offline.compare_plot import plot
from kincast.offline.compare_points_plot import plot_points
from kincast.offline.compare_table import table
from kincast.offline.event_errors import OurEvent, match, our_events
from kincast.offline.heel_markers import heel_keypoints
from kincast.offline.plates import contacts
from kincast.offline.truth import TruthEvent, TruthMissingError, read_truth
from kincast.streaming.messages import GaitEvent, SessionHeader, Stride
from kincast.streaming.results.csv_table import read_csv
from kincast.streaming.results.session import RunFacts, SessionResults
from kincast.streaming.results.trc import Trc
from kincast.streaming.results.writer import write_results

START_NS = 500_000_000


def session(n: int, **changes: object) -> SessionResults:
    fields: dict[str, object] = {
        "t_ns": START_NS + (np.arange(n) * 1e9 / 60).astype(np.int64),
        "coordinates": np.zeros((n, 40)),
        "coordinates_sd": np.ones((n, 40)),
        "coordinates_sd_within": np.ones((n, 40)),
        "torques": np.zeros((n, 40)),
        "force": np.zeros((n, 2, 3)),
        "cop": np.zeros((n, 2, 3)),
        "free_torque": np.zeros((n, 2, 3)),
        "residual": np.zeros((n, 6)),
        "residual_pct_bw": np.zeros(n),
        "activations": np.zeros((n, 0)),
        "activations_sd": np.zeros((n, 0)),
        "kinematics_valid": np.ones(n, bool),
        "kinetics_valid": np.ones(n, bool),
        "kinetics_known": np.ones(n, bool),
        "tracked": np.ones(n, bool),
        "sites": np.zeros((n, 1, 3)),
        "site_names": ("RHeel",),
        "muscles": (),
    }
    return SessionResults(**(fields | changes))  # type: ignore[arg-type]


def write(folder: Path, results: SessionResults, mass_kg: float, name: str = "trial") -> Path:
    header = SessionHeader(name, "p", "HALPE_26", (), start_ns=START_NS)
    write_results(folder, results, RunFacts(header, BodyParameters(mass_kg=mass_kg), (), "optimisation", ""))
    return folder


def oracle(truth_folder: Path) -> SessionResults:
    """What the truth says, in the shape of our results."""
    truth = read_truth(truth_folder, "")
    assert truth.forces is not None
    assert truth.moments is not None
    last = min(truth.motion.time_s[-1], truth.forces.time_s[-1])
    n = int((last - START_NS * 1e-9) * 60)
    results = session(n)
    clock = results.t_ns * 1e-9
    for i, name in enumerate(COORDINATES):
        if name in truth.motion.columns:
            sign = truth.knee_sign if name.startswith("knee") else 1
            results.coordinates[:, i] = sign * truth.motion.at(clock, [name])[:, 0]
            column = f"{name}_moment"
            if column in truth.moments.columns:
                results.torques[:, i] = sign * np.nan_to_num(truth.moments.at(clock, [column])[:, 0])
    for foot in range(2):
        for axis in range(3):
            results.force[:, foot, axis] = np.interp(
                clock, truth.forces.time_s, truth.forces.force[:, foot, axis]
            )
            cop = np.interp(clock, truth.forces.time_s, truth.forces.cop[:, foot, axis])
            results.cop[:, foot, axis] = np.nan_to_num(cop)
    events = tuple(
        GaitEvent(e.side, e.event, round(e.time_s * 1e9), 0.01, round(e.time_s * 1e9) + 50_000_000)
        for e in truth.events or ()
        if clock[0] < e.time_s < clock[-1]
    )
    return session(
        n, **{f: getattr(results, f) for f in ("coordinates", "torques", "force", "cop")}, events=events
    )


@pytest.mark.data
@pytest.mark.parametrize("case", ["walkingTI1", "subject01_walk"])  # the second counts knee flexion negative
def test_the_truth_itself_has_no_error(data_dir, tmp_path, case: str) -> None:
    place = data_dir / "multiview" / case
    got = compare(write(tmp_path, oracle(place), read_truth(place, "").mass_kg or 0.0), place)
    assert got.angles is not None
    assert set(got.angles.by_coordinate) >= set(MAIN)
    assert got.angles.median_raw_deg < 1e-3
    assert got.forces is not None
    assert max(got.forces.vertical_pct_bw, got.forces.ap_pct_bw, got.forces.ml_pct_bw) < 1e-3
    assert got.forces.cop_ap_mm == pytest.approx(0.0, abs=0.1)
    assert got.moments is not None
    assert got.moments.median_pct_bwh < 1e-3
    assert got.events is not None
    assert got.events["all"].f1 == 1.0
    assert got.events["all"].matched > 0
    assert got.events["all"].median_abs_ms == pytest.approx(0.0, abs=0.01)
    assert got.events["all"].emitted_median_ms == pytest.approx(50.0, abs=0.01)
    json.dumps(got.document(), allow_nan=False)
    assert "F1 1.000" in table(got)


@pytest.mark.data
def test_known_errors_are_found(data_dir, tmp_path) -> None:
    place = data_dir / "multiview" / "walkingTI1"
    mass = read_truth(place, "").mass_kg or 0.0
    results = oracle(place)
    rng = np.random.default_rng(1)
    results.coordinates[:, 6:] += 3.0 + rng.normal(0, 1.0, results.coordinates[:, 6:].shape)
    results.force[..., 2] += 0.05 * mass * 9.80665
    got = compare(write(tmp_path, results, mass), place)
    assert got.angles is not None
    assert got.angles.median_mean_removed_deg == pytest.approx(1.0, abs=0.15)
    assert got.angles.median_raw_deg == pytest.approx(np.sqrt(10), abs=0.2)
    assert got.angles.ece_within is not None
    assert got.angles.ece_within < 0.05  # stated sd 1, true sd 1
    assert got.angles.ece_total is not None
    assert got.angles.ece_total > 0.3
    assert got.forces is not None
    assert got.forces.vertical_pct_bw == pytest.approx(5.0, abs=0.01)
    assert got.forces.vertical_bias_pct_bw == pytest.approx(5.0, abs=0.01)


@pytest.mark.data
def test_strides_of_the_truths_own_heels(data_dir, tmp_path) -> None:
    place = data_dir / "multiview" / "subject01_walk"
    right = [
        e.time_s for e in read_truth(place, "").events or () if (e.side, e.event) == ("right", "foot_strike")
    ]
    start = START_NS * 1e-9
    values = {
        "foot_strike_s": right[0] - start,
        "next_foot_strike_s": right[1] - start,
        "stride_length_m": 1.4,
        "step_length_m": 0.7,
        "step_width_m": 0.1,
    }
    results = session(200, strides=(Stride("right", values, {}),))
    got = compare(write(tmp_path, results, 72.6), place).strides
    assert got is not None
    assert got.strides == 1
    # a person of 1.79 m at 1.13 m/s on an undeclared belt: strides between 1.2 and 1.6 m, steps about half
    assert abs(got.bias_mm["stride_length_m"]) < 250
    assert abs(got.bias_mm["step_length_m"]) < 150
    assert abs(got.bias_mm["step_width_m"]) < 100


@pytest.mark.data
def test_a_picture_is_drawn(data_dir, tmp_path) -> None:
    place = data_dir / "multiview" / "walkingTI1"
    folder = write(tmp_path / "out", oracle(place), 62.6)
    plot(load_sides(folder, place), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 50_000


@pytest.mark.data
def test_opensim_style_folder_is_found_by_the_trials_name(data_dir, tmp_path) -> None:
    place = data_dir / "opencap_subject4_markers"
    folder = write(tmp_path, session(40), 62.6, name="walking1")
    got = compare(folder, place)
    assert got.angles is not None
    assert got.angles.rows == 40
    with pytest.raises(TruthMissingError, match="nothing_ik"):
        compare(write(tmp_path / "other", session(40), 62.6, name="nothing"), place)
    one = compare(folder, place / "IK" / "walking1_ik.mot")
    assert one.angles == got.angles


@pytest.mark.data
def test_plates_and_heel_markers_give_events_and_strides(data_dir) -> None:
    """The optical truth of the same trial as a multi-view case is an independent way to both."""
    case = read_truth(data_dir / "multiview" / "walking1", "")
    folder = read_truth(data_dir / "opencap_subject4_markers", "walking1")
    assert case.events is not None
    assert folder.events is not None
    assert folder.forces is not None
    for event in folder.events:
        nearest = min(
            (e for e in case.events if (e.side, e.event) == (event.side, event.event)),
            key=lambda e: abs(e.time_s - event.time_s),
        )
        assert abs(nearest.time_s - event.time_s) < 0.015
    assert len(folder.events) >= 4
    assert folder.keypoints is not None
    assert folder.keypoints.markers == ("RHeel", "LHeel", "Hip")
    assert np.isfinite(folder.keypoints.points_m).all()
    heels = folder.keypoints.points_m[:, :2]
    assert (heels[..., 2] < 0.4).all(), "Z is up"


def test_contacts_of_a_noisy_plate() -> None:
    time_s = np.arange(200) / 100
    load = np.zeros(200)
    load[:30] = load[50:120] = load[150:] = 700.0
    load[80:83] = 0.0  # a hop of the signal
    load[135:137] = 90.0  # a knock
    assert contacts(time_s, load) == [(None, 0.29), (0.5, 1.19), (1.5, None)]
    assert contacts(time_s, np.zeros(200)) == []


def test_heel_markers_by_any_laboratorys_spelling() -> None:
    points = np.zeros((3, 4, 3))
    points[:, :, 0] = [[0.1, 0.2, 0.3, 0.5]] * 3
    points[1, 0] = np.nan
    found = heel_keypoints(
        Trc("a", 100.0, np.arange(3.0), ("r_calc_study", "L.Heel", "RASI", "LASI"), points)
    )
    assert found is not None
    np.testing.assert_allclose(found.points_m[..., 0], [[0.1, 0.2, 0.4]] * 3)
    assert (
        heel_keypoints(Trc("a", 100.0, np.arange(3.0), ("R.Knee", "L.Heel", "RASI", "LASI"), points)) is None
    )


@pytest.mark.data
def test_plates_are_given_to_the_feet_that_stood_on_them(data_dir) -> None:
    """The multi-view case of the same trial has the assignment its makers checked by hand."""
    for trial in ("walking1", "STS1"):
        got = read_truth(data_dir / "opencap_subject4_markers", trial, 62.6).forces
        known = read_truth(data_dir / "multiview" / trial, "").forces
        assert got is not None
        assert known is not None
        rows = min(len(got.time_s), len(known.time_s))
        loaded = (known.force[:rows, :, 2] > 20.0) & (got.force[:rows, :, 2] > 20.0)
        assert loaded.sum() > 0.98 * (known.force[:rows, :, 2] > 20.0).sum()
        np.testing.assert_allclose(got.force[:rows][loaded], known.force[:rows][loaded], atol=0.5)
        assert np.abs(got.force[:rows][~loaded]).max() < 30.0
        np.testing.assert_allclose(got.cop[:rows][loaded], known.cop[:rows][loaded], atol=0.01)


@pytest.mark.data
def test_pose2sim_points_stand_beside_ours(data_dir, tmp_path) -> None:
    place = data_dir / "pose2sim_balancing"
    sites = KEYPOINT_SETS["BODY_25B"]
    mine = session(5, sites=np.full((5, len(sites), 3), 0.5), site_names=sites)
    got = compare(write(tmp_path, mine, 70.0), place)
    names = [name for name in got.baselines if name != "kincast"]
    assert len(names) == 3
    raw = got.baselines["S00_P00_T01_BalancingTrial_0-100"]
    assert set(raw) == {"all", "cam_01", "cam_02", "cam_03", "cam_04"}
    assert 8.0 < raw["all"].median_px < 13.0  # 10.4 measured by others on the same files
    plot_points(got.trial, got.baselines, tmp_path / "points.svg")
    assert all(name in (tmp_path / "points.svg").read_text() for name in ("cam_04", "kincast"))


def test_events_of_a_file_that_does_not_say_when_they_were_told(tmp_path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("time_s,side,event\n1.5,left,foot_off\n")
    (event,) = our_events(read_csv(path), 2.0)
    assert (event.time_s, event.side) == (3.5, "left")
    assert np.isnan(event.emitted_s)


def test_events_match_one_to_one_and_nearest_first() -> None:
    theirs = [TruthEvent(1.0, "right", "foot_strike"), TruthEvent(1.2, "right", "foot_strike")]
    ours = [OurEvent(1.11, "right", "foot_strike", 1.2), OurEvent(1.19, "right", "foot_strike", 1.2)]
    pairs = {o.time_s: t.time_s for o, t in match(ours, theirs)}
    assert pairs == {1.19: 1.2, 1.11: 1.0}
    assert match([OurEvent(2.0, "right", "foot_strike", 2.0)], theirs) == []


def test_calibration_error_of_true_and_false_intervals() -> None:
    errors = np.random.default_rng(0).normal(0, 2.0, (20000, 1))
    assert calibration_error(errors, np.full_like(errors, 2.0)) < 0.01
    assert calibration_error(errors, np.full_like(errors, 0.5)) > 0.25
