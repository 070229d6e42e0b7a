"""Segment lengths of refitted bodies against the source models: joint centre to joint centre, per person, in percent.

    python -m tests.bench.segment_lengths [--only walks clean ...] [--keep DIR]

Every person's trials (12 s each at most) are refitted together. Printed per person: ``refit``, the body that results;
``sd``, what the body fit states of it; ``given``, a body fitted while knowing where this person's keypoints of hips, knees and ankles sit
in their segments: what detectors do not tell. What ``refit`` has beyond ``given`` is the attachments' doing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kincast.models.base_body import BaseBody, generic_base
from kincast.models.body import BodyParameters
from kincast.models.body.scaling import scale_row, segment_scale
from kincast.models.body.sites import sites_of
from kincast.models.body_fit import BodyFitConfig, fit_body
from kincast.models.observations import Observations
from tests.bench.interval_calibration import cut_recording
from tests.bench.kept_folder import kept_folder
from tests.bench.live_accuracy import main_of, median_and_worst
from tests.bench.refit_accuracy import people, sets
from tests.bench.source_model import JOINTS, MODELS, attachments_m, generic_lengths_m, source_lengths_m

LONGEST_S = 12.0
KNOWN_SD_M = 0.002
LONG = [name.startswith(("femur", "tibia")) for name in JOINTS]
PELVIS = [name == "pelvis width" for name in JOINTS]


def log_errors(body: BodyParameters, source_m: dict[str, float]) -> np.ndarray:
    """Natural logarithm of our length over the source's, in the order of ``JOINTS``; NaN where the source has none."""
    generic = generic_lengths_m()
    return np.array(
        [
            np.log(segment_scale(body.scales, segment) * generic[name] / source_m[name])
            if name in source_m
            else np.nan
            for name, (segment, _, _) in JOINTS.items()
        ]
    )


def length_sds(covariance: np.ndarray) -> np.ndarray:
    """Sd of the log lengths from the joint covariance that begins with the 8 log scales."""
    rows = np.stack([scale_row(segment) for segment, _, _ in JOINTS.values()])
    return np.sqrt(np.einsum("li,ij,lj->l", rows, covariance[:8, :8], rows))


def base_with(attachments: dict[str, np.ndarray], keypoint_set: str) -> BaseBody:
    """What is known of people, and of this one where these keypoints sit."""
    base = generic_base(keypoint_set)
    names = list(sites_of(keypoint_set))
    columns = np.concatenate([8 + 3 * names.index(n) + np.arange(3) for n in attachments])
    known = np.concatenate(list(attachments.values()))
    seen = base.covariance[np.ix_(columns, columns)] + KNOWN_SD_M**2 * np.eye(len(columns))
    gain = np.linalg.solve(seen, base.covariance[columns]).T
    covariance = base.covariance - gain @ base.covariance[columns]
    mean = base.mean + gain @ (known - base.mean[columns])
    return replace(base, mean=mean, covariance=0.5 * (covariance + covariance.T))


def judged(
    data: Path, first_case: str, body: BodyParameters, observations: Sequence[Observations]
) -> dict[str, np.ndarray]:
    """Log errors of the refitted body and of one with the attachments given; the sd stated of the body."""
    source = source_lengths_m(data / MODELS[first_case])
    base = base_with(attachments_m(data, first_case), observations[0].keypoint_set)
    given = fit_body(observations, config=BodyFitConfig(base=base))
    alone = fit_body(observations)
    return {
        "refit": log_errors(body, source),
        "sd": length_sds(alone.covariance),
        "given": log_errors(given.parameters, source),
    }


def measure(data: Path | None, only: Sequence[str] = (), keep: Path | None = None) -> dict[str, float]:
    """Of each set: median and worst over people and sides of thigh and shank, and of the width of the pelvis (%)."""
    from kincast.offline.refit import refit

    if data is None or not (data / "multiview").is_dir():
        return {}
    figures: dict[str, float] = {}
    with kept_folder(keep) as folder:
        for name, runs in sets().items():
            if only and name not in only:
                continue
            rows: list[dict[str, np.ndarray]] = []
            by_case = {r.case: r for r in runs}
            for cases in people(list(by_case)):
                paths = [cut_recording(data, folder, by_case[c], LONGEST_S) for c in cases]
                found = refit(paths, fix_cameras=True)
                seen = [t.trial.observations for t in found.trials]
                rows.append(judged(data, cases[0], found.body, seen))
                print(f"{name}: {', '.join(cases)}")
                for what, values in rows[-1].items():
                    cells = zip(JOINTS, values, strict=True)
                    text = "  ".join(f"{n} {100 * v:+.1f}" for n, v in cells if np.isfinite(v))
                    print(f"  {what:6s} {text}", flush=True)
            for what in ("refit", "given"):
                percent = 100 * np.abs([r[what] for r in rows])
                label = f"lengths {name}" + (", attachments given" if what == "given" else "")
                figures |= median_and_worst(f"{label}: thigh and shank", list(percent[:, LONG].ravel()))
                figures |= median_and_worst(f"{label}: pelvis width", list(percent[:, PELVIS].ravel()))
            surprise = np.array([(r["refit"] / r["sd"])[LONG] for r in rows])
            figures[f"lengths {name}: error over stated sd, rms"] = float(np.sqrt(np.mean(surprise**2)))
    return figures


if __name__ == "__main__":
    main_of(measure, sets(), __doc__)
