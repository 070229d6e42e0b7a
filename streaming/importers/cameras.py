"""Which camera of the calibration a stream of pictures belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kincast.models.camera import Camera
from kincast.streaming.importers.errors import CalibrationMissingError
from kincast.streaming.importers.recording import Losses
from kincast.streaming.results.cameras_toml import read_cameras
from kincast.streaming.results.errors import DuplicateCameraError

_PARTS = re.compile(r"\d+|[a-z]+")


def canonical(name: str) -> str:
    """``cam_01``, ``Cam1`` and ``cam01_json`` are the same camera: letters, then numbers without leading zeros."""
    text = re.sub(r"_json$", "", name.lower())
    return "-".join(str(int(part)) if part.isdigit() else part for part in _PARTS.findall(text))


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts cam2 before cam10."""
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.findall(r"\d+|\D+", name.lower())]


def match_cameras(
    streams: Sequence[str], cameras: Sequence[Camera], where: str, losses: Losses, *, by_order: bool
) -> Mapping[str, Camera]:
    """Stream name -> its camera. By name; if no name agrees, ``by_order`` and the counts do, by sorted order (as Pose2Sim).

    A stream without a camera is left out of the answer and noted; its pictures are then lost.

    Raises:
        DuplicateCameraError: two streams are of one camera.
        CalibrationMissingError: no stream has a camera.
    """
    named = {canonical(camera.name): camera for camera in cameras}
    matched = {stream: named[canonical(stream)] for stream in streams if canonical(stream) in named}
    names = [camera.name for camera in matched.values()]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DuplicateCameraError(f"{where}: two streams belong to camera {', '.join(twice)}; keep one")
    if len(matched) == len(streams):
        return matched
    listed = ", ".join(camera.name for camera in cameras)
    if by_order and not matched and len(streams) == len(cameras):
        ordered = dict(zip(sorted(streams, key=natural_key), cameras, strict=True))
        pairs = ", ".join(f"{stream} = {camera.name}" for stream, camera in ordered.items())
        losses.note(f"folders and calibration name cameras differently; matched in order: {pairs}")
        return ordered
    if not matched:
        raise CalibrationMissingError(
            f"{where}: the calibration has none of the cameras {', '.join(streams)}; it has {listed}"
        )
    missing = [stream for stream in streams if stream not in matched]
    losses.note(f"no calibration for {', '.join(missing)} (the file has {listed}); left out")
    return matched


def read_calibration(
    given: Path | None, candidates: Sequence[Path], where: str, losses: Losses
) -> tuple[Camera, ...]:
    """The cameras of ``given``, else of the only file among ``candidates``.

    Raises:
        CalibrationMissingError: none was given and there is none, or more than one.
        The errors of :func:`read_cameras`.
    """
    if given is not None:
        return read_cameras(given)
    if len(candidates) == 1:
        return read_cameras(candidates[0])
    if not candidates:
        raise CalibrationMissingError(f"{where}: no calibration found; say which file with --calib FILE.toml")
    listed = ", ".join(path.name for path in candidates)
    raise CalibrationMissingError(
        f"{where}: several calibrations ({listed}); say which with --calib FILE.toml"
    )
