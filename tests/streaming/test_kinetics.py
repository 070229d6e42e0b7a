"""The kinetics stream: bookkeeping of rows, statics, what it refuses to believe, and force plates."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import mujoco
import numpy as np
import pytest

from kincast.models.body.body import Body, build_body
from kincast.models.body.parameters import BodyParameters
from kincast.models.coordinates import COORDINATES, pose_from_coordinates
from kincast.models.differentiation import retract
from kincast.streaming.kinetics import KineticsConfig, KineticsStream
from kincast.streaming.messages import Kinetics
from tests.streaming.measured_walk import MeasuredWalk, fit_results, measured_walk

MASS = 70.0
WEIGHT = MASS * 9.80665


@pytest.fixture(scope="module")
def body() -> Body:
    return build_body(BodyParameters(mass_kg=MASS), "muscle")


def _standing(body: Body) -> np.ndarray:
    """Both soles on the floor, the body leant forward by 4 degrees at the ankles, as people stand."""
    coordinates = np.zeros(40)
    coordinates[4] = 1.0
    coordinates[0] = -0.07
    coordinates[[COORDINATES.index("ankle_angle_r"), COORDINATES.index("ankle_angle_l")]] = 0.07
    q = np.asarray(pose_from_coordinates(coordinates))
    data = mujoco.MjData(body.mj_model)
    data.qpos[:] = body.full_qpos(q)
    mujoco.mj_kinematics(body.mj_model, data)
    lowest = min(
        data.geom_xpos[g, 2]
        - abs(data.geom_xmat[g].reshape(3, 3)[2, 2]) * body.mj_model.geom_size[g, 1]
        - body.mj_model.geom_size[g, 0]
        for g in range(body.mj_model.ngeom)
        if body.mj_model.geom_contype[g] == 2
    )
    q[2] -= lowest
    return q


def _swaying(body: Body, seconds: float = 1.5, frame_rate: float = 60.0) -> tuple[np.ndarray, np.ndarray]:
    q = _standing(body)
    t = np.arange(0, seconds, 1 / frame_rate)
    v = np.zeros(40)
    v[0] = 0.004
    return np.round(t * 1e9).astype(np.int64), np.stack(
        [retract(q, v * np.sin(2 * np.pi * 0.5 * x)) for x in t]
    )


def _run(
    body: Body,
    t_ns: np.ndarray,
    poses: np.ndarray,
    settle: int = 3,
    config: KineticsConfig | None = None,
    **kw,
) -> list[Kinetics]:
    stream = KineticsStream(body, MASS, config)
    rows: list[Kinetics] = []
    for fit in fit_results(t_ns, poses, settle, **kw):
        rows += stream.step(fit)
    last = [f.settled for f in fit_results(t_ns, poses, 0, **kw)][len(t_ns) - settle :]
    return rows + list(stream.flush(tuple(s for settled in last for s in settled)))


def _bytes(rows: list[Kinetics]) -> list[tuple]:
    return [
        (
            r.t_ns,
            r.torques.tobytes(),
            r.torques_sd.tobytes(),
            r.right.force.tobytes(),
            r.left.cop.tobytes(),
            r.force_sd.tobytes(),
            r.activations.tobytes(),
            r.activations_sd.tobytes(),
            r.valid,
            r.reason,
        )
        for r in rows
    ]


@pytest.mark.parametrize("settle", [0, 1, 3])
@pytest.mark.parametrize("frame_rate", [25.0, 60.0])
def test_one_row_per_settled_pose_at_most_50_ms_late(body: Body, settle: int, frame_rate: float) -> None:
    settle = min(settle, int(0.0501 * frame_rate))
    t_ns, poses = _swaying(body, frame_rate=frame_rate)
    stream = KineticsStream(body, MASS, KineticsConfig(muscles=False))
    rows = []
    for fit in fit_results(t_ns, poses, settle):
        new = stream.step(fit)
        assert all(0 <= fit.t_ns - row.t_ns <= 50_100_000 for row in new)
        rows += new
    rows += stream.flush()
    assert [r.t_ns for r in rows] == list(t_ns[: len(t_ns) - settle])


def test_same_input_same_bytes_and_the_future_changes_nothing(body: Body) -> None:
    t_ns, poses = _swaying(body, 0.8)
    whole = _run(body, t_ns, poses)
    assert _bytes(_run(body, t_ns, poses)) == _bytes(whole)
    cut = _run(body, t_ns[:30], poses[:30])
    assert _bytes(cut)[:26] == _bytes(whole)[:26]


def test_standing_still_is_body_weight_and_everything_is_finite(body: Body) -> None:
    t_ns, poses = _swaying(body)
    rows = _run(body, t_ns, poses)
    late = rows[20:]
    total = np.array([r.right.force + r.left.force for r in late])
    np.testing.assert_allclose(total[:, 2], WEIGHT, rtol=0.02)
    assert np.abs(total[:, :2]).max() < 0.02 * WEIGHT
    assert all(r.valid for r in late)
    assert max(r.residual_pct_bw for r in late) < 2.0
    share = np.array([r.right.force[2] for r in late]) / WEIGHT
    np.testing.assert_allclose(share, 0.5, atol=0.03)
    for row in rows:
        for name in ("torques", "torques_sd", "force_sd", "residual", "activations", "activations_sd"):
            assert np.all(np.isfinite(getattr(row, name)))
        assert np.all((row.activations >= 0) & (row.activations <= 1))
    # the pelvis rows of the torques are the residual, in OpenSim's axes
    np.testing.assert_allclose(late[5].torques[3:6], late[5].residual[[0, 2, 1]] * (1, 1, -1), atol=1e-3)
    ankle = np.array([r.torques[COORDINATES.index("ankle_angle_r")] for r in late])
    assert np.all(ankle < -5), "the weight is in front of the ankles: plantarflexor moment"


def test_measured_mass_replaces_the_bodys(body: Body) -> None:
    t_ns, poses = _swaying(body, 0.6)
    stream = KineticsStream(body, 2 * MASS, KineticsConfig(muscles=False))
    rows = [r for fit in fit_results(t_ns, poses, 3) for r in stream.step(fit)]
    assert abs(rows[-1].right.force[2] + rows[-1].left.force[2] - 2 * WEIGHT) < 0.05 * WEIGHT
    with pytest.raises(ValueError, match="positive body mass"):
        KineticsStream(body, 0.0)


def test_a_floating_body_is_not_believed(body: Body) -> None:
    """Held half a metre above where the feet have been: something else carries the weight."""
    t_ns, poses = _swaying(body, 2.0)
    lifted = poses.copy()
    lifted[60:, 2] += 0.5 * np.minimum(1.0, np.arange(len(poses) - 60) / 30)
    rows = _run(body, t_ns, lifted, config=KineticsConfig(muscles=False))
    assert not rows[110].valid
    assert "external support" in rows[110].reason
    assert rows[110].residual_pct_bw > 80
    assert not rows[110].right.force.any()
    assert rows[110].right.cop.any(), "the last centre of pressure is held"


def test_declared_support_is_never_valid(body: Body) -> None:
    t_ns, poses = _swaying(body, 0.6)
    rows = _run(body, t_ns, poses, config=KineticsConfig(external_support="cane", muscles=False))
    assert not any(r.valid for r in rows)
    assert "cane" in rows[-1].reason


def test_a_harness_of_known_force_is_taken_off_the_feet(body: Body) -> None:
    t_ns, poses = _swaying(body, 0.8)
    rows = _run(body, t_ns, poses, config=KineticsConfig(external_support="harness(200)", muscles=False))
    assert rows[-5].valid
    total = rows[-5].right.force[2] + rows[-5].left.force[2]
    np.testing.assert_allclose(total, WEIGHT - 200.0, atol=0.02 * WEIGHT)
    assert rows[-5].residual_pct_bw < 4.0


def test_loss_of_tracking_gives_flagged_finite_rows_and_recovers(body: Body) -> None:
    t_ns, poses = _swaying(body, 2.0)
    tracked = np.ones(len(t_ns), bool)
    tracked[40:55] = False
    rows = _run(body, t_ns, poses, tracked=tracked)
    assert [r.t_ns for r in rows] == list(t_ns)
    assert not any(r.valid for r in rows[40:55])
    assert all(np.all(np.isfinite(r.torques)) for r in rows)
    assert rows[-5].valid


def test_body_swap_loses_no_row(body: Body) -> None:
    t_ns, poses = _swaying(body, 1.5)
    other = build_body(BodyParameters(mass_kg=MASS, scales={"overall": 1.01}), "muscle")
    stream = KineticsStream(body, MASS)
    rows: list[Kinetics] = []
    for i, fit in enumerate(fit_results(t_ns, poses, 1)):
        if i == 50:
            stream.swap_body(other)
        rows += stream.step(fit)
    rows += stream.flush()
    assert [r.t_ns for r in rows] == list(t_ns[:-1])
    assert not rows[50].valid
    assert rows[-1].valid
    assert all(np.all(np.isfinite(r.torques)) for r in rows)
    assert abs(rows[52].right.force[2] + rows[52].left.force[2] - WEIGHT) < 0.1 * WEIGHT


@pytest.mark.parametrize("damage", ["jump", "nan", "spin"])
def test_wild_input_never_raises(body: Body, damage: str) -> None:
    t_ns, poses = _swaying(body, 0.8)
    if damage == "jump":
        poses[30:, :3] += (3.0, -2.0, 5.0)
    elif damage == "nan":
        poses[30] = np.nan
    else:
        poses[30:, 3:7] = np.random.default_rng(0).normal(size=(len(poses) - 30, 4))
        poses[:, 3:7] /= np.linalg.norm(poses[:, 3:7], axis=1, keepdims=True)
    rows = _run(body, t_ns, poses)
    assert len(rows) == len(t_ns)
    assert all(np.all(np.isfinite(r.torques)) and np.all(np.isfinite(r.activations)) for r in rows)


# ------------------------------------------------------------------ force plates


def _against_plates(walk: MeasuredWalk, skip_s: float = 0.3) -> tuple[np.ndarray, float, list[Kinetics]]:
    """RMSE per foot vertical, fore-aft, lateral (% body weight) and of six leg moments (% body weight x height)."""
    config = KineticsConfig(belt_speed_m_s=walk.belt_speed_m_s, muscles=False)
    stream = KineticsStream(walk.body, walk.mass_kg, config)
    rows = [r for fit in fit_results(walk.t_ns, walk.poses, 3) for r in stream.step(fit)]
    n = len(rows)
    force = np.array([[r.right.force, r.left.force] for r in rows], dtype=float)
    time_s = (walk.t_ns[:n] - walk.t_ns[0]) * 1e-9
    use = (time_s > skip_s) & (time_s < time_s[-1] - 0.1)
    axes = np.stack([[0, 0, 1], walk.forward, np.cross([0, 0, 1], walk.forward)])
    off = ((force - walk.force[:n]) @ axes.T)[use][walk.plate_ok[:n][use]]
    weight = walk.mass_kg * 9.80665
    both = use & walk.plate_ok[:n].all(axis=1)
    torques = np.array([r.torques for r in rows], dtype=float)
    wrong = [
        torques[both, COORDINATES.index(f"{name}_{side}")] - walk.moments[f"{name}_{side}"][:n][both]
        for name in (
            "hip_flexion",
            "hip_adduction",
            "hip_rotation",
            "knee_angle",
            "ankle_angle",
            "subtalar_angle",
        )
        for side in "rl"
    ]
    moment = float(np.sqrt(np.mean(np.square(wrong)))) / (weight * walk.stature_m)
    return 100 * np.sqrt(np.mean(off**2, axis=0)) / weight, 100 * moment, rows


@pytest.mark.data
@pytest.mark.parametrize(
    ("case", "seconds"),
    [
        ("walking1", 9.0),
        ("walkingTI1", 9.0),
        ("walkingTS2", 9.0),
        ("subject01_walk", 9.0),
        ("treadmill60", 6.0),
    ],
)
def test_optical_walks_match_the_force_plates(data_dir: Path, case: str, seconds: float) -> None:
    forces, moments, rows = _against_plates(measured_walk(data_dir, case, seconds=seconds))
    assert np.all(forces < (9.0, 5.5, 3.5)), (
        f"{case}: vertical, fore-aft, lateral {forces.round(1)} % body weight"
    )
    assert moments < 1.3, f"{case}: moments {moments:.2f} % body weight x height"
    assert np.mean([r.valid for r in rows]) > 0.8


@pytest.mark.data
def test_an_undeclared_belt_is_found(data_dir: Path) -> None:
    walk = measured_walk(data_dir, "treadmill60", seconds=4.0)
    forces, _, _ = _against_plates(dataclasses.replace(walk, belt_speed_m_s=None), skip_s=0.6)
    assert forces[0] < 9.0
