"""Kinetics and gait of a refitted motion: the live optimiser and detector, run without delay on known derivatives.

Two passes: the first learns how the soles stand on the floor, whether a belt runs and what only hindsight tells
(:mod:`kincast.models.hindsight`), the second uses it from the first row on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.body import Body
from kincast.models.differentiation import MotionState
from kincast.models.fit_result import CameraStatistics, FitCode, FitResult, SettledPose, WindowState
from kincast.models.hindsight import FeetDiary
from kincast.models.observations import Observations
from kincast.offline.trajectory.motion import Motion, MotionCovariance
from kincast.streaming.gait import GaitStream
from kincast.streaming.kinetics import KineticsStream
from kincast.streaming.kinetics_config import KineticsConfig
from kincast.streaming.messages import GaitEvent, Kinetics, SessionHeader, Stride

LOOK_AHEAD = 6
"""Rows after an event that the gait detector may look at; more change nothing."""


@dataclass(frozen=True)
class GaitFound:
    """Events and strides of one recording."""

    events: tuple[GaitEvent, ...]
    strides: tuple[Stride, ...]


def kinetics_rows(
    body: Body,
    motion: Motion,
    covariance: MotionCovariance,
    tracked: Bool[np.ndarray, " row"],
    header: SessionHeader,
    config: KineticsConfig,
) -> tuple[tuple[Kinetics | None, ...], tuple[str, ...]]:
    """One row per instant (None where nobody was tracked) and the muscles' names."""
    config = replace(
        config,
        belt_speed_m_s=header.belt_speed_m_s,
        external_support=body.parameters.external_support,
        settle_s=0.0,
    )
    mass_kg = float(body.parameters.mass_kg)
    states = [_state(motion, covariance, i) for i in range(len(motion.t_ns))]
    torques_only = KineticsStream(body, mass_kg, replace(config, muscles=False))
    diary = FeetDiary()
    torques_only.keep_diary(diary)
    for state, known in zip(states, tracked, strict=True):
        if known:
            torques_only.row(state)
    hindsight = diary.hindsight()
    stream = KineticsStream(body, mass_kg, config.for_wrench_error(hindsight.wrench_error))
    stream.learn_from(torques_only, hindsight)
    rows = tuple(stream.row(state) if known else None for state, known in zip(states, tracked, strict=True))
    return rows, stream.muscle_names


def _state(motion: Motion, covariance: MotionCovariance, i: int) -> MotionState:
    return MotionState(
        int(motion.t_ns[i]),
        motion.q[i],
        motion.v[i],
        motion.a[i],
        np.sqrt(np.maximum(np.diag(covariance.pose[i]), 0.0)),
        covariance.velocity_sd[i],
        covariance.acceleration_sd[i],
    )


def gait_of(
    body: Body,
    motion: Motion,
    tracked: Bool[np.ndarray, " row"],
    kinetics: tuple[Kinetics | None, ...],
    observations: Observations,
    header: SessionHeader,
) -> GaitFound:
    """Events and strides, with what comes after an instant known too."""
    stream = GaitStream(body, header.start_ns, header.belt_speed_m_s)
    events: list[GaitEvent] = []
    strides: list[Stride] = []
    rows = len(motion.t_ns)
    still = np.zeros(40)
    for i in range(rows):
        later = slice(i + 1, min(i + 1 + LOOK_AHEAD, rows))
        pose = SettledPose(i, int(motion.t_ns[i]), motion.q[i], motion.v[i], still, still, bool(tracked[i]))
        fit = FitResult(
            i,
            int(motion.t_ns[i]),
            FitCode.OK if tracked[i] else FitCode.LOST,
            motion.q[i],
            WindowState(
                np.arange(later.start, later.stop),
                motion.t_ns[later],
                motion.q[later],
                motion.v[later],
            ),
            (pose,),
            _statistics(observations, i),
        )
        row = kinetics[i]
        answer = stream.step(fit, () if row is None else (row,))
        events.extend(answer.events)
        strides.extend(answer.strides)
    return GaitFound(tuple(events), tuple(strides))


def _statistics(observations: Observations, row: int) -> CameraStatistics:
    confidence = observations.keypoints[row, :, :, 2].astype(np.float32)
    cameras = len(confidence)
    return CameraStatistics(
        present=np.asarray((confidence > 0).any(axis=1)),
        person_index=np.zeros(cameras, np.int64),
        median_px=np.zeros(cameras, np.float32),
        inlier_share=np.ones(cameras, np.float32),
        swapped=np.zeros(cameras, bool),
        weight=np.ones(cameras, np.float32),
        knocked=np.zeros(cameras, bool),
        error_px=np.zeros(confidence.shape, np.float32),
        confidence=confidence,
    )


def kinetics_table(
    kinetics: tuple[Kinetics | None, ...], muscles: int
) -> dict[str, Float64[np.ndarray, "row *columns"]]:
    """The rows as arrays named as in :class:`Kinetics` (``force``, ``cop``, ``free_torque`` of both feet); zeros where
    None, the last centre of pressure held."""
    rows = len(kinetics)
    table = {
        "torques": np.zeros((rows, 40)),
        "force": np.zeros((rows, 2, 3)),
        "cop": np.zeros((rows, 2, 3)),
        "free_torque": np.zeros((rows, 2, 3)),
        "residual": np.zeros((rows, 6)),
        "residual_pct_bw": np.zeros(rows),
        "activations": np.zeros((rows, muscles)),
        "activations_sd": np.ones((rows, muscles)),
        "torques_sd": np.zeros((rows, 40)),
        "force_sd": np.zeros((rows, 2, 3)),
    }
    for i, row in enumerate(kinetics):
        if row is None:
            table["cop"][i] = table["cop"][i - 1] if i else 0.0
            continue
        for foot, force in enumerate((row.right, row.left)):
            table["force"][i, foot] = force.force
            table["cop"][i, foot] = force.cop
            table["free_torque"][i, foot] = force.free_torque
        for name in (
            "torques",
            "residual",
            "residual_pct_bw",
            "activations",
            "activations_sd",
            "torques_sd",
            "force_sd",
        ):
            table[name][i] = getattr(row, name)
    return table


def row_flags(
    kinetics: tuple[Kinetics | None, ...],
) -> tuple[Bool[np.ndarray, " row"], Bool[np.ndarray, " row"]]:
    """Per row: kinetics known, kinetics valid."""
    known = np.array([row is not None for row in kinetics], bool)
    valid = np.array([row is not None and row.valid for row in kinetics], bool)
    return known, valid
