"""Uniform B-splines of poses: value, velocity and acceleration, analytic, pelvis orientation on the manifold.

A control point is a pose. Positions and joint angles are blended linearly. Orientations are blended as
quaternions of one sign and normalised, ``u = sum B_i p_i``, ``quaternion = u / |u|``, with

    omega = 2 Im(u* u') / |u|^2,    omega' = 2 Im(u* u'') / |u|^2 - 2 (u . u') / |u|^2 omega

in pelvis axes; turning control point i by ``d`` (in its own axes) turns the pose by
``B_i (w d + v x d) / |u|^2`` with ``(w, v) = u* p_i``. De Boor, A Practical Guide to Splines (2001), ch. IX.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.rotations import quaternion_conjugate, quaternion_multiply
from kincast.offline.trajectory.motion import Motion


@dataclass(frozen=True)
class Knots:
    """Uniform knots: control point j acts on [start + (j - degree) spacing, start + (j + 1) spacing]."""

    start_ns: int
    spacing_ns: int
    intervals: int
    degree: int

    @property
    def count(self) -> int:
        """Control points."""
        return self.intervals + self.degree

    @property
    def spacing_s(self) -> float:
        return self.spacing_ns * 1e-9

    @staticmethod
    def covering(first_ns: int, last_ns: int, spacing_s: float, degree: int) -> Knots:
        """Knots of about ``spacing_s`` over a recording, at least one interval."""
        span_ns = max(last_ns - first_ns, 1)
        intervals = max(1, round(span_ns * 1e-9 / spacing_s))
        return Knots(first_ns, -(-span_ns // intervals), intervals, degree)

    def place(
        self, t_ns: Int64[np.ndarray, " n"]
    ) -> tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """Interval (= first control point that acts) and place in it, 0..1; clamped to the ends."""
        u = np.clip((t_ns - self.start_ns) / self.spacing_ns, 0.0, float(self.intervals))
        first = np.minimum(u.astype(np.int64), self.intervals - 1)
        return first, u - first

    def weights(self, u: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "n 3 order"]:
        """Weights of the degree + 1 control points for value, first (1/s) and second (1/s^2) derivative."""
        levels = [np.ones((len(u), 1))]
        for k in range(1, self.degree + 1):
            below = np.pad(levels[-1], ((0, 0), (1, 1)))
            j = np.arange(k + 1)
            levels.append(((u[:, None] + k - j) * below[:, :-1] + (j + 1 - u[:, None]) * below[:, 1:]) / k)
        first = _difference(levels[self.degree - 1])
        second = _difference(_difference(levels[self.degree - 2]))
        h = self.spacing_s
        return np.stack([levels[self.degree], first / h, second / h**2], axis=1)

    def greville_ns(self) -> Int64[np.ndarray, " control"]:
        """Instants that the control points stand for."""
        middle = np.arange(self.count) - 0.5 * (self.degree - 1)
        return (self.start_ns + middle * self.spacing_ns).astype(np.int64)


def _difference(weights: Float64[np.ndarray, "n k"]) -> Float64[np.ndarray, "n k1"]:
    padded = np.pad(weights, ((0, 0), (1, 1)))
    return padded[:, :-1] - padded[:, 1:]


@dataclass(frozen=True)
class PoseSpline:
    """A motion: knots and one control pose per control point (unit quaternions of one sign)."""

    knots: Knots
    control: Float64[np.ndarray, "control 41"]

    def motion(self, t_ns: Int64[np.ndarray, " time"]) -> Motion:
        first, u = self.knots.place(t_ns)
        q, v, a, _ = self.evaluate(first, self.knots.weights(u))
        return Motion(np.asarray(t_ns, np.int64), q, v, a)

    def evaluate(
        self, first: Int64[np.ndarray, " n"], weights: Float64[np.ndarray, "n 3 order"]
    ) -> tuple[
        Float64[np.ndarray, "n 41"],
        Float64[np.ndarray, "n 40"],
        Float64[np.ndarray, "n 40"],
        Float64[np.ndarray, "n order 3 3"],
    ]:
        """Pose, velocity, acceleration, and the turn of the pose per turn of each control point, without its weight."""
        acting = self.control[first[:, None] + np.arange(self.knots.degree + 1)]
        blend = weights @ acting  # (n, 3, 41)
        u, du, ddu = (blend[:, i, 3:7] for i in range(3))
        norm2 = np.sum(u * u, axis=1, keepdims=True)
        conjugate = quaternion_conjugate(u)
        omega = 2.0 * quaternion_multiply(conjugate, du)[:, 1:] / norm2
        stretch = np.sum(u * du, axis=1, keepdims=True) / norm2
        alpha = 2.0 * quaternion_multiply(conjugate, ddu)[:, 1:] / norm2 - 2.0 * stretch * omega
        conjugates = np.broadcast_to(conjugate[:, None], (*acting.shape[:2], 4))
        relative = quaternion_multiply(conjugates, acting[:, :, 3:7]) / norm2[:, None]
        w, x, y, z = np.moveaxis(relative, -1, 0)
        rows = ((w, -z, y), (z, w, -x), (-y, x, w))
        turn = np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
        q = np.concatenate([blend[:, 0, :3], u / np.sqrt(norm2), blend[:, 0, 7:]], axis=1)
        v = np.concatenate([blend[:, 1, :3], omega, blend[:, 1, 7:]], axis=1)
        a = np.concatenate([blend[:, 2, :3], alpha, blend[:, 2, 7:]], axis=1)
        return q, v, a, turn


def one_sign(quaternions: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, "n 4"]:
    """The same orientations, each quaternion on the side of its predecessor."""
    flips = np.sum(quaternions[1:] * quaternions[:-1], axis=1) < 0
    sign = np.concatenate([[1.0], np.where(np.cumsum(flips) % 2 == 1, -1.0, 1.0)])
    return quaternions * sign[:, None]


def through(knots: Knots, t_ns: Int64[np.ndarray, " n"], q: Float64[np.ndarray, "n 41"]) -> PoseSpline:
    """A spline that follows given poses (rising instants): control poses interpolated at their own instants."""
    poses = np.concatenate([q[:, :3], one_sign(q[:, 3:7]), q[:, 7:]], axis=1)
    at = (knots.greville_ns() - t_ns[0]).astype(np.float64)
    since = (t_ns - t_ns[0]).astype(np.float64)
    control = np.stack([np.interp(at, since, column) for column in poses.T], axis=1)
    control[:, 3:7] /= np.linalg.norm(control[:, 3:7], axis=1, keepdims=True)
    return PoseSpline(knots, control)
