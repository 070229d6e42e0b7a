"""The scene of one person: bones, muscle paths and names, all from the body that the engine fits.

Leg bones are the meshes of the installed leg package, in their body's axes; trunk, head and arms are drawn
by :mod:`kincast.streaming.display.upper_body`. Everything follows the person's scales.
"""

from __future__ import annotations

import mujoco
import numpy as np
from jaxtyping import Float

from kincast.models.body import Body, BodyParameters, build_body
from kincast.models.body.legs import leg_folder
from kincast.models.body.scaling import segment_scale
from kincast.models.body.segments import SEGMENTS
from kincast.models.contact_forces import GRAVITY
from kincast.streaming.display.scene import Mesh, MusclePath, Scene
from kincast.streaming.display.upper_body import upper_body_meshes
from kincast.streaming.messages import SessionHeader

SPECIFIC_TENSION_N_M2 = 0.6e6
"""Of the leg model's muscles (Rajagopal 2016: 60 N/cm^2): belly cross-section = maximal force / tension."""
# drawn as a spindle, a belly is thinner than its whole cross-section so that neighbours stay apart
_BELLY_SHARE = 0.45
_BELLY_RADIUS_M = (0.0035, 0.013)
_LEG_BONES = {
    "pelvis": ("r_pelvis", "l_pelvis"),
    **{
        f"{body}_{side}": tuple(f"{side}_{bone}" for bone in bones)
        for side in "rl"
        for body, bones in {
            "femur": ("femur",),
            "tibia": ("tibia", "fibula"),
            "talus": ("talus",),
            "calcn": ("foot",),
            "toes": ("bofoot",),
            "patella": ("patella",),
        }.items()
    },
}


def person_scene(parameters: BodyParameters, header: SessionHeader | None, body_sha256: str = "") -> Scene:
    """Scene of a person in a session; bodies are in the order of ``LiveFrame.body_xpos``."""
    keypoint_set = header.keypoint_set if header and header.keypoint_set else "HALPE_26"
    body = build_body(parameters, "muscle", keypoint_set)
    bodies = body.skeleton.body_names
    mass_kg = header.mass_kg if header and header.mass_kg else parameters.mass_kg
    return Scene(
        session_id=header.session_id if header else "",
        subject_id=header.subject_id if header else "",
        source=header.source if header else "",
        external_support=header.external_support if header else parameters.external_support,
        bodies=bodies,
        parents=tuple(
            bodies.index(SEGMENTS[name].parent) if SEGMENTS[name].parent else -1 for name in bodies
        ),
        capsules=(),
        ellipsoids=(),
        meshes=(*_leg_meshes(parameters, bodies), *upper_body_meshes(parameters, bodies)),
        muscles=_muscle_paths(body),
        keypoints=body.sites,
        body_weight_n=float(mass_kg) * GRAVITY,
        body_sha256=body_sha256,
    )


def read_stl(path_bytes: bytes) -> tuple[Float[np.ndarray, "vertex 3"], np.ndarray]:
    """Vertices (welded) and triangles of a binary STL file."""
    count = int(np.frombuffer(path_bytes, "<u4", 1, 80)[0])
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    corners = np.frombuffer(path_bytes, record, count, 84)["corners"].reshape(-1, 3)
    vertices, index = np.unique(corners, axis=0, return_inverse=True)
    return vertices.astype(float), index.reshape(-1, 3)


def _leg_meshes(parameters: BodyParameters, bodies: tuple[str, ...]) -> list[Mesh]:
    # <package>/model/leg/assets beside <package>/model/meshes
    folder = leg_folder().parents[1] / "meshes"
    meshes = []
    for name, bones in _LEG_BONES.items():
        scale = segment_scale(parameters.scales, name)
        for bone in bones:
            vertices, triangles = read_stl((folder / f"{bone}.stl").read_bytes())
            meshes.append(Mesh(bodies.index(name), scale * vertices, triangles))
    return meshes


def _muscle_paths(body: Body) -> tuple[MusclePath, ...]:
    """Origin, via points and insertion of every muscle; where it wraps over a surface the chord is drawn."""
    model = body.mj_model
    paths = []
    for actuator in range(model.nu):
        if model.actuator_trntype[actuator] != mujoco.mjtTrn.mjTRN_TENDON:
            continue
        tendon = model.actuator_trnid[actuator, 0]
        start = model.tendon_adr[tendon]
        wraps = range(start, start + model.tendon_num[tendon])
        sites = [model.wrap_objid[w] for w in wraps if model.wrap_type[w] == mujoco.mjtWrap.mjWRAP_SITE]
        # body 0 of MuJoCo is the world
        names = [model.body(model.site_bodyid[site]).name for site in sites]
        area_m2 = model.actuator_gainprm[actuator, 2] / SPECIFIC_TENSION_N_M2
        radius = float(np.clip(_BELLY_SHARE * np.sqrt(area_m2 / np.pi), *_BELLY_RADIUS_M))
        paths.append(
            MusclePath(
                model.actuator(actuator).name,
                tuple(body.skeleton.body_names.index(name) for name in names),
                tuple((float(x), float(y), float(z)) for x, y, z in model.site_pos[sites]),
                radius,
            )
        )
    return tuple(paths)
