"""2D keypoints as a detector would report them: biased by view, correlated in time, sometimes lost, sometimes wrong.

The error model follows what is known of current detectors on people walking: a bias per keypoint that depends on the
view direction, AR(1) noise with heavy tails, larger on the far side, gross outliers, dropouts in bursts, left and
right leg exchanged for some frames in side views, and a confidence that knows the noise but not the bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from kincast.models.camera import Camera, camera_arrays, project, to_camera_frame

VIEW_BINS = 8


@dataclass(frozen=True)
class DetectorErrors:
    """Pixels unless said otherwise; noise per keypoint comes from its name."""

    bias_px: float = 2.0
    head_px: float = 2.0
    limb_px: float = 2.5
    hip_foot_px: float = 3.0
    far_side: float = 1.5
    correlation_s: float = 0.075
    outlier_share: float = 0.004
    outlier_px: float = 25.0
    dropout_share: float = 0.03
    dropout_s: float = 0.07
    absent_of_dropouts: float = 0.35
    swap_share: float = 0.005
    swap_frames: tuple[int, int] = (2, 5)


_HEAD = ("Nose", "LEye", "REye", "LEar", "REar", "Head", "Neck")
_HIP_FOOT = ("Hip", "Toe", "Heel")


def noise_px(names: tuple[str, ...], errors: DetectorErrors) -> Float64[np.ndarray, " keypoint"]:
    """Standard deviation of the detector's noise per keypoint."""
    return np.array(
        [
            errors.head_px
            if name in _HEAD
            else errors.hip_foot_px
            if any(part in name for part in _HIP_FOOT)
            else errors.limb_px
            for name in names
        ]
    )


def detect(
    points: Float64[np.ndarray, "frame keypoint 3"],
    forward: Float64[np.ndarray, "frame 2"],
    t_s: Float64[np.ndarray, " frame"],
    camera: Camera,
    names: tuple[str, ...],
    bias_px: Float64[np.ndarray, "bin keypoint 2"],
    errors: DetectorErrors,
    rng: np.random.Generator,
) -> Float32[np.ndarray, "frame keypoint 3"]:
    """Pixels and confidence of one camera's pictures; absent keypoints are 0, 0, 0.

    ``points`` and ``forward`` (the way the person faces) are the truth at this camera's own instants ``t_s``.
    """
    values = camera_arrays([camera])
    frames, keypoints = points.shape[:2]
    flat = points.reshape(1, -1, 3)
    pixels = project(values, flat)[0].reshape(frames, keypoints, 2)
    depth = to_camera_frame(values, flat)[0, :, 2].reshape(frames, keypoints)
    centre = (-values.translation[0] @ values.rotation[0])[:2]
    view = centre - points[:, :, :2].mean(axis=1)
    azimuth = np.arctan2(view[:, 1], view[:, 0]) - np.arctan2(forward[:, 1], forward[:, 0])
    biased = pixels + _bias(azimuth, bias_px)
    scale = noise_px(names, errors) * np.where(_far(azimuth, names), errors.far_side, 1.0)
    noise = _correlated(frames, keypoints, t_s, errors.correlation_s, rng) * scale[:, :, None]
    seen = biased + noise
    confidence = 0.95 - 0.05 * np.linalg.norm(noise, axis=2) / scale
    confidence -= 0.10 * _far(azimuth, names) + rng.normal(0, 0.035, (frames, keypoints))
    wild = rng.random((frames, keypoints)) < errors.outlier_share
    seen += wild[..., None] * rng.laplace(0, errors.outlier_px, seen.shape)
    confidence -= 0.3 * wild
    _drop(seen, confidence, t_s, errors, rng)
    _swap_legs(seen, confidence, azimuth, names, errors, rng)
    width, height = camera.size_px
    outside = (seen[..., 0] < 0) | (seen[..., 0] >= width) | (seen[..., 1] < 0) | (seen[..., 1] >= height)
    confidence = np.clip(confidence, 0.02, 0.99)
    lost = outside | (depth < 0.3) | np.isnan(seen[..., 0])
    out = np.concatenate([seen, confidence[..., None]], axis=2).astype(np.float32)
    out[lost] = 0.0
    # a detector writes tenths of a pixel and hundredths of confidence
    return np.round(out, 2).astype(np.float32)


def _bias(azimuth: np.ndarray, bias_px: np.ndarray) -> Float64[np.ndarray, "frame keypoint 2"]:
    """Linear between the bins of the view direction."""
    position = np.mod(azimuth / (2 * np.pi), 1.0) * VIEW_BINS
    low = np.floor(position).astype(int) % VIEW_BINS
    w = (position - np.floor(position))[:, None, None]
    return (1 - w) * bias_px[low] + w * bias_px[(low + 1) % VIEW_BINS]


def _far(azimuth: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Limbs on the side away from the camera: seen from the left, the right ones, and the other way round."""
    from_left = np.sin(azimuth)[:, None]
    limb = np.array(
        [
            1.0 if n[0] == "R" and n not in _HEAD else -1.0 if n[0] == "L" and n not in _HEAD else 0.0
            for n in names
        ]
    )
    return limb * from_left > 0.35


def _correlated(
    frames: int, keypoints: int, t_s: np.ndarray, time_s: float, rng: np.random.Generator
) -> Float64[np.ndarray, "frame keypoint 2"]:
    """Unit AR(1) noise on irregular times, Student-t innovations with 4 degrees of freedom."""
    innovations = rng.standard_t(4, (frames, keypoints, 2)) / np.sqrt(2.0)
    out = innovations.copy()
    for k in range(1, frames):
        keep = np.exp(-(t_s[k] - t_s[k - 1]) / time_s)
        out[k] = keep * out[k - 1] + np.sqrt(1 - keep**2) * innovations[k]
    return out


def _drop(
    seen: np.ndarray,
    confidence: np.ndarray,
    t_s: np.ndarray,
    errors: DetectorErrors,
    rng: np.random.Generator,
) -> None:
    """Bursts in which a keypoint is absent (NaN) or far off with little confidence; in place."""
    frames, keypoints = confidence.shape
    length = max(1, round(errors.dropout_s / float(np.median(np.diff(t_s)))))
    begins = rng.random((frames, keypoints)) < errors.dropout_share / length
    for frame, keypoint in np.argwhere(begins):
        burst = slice(frame, frame + 1 + int(rng.integers(0, 2 * length)))
        n = len(confidence[burst, keypoint])
        if rng.random() < errors.absent_of_dropouts:
            seen[burst, keypoint] = np.nan
        else:
            seen[burst, keypoint] += rng.normal(0, 30.0, (n, 2))
            confidence[burst, keypoint] = rng.uniform(0.05, 0.29, n)


def _swap_legs(
    seen: np.ndarray,
    confidence: np.ndarray,
    azimuth: np.ndarray,
    names: tuple[str, ...],
    errors: DetectorErrors,
    rng: np.random.Generator,
) -> None:
    """Bursts of exchanged legs where the person is seen from the side; in place."""
    legs = ("Knee", "Ankle", "BigToe", "SmallToe", "Heel")
    left = [names.index(f"L{p}") for p in legs if f"L{p}" in names]
    right = [names.index(f"R{p}") for p in legs if f"R{p}" in names]
    mean = 0.5 * sum(errors.swap_frames)
    sideways = np.abs(np.sin(azimuth)) > 0.7
    begins = rng.random(len(azimuth)) < errors.swap_share / mean / max(float(sideways.mean()), 0.1)
    for frame in np.nonzero(begins & sideways)[0]:
        for k in range(
            frame, min(frame + int(rng.integers(*errors.swap_frames, endpoint=True)), len(azimuth))
        ):
            seen[k, left + right] = seen[k, right + left]
            confidence[k, left + right] = confidence[k, right + left]
