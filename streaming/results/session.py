"""What a session came to, as arrays: one row per Snapshot. The live path, replay and refit all fill this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64, Int64

from kincast.models.body.parameters import BodyParameters
from kincast.models.camera import Camera
from kincast.streaming.messages import GaitEvent, SessionHeader, Stride


@dataclass(frozen=True)
class KineticsSd:
    """Standard deviations of torques (OpenSim axes) and of the feet's forces (world axes), as in :class:`SessionResults`."""

    torques: Float64[np.ndarray, "row 40"]
    force: Float64[np.ndarray, "row 2 3"]
    cop: Float64[np.ndarray, "row 2 3"]
    free_torque: Float64[np.ndarray, "row 2 3"]


@dataclass(frozen=True)
class SessionResults:
    """Time series of a session. World frame (Z up), metres, newtons; every number finite, also where invalid.

    Attributes:
        t_ns: instants of the Snapshots, rising.
        coordinates: the 40 coordinates of the files: degrees and metres, OpenSim names, signs and ground
            frame (Y up), angles continuous.
        coordinates_sd, coordinates_sd_within: total sd, and sd around the trial's own mean; same units.
        torques: generalised forces on the 40 coordinates, N m and N, OpenSim signs and ground frame.
        force, cop, free_torque: on the right [0] and the left [1] foot; N, m, N m about the cop.
        residual: pelvis residual, force and moment about the pelvis origin.
        sites: where the model puts each keypoint of ``site_names``.
        kinetics_known: rows for which the kinetics stream said anything at all.
        kinetics_sd: of torques and forces; None where nothing states them.
        lag_ms: stream -> how far the rows lagged behind the snapshot that brought them (median, largest).
    """

    t_ns: Int64[np.ndarray, " row"]
    coordinates: Float64[np.ndarray, "row 40"]
    coordinates_sd: Float64[np.ndarray, "row 40"]
    coordinates_sd_within: Float64[np.ndarray, "row 40"]
    torques: Float64[np.ndarray, "row 40"]
    force: Float64[np.ndarray, "row 2 3"]
    cop: Float64[np.ndarray, "row 2 3"]
    free_torque: Float64[np.ndarray, "row 2 3"]
    residual: Float64[np.ndarray, "row 6"]
    residual_pct_bw: Float64[np.ndarray, " row"]
    activations: Float64[np.ndarray, "row muscle"]
    activations_sd: Float64[np.ndarray, "row muscle"]
    kinematics_valid: Bool[np.ndarray, " row"]
    kinetics_valid: Bool[np.ndarray, " row"]
    kinetics_known: Bool[np.ndarray, " row"]
    tracked: Bool[np.ndarray, " row"]
    sites: Float64[np.ndarray, "row keypoint 3"]
    site_names: tuple[str, ...]
    muscles: tuple[str, ...]
    events: tuple[GaitEvent, ...] = ()
    strides: tuple[Stride, ...] = ()
    lag_ms: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    kinetics_sd: KineticsSd | None = None


@dataclass(frozen=True)
class RunFacts:
    """What summary.json says beside the numbers.

    ``header`` with ``start_ns`` known; ``cameras`` are those the results refer to (refit: refined, then
    ``cameras_adjusted``); ``stages_ms`` per stage p50, p99, max; ``input_sha256`` over the recording's bytes;
    ``lost_*``: what the recording itself lacks (torn file), without what its messages tell; ``findings``: what
    the engine would have the user know, one sentence each.
    """

    header: SessionHeader
    body: BodyParameters
    cameras: tuple[Camera, ...]
    kinetics: str
    input_sha256: str
    cameras_adjusted: bool = False
    policy_sha256: str | None = None
    lost_messages: int = 0
    lost_seconds: float = 0.0
    findings: Sequence[str] = ()
    stages_ms: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    config: Mapping[str, object] = field(default_factory=dict)
