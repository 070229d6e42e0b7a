"""Pelvis and legs: the leg part of the PyPI package ``musclemimic-models`` (Apache-2.0), read where it is installed.

Only its leg chain, tendons, muscles and knee couplings are taken; of the geometry only what muscles wrap
over. Its arms and trunk, which descend from a non-commercial model, are not touched.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

import mujoco

from kincast.models.errors import UserMistakeError

PACKAGE = "musclemimic_models"
# Centre of the knee's rotations in the tibia (m, right side). The package turns the tibia about its origin;
# the knee of Rajagopal 2016 turns about this point (its patella is placed by the same number in the femur).
KNEE_CENTRE_IN_TIBIA = (-0.00809, -0.003535, -0.001485)
WRAP_CLASS = "myoleg_wrap"  # default class of the surfaces muscles wrap over


class LegPackageError(UserMistakeError):
    """The package with the leg model is not installed or not complete."""


def leg_folder() -> Path:
    """Folder of the package's leg files.

    Raises:
        LegPackageError: the package is not installed.
    """
    spec = find_spec(PACKAGE)  # found, not imported: its top level is not needed
    if spec is None or spec.origin is None:
        raise LegPackageError(
            f"the package {PACKAGE} is not installed; run: pip install musclemimic-models==1.0.6"
        )
    return Path(spec.origin).parent / "model" / "leg" / "assets"


def _read(name: str) -> ElementTree.Element:
    path = leg_folder() / name
    try:
        return ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise LegPackageError(f"{path} cannot be read: {error}") from None


def leg_spec() -> mujoco.MjSpec:
    """Editable model of pelvis and legs: 14 bodies, joints, 80 muscles; segment axes x forward, y up, z right."""
    assets, chain, muscles, tendons = (
        _read(f"myolegs_{part}.xml") for part in ("assets", "chain", "muscle", "tendon")
    )
    for wrap in tendons.iter("geom"):
        if "_at_brim_" in wrap.get("geom", ""):
            # MuJoCo then takes the shorter way round the sphere. With a side site it compares directions of
            # tangent points, and on uneven scales the hip flexors jump round the far side.
            wrap.attrib.pop("sidesite", None)
    used_sites = {e.get("site") for e in tendons.iter("site")} | {
        e.get("sidesite") for e in tendons.iter("geom")
    }
    used_geoms = {e.get("geom") for e in tendons.iter("geom")}
    for body in chain.iter("body"):
        for element in list(body):
            name = element.get("name")
            if element.tag == "inertial":
                body.remove(element)  # all segments get ours
            elif (element.tag == "geom" and name not in used_geoms) or (
                element.tag == "site" and name not in used_sites
            ):
                body.remove(element)
    pelvis = chain.find("body")
    if pelvis is None:
        raise LegPackageError(f"{leg_folder() / 'myolegs_chain.xml'} holds no body")
    # its euler angles say 1.57 for pi/2; the exact frame is set by the free joint's pose
    pelvis.attrib.pop("euler", None)
    root = ElementTree.Element("mujoco", model="kincast")
    ElementTree.SubElement(root, "compiler", angle="radian", autolimits="true")
    for tag in ("default", "equality"):
        part = assets.find(tag)
        if part is None:
            raise LegPackageError(f"{leg_folder() / 'myolegs_assets.xml'} holds no <{tag}>")
        root.append(part)
    for geom in root.iter("geom"):
        geom.attrib.pop("material", None)
    world = ElementTree.SubElement(root, "worldbody")
    world.append(pelvis)
    for file in (tendons, muscles):
        root.extend(list(file))
    return mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding="unicode"))
