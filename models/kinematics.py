"""Forward kinematics and analytic Jacobians of the 40-coordinate body, one frame at a time, to be ``vmap``ped.

The fixed structure (:class:`Skeleton`) is NumPy and hashable, so it is a static argument of ``jax.jit``;
what a person changes (:class:`SkeletonValues`) is a pytree, so a new body needs no new compilation.

Every joint axis is a *node*: a translation in its parent's frame, then a rotation about one axis. Both are
quartic polynomials of one coordinate, continued linearly outside the polynomial's range; for most nodes the
angle is the coordinate itself, for the knee they are the coupled tibia and patella. World transforms come
from pointer jumping (each pass composes every node with its current ancestor and doubles the reach): four
passes over all nodes instead of a walk down the tree. A column of the Jacobian is the twist of its
coordinate, ``v + omega x p``, masked by ancestry (Featherstone 2008, ch. 4).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from kincast.models.rotations import (
    Array,
    matrix_from_quaternion,
    quaternion_conjugate,
    quaternion_exp,
    quaternion_from_matrix,
    quaternion_log,
    quaternion_multiply,
    quaternion_normalize,
)

WORLD_NODE = 0
PELVIS_NODE = 1


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Fixed structure: topology, axes, couplings and unscaled geometry. Equal by content.

    Node 0 is the world (identity), node 1 the pelvis, the others joint axes, parents before children.
    ``*_scale`` rows say which of the 8 log scales multiply a position: ``exp(row @ log_scales)``.
    """

    body_names: tuple[str, ...]
    site_names: tuple[str, ...]
    site_bodies: tuple[str, ...]
    node_parent: np.ndarray  # (N,)
    node_axis: np.ndarray  # (N, 3)
    node_coordinate: np.ndarray  # (N,) index into the 34 joint coordinates
    node_motion: np.ndarray  # (N, 4, 5) angle, x, y, z: coefficients of 1, c, .., c^4
    node_range: np.ndarray  # (N, 2) of the coordinate; linear outside
    node_pos: np.ndarray  # (N, 3)
    node_scale: np.ndarray  # (N, 8)
    body_node: np.ndarray  # (B,)
    body_pos: np.ndarray  # (B, 3) origin of the body in the axes of its last node
    body_scale: np.ndarray  # (B, 8)
    site_node: np.ndarray  # (S,)
    site_pos: np.ndarray  # (S, 3)
    site_scale: np.ndarray  # (S, 8)
    coordinate_nodes: np.ndarray  # (34, 3) nodes that a coordinate drives above the sites, padded with 0
    site_mask: np.ndarray  # (S, 34) 1 where the coordinate moves the site
    digest: str = ""

    def __post_init__(self) -> None:
        content = hashlib.sha256()
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                if np.issubdtype(value.dtype, np.integer):
                    # JAX caches the conversion of an int64 index array across its 32 and 64 bit modes
                    value = value.astype(np.int32)
                    object.__setattr__(self, f.name, value)
                value.setflags(write=False)
                content.update(f"{f.name}{value.shape}{value.dtype}".encode() + value.tobytes())
            elif f.name != "digest":
                content.update(repr(value).encode())
        object.__setattr__(self, "digest", content.hexdigest())

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Skeleton) and self.digest == other.digest

    @property
    def passes(self) -> int:
        """Pointer-jumping passes that reach from the deepest node to the world."""
        depth = np.zeros(len(self.node_parent), int)
        for node, parent in enumerate(self.node_parent):
            depth[node] = 0 if node == WORLD_NODE else depth[parent] + 1
        return int(np.ceil(np.log2(max(2, depth.max()))))


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["node_pos", "node_translation", "body_pos", "site_pos"],
    meta_fields=[],
)
@dataclass(frozen=True)
class SkeletonValues:
    """What a person's scales and site offsets change (metres)."""

    node_pos: Float[Array, "node 3"]
    node_translation: Float[Array, "node 3 5"]
    body_pos: Float[Array, "body 3"]
    site_pos: Float[Array, "site 3"]


def scaled_values(
    skeleton: Skeleton, log_scales: Float[Array, "8"], site_offsets: Float[Array, "site 3"]
) -> SkeletonValues:
    """Geometry of a person: natural logarithms of the 8 scales, offsets (m, segment axes, not scaled) per site."""
    log_scales = jnp.asarray(log_scales)
    dtype = log_scales.dtype
    node = jnp.exp(jnp.asarray(skeleton.node_scale, dtype) @ log_scales)[:, None]
    body = jnp.exp(jnp.asarray(skeleton.body_scale, dtype) @ log_scales)[:, None]
    site = jnp.exp(jnp.asarray(skeleton.site_scale, dtype) @ log_scales)[:, None]
    return SkeletonValues(
        node_pos=jnp.asarray(skeleton.node_pos, dtype) * node,
        node_translation=jnp.asarray(skeleton.node_motion[:, 1:, :], dtype) * node[:, :, None],
        body_pos=jnp.asarray(skeleton.body_pos, dtype) * body,
        site_pos=jnp.asarray(skeleton.site_pos, dtype) * site + jnp.asarray(site_offsets, dtype),
    )


@dataclass(frozen=True)
class _Nodes:
    """World rotation and position (relative to the pelvis origin) of every node, with the rates of its motion."""

    rotation: Float[Array, "node 3 3"]
    position: Float[Array, "node 3"]
    angle_rate: Float[Array, "node"]
    translation_rate: Float[Array, "node 3"]


def _apply(matrix: Float[Array, "n 3 3"], vector: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
    # written out: XLA fuses this into one loop, where a batched dot would be a library call
    return jnp.sum(matrix * vector[:, None, :], axis=-1)


def _compose(a: Float[Array, "n 3 3"], b: Float[Array, "n 3 3"]) -> Float[Array, "n 3 3"]:
    return jnp.sum(a[:, :, :, None] * b[:, None, :, :], axis=-2)


def _cross(a: Float[Array, "*n 3"], b: Float[Array, "*n 3"]) -> Float[Array, "*n 3"]:
    a0, a1, a2 = a[..., 0], a[..., 1], a[..., 2]
    b0, b1, b2 = b[..., 0], b[..., 1], b[..., 2]
    return jnp.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=-1)


def _nodes(skeleton: Skeleton, values: SkeletonValues, q: Float[Array, "41"]) -> _Nodes:
    q = jnp.asarray(q)
    dtype = q.dtype
    n = len(skeleton.node_parent)
    coordinate = q[7:][skeleton.node_coordinate]
    inside = jnp.clip(
        coordinate,
        jnp.asarray(skeleton.node_range[:, 0], dtype),
        jnp.asarray(skeleton.node_range[:, 1], dtype),
    )
    angle_coefficients = jnp.asarray(skeleton.node_motion[:, :1, :], dtype)
    motion = jnp.concatenate([angle_coefficients, jnp.asarray(values.node_translation, dtype)], axis=1)
    c = inside[:, None]
    value = motion[:, :, 4]
    rate = jnp.zeros_like(value)
    for power in (3, 2, 1, 0):  # Horner, value and derivative together
        rate = rate * c + value
        value = value * c + motion[:, :, power]
    value = value + rate * (coordinate - inside)[:, None]

    axis = skeleton.node_axis
    k = np.zeros((n, 3, 3))
    k[:, 0, 1], k[:, 0, 2], k[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    k -= np.swapaxes(k, 1, 2)
    sin, cos = jnp.sin(value[:, 0])[:, None, None], jnp.cos(value[:, 0])[:, None, None]
    rotation = (
        jnp.eye(3, dtype=dtype)[None] + sin * jnp.asarray(k, dtype) + (1 - cos) * jnp.asarray(k @ k, dtype)
    )
    root = matrix_from_quaternion(quaternion_normalize(q[3:7]))
    rotation = rotation.at[PELVIS_NODE].set(root)
    position = jnp.asarray(values.node_pos, dtype) + value[:, 1:]

    ancestor = skeleton.node_parent
    for _ in range(skeleton.passes):
        above = rotation[ancestor]
        position = position[ancestor] + _apply(above, position)
        rotation = _compose(above, rotation)
        ancestor = ancestor[ancestor]
    return _Nodes(rotation, position, rate[:, 0], rate[:, 1:])


def _sites(skeleton: Skeleton, values: SkeletonValues, nodes: _Nodes) -> Float[Array, "site 3"]:
    local = jnp.asarray(values.site_pos, nodes.position.dtype)
    return nodes.position[skeleton.site_node] + _apply(nodes.rotation[skeleton.site_node], local)


def site_positions(
    skeleton: Skeleton, values: SkeletonValues, q: Float[Array, "41"]
) -> Float[Array, "site 3"]:
    """World positions (m) of the skeleton's sites at pose ``q``."""
    q = jnp.asarray(q)
    return q[None, :3] + _sites(skeleton, values, _nodes(skeleton, values, q))


def coordinate_twists(
    skeleton: Skeleton, values: SkeletonValues, q: Float[Array, "41"]
) -> tuple[Float[Array, "40 3"], Float[Array, "40 3"], Float[Array, "site 3"]]:
    """Angular and linear velocity per unit of each of the 40 velocities, and the sites (m).

    All relative to the pelvis origin: a site at ``p`` that coordinate i moves has the velocity
    ``linear[i] + angular[i] x p`` (world axes). ``skeleton.site_mask`` says which joint moves which site.
    """
    q = jnp.asarray(q)
    nodes = _nodes(skeleton, values, q)
    sites = _sites(skeleton, values, nodes)
    dtype = q.dtype

    omega = nodes.angle_rate[:, None] * _apply(nodes.rotation, jnp.asarray(skeleton.node_axis, dtype))
    slide = _apply(nodes.rotation[skeleton.node_parent], nodes.translation_rate)
    velocity = _cross(nodes.position, omega) + slide  # of the point at the pelvis origin
    omega = jnp.sum(omega[skeleton.coordinate_nodes], axis=1)
    velocity = jnp.sum(velocity[skeleton.coordinate_nodes], axis=1)

    zero = jnp.zeros((3, 3), dtype)
    root = nodes.rotation[PELVIS_NODE].T
    return (
        jnp.concatenate([zero, root, omega]),
        jnp.concatenate([jnp.eye(3, dtype=dtype), zero, velocity]),
        sites,
    )


def site_jacobians(
    skeleton: Skeleton, values: SkeletonValues, q: Float[Array, "41"]
) -> tuple[Float[Array, "site 3"], Float[Array, "site 3 40"]]:
    """World positions (m) and their derivatives by the 40 velocities (``v`` of ``models.coordinates``)."""
    omega, velocity, sites = coordinate_twists(skeleton, values, q)
    q, dtype = jnp.asarray(q), sites.dtype
    mask = jnp.asarray(np.concatenate([np.ones((len(sites), 6)), skeleton.site_mask], axis=1), dtype)
    x, y, z = (sites[:, i, None] for i in range(3))
    wx, wy, wz = (omega[None, :, i] for i in range(3))
    vx, vy, vz = (velocity[None, :, i] for i in range(3))
    jacobian = jnp.stack([vx + wy * z - wz * y, vy + wz * x - wx * z, vz + wx * y - wy * x], axis=1)
    return q[None, :3] + sites, jacobian * mask[:, None, :]


def body_poses(
    skeleton: Skeleton, values: SkeletonValues, q: Float[Array, "41"]
) -> tuple[Float[Array, "body 3"], Float[Array, "body 4"]]:
    """World position (m) and orientation (wxyz) of every body frame, in the order of ``skeleton.body_names``."""
    q = jnp.asarray(q)
    nodes = _nodes(skeleton, values, q)
    rotation = nodes.rotation[skeleton.body_node]
    position = nodes.position[skeleton.body_node] + _apply(rotation, jnp.asarray(values.body_pos, q.dtype))
    return q[None, :3] + position, quaternion_from_matrix(rotation)


def integrate(q: Float[Array, "41"], dv: Float[Array, "40"]) -> Float[Array, "41"]:
    """Pose reached from ``q`` by the tangent step ``dv`` (MuJoCo's free joint: angular part in pelvis axes)."""
    orientation = quaternion_normalize(quaternion_multiply(q[3:7], quaternion_exp(dv[3:6])))
    xp = q.__array_namespace__()
    return xp.concat([q[:3] + dv[:3], orientation, q[7:] + dv[6:]])


def difference(q_from: Float[Array, "*n 41"], q_to: Float[Array, "*n 41"]) -> Float[Array, "*n 40"]:
    """Tangent step from one pose to the other: ``integrate(q_from, difference(q_from, q_to)) == q_to``."""
    turn = quaternion_log(quaternion_multiply(quaternion_conjugate(q_from[..., 3:7]), q_to[..., 3:7]))
    xp = q_from.__array_namespace__()
    return xp.concat([q_to[..., :3] - q_from[..., :3], turn, q_to[..., 7:] - q_from[..., 7:]], axis=-1)
