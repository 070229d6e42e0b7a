"""The bundled session: what it claims to be, that it comes out of its generator, that the walk could be a person's."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from kincast.deploy.demo.balance import centre_of_mass, pendulum_path, zero_moment_point
from kincast.deploy.demo.curves import HIP_FLEXION, KNEE, STIFF_KNEE
from kincast.deploy.demo.motion import Walk, WalkPlan
from kincast.deploy.demo.session import RECORDING, DemoConfig, DemoSession, generate_session, write_session
from kincast.models.contact_forces import GRAVITY, ContactConfig, ContactSolver, contact_gate
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.differentiation import MotionState
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.models.kinematics import difference
from kincast.streaming.messages import EndOfStream, KeypointFrame
from kincast.streaming.recording import read_recording


@pytest.fixture(scope="module")
def session() -> DemoSession:
    """The first seconds at half the usual fineness: seconds instead of half a minute."""
    plan = replace(DemoConfig().plan, duration_s=8.0, rate_hz=50.0)
    return generate_session(DemoConfig(plan=plan))


def joint(walk: Walk, name: str) -> np.ndarray:
    return np.degrees(walk.q[:, 7 + JOINT_COORDINATES.index(name)])


def test_the_bundled_recording():
    recording = read_recording(RECORDING)
    frames = [m for r in recording.frames() if isinstance(m := r.message(), KeypointFrame)]
    assert RECORDING.stat().st_size < 3_000_000
    assert recording.header.keypoint_set == "HALPE_26"
    assert len(recording.header.cameras) == 4
    assert "generated" in recording.header.source
    assert not recording.lost.messages
    assert not recording.lost.unfinished
    for camera in recording.header.cameras:
        times = np.array([f.t_ns for f in frames if f.camera == camera.name])
        assert len(times) > 1180
        assert np.median(np.diff(times)) == pytest.approx(1e9 / 60, rel=0.01)
    confidence = np.concatenate([f.people[0, :, 2] for f in frames if len(f.people)])
    assert 0.94 < np.mean(confidence > 0) < 1.0
    *_, last = recording.frames()
    assert isinstance(last.message(), EndOfStream)


def test_same_seed_same_bytes(tmp_path):
    config = DemoConfig(plan=replace(DemoConfig().plan, duration_s=2.5, rate_hz=50.0))
    for name in "ab":
        write_session(generate_session(config), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.slow
def test_the_bundled_recording_comes_out_of_its_generator(tmp_path):
    write_session(generate_session(), tmp_path / "again.mcap")
    assert (tmp_path / "again.mcap").read_bytes() == RECORDING.read_bytes()


def test_one_knee_is_stiff(session):
    walking = (session.walk.t_s > 2.8) & (session.walk.t_s < 6.2)
    right, left = joint(session.walk, "knee_angle_r")[walking], joint(session.walk, "knee_angle_l")[walking]
    assert 15 < right.max() < 23
    assert left.max() > 50
    assert min(right.min(), left.min()) > -3


def test_planted_feet_neither_slide_nor_sink(session):
    walk, body = session.walk, session.body
    data = mujoco.MjData(body.mj_model)
    heels = np.empty((len(walk.q), 2, 3))
    soles = np.empty(len(walk.q))
    capsules = [
        g for g in range(body.mj_model.ngeom) if body.mj_model.geom(g).name.startswith(("heel_", "toe_"))
    ]
    for k, q in enumerate(walk.q):
        data.qpos[:] = body.full_qpos(q)
        mujoco.mj_kinematics(body.mj_model, data)
        for side in (0, 1):
            heels[k, side] = data.site("RL"[side] + "Heel").xpos
        axis = np.abs(data.geom_xmat[capsules].reshape(-1, 3, 3)[:, 2, 2])
        size = body.mj_model.geom_size[capsules]
        soles[k] = (data.geom_xpos[capsules, 2] - axis * size[:, 1] - size[:, 0]).min()
    assert soles.min() > -0.02
    assert np.median(soles) > -0.005
    for side in (0, 1):
        for fall in walk.falls[side]:
            begin = fall.strike_s + 0.2 * (fall.off_s - fall.strike_s)
            flat = (walk.t_s > begin) & (walk.t_s < min(begin + 0.15, walk.t_s[-1]))
            if flat.sum() > 3:
                assert np.ptp(heels[flat, side], axis=0).max() < 0.004


def test_pendulum_path_is_the_solution_of_its_equation():
    """Against the known answer for a sinusoidal zero-moment point: the same sine, smaller by 1 + (z / g) w^2."""
    dt_s, height_m, rate = 0.005, 0.9, 2 * np.pi * 0.8
    t = np.arange(0.0, 20.0, dt_s)
    support = np.stack([np.sin(rate * t), 0.1 * t], -1)
    path = pendulum_path(support, height_m, dt_s)
    inside = (t > 3) & (t < 17)
    expected = np.sin(rate * t) / (1 + height_m / GRAVITY * rate**2)
    np.testing.assert_allclose(path[inside, 0], expected[inside], atol=2e-4)
    np.testing.assert_allclose(path[inside, 1], 0.1 * t[inside], atol=2e-5)


def test_zero_moment_point_of_one_who_stands_is_under_the_centre_of_mass(session):
    standing = np.repeat(session.walk.q[:1], 9, axis=0)
    point = zero_moment_point(session.body, standing, 0.01, 0.03)
    expected = centre_of_mass(session.body, standing)[:, :2]
    np.testing.assert_allclose(point, expected, atol=1e-9)


def test_the_feet_can_carry_the_walk(session):
    """Whole-body wrench by recursive Newton-Euler against what two soles can exert, at every planned instant."""
    walk, dynamics = session.walk, InverseDynamics(session.body)
    dt_s, mass_kg = walk.t_s[1] - walk.t_s[0], session.body.parameters.mass_kg
    solver, config = ContactSolver(dynamics.sole.local.shape[1], mass_kg), ContactConfig()
    v = np.stack([difference(a, b) for a, b in zip(walk.q[:-2], walk.q[2:], strict=True)]) / (2 * dt_s)
    a = np.gradient(v, dt_s, axis=0)
    missing = []
    for k in range(1, len(v) - 1):
        state = MotionState(0, walk.q[k + 1], v[k], a[k], *np.zeros((3, 40)))
        wrench = dynamics.demanded_wrench(dynamics.set_motion(state))
        sole = dynamics.sole_state()
        points = sole.position * (1.0, 1.0, 0.0)
        gate = contact_gate(sole.position[..., 2], np.linalg.norm(sole.velocity, axis=2), config)
        found = solver.solve(wrench, dynamics.pelvis, points, gate)
        missing.append(np.linalg.norm(found.residual[:3]) / (mass_kg * GRAVITY))
    assert np.median(missing) < 0.06
    assert np.percentile(missing, 95) < 0.15


def test_person_is_not_the_default_body(session):
    offsets = np.array(list(session.body.parameters.site_offsets.values()))
    assert 0.007 < np.sqrt(np.mean(offsets**2)) < 0.015
    assert len({round(v, 3) for v in session.body.parameters.scales.values()}) > 4


def test_truth_is_continuous(session):
    t_ns, coordinates = session.truth()
    assert np.all(np.diff(t_ns) > 0)
    assert np.degrees(np.abs(np.diff(coordinates[:, :3], axis=0))).max() < 20


def test_detections_err_as_detectors_do(session):
    """Median error of some pixels, some gross ones, some absent; legs exchanged now and then."""
    from kincast.models.camera import camera_arrays, project

    header = session.messages[0][0]
    frames = [m for m, _ in session.messages if isinstance(m, KeypointFrame) and m.camera == "cam_01"]
    data, body = mujoco.MjData(session.body.mj_model), session.body
    values, errors = camera_arrays([header.cameras[0]]), []
    ids = [body.mj_model.site(n).id for n in body.sites]
    for frame in frames[::3]:
        k = int(np.argmin(np.abs(session.walk.t_s - (frame.t_ns * 1e-9 - 1000.0))))
        data.qpos[:] = body.full_qpos(session.walk.q[k])
        mujoco.mj_kinematics(body.mj_model, data)
        pixels = project(values, data.site_xpos[ids][None])[0]
        here = frame.people[0, :, 2] > 0.3
        errors.append(np.linalg.norm(pixels[here] - frame.people[0, here, :2], axis=1))
    error = np.concatenate(errors)
    assert 2.0 < np.median(error) < 9.0
    assert np.mean(error > 40) < 0.05


def test_normative_curves_have_the_published_shape():
    phase = np.linspace(0, 1, 201)
    assert 57 < KNEE(phase).max() < 64
    assert 0.70 < phase[np.argmax(KNEE(phase))] < 0.76
    assert 17 < STIFF_KNEE(phase).max() < 23
    assert -14 < HIP_FLEXION(phase).min() < -8
    assert 0.48 < phase[np.argmin(HIP_FLEXION(phase))] < 0.56


def test_default_plan_is_twenty_seconds():
    assert WalkPlan().duration_s == 20.0
