"""The segments of the generic adult: parents, joints of trunk and arms, mass, inertia, and who scales what.

Geometry of trunk and arms, masses and inertias are the published numbers of the full-body model of Rajagopal
et al. 2016 (IEEE TBME 63, 2068, the 75.3 kg, 1.70 m male); the head is split off the trunk with the mass
fraction, centre of mass and radii of gyration of de Leva 1996 (J Biomech 29, 1223). Segment axes: x forward,
y up, z right. The right side is written down, the left is its mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass

Vector = tuple[float, float, float]

SCALES = ("overall", "pelvis", "thigh_r", "thigh_l", "shank_foot_r", "shank_foot_l", "arm_r", "arm_l")

HEAD_MASS_FRACTION = 0.0694
# published as (1, 2, 10)e-4, which no body can have; about the greatest possible third moment instead
TOES_INERTIA = (0.0001, 0.0002, 0.00029)
HEAD_LENGTH_M = 0.2429  # vertex to cervicale (de Leva 1996, men)
HEAD_CENTRE_FRACTION = 0.5002  # of the same, from the vertex
HEAD_GYRATION = (0.303, 0.261, 0.315)  # fractions of the same, about x, y, z


@dataclass(frozen=True)
class Segment:
    """``pos`` in the parent's frame; ``inertia`` principal moments about the centre of mass, segment axes (kg m^2).

    ``scale`` is the segment's own scale beside ``overall``; ``end`` is the far end of the segment's length.
    """

    parent: str
    scale: str | None
    mass_kg: float
    centre: Vector
    inertia: Vector
    end: Vector


@dataclass(frozen=True)
class Hinge:
    """A joint coordinate of trunk or arms: positive rotation about ``axis`` (segment axes), limits in degrees."""

    name: str
    axis: Vector
    range_deg: tuple[float, float]


def _mirrored(v: Vector) -> Vector:
    return (v[0], v[1], -v[2])


def _leg(side: str) -> dict[str, Segment]:
    def z(v: Vector) -> Vector:
        return v if side == "r" else _mirrored(v)

    thigh, shank = f"thigh_{side}", f"shank_foot_{side}"
    return {
        f"femur_{side}": Segment(
            "pelvis",
            thigh,
            9.3014,
            (0.0, -0.17, 0.0),
            (0.1339, 0.0351, 0.1412),
            z((0.0, -0.404425, -0.001265)),
        ),
        f"tibia_{side}": Segment(
            f"femur_{side}", shank, 3.7075, (0.0, -0.1867, 0.0), (0.0504, 0.0051, 0.0511), (-0.01, -0.4, 0.0)
        ),
        f"talus_{side}": Segment(
            f"tibia_{side}",
            shank,
            0.1,
            (0.0, 0.0, 0.0),
            (0.001, 0.001, 0.001),
            z((-0.04877, -0.04195, 0.00792)),
        ),
        f"calcn_{side}": Segment(
            f"talus_{side}",
            shank,
            1.25,
            (0.1, 0.03, 0.0),
            (0.0014, 0.0039, 0.0041),
            z((0.1788, -0.002, 0.00108)),
        ),
        f"toes_{side}": Segment(
            f"calcn_{side}", shank, 0.2166, z((0.0346, 0.006, -0.0175)), TOES_INERTIA, (0.06, 0.0, 0.0)
        ),
        f"patella_{side}": Segment(
            f"femur_{side}",
            thigh,
            0.0862,
            (0.0018, 0.0264, 0.0),
            (2.87e-06, 1.311e-05, 1.311e-05),
            (0.0, 0.05, 0.0),
        ),
    }


def _arm(side: str) -> dict[str, Segment]:
    def z(v: Vector) -> Vector:
        return v if side == "r" else _mirrored(v)

    arm = f"arm_{side}"
    return {
        f"humerus_{side}": Segment(
            "torso",
            arm,
            2.0325,
            (0.0, -0.164502, 0.0),
            (0.011946, 0.004121, 0.013409),
            z((0.013144, -0.286273, -0.009595)),
        ),
        f"ulna_{side}": Segment(
            f"humerus_{side}",
            arm,
            0.6075,
            (0.0, -0.120525, 0.0),
            (0.002962, 0.000618, 0.003213),
            z((-0.0155, -0.2488, 0.0397)),
        ),
        f"radius_{side}": Segment(
            f"ulna_{side}",
            arm,
            0.6075,
            (0.0, -0.120525, 0.0),
            (0.002962, 0.000618, 0.003213),
            z((-0.008797, -0.235841, 0.01361)),
        ),
        f"hand_{side}": Segment(
            f"radius_{side}",
            arm,
            0.4575,
            (0.0, -0.068095, 0.0),
            (0.000892, 0.000547, 0.00134),
            (0.0, -0.18, 0.0),
        ),
    }


SEGMENTS: dict[str, Segment] = {
    "pelvis": Segment(
        "", "pelvis", 11.777, (-0.0707, 0.0, 0.0), (0.1028, 0.0871, 0.0579), (-0.1007, 0.0815, 0.0)
    ),
    **_leg("r"),
    **_leg("l"),
    "torso": Segment(
        "pelvis", None, 26.8266, (-0.03, 0.32, 0.0), (1.4745, 0.7555, 1.4314), (-0.05, 0.43, 0.0)
    ),
    "head": Segment("torso", None, 0.0, (0.06, 0.12, 0.0), (0.0, 0.0, 0.0), (0.06, 0.24, 0.0)),
    **_arm("r"),
    **_arm("l"),
}

# joint centres of trunk and arms in the parent's frame (Rajagopal 2016; neck: C7/T1)
JOINT_CENTRES: dict[str, Vector] = {
    "torso": (-0.1007, 0.0815, 0.0),
    "head": (-0.05, 0.43, 0.0),
    "humerus": (0.003155, 0.3715, 0.17),
    "ulna": (0.013144, -0.286273, -0.009595),
    "radius": (-0.006727, -0.013007, 0.026083),
    "hand": (-0.008797, -0.235841, 0.01361),
}


def joint_centre(body: str) -> Vector:
    """Joint centre of a segment of trunk or arms, in its parent's frame (m)."""
    base, _, side = body.rpartition("_")
    if side == "l":
        return _mirrored(JOINT_CENTRES[base])
    return JOINT_CENTRES[base if side == "r" else body]


def hinges(body: str) -> tuple[Hinge, ...]:
    """Joint coordinates of a segment of trunk or arms, in their order (axes: Rajagopal 2016)."""
    base, _, side = body.rpartition("_")
    if side not in ("r", "l"):
        return _MIDLINE_HINGES[body]
    sign = 1.0 if side == "r" else -1.0
    # mirrored axes, so that a coordinate means the same on both sides
    return tuple(
        Hinge(f"{h.name}_{side}", (sign * h.axis[0], sign * h.axis[1], h.axis[2]), h.range_deg)
        for h in _RIGHT_HINGES[base]
    )


_MIDLINE_HINGES: dict[str, tuple[Hinge, ...]] = {
    "torso": (
        Hinge("lumbar_extension", (0.0, 0.0, 1.0), (-120.0, 60.0)),
        Hinge("lumbar_bending", (1.0, 0.0, 0.0), (-60.0, 60.0)),
        Hinge("lumbar_rotation", (0.0, 1.0, 0.0), (-80.0, 80.0)),
    ),
    "head": (
        Hinge("neck_extension", (0.0, 0.0, 1.0), (-90.0, 90.0)),
        Hinge("neck_bending", (1.0, 0.0, 0.0), (-60.0, 60.0)),
        Hinge("neck_rotation", (0.0, 1.0, 0.0), (-100.0, 100.0)),
    ),
}

_RIGHT_HINGES: dict[str, tuple[Hinge, ...]] = {
    "humerus": (
        Hinge("arm_flex", (0.0, 0.0, 1.0), (-120.0, 200.0)),
        Hinge("arm_add", (1.0, 0.0, 0.0), (-200.0, 90.0)),
        Hinge("arm_rot", (0.0, 1.0, 0.0), (-150.0, 150.0)),
    ),
    "ulna": (Hinge("elbow_flex", (0.22604695, 0.02226900, 0.97386183), (-20.0, 165.0)),),
    "radius": (Hinge("pro_sup", (0.05639803, 0.99840646, 0.00195200), (-60.0, 180.0)),),
    "hand": (
        Hinge("wrist_flex", (0.0, 0.0, 1.0), (-100.0, 100.0)),
        Hinge("wrist_dev", (1.0, 0.0, 0.0), (-60.0, 60.0)),
    ),
}

UPPER_BODIES = (
    "torso",
    "head",
    *(f"{name}_{side}" for side in "rl" for name in ("humerus", "ulna", "radius", "hand")),
)

# wider than the leg package's, for patients
LEG_RANGES_DEG: dict[str, tuple[float, float]] = {
    "hip_flexion": (-50.0, 135.0),
    "hip_adduction": (-55.0, 55.0),
    "hip_rotation": (-70.0, 70.0),
    "knee_angle": (-25.0, 150.0),
    "ankle_angle": (-65.0, 50.0),
    "subtalar_angle": (-45.0, 45.0),
    "mtp_angle": (-60.0, 60.0),
}
