"""One person's body: the MuJoCo model with every joint beside the 40-coordinate skeleton for fitting."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Float

from kincast.models.body.build import Variant, build_spec
from kincast.models.body.coupling import Coupling, coupling_of
from kincast.models.body.muscles import muscle_ids, neutral_lengths, scale_muscles, set_generic_muscles
from kincast.models.body.parameters import BodyParameters
from kincast.models.body.segments import SCALES
from kincast.models.body.skeleton import skeleton_of
from kincast.models.kinematics import Skeleton, SkeletonValues, scaled_values
from kincast.models.rotations import Array


@dataclass(frozen=True, eq=False)
class Body:
    """``mj_model`` is C MuJoCo with all joints; ``skeleton`` and ``values`` feed ``models.kinematics``."""

    parameters: BodyParameters
    variant: Variant
    keypoint_set: str
    mj_model: mujoco.MjModel
    skeleton: Skeleton
    values: SkeletonValues
    coupling: Coupling

    @property
    def muscles(self) -> tuple[str, ...]:
        """Names of the muscles (Rajagopal 2016), in the order of the model's actuators; empty without muscles."""
        return tuple(self.mj_model.actuator(int(i)).name for i in muscle_ids(self.mj_model))

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites, in the keypoint set's order."""
        return self.skeleton.site_names

    def full_qpos(self, q: Float[Array, "41"]) -> Float[Array, "nq"]:
        """MuJoCo's ``qpos`` of a pose."""
        return self.coupling.full_qpos(q)

    def full_qvel(self, q: Float[Array, "41"], v: Float[Array, "40"]) -> Float[Array, "nv"]:
        """MuJoCo's ``qvel`` of a pose and velocity."""
        return self.coupling.full_qvel(q, v)

    def full_qacc(
        self, q: Float[Array, "41"], v: Float[Array, "40"], a: Float[Array, "40"]
    ) -> Float[Array, "nv"]:
        """MuJoCo's ``qacc`` of a pose, velocity and acceleration."""
        return self.coupling.full_qacc(q, v, a)

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process without the skeleton, which every process has for itself."""
        values = jax.tree.map(np.asarray, self.values)
        return _unpickled, (
            self.parameters,
            self.variant,
            self.keypoint_set,
            self.mj_model,
            values,
            self.coupling,
        )

    def project_forces(self, q: Float[Array, "41"], qfrc: Float[Array, "nv"]) -> Float[Array, "40"]:
        """Generalised forces on the 40 velocities equivalent to MuJoCo's ``qfrc``."""
        return self.coupling.project_forces(q, qfrc)


def _unpickled(
    parameters: BodyParameters,
    variant: Variant,
    keypoint_set: str,
    model: mujoco.MjModel,
    values: SkeletonValues,
    coupling: Coupling,
) -> Body:
    on_device = jax.tree.map(jnp.asarray, values)
    return Body(parameters, variant, keypoint_set, model, skeleton_of(keypoint_set), on_device, coupling)


def log_scales(parameters: BodyParameters) -> Float[np.ndarray, "8"]:
    """Natural logarithms of the scales, in the order of ``SCALES``."""
    return np.log([parameters.scales[name] for name in SCALES])


def site_offsets(parameters: BodyParameters, skeleton: Skeleton) -> Float[np.ndarray, "site 3"]:
    """Offsets (m) of the skeleton's sites; zero where the parameters name none."""
    offsets = [parameters.site_offsets.get(name, (0.0, 0.0, 0.0)) for name in skeleton.site_names]
    return np.array(offsets, float).reshape(-1, 3)


@lru_cache(maxsize=1)
def _generic_muscle_lengths() -> Float[np.ndarray, "muscle"]:
    return neutral_lengths(build_spec(BodyParameters(), "muscle", "HALPE_26").compile())


def build_body(
    parameters: BodyParameters, variant: Variant = "torque", keypoint_set: str = "HALPE_26"
) -> Body:
    """Body of a person.

    ``variant``: 34 joint torques, or 80 leg muscles and 20 torques above; both with 6 pelvis residuals.
    ``keypoint_set``: name of a keypoint or marker set; gives the sites and their order.

    Raises:
        UnknownSiteSetError: no such set.
        LegPackageError: the leg model is not installed.
    """
    skeleton = skeleton_of(keypoint_set)
    model = build_spec(parameters, variant, keypoint_set).compile()
    if variant == "muscle":
        set_generic_muscles(model)
        scale_muscles(model, _generic_muscle_lengths(), parameters)
    values = scaled_values(
        skeleton, jnp.asarray(log_scales(parameters)), jnp.asarray(site_offsets(parameters, skeleton))
    )
    return Body(parameters, variant, keypoint_set, model, skeleton, values, coupling_of(model))
