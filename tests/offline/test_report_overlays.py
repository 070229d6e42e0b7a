"""Drawings of the body: on video frames where the cameras saw it, faces hidden; stick figures from the pose."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kincast.models.camera import Camera
from kincast.offline.report.document import ReportOptions, make_document
from kincast.offline.report.figures_3d import BONES, joint_places, snapshots, typical_stride
from kincast.offline.report.motion import motion_of
from kincast.offline.report.overlays import VideoMissingError, draw_body, overlays
from kincast.offline.report.session import load_session
from tests.offline.written_session import Walk, results, write

SIZE = (1280, 720)


def camera(name: str) -> Camera:
    """Looks along the world's y from 5 m to the right of the path, level, at hip height."""
    matrix = np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]])
    rotation = cv2.Rodrigues(np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]))[0].reshape(3)
    centre = np.array([3.0, -5.0, 1.0])
    translation = -(np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]) @ centre)
    return Camera(name, SIZE, matrix, np.array([0.1, -0.05, 0.001, 0, 0, 0, 0, 0]), rotation, translation)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    walk = Walk(cameras=(camera("cam_1"), camera("cam_10")))
    return write(tmp_path_factory.mktemp("walk"), walk, results(walk))


def video(path: Path, seconds: float, rate: float = 20.0) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, SIZE)
    noise = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    for _ in range(int(seconds * rate)):
        writer.write(noise)
    writer.release()


def test_lines_lie_where_opencv_projects_the_joints(folder: Path) -> None:
    session = load_session(folder)
    motion = motion_of(session)
    assert session.body is not None
    assert motion.feet is not None
    row = int(np.argmin(np.abs(session.time_s - 2.5)))
    places = joint_places(session.body, session.poses[row], motion.feet[row])
    lens = camera("c")
    drawn = draw_body(np.full((SIZE[1], SIZE[0], 3), 128, np.uint8), lens, places)
    assert drawn is not None
    knees = np.stack([places["knee_r"], places["knee_l"]])
    pixels = cv2.projectPoints(knees, lens.rotation, lens.translation, lens.matrix, lens.distortions[:5])[0][
        :, 0
    ]
    every = cv2.projectPoints(
        np.stack(list(places.values())), lens.rotation, lens.translation, lens.matrix, lens.distortions[:5]
    )[0][:, 0]
    half = 1.35 * np.ptp(every, axis=0).max() / 2
    corner = np.round((every.min(axis=0) + every.max(axis=0)) / 2 - half)
    scale = drawn.shape[1] / (2 * half)
    for (x, y), channel in zip(
        (pixels - corner) * min(scale, 1.0), (2, 0), strict=True
    ):  # right red, left blue (BGR)
        patch = drawn[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4].astype(int)
        assert (patch[..., channel] - patch[..., 2 - channel]).max() > 100


def test_videos_are_found_by_camera_and_nobody_can_be_recognised(folder: Path, tmp_path: Path) -> None:
    video(tmp_path / "trial_CAM10.avi", 9.0)
    session = load_session(folder)
    motion = motion_of(session)
    found = overlays(session, motion, snapshots(session, None), tmp_path)
    assert {o.camera for o in found} == {"cam_10"}
    assert all(o.jpeg.startswith("data:image/jpeg;base64,") for o in found)
    assert session.body is not None
    assert motion.feet is not None
    row = int(np.argmin(np.abs(session.time_s - 2.5)))
    noise = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    drawn = draw_body(noise, camera("c"), joint_places(session.body, session.poses[row], motion.feet[row]))
    assert drawn is not None
    head = drawn[20:40, drawn.shape[1] // 2 - 60 :].astype(float)
    assert len(np.unique(drawn[drawn.shape[0] // 2, :20], axis=0)) <= 2  # a bystander would be there
    middle = drawn[drawn.shape[0] // 2, drawn.shape[1] // 2 - 15 : drawn.shape[1] // 2 + 15]
    assert len(np.unique(middle, axis=0)) > 10  # near the body the picture stays as it is
    steps = np.abs(np.diff(head, axis=1)).sum(axis=2)
    assert (steps == 0).mean() > 0.3  # large blocks of one colour where the head is


def test_a_folder_without_their_videos_is_refused(folder: Path, tmp_path: Path) -> None:
    video(tmp_path / "holiday.avi", 0.5)
    with pytest.raises(VideoMissingError, match="cam_1, cam_10"):
        make_document(folder, ReportOptions(video=tmp_path))


def test_snapshots_are_instants_of_a_typical_stride(folder: Path) -> None:
    document = make_document(folder, ReportOptions())
    assert len(document.body) == 4
    for side, back in document.body:
        assert side.count('class="bone') == back.count('class="bone') == len(BONES) + 1
    session = load_session(folder)
    assert typical_stride((), {}) is None
    assert len(snapshots(session, None)) == 4
