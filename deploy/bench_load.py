"""The load of ``kincast bench live``: a generated person walking laps in front of N cameras."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from kincast.deploy.demo.motion import WalkPlan
from kincast.deploy.demo.session import RIG_START_NS, DemoConfig, generate_session, write_session
from kincast.deploy.demo.steps import Path as WalkPath
from kincast.models.body import BodyParameters
from kincast.models.errors import UserMistakeError
from kincast.streaming.messages import SessionHeader

SETS = {25: "BODY_25", 26: "HALPE_26", 87: "MOVI_87", 133: "COCO_133"}
LAPS_PER_S = 0.08
"""More than anybody walks, so that the walk lasts as long as asked."""


class BenchLoadError(UserMistakeError):
    """A load that cannot be made."""


@dataclass(frozen=True)
class Load:
    """A recording to play, its header, the person's body, and the motion that is in it (qpos at instants)."""

    recording: Path
    header: SessionHeader
    body: BodyParameters
    t_ns: Int64[np.ndarray, " t"]
    qpos: Float64[np.ndarray, "t 41"]


def make_load(
    folder: Path, cameras: int, points: int, fps: float, seconds: float, free_running: bool
) -> Load:
    """Generate it; a minute of eight cameras takes about a minute.

    Raises:
        BenchLoadError: no keypoint set of that size, or numbers nobody can mean.
    """
    if points not in SETS:
        known = ", ".join(f"{count} ({name})" for count, name in SETS.items())
        raise BenchLoadError(f"--points {points}: no such keypoint set; choose from {known}")
    if not (2 <= cameras <= 16 and 10 <= fps <= 200 and 2 <= seconds <= 3600):
        raise BenchLoadError("choose 2 to 16 --cameras, 10 to 200 --fps and 2 to 3600 --seconds")
    plan = WalkPlan(path=WalkPath(laps=int(np.ceil(seconds * LAPS_PER_S)) + 1), duration_s=seconds + 0.1)
    session = generate_session(
        DemoConfig(
            keypoint_set=SETS[points],
            cameras=cameras,
            synchronous=not free_running,
            frame_rate_hz=fps,
            delay_s=0.004,
            delay_jitter_s=0.002,
            plan=plan,
        )
    )
    recording = folder / "load.mcap"
    write_session(session, recording, overwrite=True)
    header = session.messages[0][0]
    assert isinstance(header, SessionHeader)
    t_ns = RIG_START_NS + np.round(session.walk.t_s * 1e9).astype(np.int64)
    return Load(recording, header, session.body.parameters, t_ns, session.walk.q)
