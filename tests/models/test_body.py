"""The compiled body: names, masses, limits, coupling, both variants; independent truth is MuJoCo C."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from kincast.models.body import (
    KEYPOINT_SETS,
    MARKER_SETS,
    SOFT_SITES,
    Body,
    BodyParameters,
    UnknownSiteSetError,
    build_body,
)
from kincast.models.body.build import Variant
from kincast.models.body.legs import leg_folder
from kincast.models.body.scaling import segment_masses, stature
from kincast.models.body.segments import SEGMENTS
from kincast.models.coordinates import JOINT_COORDINATES, pose_from_coordinates
from kincast.models.kinematics import integrate

PERSON = BodyParameters(
    scales={"overall": 1.05, "pelvis": 1.1, "thigh_r": 0.9, "shank_foot_l": 0.95, "arm_r": 0.9}, mass_kg=80.0
)


@pytest.fixture(scope="module")
def body() -> Body:
    return build_body(PERSON, "muscle")


def test_sizes_of_both_variants(body: Body) -> None:
    torque = build_body(PERSON, "torque")
    for b in (torque, body):
        assert (b.mj_model.nq, b.mj_model.nv, b.mj_model.neq) == (55, 54, 14)
    assert torque.mj_model.nu == 40
    assert body.mj_model.nu == 80 + 20 + 6
    assert torque.muscles == ()
    assert len(body.muscles) == 80
    assert {"soleus_l", "gasmed_r", "recfem_r", "psoas_l"} <= set(body.muscles)


def test_torque_actuators_act_on_the_forty_velocities_in_their_order() -> None:
    body = build_body(PERSON, "torque")
    data = mujoco.MjData(body.mj_model)
    q = pose_from_coordinates(np.zeros(40))
    data.qpos[:] = body.full_qpos(q)
    data.ctrl[:] = np.arange(1.0, 41.0)
    mujoco.mj_fwdPosition(body.mj_model, data)
    mujoco.mj_fwdActuation(body.mj_model, data)
    np.testing.assert_allclose(body.project_forces(q, data.qfrc_actuator), data.ctrl, atol=1e-12)
    names = tuple(body.mj_model.actuator(i).name for i in range(6, 40))
    assert names == JOINT_COORDINATES


def test_only_the_leg_part_of_the_package_is_read() -> None:
    assert leg_folder().parts[-2:] == ("leg", "assets")


def test_mass_is_the_measured_one_and_factors_shift_it() -> None:
    whole = build_body(PERSON).mj_model
    assert whole.body_mass.sum() == pytest.approx(80.0)
    lighter = build_body(
        BodyParameters(scales=PERSON.scales, mass_kg=80.0, mass_factors={"tibia_r": 0.5})
    ).mj_model
    assert lighter.body_mass.sum() == pytest.approx(80.0)
    ratio = lighter.body("tibia_r").mass[0] / lighter.body("tibia_l").mass[0]
    assert ratio == pytest.approx(0.5 * whole.body("tibia_r").mass[0] / whole.body("tibia_l").mass[0])


def test_inertia_of_the_compiled_body_is_that_of_its_segments(body: Body) -> None:
    model, data = body.mj_model, mujoco.MjData(body.mj_model)
    q = integrate(pose_from_coordinates(np.zeros(40)), np.random.default_rng(0).normal(0.0, 0.4, 40))
    data.qpos[:] = body.full_qpos(q)
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    masses = segment_masses(PERSON.scales, 80.0, {})
    weighted, moment = np.zeros(3), np.zeros((3, 3))
    for name, (mass, centre, inertia) in masses.items():
        rotation = data.body(name).xmat.reshape(3, 3)
        place = data.body(name).xpos + rotation @ centre
        weighted += mass * place
        moment += rotation @ inertia @ rotation.T + mass * (
            place @ place * np.eye(3) - np.outer(place, place)
        )
    com = weighted / 80.0
    np.testing.assert_allclose(data.subtree_com[0], com, atol=1e-9)
    expected = moment - 80.0 * (com @ com * np.eye(3) - np.outer(com, com))
    full = np.zeros((model.nv, model.nv))
    mujoco.mj_makeM(model, data)
    mujoco.mj_fullM(model, data, full)
    # rotating the whole body about its centre of mass: the free joint's block, moved to the centre
    rotation = data.body("pelvis").xmat.reshape(3, 3)
    arm = com - data.body("pelvis").xpos
    about_pelvis = rotation @ full[3:6, 3:6] @ rotation.T
    about_com = about_pelvis - 80.0 * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    np.testing.assert_allclose(about_com, expected, rtol=1e-9, atol=1e-9)


def test_generic_adult_is_anthropometric() -> None:
    # de Leva 1996, men: share of body mass; Rajagopal 2016 is within these bounds
    masses = {n: m for n, (m, _, _) in segment_masses(BodyParameters().scales, 1.0, {}).items()}
    assert masses["head"] == pytest.approx(0.069, abs=0.002)
    assert masses["torso"] + masses["pelvis"] == pytest.approx(0.435, abs=0.02)
    assert masses["femur_r"] == pytest.approx(0.125, abs=0.02)
    assert masses["tibia_r"] == pytest.approx(0.046, abs=0.005)
    assert stature(BodyParameters().scales) == pytest.approx(1.70, abs=0.03)


def test_joint_limits_are_those_for_patients(body: Body) -> None:
    limits = {
        "knee_angle": (-25, 150),
        "hip_flexion": (-50, 135),
        "hip_adduction": (-55, 55),
        "hip_rotation": (-70, 70),
        "ankle_angle": (-65, 50),
        "subtalar_angle": (-45, 45),
    }
    for name, expected in limits.items():
        for side in "rl":
            joint = body.mj_model.joint(f"{name}_{side}")
            assert joint.limited[0]
            np.testing.assert_allclose(np.rad2deg(joint.range), expected)


def test_full_velocity_and_acceleration_are_derivatives_of_the_full_pose(body: Body) -> None:
    rng = np.random.default_rng(2)
    model = body.mj_model
    q, v, a, h = (
        pose_from_coordinates(rng.uniform(0.1, 1.0, 40)),
        rng.normal(size=40),
        rng.normal(size=40),
        1e-5,
    )
    a[3:6] = 0.0

    def along(t: float) -> np.ndarray:
        return integrate(q, v * t + np.where(np.arange(40) >= 6, 0.5 * a * t * t, 0.0))

    forward, back = body.full_qpos(along(h)), body.full_qpos(along(-h))
    qvel, centre = np.zeros(model.nv), body.full_qpos(q)
    mujoco.mj_differentiatePos(model, qvel, 2 * h, back, forward)
    np.testing.assert_allclose(body.full_qvel(q, v), qvel, atol=1e-8)
    hinges = body.full_qacc(q, v, a)[6:]
    second = (forward - 2 * centre + back)[7:] / (h * h)
    np.testing.assert_allclose(hinges, second, atol=2e-4)


@pytest.mark.parametrize("knee_deg", [-20.0, 0.0, 60.0, 135.0])
def test_projected_forces_do_the_same_work(body: Body, knee_deg: float) -> None:
    rng = np.random.default_rng(4)
    coordinates = rng.uniform(-0.5, 0.5, 40)
    coordinates[[9, 16]] = np.deg2rad(knee_deg)
    q, v, force = pose_from_coordinates(coordinates), rng.normal(size=40), rng.normal(size=body.mj_model.nv)
    assert body.project_forces(q, force) @ v == pytest.approx(force @ body.full_qvel(q, v))
    np.testing.assert_allclose(body.coupling.velocity_map(q) @ v, body.full_qvel(q, v))


@pytest.mark.parametrize("knee_deg", [-20.0, 60.0, 140.0])
def test_equalities_hold_at_the_full_pose(body: Body, knee_deg: float) -> None:
    coordinates = np.zeros(40)
    coordinates[[9, 16]] = np.deg2rad(knee_deg)
    q = pose_from_coordinates(coordinates)
    body.coupling.hold_outside_range(body.mj_model, q)
    data = mujoco.MjData(body.mj_model)
    data.qpos[:] = body.full_qpos(q)
    mujoco.mj_fwdPosition(body.mj_model, data)
    violation = data.efc_pos[data.efc_type == mujoco.mjtConstraint.mjCNSTR_EQUALITY]
    assert len(violation) == 14
    np.testing.assert_allclose(violation, 0.0, atol=1e-12)


def test_four_sole_capsules_per_foot_touch_the_floor_and_nothing_else() -> None:
    body = build_body(PERSON)
    model, data = body.mj_model, mujoco.MjData(body.mj_model)
    coordinates = np.zeros(40)
    coordinates[4] = 0.90 * 1.05  # a few millimetres into the floor
    data.qpos[:] = body.full_qpos(pose_from_coordinates(coordinates))
    mujoco.mj_forward(model, data)
    floor = model.geom("floor").id
    assert data.ncon
    assert all(floor in pair for pair in data.contact.geom)
    for side in "rl":
        soles = [
            n for n in range(model.ngeom) if model.geom(n).name.endswith(f"_{side}") and model.geom_contype[n]
        ]
        assert len(soles) == 4
    half = build_body(BodyParameters(scales={"shank_foot_r": 0.5})).mj_model
    right, left = half.geom("heel_medial_r").size, half.geom("heel_medial_l").size
    np.testing.assert_allclose(right, 0.5 * left)


def test_sets_have_their_sizes_and_every_site_is_placed() -> None:
    sizes = {name: len(sites) for name, sites in KEYPOINT_SETS.items()}
    assert sizes == {"HALPE_26": 26, "COCO_133": 133, "BODY_25": 25, "BODY_25B": 25, "MOVI_87": 87}
    assert {"PLUGIN_GAIT", "OPENCAP", "GAIT2392"} <= set(MARKER_SETS)
    assert len(SOFT_SITES & set(KEYPOINT_SETS["COCO_133"])) == 17 + 20 + 2 * 16
    for name, sites in {**KEYPOINT_SETS, **MARKER_SETS}.items():
        body = build_body(BodyParameters(), "torque", name)
        assert body.sites == sites
        assert all(body.mj_model.site(site).id >= 0 for site in sites)


def test_left_and_right_are_mirror_images() -> None:
    model = build_body(BodyParameters(), "torque", "COCO_133").mj_model
    for name in KEYPOINT_SETS["COCO_133"]:
        if name.startswith("left"):
            mirrored = model.site(name.replace("left", "right")).pos * (1.0, 1.0, -1.0)
            np.testing.assert_allclose(model.site(name).pos, mirrored, atol=1e-12)
    for name, segment in SEGMENTS.items():
        if name.endswith("_l"):
            other = model.body(name[:-2] + "_r")
            np.testing.assert_allclose(model.body(name).pos, other.pos * (1.0, 1.0, -1.0), atol=1e-9)
            assert segment.mass_kg == SEGMENTS[name[:-2] + "_r"].mass_kg


def test_unknown_set_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(UnknownSiteSetError, match="HALPE_26, COCO_133"):
        build_body(BodyParameters(), "torque", "HALPE_27")


@pytest.mark.parametrize("variant", ["torque", "muscle"])
@pytest.mark.parametrize("size", [0.6, 1.15])
def test_a_limp_body_falls_without_blowing_up(variant: Variant, size: float) -> None:
    body = build_body(BodyParameters(scales={"overall": size}, mass_kg=75.0 * size**3), variant)
    data = mujoco.MjData(body.mj_model)
    coordinates = np.zeros(40)
    coordinates[4], coordinates[[9, 16]] = size, 0.3
    data.qpos[:] = body.full_qpos(pose_from_coordinates(coordinates))
    for _ in range(480):
        mujoco.mj_step(body.mj_model, data)
    assert all(warning.number == 0 for warning in data.warning)
    assert np.abs(data.qvel).max() < 60.0
    assert data.qpos[2] < 0.8 * size
