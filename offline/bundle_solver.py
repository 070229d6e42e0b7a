"""The least squares of bundle adjustment: cameras, points of space and the detector's error by view, all at once.

Levenberg-Marquardt with the arrow structure (Triggs et al. 2000): every point is eliminated by its own 3 x 3 block,
then every keypoint's errors by view by their own block, and the cameras' numbers remain. Student's t on the pixels
(weights as Lange, Little and Taylor 1989) and on what a camera was moved by: a rig of which one camera was
knocked keeps the others where they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.camera import Camera, camera_arrays, project_with_jacobian, to_camera_frame
from kincast.offline.bundle_views import SECTORS, Views
from kincast.offline.camera_change import CLOCK, PARAMETERS, changed

BIAS = 2 * SECTORS
LARGEST_DAMPING = 1e3
SETTLED = 1e-6


@dataclass(frozen=True)
class Prior:
    """What is assumed before looking.

    Attributes:
        sd: of every number of every camera about its calibrated value.
        free: which numbers may change at all.
        tails: degrees of freedom of a camera's change, all of its free numbers together.
        bias_sd_px: of the detector's errors by keypoint, view and axis; 0: it has none.
    """

    sd: Float64[np.ndarray, "camera 10"]
    free: Bool[np.ndarray, "10"]
    tails: float
    bias_sd_px: float

    def loss_and_weight(
        self, changes: Float64[np.ndarray, "camera 10"]
    ) -> tuple[float, Float64[np.ndarray, " camera"]]:
        """Of the cameras' changes."""
        n = int(self.free.sum())
        squared = np.sum((changes[:, self.free] / self.sd[:, self.free]) ** 2, axis=1)
        loss = 0.5 * (self.tails + n) * float(np.sum(np.log1p(squared / self.tails)))
        return loss, (self.tails + n) / (self.tails + squared)


@dataclass(frozen=True)
class Noise:
    """Information (1/px^2) of every detection, and the degrees of freedom of its error."""

    information: Float64[np.ndarray, "point camera"]
    degrees_of_freedom: float


@dataclass(frozen=True)
class Guess:
    """The unknowns. ``bias_px``: where a keypoint appears beside itself, by azimuth."""

    changes: Float64[np.ndarray, "camera 10"]
    points: Float64[np.ndarray, "point 3"]
    bias_px: Float64[np.ndarray, "keypoint sector 2"]


@dataclass(frozen=True)
class Solution:
    """The most likely guess.

    Attributes:
        error_px: detections less what is expected of them; 0 where absent.
        loss: negative logarithm of the posterior, constants left out.
        precision: of the cameras' free numbers, everything else eliminated, prior included.
        bias_variance_px2: trace of the covariance of the errors by view, cameras held.
    """

    guess: Guess
    error_px: Float64[np.ndarray, "point camera 2"]
    loss: float
    precision: Float64[np.ndarray, "number number"]
    bias_variance_px2: float


@dataclass(frozen=True)
class Slopes:
    """Errors, their weights and slopes at one guess; ``data_loss`` without priors."""

    data_loss: float
    error_px: Float64[np.ndarray, "point camera 2"]
    weight: Float64[np.ndarray, "point camera"]
    by_point: Float64[np.ndarray, "point camera 2 3"]
    by_camera: Float64[np.ndarray, "point camera 2 10"]


def bias_of(
    views: Views, bias_px: Float64[np.ndarray, "keypoint sector 2"]
) -> Float64[np.ndarray, "point camera 2"]:
    """The detector's error in every view."""
    first, second = (bias_px[views.keypoint[:, None], views.sector[..., k]] for k in (0, 1))
    return views.share[..., :1] * first + views.share[..., 1:] * second


def slopes_at(calibrated: Sequence[Camera], views: Views, noise: Noise, guess: Guess) -> Slopes:
    """Linearisation of all detections."""
    rig = camera_arrays([changed(c, change) for c, change in zip(calibrated, guess.changes, strict=True)])
    everywhere = np.broadcast_to(guess.points[None], (len(calibrated), *guess.points.shape))
    pixels, by_world = project_with_jacobian(rig, everywhere)
    in_camera = to_camera_frame(rig, everywhere)
    by_frame = by_world @ np.swapaxes(rig.rotation, 1, 2)[:, None]
    # a later picture shows a point further on: the detection belongs to an instant after its stamp
    by_camera = np.concatenate(
        [
            -by_frame @ _skew(in_camera),
            by_frame,
            (pixels - rig.centre_px[:, None])[..., None],
            np.broadcast_to(np.eye(2), (*pixels.shape, 2)),
            np.moveaxis(views.rate_px_s, 1, 0)[..., None],
        ],
        axis=-1,
    )
    expected = np.moveaxis(pixels, 0, 1) + views.rate_px_s * guess.changes[None, :, CLOCK, None]
    error = np.where(views.seen[..., None], views.pixels - expected - bias_of(views, guess.bias_px), 0.0)
    squared = np.sum(error**2, axis=-1) * noise.information
    nu, share = noise.degrees_of_freedom, views.seen * views.fresh[:, None]
    weight = share * (nu + 2.0) / (nu + squared) * noise.information
    loss = 0.5 * (nu + 2.0) * float(np.sum(share * np.log1p(squared / nu)))
    return Slopes(loss, error, weight, np.moveaxis(by_world, 0, 1), np.moveaxis(by_camera, 0, 1))


def solve(
    calibrated: Sequence[Camera],
    views: Views,
    noise: Noise,
    prior: Prior,
    guess: Guess,
    iterations: int = 30,
) -> Solution:
    """The most likely cameras, points and errors by view, from ``guess`` on."""

    def prior_loss(g: Guess) -> float:
        bias = 0.5 * float(np.sum(g.bias_px**2)) / prior.bias_sd_px**2 if prior.bias_sd_px > 0 else 0.0
        return bias + (prior.loss_and_weight(g.changes)[0] if prior.free.any() else 0.0)

    at = slopes_at(calibrated, views, noise, guess)
    loss, damping = at.data_loss + prior_loss(guess), 1e-3
    system = _System(views, prior, guess, at, damping)
    for _ in range(iterations):
        candidate = system.stepped()
        new = slopes_at(calibrated, views, noise, candidate)
        new_loss = new.data_loss + prior_loss(candidate)
        if not new_loss < loss:
            damping *= 10.0
            if damping > LARGEST_DAMPING:
                break
            system = _System(views, prior, guess, at, damping)
            continue
        gain, loss, guess, at = loss - new_loss, new_loss, candidate, new
        damping = max(0.1 * damping, 1e-9)
        system = _System(views, prior, guess, at, damping)
        if gain < SETTLED * (1.0 + abs(loss)):
            break
    return Solution(guess, at.error_px, loss, system.precision, system.bias_variance_px2)


class _System:
    """Normal equations at one guess, reduced to the cameras' free numbers."""

    def __init__(self, views: Views, prior: Prior, guess: Guess, at: Slopes, damping: float) -> None:
        self._views, self._guess = views, guess
        self._free = np.flatnonzero(prior.free)
        n_cameras, n_free = len(guess.changes), len(self._free)
        n = n_cameras * n_free
        by_camera = at.by_camera[..., self._free]
        weighted = at.weight[..., None, None] * at.by_point
        block = np.einsum("pcix,pciy->pxy", weighted, at.by_point, optimize=True)
        block += (damping * np.einsum("pxx->p", block)[:, None, None] + 1e-9) * np.eye(3)
        self._inverse = np.linalg.inv(block)
        self._pull = np.einsum("pcix,pci->px", weighted, at.error_px)
        cross = np.swapaxes(weighted, 2, 3) @ by_camera
        points = len(guess.points)
        self._cross = np.moveaxis(cross, 1, 2).reshape(points, 3, n)
        solved = self._inverse @ self._cross
        own = at.weight[..., None, None] * by_camera
        normal, right = np.zeros((n, n)), np.zeros((n_cameras, n_free))
        if n:
            stiffness = prior.loss_and_weight(guess.changes)[1][:, None] / prior.sd[:, self._free] ** 2
            for c in range(n_cameras):
                place = slice(c * n_free, (c + 1) * n_free)
                mine = own[:, c].reshape(-1, n_free)
                normal[place, place] = mine.T @ by_camera[:, c].reshape(-1, n_free) + np.diag(stiffness[c])
                right[c] = mine.T @ at.error_px[:, c].ravel() - stiffness[c] * guess.changes[c, self._free]
        normal -= self._cross.reshape(3 * points, n).T @ solved.reshape(3 * points, n)
        right = right.ravel() - np.einsum("pxa,px->a", solved, self._pull)
        self._biases: list[_KeypointBias] = []
        if prior.bias_sd_px > 0:
            for k, stretch in views.by_keypoint:
                bias = _KeypointBias(
                    views, at, by_camera, self._inverse, self._cross, self._pull, k, stretch,
                    guess.bias_px[k], prior.bias_sd_px,
                )  # fmt: skip
                normal -= bias.by_cameras.T @ bias.covariance @ bias.by_cameras
                right -= bias.by_cameras.T @ bias.covariance @ bias.right
                self._biases.append(bias)
        self.precision, self._right = normal, right
        self._damped = normal + damping * np.diag(np.diag(normal))

    @property
    def bias_variance_px2(self) -> float:
        return float(sum(np.trace(b.covariance) for b in self._biases))

    def stepped(self) -> Guess:
        """The guess after one step."""
        guess, shape = self._guess, (len(self._guess.changes), len(self._free))
        step = np.linalg.solve(self._damped, self._right) if self._right.size else self._right
        changes = guess.changes.copy()
        changes[:, self._free] += step.reshape(shape)
        pull = self._pull - self._cross @ step
        bias_px = guess.bias_px.copy()
        for bias in self._biases:
            own = bias.covariance @ (bias.right - bias.by_cameras @ step)
            bias_px[bias.keypoint] += own.reshape(SECTORS, 2)
            pull[bias.stretch] -= bias.by_points @ own
        points = guess.points + np.einsum("pxy,py->px", self._inverse, pull)
        return replace(guess, changes=changes, points=points, bias_px=bias_px)


class _KeypointBias:
    """Normal equations of one keypoint's errors by view, its points eliminated."""

    def __init__(
        self, views: Views, at: Slopes, by_camera: np.ndarray, inverse: np.ndarray, cross: np.ndarray,
        pull: np.ndarray, keypoint: int, stretch: slice, bias_px: np.ndarray, sd_px: float,
    ) -> None:  # fmt: skip
        self.keypoint, self.stretch = keypoint, stretch
        weight, sector, share = at.weight[stretch], views.sector[stretch], views.share[stretch]
        (points, cameras), free = weight.shape, by_camera.shape[-1]
        hats = np.zeros((points, cameras, SECTORS))
        for k in (0, 1):
            np.put_along_axis(hats, sector[..., k, None], share[..., k, None], axis=-1)
        weighted = weight[..., None] * hats
        # both axes of the picture share the hats: (sector, axis) in this order throughout
        flat = weighted.reshape(points * cameras, SECTORS)
        own = np.kron(flat.T @ hats.reshape(points * cameras, SECTORS), np.eye(2))
        by_cameras = np.stack(
            [
                (weighted[:, c].T @ by_camera[stretch][:, c].reshape(points, 2 * free)).reshape(BIAS, free)
                for c in range(cameras)
            ],
            axis=1,
        ).reshape(BIAS, cameras * free)
        right = (flat.T @ at.error_px[stretch].reshape(points * cameras, 2)).ravel()
        self.by_points = np.einsum("pcs,pcix->pxsi", weighted, at.by_point[stretch], optimize=True).reshape(
            points, 3, BIAS
        )
        solved = (inverse[stretch] @ self.by_points).reshape(-1, BIAS)
        precision = own - self.by_points.reshape(-1, BIAS).T @ solved + np.eye(BIAS) / sd_px**2
        self.covariance = np.linalg.inv(precision)
        self.by_cameras = by_cameras - solved.T @ cross[stretch].reshape(3 * points, cameras * free)
        self.right = right - solved.T @ pull[stretch].ravel() - bias_px.ravel() / sd_px**2


def _skew(x: Float64[np.ndarray, "*n 3"]) -> Float64[np.ndarray, "*n 3 3"]:
    out = np.zeros((*x.shape, 3))
    out[..., 0, 1], out[..., 0, 2], out[..., 1, 2] = -x[..., 2], x[..., 1], -x[..., 0]
    return out - np.swapaxes(out, -1, -2)


def free_numbers(*which: int | slice) -> Bool[np.ndarray, "10"]:
    """A mask of a camera's numbers."""
    free = np.zeros(PARAMETERS, bool)
    for one in which:
        free[one] = True
    return free
