"""``kincast import``: other people's files become a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg


@dataclass(frozen=True)
class Import:
    """Turn keypoints or markers of another tool into a recording that `replay` and `body` understand."""

    source: Positional[Path]
    """Pose2Sim project or trial, OpenPose JSON folder or zip, multi-view case, TRC or C3D file."""
    output: Annotated[Path, arg(aliases=["-o"])]
    """The recording to write (.mcap)."""
    stream: str | None = None
    """Which stream of a source that has several, for example pose_clean."""
    mass: float | None = None
    """Body mass in kg; wins over the body file's."""
    height: float | None = None
    """Standing height in m."""
    belt: float | None = None
    """Treadmill belt speed in m/s."""
    subject: str = ""
    """Subject identifier (never a name)."""
    keypoints: str | None = None
    """Keypoint set, where the source does not say, for example BODY_25B."""
    fps: float | None = None
    """Frames per second, where the source has no times."""
    calib: Path | None = None
    """Calibration (.toml), where the source has none of its own."""
    up: Literal["y", "z"] | None = None
    """Which axis of a marker file points up, where the data leave it open."""

    def run(self) -> int:
        from kincast.streaming.importers.options import ImportOptions
        from kincast.streaming.importers.record import write_recording
        from kincast.streaming.importers.source import import_source

        recording = import_source(
            self.source,
            ImportOptions(
                stream=self.stream,
                mass_kg=self.mass,
                height_m=self.height,
                belt_speed_m_s=self.belt,
                subject_id=self.subject,
                keypoint_set=self.keypoints,
                frame_rate_hz=self.fps,
                calibration=self.calib,
                up=self.up,
            ),
        )
        write_recording(recording, self.output, overwrite=True)
        header = recording.header
        kind = f"{len(header.cameras)} cameras" if header.cameras else f"{len(header.marker_names)} markers"
        print(f"{self.output}: {kind}, {len(recording.messages)} messages, {recording.duration_s:.2f} s")
        for note in recording.notes:
            print(f"  note: {note}")
        if recording.lost.messages or recording.lost.reasons:
            print(f"  lost: {recording.lost.messages} messages, {recording.lost.seconds:g} s")
            for reason, count in recording.lost.reasons.items():
                print(f"    {count} x {reason}")
        return 0
