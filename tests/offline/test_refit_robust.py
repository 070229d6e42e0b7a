"""The refit end to end on a generated walk with what goes wrong in recordings; the true motion is known."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from kincast.models.body import BodyParameters
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.observations import Observations
from kincast.offline.refit import Refit, refit
from kincast.offline.refit_config import RefitConfig
from tests.models.rig import ring_of_cameras
from tests.offline.disturbed import (
    with_camera_off,
    with_gap,
    with_legs_exchanged,
    with_someone_else,
    written,
)
from tests.streaming.stepping_walker import START_NS, pixels_of_walker, walker

CAMERAS, FRAMES, FPS = 5, 75, 30.0
LEGS = [7 + JOINT_COORDINATES.index(f"{n}_{s}") for n in ("hip_flexion", "knee_angle") for s in "rl"]
"""Of what the walker moves."""


@lru_cache(maxsize=4)
def _seen(shift_m: float = 0.0, seed: int = 0) -> Observations:
    """The walker in pixels with 3 px of noise; ``shift_m``: somebody walking beside."""
    pixels, t_ns = pixels_of_walker(CAMERAS, shift_m=shift_m, fps=FPS, frames=FRAMES)
    random = np.random.default_rng(seed)
    keypoints = np.full((*pixels.shape[:3], 3), 0.9, np.float32)
    keypoints[..., :2] = pixels + 3.0 * random.normal(size=pixels.shape)
    return Observations("HALPE_26", ring_of_cameras(CAMERAS), np.asarray(t_ns, np.int64), keypoints)


def _refitted(folder: Path, observations: Observations, beside: Observations | None = None) -> Refit:
    """With the body given, so that seconds suffice."""
    path = written(folder / "walk.mcap", observations, beside)
    return refit([path], body=BodyParameters(), config=RefitConfig(rounds=2))


def _errors_deg(found: Refit, rows: np.ndarray | None = None) -> np.ndarray:
    """(row, angle) against the truth."""
    trial = found.trials[0]
    t_ns = trial.trial.live.t_ns if rows is None else trial.trial.live.t_ns[rows]
    truth = walker((t_ns - START_NS) * 1e-9)
    return np.degrees(trial.fit.trajectory.motion(t_ns).q[:, LEGS] - truth[:, LEGS])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> float:
    """RMS error (deg) with nothing wrong."""
    found = _refitted(tmp_path_factory.mktemp("fine"), _seen())
    assert found.trials[0].tracked.all()
    rms = float(np.sqrt(np.mean(_errors_deg(found) ** 2)))
    assert rms < 2.0
    return rms


def _rms(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def test_legs_exchanged_in_one_camera_for_long(tmp_path: Path, undisturbed: float) -> None:
    found = _refitted(tmp_path, with_legs_exchanged(_seen(), 1, slice(15, 45)))
    assert _rms(_errors_deg(found)) < undisturbed + 0.15
    trial = found.trials[0]
    seen_as_exchanged = trial.fit.errors.exchanged & (trial.problem.pictures.camera == 1)
    assert seen_as_exchanged.sum() >= 20


def test_a_camera_that_is_off_throughout(tmp_path: Path, undisturbed: float) -> None:
    found = _refitted(tmp_path, with_camera_off(_seen(), 2, (45.0, -25.0)))
    assert _rms(_errors_deg(found)) < undisturbed + 0.3


@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_a_gap_is_bridged_and_said(tmp_path: Path, undisturbed: float, seconds: float) -> None:
    first = 30
    rows = np.arange(first, first + int(seconds * FPS))
    found = _refitted(tmp_path, with_gap(_seen(), rows))
    trial = found.trials[0]
    t_s = (trial.trial.live.t_ns - START_NS) * 1e-9
    begin, end = (first - 1) / FPS, (first + len(rows)) / FPS
    inside = (t_s > begin + 0.2) & (t_s < end - 0.2)
    outside = (t_s < begin - 0.1) | (t_s > end + 0.1)
    assert not trial.tracked[inside].any(), "nobody saw the person"
    assert trial.tracked[outside].all()
    assert _rms(_errors_deg(found, np.flatnonzero(outside))) < undisturbed + 0.3
    dense = np.arange(START_NS + int(begin * 1e9), START_NS + int(end * 1e9), 20_000_000)
    motion = trial.fit.trajectory.motion(dense)
    truth = walker((dense - START_NS) * 1e-9)
    assert np.abs(motion.q[:, :3] - truth[:, :3]).max() < 0.15
    assert np.degrees(np.abs(motion.q[:, LEGS])).max() < 100.0
    sd = np.sqrt(np.einsum("tii->ti", trial.fit.covariance(dense).pose))[:, np.array(LEGS) - 1]
    seen_sd = np.sqrt(np.einsum("tii->ti", trial.fit.covariance(trial.trial.live.t_ns[:10]).pose))
    assert sd[len(sd) // 2].min() > 3.0 * np.median(seen_sd[:, np.array(LEGS) - 1])


def test_somebody_else_reported_instead_by_two_cameras(tmp_path: Path, undisturbed: float) -> None:
    other = _seen(shift_m=0.9, seed=1)
    found = _refitted(tmp_path, with_someone_else(_seen(), other, (0, 3), slice(25, 50)))
    assert _rms(_errors_deg(found)) < undisturbed + 0.3


def test_somebody_else_walks_beside(tmp_path: Path, undisturbed: float) -> None:
    """Both are reported by every camera, the other one first; fewer cameras see the other."""
    other = _seen(shift_m=0.9, seed=1)
    fewer = other.keypoints.copy()
    fewer[:, 3:] = 0.0
    found = _refitted(tmp_path, _seen(), beside=replace(other, keypoints=fewer))
    assert found.trials[0].tracked.mean() > 0.95
    assert _rms(_errors_deg(found)) < undisturbed + 0.1
