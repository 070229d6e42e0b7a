"""A results folder written to order: a straight walk whose every number is known, and ways to spoil it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kincast.models.body.parameters import BodyParameters
from kincast.models.camera import Camera
from kincast.models.coordinates import COORDINATES
from kincast.streaming.messages import GaitEvent, SessionHeader, Stride
from kincast.streaming.results.session import RunFacts, SessionResults
from kincast.streaming.results.writer import write_results

PERIOD_NS = 16_666_667
STRIDE_S = 1.1
STANCE = 0.6
SPEED_M_S = 1.2
MASS_KG = 70.0
FIRST_STRIKE_S = {"right": 0.5, "left": 0.5 + STRIDE_S / 2}
SITES = ("RHeel", "LHeel", "RBigToe", "LBigToe", "Nose")
MUSCLES = ("soleus_r", "soleus_l", "tibant_r", "tibant_l")


@dataclass(frozen=True)
class Walk:
    """``knee_peaks``: side -> peak swing flexion (deg) of each stride. Lengths (m) follow the same order."""

    knee_peaks: dict[str, tuple[float, ...]] = field(
        default_factory=lambda: {
            "right": (60.0, 62.0, 61.0, 63.0, 59.0, 60.5),
            "left": (40.0, 41.0, 43.0, 39.5, 42.0, 40.5),
        }
    )
    heading_rad: float = 0.0
    turn_rad_s: float = 0.0
    subject: str = "P017"
    session: str = "visit-1"
    support: str = "none"
    start_ns: int = 1_760_000_000_000_000_000
    stride_sd: float = float("nan")
    cameras: tuple[Camera, ...] = ()

    @property
    def strides(self) -> int:
        return len(self.knee_peaks["right"])

    @property
    def duration_s(self) -> float:
        return 0.5 + (self.strides + 1) * STRIDE_S

    def start_of(self, side: str, stride: int) -> float:
        return FIRST_STRIKE_S[side] + stride * STRIDE_S

    def length_m(self, side: str, stride: int) -> float:
        return (
            SPEED_M_S * STRIDE_S
            + (0.03 if side == "left" else 0.0)
            + 0.01 * ((stride * (2 if side == "right" else 3)) % 5)
        )


def results(walk: Walk) -> SessionResults:
    """The session as arrays; change entries of the arrays before writing to spoil it."""
    n = int(walk.duration_s * 1e9 / PERIOD_NS)
    t_ns = walk.start_ns + np.arange(n, dtype=np.int64) * PERIOD_NS
    t = (t_ns - walk.start_ns) * 1e-9
    coordinates = np.zeros((n, 40))
    heading = walk.heading_rad + walk.turn_rad_s * t

    def put(name: str, values: np.ndarray | float) -> None:
        coordinates[:, COORDINATES.index(name)] = values

    put("pelvis_rotation", np.rad2deg(heading))
    along = SPEED_M_S * t
    put("pelvis_tx", along * np.cos(walk.heading_rad))
    put("pelvis_tz", -along * np.sin(walk.heading_rad))
    put("pelvis_ty", 0.95)
    torques, force = np.zeros((n, 40)), np.zeros((n, 2, 3))
    activations = np.zeros((n, len(MUSCLES)))
    for foot, side in enumerate(("right", "left")):
        s = side[0]
        since = (t - FIRST_STRIKE_S[side]) / STRIDE_S
        stride = np.clip(np.floor(since).astype(int), 0, walk.strides - 1)
        phase = since - np.floor(since)
        peak = np.array(walk.knee_peaks[side])[stride]
        put(f"knee_angle_{s}", 5.0 + (peak - 5.0) * np.sin(np.pi * np.clip((phase - 0.5) / 0.5, 0, 1)) ** 2)
        put(f"hip_flexion_{s}", 5.0 + 20.0 * np.cos(2 * np.pi * phase))
        put(f"ankle_angle_{s}", 10.0 * np.sin(2 * np.pi * phase))
        torques[:, COORDINATES.index(f"ankle_angle_{s}")] = -100.0 * np.sin(
            np.pi * np.clip(phase / STANCE, 0, 1)
        )
        force[:, foot, 2] = MASS_KG * 9.80665 * np.sin(np.pi * np.clip(phase / STANCE, 0, 1))
        force[:, foot, 0] = (
            -0.1
            * MASS_KG
            * 9.80665
            * np.cos(walk.heading_rad)
            * np.cos(np.pi * phase / STANCE)
            * (phase < STANCE)
        )
        force[:, foot, 1] = (
            -0.1
            * MASS_KG
            * 9.80665
            * np.sin(walk.heading_rad)
            * np.cos(np.pi * phase / STANCE)
            * (phase < STANCE)
        )
        activations[:, foot] = 0.4 * (phase < STANCE)
    sites = np.zeros((n, len(SITES), 3))
    sites[:, :, 0] = along[:, None] + 0.1 * np.arange(len(SITES))
    sites[:, :, 2] = 0.2
    sites[:, SITES.index("Nose"), 2] = 1.6
    return SessionResults(
        t_ns=t_ns,
        coordinates=coordinates,
        coordinates_sd=np.full((n, 40), 2.0),
        coordinates_sd_within=np.full((n, 40), 1.2),
        torques=torques,
        force=force,
        cop=np.zeros((n, 2, 3)),
        free_torque=np.zeros((n, 2, 3)),
        residual=np.zeros((n, 6)),
        residual_pct_bw=np.full(n, 4.0),
        activations=activations,
        activations_sd=np.full((n, len(MUSCLES)), 0.1),
        kinematics_valid=np.ones(n, bool),
        kinetics_valid=np.ones(n, bool),
        kinetics_known=np.ones(n, bool),
        tracked=np.ones(n, bool),
        sites=sites,
        site_names=SITES,
        muscles=MUSCLES,
        events=_events(walk),
        strides=_strides(walk),
    )


def _events(walk: Walk) -> tuple[GaitEvent, ...]:
    found = []
    for side in ("right", "left"):
        for i in range(walk.strides + 1):
            at = walk.start_of(side, i)
            for event, t in (("foot_strike", at), ("foot_off", at + STANCE * STRIDE_S)):
                ns = walk.start_ns + round(t * 1e9)
                found.append(GaitEvent(side, event, ns, 0.01, ns + 50_000_000))
    return tuple(sorted(found, key=lambda e: e.t_ns))


def _strides(walk: Walk) -> tuple[Stride, ...]:
    found = []
    for side in ("right", "left"):
        for i in range(walk.strides):
            start, length = walk.start_of(side, i), walk.length_m(side, i)
            values = {
                "foot_strike_s": start,
                "foot_off_s": start + STANCE * STRIDE_S,
                "next_foot_strike_s": start + STRIDE_S,
                "stride_length_m": length,
                "step_length_m": length / 2,
                "step_width_m": 0.10 + 0.002 * i,
                "speed_m_s": length / STRIDE_S,
                "cadence_steps_min": 120.0 / STRIDE_S,
                "stance_pct": 100.0 * STANCE,
                "toe_clearance_min_m": 0.02,
                "heel_clearance_max_m": 0.2,
            }
            found.append(Stride(side, values, dict.fromkeys(values, walk.stride_sd)))
    return tuple(found)


def write(folder: Path, walk: Walk, session: SessionResults | None = None) -> Path:
    """The folder as kincast writes it."""
    body = BodyParameters(mass_kg=MASS_KG, external_support=walk.support)
    header = SessionHeader(
        walk.session, walk.subject, "HALPE_26", walk.cameras, start_ns=walk.start_ns, mass_kg=MASS_KG, height_m=1.75,
        external_support=walk.support,
    )  # fmt: skip
    write_results(
        folder,
        session if session is not None else results(walk),
        RunFacts(header, body, walk.cameras, "optimisation", f"sha of {walk.session}"),
    )
    return folder
