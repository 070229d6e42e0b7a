"""A folder with Calib.toml and one JSON-lines file of timestamped keypoints per camera.

    CASE/Calib.toml, CASE/<stream>/<camera>.jsonl.gz (or .jsonl); one line per picture:
    {"frame": i, "t_ns": n, "people": [{"pose_keypoints_2d": [x, y, c] * K}]}, distorted pixels, missing = 0 0 0

``t_ns`` is the instant of the picture; cameras may run free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from kincast.models.body.sites import KEYPOINT_SETS
from kincast.models.camera import Camera
from kincast.streaming.importers.assemble import Picture, assemble
from kincast.streaming.importers.cameras import match_cameras, natural_key, read_calibration
from kincast.streaming.importers.errors import NothingReadableError, StreamChoiceError
from kincast.streaming.importers.json_lines import LineState, read_json_lines
from kincast.streaming.importers.keypoint_sets import resolve
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.importers.people import PeopleParser, keypoint_counts
from kincast.streaming.importers.recording import ImportedRecording, Losses
from kincast.streaming.results.errors import DuplicateCameraError

DEFAULT_STREAM = "pose"
_SUFFIXES = (".jsonl.gz", ".jsonl")


def streams_of(folder: Path) -> tuple[str, ...]:
    """Names of the subfolders that hold keypoint files, never one named truth."""
    return tuple(
        sorted(
            p.name
            for p in folder.iterdir()
            if p.is_dir()
            and p.name.lower() != "truth"
            and any(f.name.endswith(_SUFFIXES) for f in p.iterdir())
        )
    )


def import_multiview(folder: Path, options: ImportOptions) -> ImportedRecording:
    """Read one case.

    Raises:
        StreamChoiceError: the stream is not there, or none was named and there are several without ``pose``.
        CalibrationMissingError, CalibrationFormatError, DuplicateCameraError, UnitsError: see the calibration reader.
        KeypointSetError: the points are of no known set.
        NothingReadableError: no usable picture.
    """
    losses = Losses()
    stream = _choose_stream(folder, options.stream)
    files = _camera_files(folder / stream)
    cameras = read_calibration(options.calibration, calibrations(folder), folder.name, losses)
    by_stream = match_cameras(list(files), cameras, folder.name, losses, by_order=False)
    keypoint_set = _keypoint_set([files[n] for n in by_stream], options.keypoint_set, folder.name)
    pictures: dict[str, list[Picture]] = {}
    truncated = []
    for name, path in files.items():
        if name not in by_stream:
            losses.frame(
                name,
                "pictures of a camera without calibration",
                sum(1 for _ in read_json_lines(path, LineState())),
            )
            continue
        camera = by_stream[name]
        pictures[camera.name], cut = _read_camera(path, camera, keypoint_set, losses)
        if cut:
            truncated.append(camera.name)
    return assemble(
        session_id=f"{folder.name}-{stream}",
        source=f"multiview {folder.name}/{stream}",
        keypoint_set=keypoint_set,
        cameras=cameras,
        pictures=pictures,
        truncated=truncated,
        options=options,
        losses=losses,
    )


def calibrations(folder: Path) -> list[Path]:
    """Calibration files of a case."""
    return sorted(p for p in folder.iterdir() if p.suffix == ".toml" and p.name.lower().startswith("calib"))


def _choose_stream(folder: Path, wanted: str | None) -> str:
    streams = streams_of(folder)
    listed = ", ".join(streams) or "none"
    if wanted is not None:
        if wanted not in streams:
            raise StreamChoiceError(f"{folder.name}: no stream '{wanted}'; there are: {listed}")
        return wanted
    if DEFAULT_STREAM in streams:
        return DEFAULT_STREAM
    if len(streams) == 1:
        return streams[0]
    raise StreamChoiceError(f"{folder.name}: say which stream with --stream; there are: {listed}")


def _camera_files(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda p: natural_key(p.name)):
        name = next((path.name.removesuffix(s) for s in _SUFFIXES if path.name.endswith(s)), None)
        if name is None:
            continue
        if name in files:
            raise DuplicateCameraError(
                f"{folder.name}: {files[name].name} and {path.name} are one camera; keep one"
            )
        files[name] = path
    return files


def _keypoint_set(paths: Sequence[Path], declared: str | None, where: str) -> str:
    """From the first people met; a declared set is checked against the most frequent number of points."""
    counts: Counter[int] = Counter()
    for path in paths:
        for line in read_json_lines(path, LineState()):
            counts += keypoint_counts(line.get("people") if isinstance(line, dict) else None)
            if sum(counts.values()) >= 20:
                break
    if not counts:
        raise NothingReadableError(f"{where}: nobody was detected in any readable picture")
    return resolve(counts.most_common(1)[0][0], declared, where)


def _read_camera(path: Path, camera: Camera, keypoint_set: str, losses: Losses) -> tuple[list[Picture], bool]:
    parser = PeopleParser(len(KEYPOINT_SETS[keypoint_set]), losses)
    state = LineState()
    pictures: list[Picture] = []
    for index, line in enumerate(read_json_lines(path, state)):
        t_ns = whole_number(line.get("t_ns")) if isinstance(line, dict) else None
        people = parser.parse(line.get("people"), camera.size_px) if isinstance(line, dict) else None
        if t_ns is None or people is None:
            losses.frame(camera.name, "pictures without a usable timestamp or people")
            continue
        seq = whole_number(line.get("frame")) if isinstance(line, dict) else None
        pictures.append(Picture(index if seq is None or seq < 0 else seq, t_ns, people))
    losses.frame(camera.name, "lines that are no JSON", state.bad_lines)
    return pictures, state.truncated


def whole_number(value: object) -> int | None:
    """An integer that fits the wire (64 bit), or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        return None
    if not -(2**62) < value < 2**62 or value != int(value):
        return None
    return int(value)
