"""``kincast body``: one person's body from recordings of them, with what a clinician should know about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kincast.models.base_body import BaseBody
from kincast.models.body_fit import BodyFit, BodyFitConfig, fit_body
from kincast.models.errors import UserMistakeError
from kincast.offline.observe import observe

FEW_EFFECTIVE_INSTANTS = 2.0
UNSURE_SCALE = 0.045
FAR_POINT_M = 0.03


class DifferentPeopleError(UserMistakeError):
    """The recordings to calibrate one body from are of several people, or disagree on the person's measures."""


@dataclass(frozen=True)
class Calibration:
    """The fit and ordered remarks: each says what is uncertain and what to record to mend it."""

    fit: BodyFit
    remarks: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """A report of a few lines for the terminal."""
        parameters = self.fit.parameters
        rows = [
            f"{self.fit.median_distance_m * 1000:.1f} mm median distance to the keypoints,"
            f" {sum(len(f.t_ns) for f in self.fit.frames)} instants worth {self.fit.effective_instants:.1f} independent ones",
            f"mass {parameters.mass_kg:.1f} kg (sd {parameters.mass_sd_kg:.1f})",
        ]
        rows += [f"{n:14s} {s:6.3f}  sd {parameters.scales_sd[n]:.3f}" for n, s in parameters.scales.items()]
        return (*rows, *self.remarks)


def calibrate(paths: Sequence[Path], base: BaseBody | None = None) -> Calibration:
    """Fit one body to all recordings; a mass or height recorded in any of them counts. ``base``: what is known of people.

    Raises:
        DifferentPeopleError: subjects, masses or heights disagree.
        TooLittleSeenError, UnlikePersonError: see :func:`kincast.models.body_fit.fit_body`.
    """
    seen = [observe(path) for path in paths]
    headers = [header for header, _ in seen]
    subjects = sorted({h.subject_id for h in headers if h.subject_id})
    if len(subjects) > 1:
        raise DifferentPeopleError(
            f"the recordings are of different people ({', '.join(subjects)}); give those of one person"
        )
    fit = fit_body(
        [observations for _, observations in seen],
        mass_kg=_agreed("mass (kg)", [h.mass_kg for h in headers], tolerance=0.05),
        height_m=_agreed("height (m)", [h.height_m for h in headers], tolerance=0.02),
        external_support=next((h.external_support for h in headers if h.external_support != "none"), "none"),
        config=BodyFitConfig(base=base),
    )
    return Calibration(fit, remarks(fit))


def _agreed(what: str, values: Sequence[float | None], tolerance: float) -> float | None:
    known = [v for v in values if v is not None]
    if not known:
        return None
    if max(known) > (1 + tolerance) * min(known):
        raise DifferentPeopleError(
            f"the recordings disagree on the person's {what}: {min(known):g} and {max(known):g}"
        )
    return float(np.mean(known))


def remarks(fit: BodyFit) -> tuple[str, ...]:
    """What is uncertain about a body, most important first."""
    said = []
    if fit.effective_instants < FEW_EFFECTIVE_INSTANTS:
        said.append(
            "short or one-sided recording: anatomy decides more than the pictures; add a turn and a walk back"
        )
    unsure = [n for n, sd in fit.parameters.scales_sd.items() if sd / fit.parameters.scales[n] > UNSURE_SCALE]
    if unsure:
        said.append(f"hardly seen, left near the average adult's: {', '.join(unsure)}")
    names = list(fit.parameters.site_offsets)
    distances = np.concatenate([f.distance_m for f in fit.frames])
    medians = {
        n: float(np.nanmedian(d)) for n, d in zip(names, distances.T, strict=True) if np.isfinite(d).any()
    }
    far = [n for n, median in medians.items() if median > FAR_POINT_M]
    if far:
        limit_mm = FAR_POINT_M * 1000
        said.append(
            f"off the body by more than {limit_mm:.0f} mm: {', '.join(far)}; check names and calibration"
        )
    absent = [n for n in names if n not in medians]
    if absent:
        said.append(f"never seen by two cameras: {', '.join(absent)}")
    return tuple(said)
