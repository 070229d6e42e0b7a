"""The fitted body drawn over video frames of the cameras; the head and all that is not near the body are coarsened."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from kincast.models.camera import Camera, CameraValues, camera_arrays, project, to_camera_frame
from kincast.models.errors import UserMistakeError
from kincast.offline.report.figures_3d import BONES, HEAD_RADIUS_M, Snapshot, joint_places
from kincast.offline.report.motion import Motion
from kincast.offline.report.session import ReportSession
from kincast.streaming.importers.video import videos_in

SHOWN_CAMERAS = 4
SHOWN_INSTANTS = 4
WIDTH_PX = 520
MARGIN = 1.35
"""Side of the shown square per height of the person."""
JPEG_QUALITY = 80
_COLOUR = {"left": (200, 90, 20), "right": (40, 40, 210), "trunk": (235, 235, 235)}  # BGR
_OUTLINE = (15, 15, 15)
NEAR_BODY_M = 0.2
COARSE_PX = 20
"""Side of the blocks (of the shown picture) that the surroundings are coarsened to."""
BLUR_RADII = 2.2
"""The head is hidden to this many times its radius."""


class VideoMissingError(UserMistakeError):
    """No video of any of the session's cameras in the folder."""


@dataclass(frozen=True)
class Overlay:
    """``jpeg`` is a data URI."""

    camera: str
    title: str
    time_s: float
    jpeg: str


def overlays(
    session: ReportSession,
    motion: Motion,
    moments: Sequence[Snapshot],
    folder: Path,
    video_start_s: float = 0.0,
) -> tuple[Overlay, ...]:
    """A few frames of a few cameras. Video time 0 is session time ``video_start_s``.

    A camera's video is the file whose name is, or contains, the camera's (its letters and digits). Frames that cannot be read are left out.

    Raises:
        VideoMissingError: the folder holds no video of a camera of the session.
    """
    videos = _videos(session.results.cameras, folder)
    if session.body is None or motion.feet is None:
        return ()
    found = []
    for camera in session.results.cameras:
        if camera.name not in videos or len({o.camera for o in found}) >= SHOWN_CAMERAS:
            continue
        for moment in moments[:SHOWN_INSTANTS]:
            time_s = float(session.time_s[moment.row])
            frame = _frame(videos[camera.name], time_s - video_start_s)
            if frame is None:
                continue
            places = joint_places(session.body, session.poses[moment.row], motion.feet[moment.row])
            drawn = draw_body(frame, camera, places)
            if drawn is not None:
                found.append(Overlay(camera.name, moment.title, time_s, _data_uri(drawn)))
    return tuple(found)


def _videos(cameras: Sequence[Camera], folder: Path) -> Mapping[str, Path]:
    files = videos_in(folder) if folder.is_dir() else ()
    names = sorted((c.name for c in cameras), key=len, reverse=True)  # cam_10 before cam_1
    found: dict[str, Path] = {}
    for file in files:
        name = next((n for n in names if _plain(n) == _plain(file.stem)), None) or next(
            (n for n in names if _plain(n) in _plain(file.stem)), None
        )
        if name is not None and (name not in found or _plain(file.stem) == _plain(name)):
            found[name] = file
    if not found:
        raise VideoMissingError(
            f"{folder}: no video of this session's cameras; expected files named {', '.join(sorted(names)) or '(no cameras)'}"
            " with .mp4, .avi, .mov, .mkv, .webm"
        )
    return found


def _plain(name: str) -> str:
    """Letters and digits alone: cam_01, cam-01 and Cam01 are one camera."""
    return "".join(c for c in name.lower() if c.isalnum())


def _frame(path: Path, time_s: float) -> UInt8[np.ndarray, "height width 3"] | None:
    if time_s < 0:
        return None
    capture = cv2.VideoCapture(str(path))
    try:
        rate = float(capture.get(cv2.CAP_PROP_FPS)) if capture.isOpened() else 0.0
        if not 0.0 < rate < 10000.0:
            return None
        capture.set(cv2.CAP_PROP_POS_FRAMES, round(time_s * rate))
        read, picture = capture.read()
        return np.asarray(picture) if read else None
    finally:
        capture.release()


def draw_body(
    frame: UInt8[np.ndarray, "height width 3"],
    camera: Camera,
    places: Mapping[str, Float64[np.ndarray, "3"]],
) -> UInt8[np.ndarray, "height2 width2 3"] | None:
    """The part of a frame around the person, lines of the body on it, head and surroundings coarsened; None if not in view.

    A frame of another size than the calibration's is taken for the same view, scaled.
    """
    values = CameraValues(*(None if v is None else v[0] for v in camera_arrays([camera])))
    names = list(places)
    points = np.stack([places[n] for n in names])
    depth = np.asarray(to_camera_frame(values, points))[:, 2]
    height, width = frame.shape[:2]
    to_frame = np.array([width / camera.size_px[0], height / camera.size_px[1]])
    pixels = np.asarray(project(values, points)) * to_frame
    seen = (depth > 0.1) & np.isfinite(pixels).all(axis=1) & (np.abs(pixels) < 1e5).all(axis=1)
    box = _box(pixels[seen], width, height)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    scale = min(1.0, WIDTH_PX / (x1 - x0))
    part = frame[y0:y1, x0:x1]
    picture = np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    at = {
        n: (round(scale * float(p[0] - x0)), round(scale * float(p[1] - y0)))
        for n, p, s in zip(names, pixels, seen, strict=True)
        if s
    }
    focal = scale * float(camera.matrix[0, 0]) * float(to_frame[0])
    _hide_others(picture, at, focal / float(np.median(depth[seen])))
    if "head" in at:
        radius = BLUR_RADII * HEAD_RADIUS_M * focal / float(depth[names.index("head")])
        _pixelate(picture, at["head"], max(4, round(radius)))
    for thickness, outline in ((5, True), (2, False)):
        for a, b, css in BONES:
            if a in at and b in at:
                colour = _OUTLINE if outline else _COLOUR[css.split()[-1]]
                cv2.line(picture, at[a], at[b], colour, thickness, cv2.LINE_AA)
    return picture


def _box(pixels: Float64[np.ndarray, "point 2"], width: int, height: int) -> tuple[int, int, int, int] | None:
    """A square around the person (left, top, right, bottom) within the frame; None if hardly anything is in it."""
    if not len(pixels):
        return None
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    half = MARGIN * float((high - low).max()) / 2.0
    middle = 0.5 * (low + high)
    left, top = (max(0, round(float(m - half))) for m in middle)
    right, bottom = (
        min(size, round(float(m + half))) for m, size in zip(middle, (width, height), strict=True)
    )
    return (left, top, right, bottom) if right - left >= 16 and bottom - top >= 16 else None


def _hide_others(picture: np.ndarray, at: Mapping[str, tuple[int, int]], px_per_m: float) -> None:
    """Coarsen everything farther from the body's lines than limbs and trunk reach: bystanders cannot be recognised."""
    near = np.zeros(picture.shape[:2], np.uint8)
    width = max(2, round(2.0 * NEAR_BODY_M * px_per_m))
    for a, b, _ in BONES:
        if a in at and b in at:
            cv2.line(near, at[a], at[b], 255, width)
    height, across = picture.shape[:2]
    blocks = (max(1, across // COARSE_PX), max(1, height // COARSE_PX))
    tiny = cv2.resize(picture, blocks, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(tiny, (across, height), interpolation=cv2.INTER_NEAREST)
    picture[near == 0] = coarse[near == 0]


def _pixelate(picture: np.ndarray, centre: tuple[int, int], radius: int) -> None:
    height, width = picture.shape[:2]
    x0, x1 = (int(np.clip(centre[0] + d, 0, width)) for d in (-radius, radius))
    y0, y1 = (int(np.clip(centre[1] + d, 0, height)) for d in (-radius, radius))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    part = picture[y0:y1, x0:x1]
    tiny = cv2.resize(part, (4, 4), interpolation=cv2.INTER_AREA)
    picture[y0:y1, x0:x1] = cv2.resize(tiny, (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST)


def _data_uri(picture: np.ndarray) -> str:
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
