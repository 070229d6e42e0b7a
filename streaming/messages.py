"""Every message on the wire and in a recording: one message, one frozen dataclass, one schema version.

Times are int64 nanoseconds on the rig's clock. Arrays are little-endian NumPy arrays. What a live run
cannot repeat (deadlines, drops, acknowledgements, a swapped body, an operator's word) is itself an input
message with a receive stamp, so that a replay feeds the engine the very same sequence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32, Float64

from kincast.models.camera import Camera

SCHEMA_VERSION = 1


# ---------------------------------------------------------------- inputs of the engine


@dataclass(frozen=True)
class SessionHeader:
    """First message of a session: who, where, with what. ``start_ns`` is the earliest picture (time 0 of the results), 0 while unknown (live)."""

    session_id: str
    subject_id: str
    keypoint_set: str
    cameras: tuple[Camera, ...]
    start_ns: int = 0
    mass_kg: float | None = None
    height_m: float | None = None
    belt_speed_m_s: float | None = None
    external_support: str = "none"
    source: str = ""
    marker_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeypointFrame:
    """2D keypoints of one picture of one camera, distorted pixels; an absent keypoint has confidence 0."""

    camera: str
    seq: int
    t_ns: int
    sent_ns: int
    keypoint_set: str
    people: Float32[np.ndarray, "people keypoint 3"]
    dropped: int = 0


@dataclass(frozen=True)
class MarkerFrame:
    """3D markers of one instant, world (Z up), metres; an absent marker has confidence 0 in the last column."""

    seq: int
    t_ns: int
    sent_ns: int
    markers: Float32[np.ndarray, "marker 4"]


@dataclass(frozen=True)
class Deadline:
    """The snapshot that was open at ``t_ns`` was closed by its deadline, with the cameras that were in."""

    t_ns: int
    snapshot_seq: int


@dataclass(frozen=True)
class Dropped:
    """The engine was behind and discarded whole messages of a camera; counted, shown, recorded."""

    t_ns: int
    camera: str
    count: int


@dataclass(frozen=True)
class RecordedThrough:
    """The recorder's chunk up to ``through_ns`` (receive stamps) is on disk (fsync)."""

    t_ns: int
    through_ns: int


@dataclass(frozen=True)
class BodySwap:
    """A body (``body.json`` as text) that was estimated or loaded aside takes effect with the next snapshot."""

    t_ns: int
    body_json: str


@dataclass(frozen=True)
class ClockOffset:
    """Raw result of one round trip with a node (kept, never applied to stamps)."""

    t_ns: int
    camera: str
    offset_ns: int
    round_trip_ns: int


@dataclass(frozen=True)
class EndOfStream:
    """The recording ends here: flush what lags."""

    t_ns: int


# ---------------------------------------------------------------- outputs of the engine


@dataclass(frozen=True)
class CameraHealth:
    """What the fit says about one camera at this snapshot."""

    name: str
    present: bool
    median_px: float
    inlier_share: float
    frames: int
    missed: int
    dropped: int
    flag: str = ""


@dataclass(frozen=True)
class GaitEvent:
    """``emitted_ns`` is the snapshot instant at which the live path said it."""

    side: str
    event: str
    t_ns: int
    sd_s: float
    emitted_ns: int


@dataclass(frozen=True)
class Stride:
    """One stride of one side, from foot strike to the next; names and units as gait.csv, each with its sd."""

    side: str
    values: Mapping[str, float]
    sd: Mapping[str, float]


@dataclass(frozen=True)
class Kinematics:
    """Fitted pose at ``t_ns``. ``angles`` are the 40 coordinates in files' units (degrees, metres), pelvis in the clinical sequence; OpenSim's are computed from ``qpos``."""

    t_ns: int
    qpos: Float64[np.ndarray, "41"]
    angles: Float32[np.ndarray, "40"]
    angles_sd: Float32[np.ndarray, "40"]
    angles_sd_within: Float32[np.ndarray, "40"]
    valid: bool
    tracked: bool
    at_limit: Bool[np.ndarray, "40"]
    sites: Float32[np.ndarray, "keypoint 3"]


@dataclass(frozen=True)
class FootForce:
    """Force on the foot, world frame; an unloaded foot (< 20 N) is all zero with its last centre of pressure held."""

    force: Float32[np.ndarray, "3"]
    cop: Float32[np.ndarray, "3"]
    free_torque: Float32[np.ndarray, "3"]


@dataclass(frozen=True)
class Kinetics:
    """Kinetics at ``t_ns`` (behind the kinematics by the honest delay of the derivative filter, at most 50 ms)."""

    t_ns: int
    torques: Float32[np.ndarray, "40"]
    torques_sd: Float32[np.ndarray, "40"]
    right: FootForce
    left: FootForce
    force_sd: Float32[np.ndarray, "2 3"]
    residual: Float32[np.ndarray, "6"]
    residual_pct_bw: float
    activations: Float32[np.ndarray, "muscle"]
    activations_sd: Float32[np.ndarray, "muscle"]
    valid: bool
    reason: str = ""


@dataclass(frozen=True)
class LiveFrame:
    """All the engine says about one snapshot.

    ``now`` is the pose at the snapshot's own instant, for drawing (world body poses of the 'torque' and
    'muscle' skeletons alike); ``kinematics`` and ``kinetics`` are the settled streams that the results
    folder holds, each stamped with the instant it describes; None until the first is due. At the end of a
    stream the engine emits frames with ``now_qpos`` repeated and ``flush`` true for what still lags.
    """

    seq: int
    t_ns: int
    now_qpos: Float32[np.ndarray, "41"]
    body_xpos: Float32[np.ndarray, "body 3"]
    body_xquat: Float32[np.ndarray, "body 4"]
    kinematics: Kinematics | None
    kinetics: Kinetics | None
    events: tuple[GaitEvent, ...]
    strides: tuple[Stride, ...]
    no_event_reason: str
    cameras: tuple[CameraHealth, ...]
    status: str
    recorded_through_ns: int
    body_sha256: str
    flush: bool = False


@dataclass(frozen=True)
class EngineHealth:
    """Measured inside the engine, never part of a LiveFrame (a replay may be faster): per stage p50/p99/max, ms."""

    t_ns: int
    ready: bool
    stages_ms: Mapping[str, tuple[float, float, float]]
    dropped: int
    late: int
    clock_offsets_ns: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[str, ...] = ()


Message = (
    SessionHeader
    | KeypointFrame
    | MarkerFrame
    | Deadline
    | Dropped
    | RecordedThrough
    | BodySwap
    | ClockOffset
    | EndOfStream
    | LiveFrame
    | EngineHealth
)
