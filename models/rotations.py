"""Rotations as quaternions (wxyz) and matrices, for NumPy and JAX arrays alike, last axes only.

Every function takes the array namespace from its argument, so the same formulas run in float64 NumPy
(files, C MuJoCo) and inside jitted JAX functions. Quaternions rotate segment axes to the world.
"""

from __future__ import annotations

from math import asin, atan2

import jax
import numpy as np
from jaxtyping import Float

Array = jax.Array | np.ndarray


def quaternion_multiply(a: Float[Array, "*n 4"], b: Float[Array, "*n 4"]) -> Float[Array, "*n 4"]:
    """Hamilton product: first ``b``, then ``a``."""
    xp = a.__array_namespace__()
    aw, ax, ay, az = a[..., 0], a[..., 1], a[..., 2], a[..., 3]
    bw, bx, by, bz = b[..., 0], b[..., 1], b[..., 2], b[..., 3]
    return xp.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def quaternion_conjugate(q: Float[Array, "*n 4"]) -> Float[Array, "*n 4"]:
    """Inverse of a unit quaternion."""
    xp = q.__array_namespace__()
    return xp.concat([q[..., :1], -q[..., 1:]], axis=-1)


def quaternion_normalize(q: Float[Array, "*n 4"]) -> Float[Array, "*n 4"]:
    """Unit quaternion of the same direction."""
    xp = q.__array_namespace__()
    return q / xp.sqrt(xp.sum(q * q, axis=-1, keepdims=True))


def quaternion_exp(rotation: Float[Array, "*n 3"]) -> Float[Array, "*n 4"]:
    """Unit quaternion of a rotation vector (rad); smooth, with finite derivatives, at zero."""
    xp = rotation.__array_namespace__()
    square = xp.sum(rotation * rotation, axis=-1, keepdims=True)
    small = square < 1e-8
    # the unused branch must stay finite too, or its derivative turns into NaN
    angle = xp.sqrt(xp.where(small, xp.ones_like(square), square))
    w = xp.where(small, 1.0 - square / 8.0, xp.cos(angle / 2.0))
    k = xp.where(small, 0.5 - square / 48.0, xp.sin(angle / 2.0) / angle)
    return xp.concat([w, k * rotation], axis=-1)


def quaternion_log(q: Float[Array, "*n 4"]) -> Float[Array, "*n 3"]:
    """Rotation vector (rad, length at most pi) of a unit quaternion."""
    xp = q.__array_namespace__()
    q = xp.where(q[..., :1] < 0.0, -q, q)
    w, v = q[..., :1], q[..., 1:]
    square = xp.sum(v * v, axis=-1, keepdims=True)
    small = square < 1e-10
    sine = xp.sqrt(xp.where(small, xp.ones_like(square), square))
    k = xp.where(small, 2.0 / w - 2.0 * square / (3.0 * w * w * w), 2.0 * xp.atan2(sine, w) / sine)
    return k * v


def _is_one_of_numpy(a: Array, dimensions: int) -> bool:
    """A single NumPy quaternion or matrix: plain numbers are ten times faster then, and live streams have many of them."""
    return isinstance(a, np.ndarray) and a.ndim == dimensions


def matrix_from_quaternion(q: Float[Array, "*n 4"]) -> Float[Array, "*n 3 3"]:
    """Rotation matrix of a unit quaternion."""
    xp = q.__array_namespace__()
    one = _is_one_of_numpy(q, 1)
    w, x, y, z = q.tolist() if one else (q[..., 0], q[..., 1], q[..., 2], q[..., 3])
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    if one:
        return np.array(rows, q.dtype)
    return xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)


def quaternion_from_matrix(m: Float[Array, "*n 3 3"]) -> Float[Array, "*n 4"]:
    """Unit quaternion with nonnegative scalar part; the largest of four pivots (Shepperd 1978)."""
    xp = m.__array_namespace__()
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    d, e, f = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    candidates = xp.stack(
        [
            xp.stack([1 + m00 + m11 + m22, a, b, c], axis=-1),
            xp.stack([a, 1 + m00 - m11 - m22, d, e], axis=-1),
            xp.stack([b, d, 1 - m00 + m11 - m22, f], axis=-1),
            xp.stack([c, e, f, 1 - m00 - m11 + m22], axis=-1),
        ],
        axis=-2,
    )
    pivots = xp.stack([m00 + m11 + m22, m00 - m11 - m22, m11 - m00 - m22, m22 - m00 - m11], axis=-1)
    best = xp.argmax(pivots, axis=-1)
    q = xp.take_along_axis(candidates, best[..., None, None], axis=-2)[..., 0, :]
    q = quaternion_normalize(q)
    return xp.where(q[..., :1] < 0.0, -q, q)


def matrix_from_zxy(angles: Float[Array, "*n 3"]) -> Float[Array, "*n 3 3"]:
    """``Rz(a) Rx(b) Ry(c)`` of ``(a, b, c)``: OpenSim's tilt, list, rotation and flexion, adduction, rotation."""
    xp = angles.__array_namespace__()
    sa, sb, sc = (xp.sin(angles[..., i]) for i in range(3))
    ca, cb, cc = (xp.cos(angles[..., i]) for i in range(3))
    rows = [
        [ca * cc - sa * sb * sc, -sa * cb, ca * sc + sa * sb * cc],
        [sa * cc + ca * sb * sc, ca * cb, sa * sc - ca * sb * cc],
        [-cb * sc, sb, cb * cc],
    ]
    return xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)


def zxy_from_matrix(m: Float[Array, "*n 3 3"]) -> Float[Array, "*n 3"]:
    """Angles ``(a, b, c)`` of ``Rz(a) Rx(b) Ry(c)``, b within +-pi/2 (the principal branch)."""
    if _is_one_of_numpy(m, 2):
        (_, m01, _), (_, m11, _), (m20, m21, m22) = m.tolist()
        return np.array([atan2(-m01, m11), asin(min(max(m21, -1.0), 1.0)), atan2(-m20, m22)], m.dtype)
    xp = m.__array_namespace__()
    b = xp.asin(xp.clip(m[..., 2, 1], -1.0, 1.0))
    a = xp.atan2(-m[..., 0, 1], m[..., 1, 1])
    c = xp.atan2(-m[..., 2, 0], m[..., 2, 2])
    return xp.stack([a, b, c], axis=-1)


def yxz_from_matrix(m: Float[Array, "*n 3 3"]) -> Float[Array, "*n 3"]:
    """Angles ``(a, b, c)`` of ``Ry(a) Rx(b) Rz(c)``, b within +-pi/2: rotation, obliquity, tilt (Baker 2001)."""
    xp = m.__array_namespace__()
    b = xp.asin(xp.clip(-m[..., 1, 2], -1.0, 1.0))
    a = xp.atan2(m[..., 0, 2], m[..., 2, 2])
    c = xp.atan2(m[..., 1, 0], m[..., 1, 1])
    return xp.stack([a, b, c], axis=-1)
