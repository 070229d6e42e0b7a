"""What the page shows of a LiveFrame: a fixed header, little-endian float32 sections, a short JSON tail.

Layout (all little-endian; the page's twin of this file is ``web/src/protocol.ts``)::

    header, 64 bytes: magic "KCLF", u16 version, u16 flags, u32 seq, u32 scene revision,
        i64 t_ns, i64 kinematics t_ns, i64 kinetics t_ns, i64 recorded_through_ns,
        u16 bodies B, u16 coordinates N, u16 muscles M, u16 cameras C, u32 age in ms, u32 tail bytes
    float32: body_xpos (B, 3), body_xquat (B, 4)
    with kinematics: angles (N), angles_sd (N), at_limit (N, 0 or 1)
    with kinetics:   torques (N), torques_sd (N), right then left foot (force 3, cop 3),
                     force_sd (2, 3), residual_pct_bw (1), activations (M), activations_sd (M)
    cameras (C, 6): present, median_px, inlier_share, frames, missed, dropped
    UTF-8 JSON: status, reason (why kinetics is invalid), no_event, cameras (name and flag of each), padded
        with spaces to a multiple of 4 bytes

A message holds one frame or several, one behind the other. The age is how long ago ``t_ns`` was when the
display got the frame, on the display's own clock; 0xFFFFFFFF where that makes no sense (an old recording).
"""

from __future__ import annotations

import json
import struct

import numpy as np

from kincast.streaming.messages import CameraHealth, FootForce, Kinematics, Kinetics, LiveFrame

MAGIC = b"KCLF"
VERSION = 1
HEADER = struct.Struct("<4sHHIIqqqqHHHHII")

MAX_AGE_MS = 10_000
NO_AGE = 0xFFFFFFFF

HAS_KINEMATICS, HAS_KINETICS, KINEMATICS_VALID, TRACKED, KINETICS_VALID, FLUSH = (
    1 << bit for bit in range(6)
)


def _kinematics_sections(kinematics: Kinematics) -> list[np.ndarray]:
    return [kinematics.angles, kinematics.angles_sd, kinematics.at_limit]


def _foot_sections(foot: FootForce) -> list[np.ndarray]:
    return [foot.force, foot.cop]


def _kinetics_sections(kinetics: Kinetics) -> list[np.ndarray]:
    return [
        kinetics.torques,
        kinetics.torques_sd,
        *_foot_sections(kinetics.right),
        *_foot_sections(kinetics.left),
        kinetics.force_sd,
        np.array([kinetics.residual_pct_bw]),
        kinetics.activations,
        kinetics.activations_sd,
    ]


def _camera_row(camera: CameraHealth) -> tuple[float, ...]:
    counts = (camera.frames, camera.missed, camera.dropped)
    return tuple(map(float, (camera.present, camera.median_px, camera.inlier_share, *counts)))


def _flags(frame: LiveFrame) -> int:
    flags = FLUSH * frame.flush
    if frame.kinematics is not None:
        flags |= (
            HAS_KINEMATICS | KINEMATICS_VALID * frame.kinematics.valid | TRACKED * frame.kinematics.tracked
        )
    if frame.kinetics is not None:
        flags |= HAS_KINETICS | KINETICS_VALID * frame.kinetics.valid
    return flags


def _age_ms(t_ns: int, now_ns: int | None) -> int:
    age_ms = -1 if now_ns is None else (now_ns - t_ns) // 1_000_000
    return age_ms if 0 <= age_ms <= MAX_AGE_MS else NO_AGE


def encode_frame(frame: LiveFrame, scene_revision: int, now_ns: int | None = None) -> bytes:
    """The binary websocket message of ``frame``; ``scene_revision`` names the scene its bodies belong to.

    ``now_ns``: the display's time (epoch), for the frame's age.
    """
    kinematics, kinetics = frame.kinematics, frame.kinetics
    sections = [frame.body_xpos, frame.body_xquat]
    sections += _kinematics_sections(kinematics) if kinematics else []
    sections += _kinetics_sections(kinetics) if kinetics else []
    sections.append(np.array([_camera_row(camera) for camera in frame.cameras]))
    numbers = np.concatenate([np.asarray(section, "<f4").ravel() for section in sections])
    tail = json.dumps(
        {
            "status": frame.status,
            "reason": kinetics.reason if kinetics else "",
            "no_event": frame.no_event_reason,
            "cameras": [[camera.name, camera.flag] for camera in frame.cameras],
        },
        separators=(",", ":"),
    ).encode()
    tail += b" " * (-len(tail) % 4)
    header = HEADER.pack(
        MAGIC,
        VERSION,
        _flags(frame),
        frame.seq & 0xFFFFFFFF,
        scene_revision,
        frame.t_ns,
        kinematics.t_ns if kinematics else 0,
        kinetics.t_ns if kinetics else 0,
        frame.recorded_through_ns,
        len(frame.body_xpos),
        len(kinematics.angles) if kinematics else len(kinetics.torques) if kinetics else 0,
        len(kinetics.activations) if kinetics else 0,
        len(frame.cameras),
        _age_ms(frame.t_ns, now_ns),
        len(tail),
    )
    return header + numbers.tobytes() + tail
