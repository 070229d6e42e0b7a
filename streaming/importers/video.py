"""Video files: they need the camera nodes' pose estimation first, so importing them is refused."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from kincast.streaming.importers.errors import SourceKindError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".mts")


def videos_in(folder: Path) -> tuple[Path, ...]:
    """Video files directly in a folder or in its ``videos`` folder."""
    places = [folder, folder / "videos"]
    return tuple(
        sorted(
            p
            for place in places
            if place.is_dir()
            for p in place.iterdir()
            if p.suffix.lower() in VIDEO_SUFFIXES
        )
    )


def refuse_video(where: str) -> NoReturn:
    """Raises :class:`SourceKindError`, saying what to do instead."""
    raise SourceKindError(
        f"{where}: videos alone cannot be imported, their keypoints must be found first: run the videos through the "
        "camera nodes (kincast node with the video source), or put the keypoint files of each camera beside them "
        "(<camera>.jsonl.gz and Calib.toml, or OpenPose <camera>_json folders)"
    )


def frame_rate_of(path: Path) -> float | None:
    """Frames per second a video file claims, or None if it cannot be opened."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    try:
        rate = float(capture.get(cv2.CAP_PROP_FPS)) if capture.isOpened() else 0.0
    finally:
        capture.release()
    return rate if rate > 0 else None
