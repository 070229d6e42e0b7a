"""An imported session as a recording, the same file that a live session leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kincast.streaming.importers.recording import ImportedRecording
from kincast.streaming.messages import Dropped, EndOfStream, Message
from kincast.streaming.recorder import RecordingWriter


def input_messages(imported: ImportedRecording) -> Iterator[tuple[Message, int]]:
    """Messages with their receive stamps: every picture arrives at the instant it was taken.

    Pictures that could not be read are told as :class:`Dropped`, so that the session's own account holds them.
    """
    start_ns = imported.header.start_ns
    yield imported.header, start_ns
    for camera, count in sorted(imported.lost.by_camera.items()):
        yield Dropped(t_ns=start_ns, camera=camera, count=count), start_ns
    for message in imported.messages:
        yield message, message.t_ns
    end_ns = imported.messages[-1].t_ns if imported.messages else start_ns
    yield EndOfStream(t_ns=end_ns), end_ns


def write_recording(imported: ImportedRecording, path: Path, *, overwrite: bool = False) -> None:
    """Write the .mcap file.

    Raises:
        RecordingExistsError, RecordingFailedError: see the recorder.
    """
    with RecordingWriter(path, overwrite=overwrite, sync=False) as writer:
        for message, receive_ns in input_messages(imported):
            writer.input(message, receive_ns)
