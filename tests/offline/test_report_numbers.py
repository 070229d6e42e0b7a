"""Numbers of the report against the files it was made of, worked out here by other means."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from kincast.models.gait.strides import heel_clearance, toe_clearance
from kincast.offline.report.curves import PERCENT, ensembles
from kincast.offline.report.make import write_report
from kincast.offline.report.measures import Row, table
from kincast.offline.report.motion import motion_of
from kincast.offline.report.session import ReportSession, load_session
from kincast.offline.report.strides import strides_of
from tests.offline.report_page import read_page
from tests.offline.written_session import MASS_KG, STANCE, STRIDE_S, Walk, results, write


def gait_csv(folder: Path, side: str, column: str) -> np.ndarray:
    with (folder / "gait.csv").open() as file:
        return np.array([float(row[column]) for row in csv.DictReader(file) if row["side"] == side])


def rows_of(session: ReportSession) -> dict[str, Row]:
    strides = strides_of(session)
    rows = table(session, strides, ensembles(session, motion_of(session), strides))
    return {row.measure.key: row for row in rows}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("walk"), Walk())


@pytest.fixture(scope="module")
def rows(folder: Path) -> dict[str, Row]:
    return rows_of(load_session(folder))


def test_table_holds_mean_sd_count_and_interval_of_gait_csv(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write_report(folder, page)
    cells = read_page(page.read_text()).table("gait")
    for key, column, scale, decimals in (
        ("stride_length_m", "stride_length_m", 1.0, 3),
        ("step_width_m", "step_width_m", 100.0, 1),
        ("speed_m_s", "speed_m_s", 1.0, 2),
    ):
        for i, side in enumerate(("left", "right")):
            values = scale * gait_csv(folder, side, column)
            mean, sd, n = values.mean(), values.std(ddof=1), len(values)
            half = stats.t.ppf(0.975, n - 1) * sd / math.sqrt(n)
            assert cells[key][1 + 2 * i] == f"{mean:.{decimals}f} ± {sd:.{decimals}f} ({n})"
            assert cells[key][2 + 2 * i] == f"{mean - half:.{decimals}f} to {mean + half:.{decimals}f}"
    left, right = (gait_csv(folder, side, "stride_length_m").mean() for side in ("left", "right"))
    index = 100 * (left - right) / ((left + right) / 2)
    assert cells["stride_length_m"][6] == f"{index:+.1f} %".replace("-", "−")


def test_phases_come_from_the_events(rows: dict[str, Row]) -> None:
    overlap = STANCE - 0.5  # of the cycle, at either end of stance
    for side in ("left", "right"):
        assert rows["stride_time_s"].sides[side].mean == pytest.approx(STRIDE_S, abs=1e-5)
        assert rows["step_time_s"].sides[side].mean == pytest.approx(STRIDE_S / 2, abs=1e-5)
        assert rows["double_support_pct"].sides[side].mean == pytest.approx(200 * overlap, abs=1e-3)
        assert rows["single_support_pct"].sides[side].mean == pytest.approx(100 * (1 - STANCE), abs=1e-3)


def test_peaks_are_those_put_in(rows: dict[str, Row]) -> None:
    for side, peaks in Walk().knee_peaks.items():
        found = rows["knee_swing"].sides[side]
        assert found.mean == pytest.approx(np.mean(peaks), abs=0.2)
        assert found.sd == pytest.approx(np.std(peaks, ddof=1), abs=0.1)
        assert rows["hip_max"].sides[side].mean == pytest.approx(25.0, abs=0.1)
        assert rows["hip_extension"].sides[side].mean == pytest.approx(15.0, abs=0.1)
        assert rows["plantarflexor_peak"].sides[side].mean == pytest.approx(100 / MASS_KG, rel=0.01)
        assert rows["grf_first_peak"].sides[side].mean == pytest.approx(100.0, abs=1.0)
        assert rows["grf_braking"].sides[side].mean == pytest.approx(10.0, abs=0.3)
        assert rows["grf_propulsion"].sides[side].mean == pytest.approx(10.0, abs=1.0)
    assert rows["knee_swing"].difference == pytest.approx(41.0 - 60.9166, abs=0.1)
    assert rows["knee_swing"].asymmetric
    assert not rows["hip_max"].asymmetric


def test_shared_measurement_error_widens_the_interval_of_angles_but_cancels_in_ranges(
    rows: dict[str, Row],
) -> None:
    peaks = np.array(Walk().knee_peaks["right"])
    sd = peaks.std(ddof=1)
    spread = stats.t.ppf(0.975, 5) * sd / math.sqrt(6)
    constant = math.sqrt(2.0**2 - 1.2**2)  # total and within sd of the files
    unseen = math.sqrt(max(0.0, 1.2**2 - sd**2))
    expected = math.hypot(spread, 1.959964 * math.hypot(constant, unseen))
    assert rows["knee_swing"].sides["right"].half_width == pytest.approx(expected, rel=0.05)
    assert rows["knee_range"].sides["right"].half_width < 0.75 * expected


def test_a_single_stride_has_the_interval_of_its_own_error(tmp_path: Path) -> None:
    walk = Walk(knee_peaks={"right": (60.0,), "left": (50.0,)}, stride_sd=0.02)
    row = rows_of(load_session(write(tmp_path, walk)))["stride_length_m"]
    assert row.sides["right"].n == 1
    assert math.isnan(row.sides["right"].sd)
    assert row.sides["right"].half_width == pytest.approx(1.96 * 0.02, rel=1e-3)


def test_power_is_moment_times_rate(folder: Path) -> None:
    session = load_session(folder)
    strides = strides_of(session)
    curves = ensembles(session, motion_of(session), strides)
    power = curves["ankle_power"].mean("right")
    assert power is not None
    phase = np.linspace(0, 1, 101)
    rate = np.deg2rad(10.0) * 2 * np.pi / STRIDE_S * np.cos(2 * np.pi * phase)
    moment = -100.0 * np.sin(np.pi * np.clip(phase / STANCE, 0, 1)) / MASS_KG
    inner = slice(5, 96)
    np.testing.assert_allclose(power[inner], (moment * rate)[inner], atol=0.03)


@pytest.mark.parametrize("heading", [0.0, 0.9, np.pi / 2, np.pi, -2.0])
def test_a_walk_reads_the_same_in_every_direction(heading: float, tmp_path: Path) -> None:
    walk = Walk(heading_rad=heading)
    session_results = results(walk)
    names = {"pelvis_list": 4.0, "pelvis_tilt": -6.0}
    if heading == 0.0:  # OpenSim's own angles mean the clinical ones only when walking along x
        for name, value in names.items():
            session_results.coordinates[:, ("pelvis_tilt", "pelvis_list").index(name)] = value
    session = load_session(write(tmp_path, walk, session_results))
    strides = strides_of(session)
    assert [s.heading_rad for s in strides] == pytest.approx([heading] * len(strides), abs=1e-3) or abs(
        heading
    ) == np.pi
    curves = ensembles(session, motion_of(session), strides)
    forward, medial = curves["grf_anterior"].mean("left"), curves["grf_medial"].mean("left")
    heel = curves["heel_lateral"]
    assert forward is not None
    assert medial is not None
    assert forward[2] == pytest.approx(-10, abs=0.3)
    assert forward[57] == pytest.approx(10, abs=0.5)
    assert np.abs(medial).max() < 0.01
    assert heel.strides["left"].min() > 2.0 > -2.0 > heel.strides["right"].max()
    rotation = curves["pelvic_rotation"].mean("right")
    assert rotation is not None
    # with a list and a tilt, OpenSim's rotation of 0 is not the clinical sequence's
    assert np.abs(rotation).max() < (0.5 if heading == 0.0 else 0.1)
    if heading == 0.0:
        for side, sign in (("right", -1.0), ("left", 1.0)):  # right side down: the right is down, the left up
            obliquity, tilt = curves["pelvic_obliquity"].mean(side), curves["pelvic_tilt"].mean(side)
            assert obliquity is not None
            assert tilt is not None
            assert obliquity[50] == pytest.approx(sign * 4.0, abs=0.1)
            assert tilt[50] == pytest.approx(6.0, abs=0.1)


def test_invalid_and_turning_strides_are_in_no_average(tmp_path: Path) -> None:
    walk = Walk()
    spoiled = results(walk)
    valid, kinetics = spoiled.kinematics_valid.copy(), spoiled.kinetics_valid.copy()
    time_s = (spoiled.t_ns - walk.start_ns) * 1e-9
    valid[np.argmin(np.abs(time_s - walk.start_of("right", 2) - 0.3))] = False
    kinetics[np.argmin(np.abs(time_s - walk.start_of("right", 4) - 0.8))] = False
    spoiled = dataclasses.replace(spoiled, kinematics_valid=valid, kinetics_valid=kinetics)
    session = load_session(write(tmp_path, walk, spoiled))
    strides = strides_of(session)
    at = time_s[~valid][0]
    out = [s for s in strides if not s.counted]
    assert {s.side for s in out} == {"left", "right"}
    assert all(s.start_s <= at <= s.end_s and s.rejected == "kinematics not valid throughout" for s in out)
    kept = [p for i, p in enumerate(walk.knee_peaks["right"]) if i != 2]
    assert rows_of(session)["knee_swing"].sides["right"].mean == pytest.approx(np.mean(kept), abs=0.2)
    assert rows_of(session)["plantarflexor_peak"].sides["right"].n == 4
    turning = load_session(write(tmp_path / "turn", Walk(turn_rad_s=0.5)))
    assert {s.rejected for s in strides_of(turning)} == {"turning"}
    assert rows_of(turning) == {}


def test_clearances_of_the_curves_are_those_of_the_gait_module(tmp_path: Path) -> None:
    session = load_session(write(tmp_path, Walk()))
    motion, strides = motion_of(session), strides_of(session)
    assert motion.feet is not None
    curves = ensembles(session, motion, strides)
    for stride, toe, heel in zip(
        [s for s in strides if s.side == "left"],
        curves["toe_height"].strides["left"],
        curves["heel_height"].strides["left"],
        strict=True,
    ):
        t = session.time_s[stride.rows]
        heights = motion.feet[stride.rows, 1, :, 2]
        stance = t < stride.off_s
        off = 100.0 * (stride.off_s - stride.start_s) / (stride.end_s - stride.start_s)
        middle = (off + 0.25 * (100 - off) <= PERCENT) & (off + 0.75 * (100 - off) >= PERCENT)
        expected = 100.0 * toe_clearance(t, heights, stance, ~stance)
        assert toe[middle].min() == pytest.approx(expected, abs=0.3)
        assert heel[off < PERCENT].max() == pytest.approx(
            100.0 * heel_clearance(heights[:, 0], stance, ~stance), abs=0.3
        )
