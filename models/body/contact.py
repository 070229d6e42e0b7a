"""Floor and soles: two capsules under the heel and two under the toes of each foot."""

from __future__ import annotations

import mujoco
import numpy as np

# Right foot, segment axes (m): body, from, to, radius. The lower side is a shod sole: 28 mm below the
# calcaneus origin under the heel, where centres of pressure of shod walkers lie 20 to 40 mm below it.
_CAPSULES: dict[str, tuple[str, tuple[float, float, float], tuple[float, float, float], float]] = {
    "heel_lateral": ("calcn", (-0.015, -0.008, 0.018), (0.14, -0.008, 0.048), 0.02),
    "heel_medial": ("calcn", (-0.015, -0.008, -0.012), (0.165, -0.008, -0.025), 0.02),
    "toe_lateral": ("toes", (-0.03, -0.006, 0.045), (0.03, -0.006, 0.04), 0.018),
    "toe_medial": ("toes", (-0.005, -0.006, -0.022), (0.05, -0.006, -0.022), 0.018),
}
FRICTION = (0.8, 0.005, 0.0001)


def add_floor(spec: mujoco.MjSpec) -> None:
    """Plane z = 0; touches only soles."""
    spec.worldbody.add_geom(
        name="floor",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[0, 0, 1],
        contype=1,
        conaffinity=2,
        friction=FRICTION,
    )


def add_foot_capsules(spec: mujoco.MjSpec, side: str, scale: float) -> None:
    """Four capsules of one foot, sized with its scale; they touch the floor and nothing else."""
    mirror = np.array([1.0, 1.0, 1.0 if side == "r" else -1.0])
    for name, (body, start, end, radius) in _CAPSULES.items():
        ends = np.concatenate([scale * mirror * start, scale * mirror * end])
        spec.body(f"{body}_{side}").add_geom(
            name=f"{name}_{side}",
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            fromto=ends,
            size=[scale * radius, 0, 0],
            contype=2,
            conaffinity=1,
            friction=FRICTION,
            condim=3,
            mass=0.0,
            group=3,
        )
