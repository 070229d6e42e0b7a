"""What the newest fitted pose says about every camera."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from kincast.models.fit_result import CameraStatistics
from kincast.models.masked_median import masked_median
from kincast.models.residuals import ViewReport
from kincast.streaming.camera_trust import CameraTrust
from kincast.streaming.instant import Instant
from kincast.streaming.snapshot import Snapshot


def camera_statistics(
    snapshot: Snapshot,
    chosen: Int[np.ndarray, " camera"],
    trust: CameraTrust,
    too_far: Bool[np.ndarray, " camera"],
    fitted: tuple[Instant, ViewReport] | None,
    sites: int,
    sigma_px: float,
) -> CameraStatistics:
    """``fitted``: the snapshot's own instant and the solver's report on it; None where it was not fitted."""
    c, k = len(snapshot.present), sites
    error = np.full((c, k), np.nan, np.float32)
    confidence = np.zeros((c, k), np.float32)
    exchanged = np.zeros(c, bool)
    median = np.full(c, np.nan, np.float32)
    inlier = np.zeros(c, np.float32)
    if fitted is not None:
        instant, report = fitted
        confidence, exchanged = instant.confidence, report.exchanged
        used = confidence > 0
        error = np.where(used, report.error_px, np.float32(np.nan))
        median = masked_median(report.error_px, used)
        near = (used & (report.error_px < 4 * sigma_px)).sum(axis=1)
        inlier = (near / np.maximum(used.sum(axis=1), 1)).astype(np.float32)
    return CameraStatistics(
        present=np.asarray(snapshot.present),
        person_index=chosen.astype(np.int64),
        median_px=median,
        inlier_share=inlier,
        swapped=exchanged,
        weight=trust.weight.astype(np.float32),
        knocked=trust.knocked | too_far,
        error_px=error,
        confidence=confidence.copy(),
    )
