"""What cameras and wire are doing, in words: per camera in every LiveFrame, as findings once a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kincast.models.camera import Camera
from kincast.models.fit_result import FitResult
from kincast.streaming.admission import Admission, Refusal
from kincast.streaming.align import Aligner
from kincast.streaming.messages import CameraHealth, SessionHeader

CLOCK_TOLERANCE_NS = 5_000_000
"""Clocks that agree worse than this cost more than the fit's own noise: at 3 m/s a foot moves 15 mm."""

_WORDS: Mapping[Refusal, str] = {
    Refusal.UNKNOWN_CAMERA: "messages of a camera that is not in this session; check the camera names in the rig file",
    Refusal.KEYPOINT_SET: "pictures of another keypoint set; give node and session the same set",
    Refusal.KEYPOINT_COUNT: "messages with the wrong number of keypoints or markers for the set",
    Refusal.TOO_MANY_PEOPLE: "pictures with implausibly many people",
    Refusal.TIME_BACKWARDS: "messages whose time runs backwards; the clock was set, or the node restarted",
    Refusal.DUPLICATE: "messages that came twice; two senders may use one camera name",
    Refusal.CLOCK_AHEAD: "pictures from the future; the node's clock runs ahead, synchronise it",
    Refusal.KEYPOINT_NOT_FINITE: "keypoints that are not finite; the detector is faulty",
    Refusal.KEYPOINT_OUTSIDE: "keypoints far outside the picture; the calibration may have another picture size",
}


def camera_health(
    header: SessionHeader, admission: Admission, aligner: Aligner, fit: FitResult, now_ns: int
) -> tuple[CameraHealth, ...]:
    """One entry per camera of the session, in its order."""
    said = fit.cameras
    return tuple(
        CameraHealth(
            name=camera.name,
            present=bool(said.present[i]),
            median_px=_or_zero(said.median_px[i]),
            inlier_share=_or_zero(said.inlier_share[i]),
            frames=admission.cameras[i].frames,
            missed=aligner.rhythms[i].missed,
            dropped=admission.cameras[i].dropped,
            flag=_flag(i, admission, aligner, fit, now_ns),
        )
        for i, camera in enumerate(header.cameras)
    )


def _flag(i: int, admission: Admission, aligner: Aligner, fit: FitResult, now_ns: int) -> str:
    rhythm = aligner.rhythms[i]
    if rhythm.last_t_ns is None:
        return "never heard"
    if rhythm.silent(now_ns):
        return "silent"
    if fit.cameras.knocked[i]:
        return "moved or badly calibrated"
    if admission.cameras[i].refused[Refusal.CLOCK_AHEAD]:
        return "clock ahead"
    if fit.cameras.swapped[i]:
        return "left and right exchanged"
    return ""


def findings(
    header: SessionHeader, admission: Admission, aligner: Aligner, clock_offsets_ns: Mapping[str, int]
) -> tuple[str, ...]:
    """Sentences for the therapist's screen: what was refused so far and why, and clocks that disagree."""
    said = [f"{count} {_WORDS[reason]}" for reason, count in sorted(admission.refused.items()) if count]
    if not header.cameras and admission.marker_columns.finding:
        said.append(admission.marker_columns.finding)
    for camera, intake in zip(header.cameras, admission.cameras, strict=True):
        said += [
            f"camera {camera.name}: {count} {_WORDS[reason]}"
            for reason, count in sorted(intake.refused.items())
            if count
        ]
    if aligner.too_late:
        said.append(f"{aligner.too_late} pictures came too late to be used")
    for camera_name, offset_ns in sorted(clock_offsets_ns.items()):
        if abs(offset_ns) > CLOCK_TOLERANCE_NS:
            said.append(
                f"camera {camera_name}: its clock differs by {offset_ns * 1e-6:.1f} ms; check its time service"
            )
    return tuple(said)


def aim_findings(given: Sequence[Camera], used: Sequence[Camera]) -> tuple[str, ...]:
    """One sentence per camera whose shift against its calibration is being put right."""
    said = []
    for before, now in zip(given, used, strict=True):
        shift_px = now.matrix[:2, 2] - before.matrix[:2, 2]
        if shift_px.any():
            said.append(
                f"camera {before.name}: what it sees lies {np.linalg.norm(shift_px):.0f} px beside its calibration; "
                "corrected for this session, calibrate the rig again"
            )
    return tuple(said)


def _or_zero(value: np.floating) -> float:
    """Not a number means that nothing was measured; the wire and the files hold finite numbers."""
    return float(value) if np.isfinite(value) else 0.0
