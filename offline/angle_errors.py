"""Joint angles against the optical ones, and whether the stated standard deviations are true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.stats import norm

from kincast.models.coordinates import JOINT_COORDINATES
from kincast.offline.compare_difference import difference as compare_series
from kincast.offline.truth import Truth
from kincast.streaming.results.storage import Storage

MAIN = tuple(f"{j}_{s}" for j in ("hip_flexion", "hip_adduction", "knee_angle", "ankle_angle") for s in "rl")
"""The coordinates of the headline figure; the others depend on the source model's conventions too much."""
COVERAGES = np.arange(0.05, 0.96, 0.05)


@dataclass(frozen=True)
class AngleError:
    """Degrees, over the rows of the overlap: RMSE as it is and after removing the mean difference (so also the sd).

    ``mean_deg``: ours minus truth; ``largest_deg``: greatest absolute difference; ``correlation``: Pearson's r.
    """

    raw_deg: float
    mean_removed_deg: float
    mean_deg: float
    largest_deg: float
    correlation: float | None = None


@dataclass(frozen=True)
class AngleErrors:
    """``median_*`` are over the main coordinates (hip flexion and adduction, knee, ankle, both sides).

    ``ece_within``: mean over nominal central coverages 5, 10, ... 95 % of the difference between the share of
    mean-removed errors inside the interval of ``<coord>_within`` and the nominal one, main coordinates pooled;
    ``ece_total``: raw errors and total sd. None where the results hold no standard deviations.
    """

    rows: int
    median_mean_removed_deg: float
    median_raw_deg: float
    by_coordinate: Mapping[str, AngleError]
    ece_within: float | None
    ece_total: float | None
    coverage_within: Mapping[str, float]
    median_sd_within_deg: float | None


def angle_errors(
    ours: Storage, sd: Storage | None, clock_s: Float64[np.ndarray, " row"], truth: Truth
) -> AngleErrors | None:
    """Compare all joint coordinates both sides know. ``clock_s``: our rows' times on the truth's clock.

    Raises nothing; None if no main coordinate or fewer than three rows overlap.
    """
    inside = (clock_s >= truth.motion.time_s[0]) & (clock_s <= truth.motion.time_s[-1])
    names = [n for n in JOINT_COORDINATES if n in ours.columns and n in truth.motion.columns]
    main = [n for n in MAIN if n in names]
    if inside.sum() < 3 or not main:
        return None
    expected = truth.motion.at(clock_s[inside], names)
    expected *= [truth.knee_sign if n.startswith("knee_angle") else 1 for n in names]
    got = ours.values[inside][:, [ours.columns.index(n) for n in names]]
    difference = (got - expected + 180.0) % 360.0 - 180.0
    by_coordinate = {n: _error(expected[:, i], difference[:, i]) for i, n in enumerate(names)}
    columns = [names.index(n) for n in main]
    raw = difference[:, columns]
    centred = raw - raw.mean(axis=0)
    within = total = None
    if (
        sd is not None
        and all(f"{n}_within" in sd.columns and n in sd.columns for n in main)
        and len(sd.time_s) == len(inside)
    ):
        within = sd.values[inside][:, [sd.columns.index(f"{n}_within") for n in main]]
        total = sd.values[inside][:, [sd.columns.index(n) for n in main]]
    return AngleErrors(
        rows=int(inside.sum()),
        median_mean_removed_deg=float(np.median([by_coordinate[n].mean_removed_deg for n in main])),
        median_raw_deg=float(np.median([by_coordinate[n].raw_deg for n in main])),
        by_coordinate=by_coordinate,
        ece_within=None if within is None else calibration_error(centred, within),
        ece_total=None if total is None else calibration_error(raw, total),
        coverage_within={}
        if within is None
        else {f"{c:.2f}": v for c, v in zip(COVERAGES, coverage(centred, within), strict=True)},
        median_sd_within_deg=None if within is None else float(np.median(within)),
    )


def _error(expected: Float64[np.ndarray, " row"], error: Float64[np.ndarray, " row"]) -> AngleError:
    found = compare_series(expected + error, expected)
    if found is None:
        return AngleError(float("nan"), float("nan"), float("nan"), float("nan"))
    return AngleError(found.rmse, found.sd, found.mean, found.largest, found.correlation)


def coverage(errors: Float64[np.ndarray, "..."], sd: Float64[np.ndarray, "..."]) -> list[float]:
    """Share of errors inside the central normal interval of each nominal coverage."""
    z = np.abs(errors) / np.maximum(sd, 1e-9)
    return [float((z <= norm.ppf(0.5 + c / 2)).mean()) for c in COVERAGES]


def calibration_error(errors: Float64[np.ndarray, "..."], sd: Float64[np.ndarray, "..."]) -> float:
    """Mean difference between stated and found coverage (expected calibration error)."""
    return float(np.mean(np.abs(np.array(coverage(errors, sd)) - COVERAGES)))
