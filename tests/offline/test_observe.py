"""What a recording shows of the person, row by row and site by site."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kincast.models.body.sites import sites_of
from kincast.offline.observe import NothingRecordedError, observe
from kincast.streaming.messages import EndOfStream
from kincast.streaming.recorder import RecordingWriter
from tests.streaming.swaying_person import marker_frames, marker_session


def test_markers_come_by_the_names_of_the_recording(tmp_path: Path) -> None:
    header = marker_session()
    sites = tuple(sites_of(header.keypoint_set))
    recorded = ("once known", *reversed(sites[2:]))
    with RecordingWriter(tmp_path / "a.mcap", sync=False) as writer:
        writer.input(replace(header, marker_names=recorded), 0)
        for message, receive_ns in marker_frames(header, 0.1):
            rows = np.concatenate([np.full((1, 4), 7.0, np.float32), message.markers[:1:-1]])
            writer.input(replace(message, markers=rows), receive_ns)
        writer.input(EndOfStream(receive_ns), receive_ns)
    _, observations = observe(tmp_path / "a.mcap")
    assert observations.markers is not None
    assert observations.markers.shape == (6, len(sites), 4)
    shown = np.stack([message.markers for message, _ in marker_frames(header, 0.1)])
    np.testing.assert_array_equal(observations.markers[:, 2:], shown[:, 2:])
    assert not observations.markers[:, :2].any(), "never recorded"


def test_a_recording_without_pictures_is_refused(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "a.mcap", sync=False) as writer:
        writer.input(marker_session(), 0)
    with pytest.raises(NothingRecordedError, match="no keypoints and no markers"):
        observe(tmp_path / "a.mcap")
