"""The MuJoCo model of one person: generic legs and upper body, scaled, with masses, sites, feet and actuators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import mujoco
import numpy as np

from kincast.models.body.contact import add_floor, add_foot_capsules
from kincast.models.body.legs import KNEE_CENTRE_IN_TIBIA, WRAP_CLASS, leg_spec
from kincast.models.body.parameters import BodyParameters
from kincast.models.body.scaling import segment_masses, segment_scale
from kincast.models.body.segments import LEG_RANGES_DEG, SEGMENTS, UPPER_BODIES, hinges, joint_centre
from kincast.models.body.sites import sites_of
from kincast.models.coordinates import JOINT_COORDINATES

Variant = Literal["torque", "muscle"]
UPRIGHT = (np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0)  # segment axes x forward, y up to world x forward, z up
PELVIS_HEIGHT_M = 0.95
ROOT_ACTUATORS = ("pelvis_fx", "pelvis_fy", "pelvis_fz", "pelvis_mx", "pelvis_my", "pelvis_mz")


def build_spec(parameters: BodyParameters, variant: Variant, site_set: str) -> mujoco.MjSpec:
    """Editable model of a person; see ``build_body`` for the arguments."""
    spec = leg_spec()
    _scale_legs(spec, parameters)
    _add_upper_body(spec, parameters)
    _set_masses(spec, parameters)
    _set_limits(spec)
    pelvis = spec.body("pelvis")
    pelvis.pos = [0.0, 0.0, PELVIS_HEIGHT_M]
    pelvis.quat = UPRIGHT
    pelvis.add_freejoint(name="pelvis")
    add_floor(spec)
    for side in ("r", "l"):
        add_foot_capsules(spec, side, segment_scale(parameters.scales, f"calcn_{side}"))
    for name, (segment, pos) in sites_of(site_set).items():
        offset = parameters.site_offsets.get(name, (0.0, 0.0, 0.0))
        place = segment_scale(parameters.scales, segment) * np.array(pos) + np.array(offset)
        spec.body(segment).add_site(name=name, pos=place, size=[0.008, 0.008, 0.008], group=2)
    _add_actuators(spec, variant)
    spec.option.timestep = 1.0 / 480.0
    return spec


def _scale_legs(spec: mujoco.MjSpec, parameters: BodyParameters) -> None:
    scale = {name: segment_scale(parameters.scales, name) for name in SEGMENTS}
    for body in spec.bodies:
        if body.name == "world":
            continue
        if body.parent.name != "world":
            body.pos = np.array(body.pos) * scale[body.parent.name]
        for part in (*body.geoms, *body.sites):
            part.pos = np.array(part.pos) * scale[body.name]
        for geom in body.geoms:
            size = scale[body.name]
            if "_at_brim_" in geom.name:
                # a small femur's insertions must not sink into a large pelvis' surface: paths jump there
                side = geom.name.split("_at_brim_")[1][0]
                size = min(size, scale[f"femur_{side}"])
            geom.size = np.array(geom.size) * size
    for side, sign in (("r", 1.0), ("l", -1.0)):
        centre = np.array(KNEE_CENTRE_IN_TIBIA) * (1.0, 1.0, sign)
        tibia, femur_scale, tibia_scale = (
            spec.body(f"tibia_{side}"),
            scale[f"femur_{side}"],
            scale[f"tibia_{side}"],
        )
        # the centre scales with the femur on its side of the joint and with the tibia on the other
        tibia.pos = np.array(tibia.pos) + (femur_scale - tibia_scale) * centre
        for joint in tibia.joints:
            joint.pos = tibia_scale * centre
    for equality in spec.equalities:
        joint = spec.joint(equality.name1)
        if joint.type == mujoco.mjtJoint.mjJNT_SLIDE:
            # tibia and patella slide in the femur's frame
            equality.data[:5] = np.array(equality.data[:5]) * scale[joint.parent.parent.name]
        joint.limited = mujoco.mjtLimited.mjLIMITED_FALSE  # the equality holds it


def _add_upper_body(spec: mujoco.MjSpec, parameters: BodyParameters) -> None:
    for name in UPPER_BODIES:
        parent = SEGMENTS[name].parent
        pos = segment_scale(parameters.scales, parent) * np.array(joint_centre(name))
        body = spec.body(parent).add_body(name=name, pos=pos)
        for hinge in hinges(name):
            body.add_joint(
                name=hinge.name,
                type=mujoco.mjtJoint.mjJNT_HINGE,
                axis=hinge.axis,
                range=np.deg2rad(hinge.range_deg),
                limited=mujoco.mjtLimited.mjLIMITED_TRUE,
                armature=0.01,
                damping=[0.5, 0, 0],
            )


def _set_masses(spec: mujoco.MjSpec, parameters: BodyParameters) -> None:
    masses = segment_masses(parameters.scales, parameters.mass_kg, parameters.mass_factors)
    for name, (mass, centre, inertia) in masses.items():
        body = spec.body(name)
        body.mass = mass
        body.ipos = centre
        body.fullinertia = [
            inertia[0, 0],
            inertia[1, 1],
            inertia[2, 2],
            inertia[0, 1],
            inertia[0, 2],
            inertia[1, 2],
        ]
        body.explicitinertial = True


def _set_limits(spec: mujoco.MjSpec) -> None:
    for name, limits in LEG_RANGES_DEG.items():
        for side in ("r", "l"):
            spec.joint(f"{name}_{side}").range = np.deg2rad(limits)


def _add_actuators(spec: mujoco.MjSpec, variant: Variant) -> None:
    if variant == "torque":
        for actuator in list(spec.actuators):
            spec.delete(actuator)
        for tendon in list(spec.tendons):
            spec.delete(tendon)
        for body in spec.bodies:
            for geom in list(body.geoms):
                if geom.classname.name == WRAP_CLASS:
                    spec.delete(geom)
        driven = JOINT_COORDINATES
    else:
        driven = JOINT_COORDINATES[14:]
    add_torques(spec, driven)


def add_torques(spec: mujoco.MjSpec, driven: Sequence[str]) -> None:
    """Residual at the pelvis, then a torque of every joint ``driven``, behind the actuators that are there."""
    for index, name in enumerate(ROOT_ACTUATORS):
        gear = np.zeros(6)
        gear[index] = 1.0
        spec.add_actuator(name=name, trntype=mujoco.mjtTrn.mjTRN_JOINT, target="pelvis", gear=gear)
    for name in driven:
        spec.add_actuator(name=name, trntype=mujoco.mjtTrn.mjTRN_JOINT, target=name)
