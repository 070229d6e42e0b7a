"""``kincast import``: what kind of source is this, and read it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from kincast.streaming.importers.c3d import import_c3d
from kincast.streaming.importers.cameras import read_calibration
from kincast.streaming.importers.errors import SourceKindError, TruthFolderError
from kincast.streaming.importers.multiview import calibrations, import_multiview, streams_of
from kincast.streaming.importers.openpose import (
    JsonFolders,
    import_json_folders,
    json_folders,
    json_folders_in_zip,
)
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.importers.pose2sim import (
    has_config,
    import_pose2sim,
    levels_of,
    pose_folders,
    trials_of,
)
from kincast.streaming.importers.recording import ImportedRecording, Losses
from kincast.streaming.importers.trc_session import import_trc
from kincast.streaming.importers.video import VIDEO_SUFFIXES, refuse_video, videos_in
from kincast.streaming.results.errors import FileMissingError

KINDS = (
    "a Pose2Sim trial (Config.toml and pose/*_json)",
    "a folder with Calib.toml and <stream>/<camera>.jsonl.gz",
    "OpenPose JSON (one folder per camera, or a .zip of them)",
    "markers (.trc or .c3d)",
)


def import_source(source: Path, options: ImportOptions) -> ImportedRecording:
    """Read a source of any supported kind.

    Raises:
        TruthFolderError: it lies in a folder named truth.
        FileMissingError: it does not exist or cannot be opened.
        SourceKindError: it is of no supported kind; the message lists them.
        The errors of the kind's own reader, all :class:`UserMistakeError`.
    """
    try:
        place = source.resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a null byte in the name, links in a circle
        raise FileMissingError(f"{str(source)!r}: no such file or folder ({error})") from None
    if any(part.lower() == "truth" for part in place.parts):
        raise TruthFolderError(
            f"{source}: folders named 'truth' hold what results are measured against and are never imported"
        )
    try:
        if source.is_dir():
            return _import_folder(source, options)
        if source.is_file():
            return _import_file(source, options)
    except OSError as error:
        raise FileMissingError(f"{source}: {error.strerror or error}") from None
    raise FileMissingError(f"{source}: no such file or folder")


def _import_file(path: Path, options: ImportOptions) -> ImportedRecording:
    suffix = path.suffix.lower()
    if suffix == ".trc":
        return import_trc(path, options)
    if suffix == ".c3d":
        return import_c3d(path, options)
    if suffix == ".zip":
        found = json_folders_in_zip(path)
        try:
            return _import_openpose(found, path.parent, options)
        finally:
            found.close()
    if suffix == ".mcap":
        raise SourceKindError(f"{path.name}: already a recording; use kincast replay or kincast refit on it")
    if suffix in VIDEO_SUFFIXES:
        refuse_video(path.name)
    raise SourceKindError(f"{path.name}: cannot be imported; a source is {'; or '.join(KINDS)}")


def _import_folder(folder: Path, options: ImportOptions) -> ImportedRecording:
    inner = _part_of_a_larger_source(folder)
    if inner is not None:
        return _import_folder(folder.parent, dataclasses.replace(options, stream=inner))
    in_project = has_config(folder) or any(has_config(level) for level in levels_of(folder)[:-1])
    if in_project and (pose_folders(folder) or trials_of(folder)):
        return import_pose2sim(folder, options)
    if streams_of(folder):
        return import_multiview(folder, options)
    for candidate in (folder, folder / "pose"):
        if candidate.is_dir():
            found = json_folders(candidate)
            if found.folders:
                return _import_openpose(JsonFolders(folder.name, found.folders), folder, options)
    if has_config(folder):
        return import_pose2sim(folder, options)
    trials = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in (".trc", ".c3d"))
    if len(trials) == 1:
        return _import_file(folder / trials[0], options)
    if trials:
        raise SourceKindError(
            f"{folder.name}: several marker trials; name one of them: {', '.join(trials[:20])}"
        )
    if videos_in(folder):
        refuse_video(folder.name)
    raise SourceKindError(f"{folder.name}: nothing to import in it; a source is {'; or '.join(KINDS)}")


def _part_of_a_larger_source(folder: Path) -> str | None:
    """The stream's name, where the folder is one stream of a case or the pose folder of a Pose2Sim trial."""
    parent = folder.resolve().parent
    if folder.name in streams_of(parent) and calibrations(parent):
        return folder.name
    if has_config(parent) and folder.name in pose_folders(parent):
        return folder.name
    return None


def _import_openpose(found: JsonFolders, beside: Path, options: ImportOptions) -> ImportedRecording:
    losses = Losses()
    cameras = read_calibration(options.calibration, calibrations(beside), found.name, losses)
    return import_json_folders(found, cameras, options, losses, kind="OpenPose", session_id=found.name)
