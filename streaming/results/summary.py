"""summary.json: what was processed, how well it went, and with what."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

from kincast.streaming.messages import SCHEMA_VERSION
from kincast.streaming.results.lost import LossAccount
from kincast.streaming.results.reprojection import GC_LEVELS_PX, ReprojectionErrors, quantile, share_within
from kincast.streaming.results.session import RunFacts, SessionResults

_PACKAGES = ("kincast", "mujoco", "jax", "numpy")


def summarise(
    results: SessionResults, facts: RunFacts, reprojection: ReprojectionErrors, account: LossAccount
) -> dict[str, Any]:
    """The document. Shares, medians and means are null where there is nothing to take them of."""
    header = facts.header
    everything = reprojection.all_px
    lost_starts = np.diff(results.tracked.astype(np.int8)) == -1
    with_kinetics = results.kinetics_known & results.tracked
    rows = len(results.t_ns)
    return {
        "versions": _versions(),
        "schema": SCHEMA_VERSION,
        "session_id": header.session_id,
        "subject_id": header.subject_id,
        "source": header.source,
        "input_sha256": facts.input_sha256,
        "body_sha256": facts.body.sha256,
        "keypoint_set": header.keypoint_set,
        "start_ns": header.start_ns,
        "duration_s": _rounded((results.t_ns[-1] - results.t_ns[0]) * 1e-9 if rows else 0.0),
        "mass_kg": facts.body.mass_kg,
        "height_m": header.height_m,
        "belt_speed_m_s": header.belt_speed_m_s,
        "external_support": header.external_support,
        "frames": {
            "snapshots": rows,
            "tracked": int(results.tracked.sum()),
            "kinematics_valid": int(results.kinematics_valid.sum()),
            "kinetics_valid": int(results.kinetics_valid.sum()),
        },
        "lost": {
            "messages": facts.lost_messages + account.messages,
            "seconds": _rounded(facts.lost_seconds + account.seconds),
        },
        "lost_count": int(lost_starts.sum()),
        "findings": list(facts.findings),
        "kinetics": facts.kinetics,
        "policy_sha256": facts.policy_sha256,
        "residual_pct_bw_mean": _rounded(results.residual_pct_bw[with_kinetics].mean())
        if with_kinetics.any()
        else None,
        "events": len(results.events),
        "strides": len(results.strides),
        "lag_ms": {name: _rounded(median) for name, (median, _) in results.lag_ms.items()},
        "lag_ms_max": {name: _rounded(largest) for name, (_, largest) in results.lag_ms.items()},
        "latency_ms": {
            name: {"p50": _rounded(p50), "p99": _rounded(p99), "max": _rounded(largest)}
            for name, (p50, p99, largest) in facts.stages_ms.items()
        },
        "detections": len(everything),
        "gc": {str(level): _rounded(share_within(everything, level)) for level in GC_LEVELS_PX},
        "reprojection_px": {
            "median": _rounded(quantile(everything, 0.5)),
            "p95": _rounded(quantile(everything, 0.95)),
        },
        "markers_mm": None
        if not len(reprojection.markers_m)
        else {
            "median": _rounded(quantile(reprojection.markers_m * 1e3, 0.5)),
            "p95": _rounded(quantile(reprojection.markers_m * 1e3, 0.95)),
        },
        "cameras": {
            name: {"gc5": _rounded(share_within(px, 5)), "median_px": _rounded(quantile(px, 0.5))}
            for name, px in reprojection.by_camera.items()
        },
        "config": dict(facts.config),
    }


def _rounded(value: float | int | None) -> float | None:
    return None if value is None else round(float(value), 6)


def _versions() -> Mapping[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
