"""A Pose2Sim trial: ``Config.toml`` (cascading session -> participant -> trial), calibration, ``pose/*_json``."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kincast.streaming.importers.cameras import read_calibration
from kincast.streaming.importers.errors import (
    FrameRateMissingError,
    KeypointSetError,
    ProjectConfigError,
    SourceKindError,
    StreamChoiceError,
)
from kincast.streaming.importers.keypoint_sets import POSE2SIM_MODELS
from kincast.streaming.importers.openpose import import_json_folders, json_folders
from kincast.streaming.importers.options import ImportOptions, plausible
from kincast.streaming.importers.recording import ImportedRecording, Losses
from kincast.streaming.importers.video import VIDEO_SUFFIXES, frame_rate_of
from kincast.streaming.results.text import read_text

CONFIG_NAMES = ("Config_session.toml", "Config_participant.toml", "Config.toml", "Config_trial.toml")
"""At each level, later names win over earlier ones; Pose2Sim itself knows ``Config.toml`` alone."""
_LEVELS = 3
_POSE_FOLDERS = ("pose-sync", "pose")
"""Tried in this order: ``pose-sync`` exists only where cameras had to be synchronised."""


def has_config(folder: Path) -> bool:
    """The folder is a level of a Pose2Sim project."""
    return any((folder / name).is_file() for name in CONFIG_NAMES)


def levels_of(trial: Path) -> list[Path]:
    """Session, participant and trial folders that have a Config, outermost first."""
    chain = [trial.resolve(), *trial.resolve().parents][:_LEVELS]
    chain = [folder for folder in chain if folder == trial.resolve() or has_config(folder)]
    return chain[::-1]


def pose_folders(trial: Path) -> tuple[str, ...]:
    """Names of the trial's folders with 2D poses."""
    return tuple(
        sorted(
            p.name
            for p in trial.iterdir()
            if p.is_dir()
            and p.name.lower().startswith("pose")
            and any(q.name.endswith("_json") for q in p.iterdir())
        )
    )


def trials_of(folder: Path) -> tuple[str, ...]:
    """Trials below a session or participant folder, as relative paths."""
    found = {
        str(p.parent.parent.relative_to(folder))
        for depth in ("*/pose*/*_json", "*/*/pose*/*_json")
        for p in folder.glob(depth)
        if "truth" not in (part.lower() for part in p.relative_to(folder).parts)
    }
    return tuple(sorted(found))


def import_pose2sim(trial: Path, options: ImportOptions) -> ImportedRecording:
    """Read one trial.

    Raises:
        SourceKindError: the folder is a session or participant with several trials; the message lists them.
        StreamChoiceError: the pose folder asked for is not there.
        ProjectConfigError: a Config.toml does not parse.
        KeypointSetError: the project's pose model is not supported.
        FrameRateMissingError, CalibrationMissingError, NothingReadableError, ...: see :mod:`openpose`.
    """
    losses = Losses()
    if not pose_folders(trial):
        trials = trials_of(trial)
        if len(trials) != 1:
            listed = ", ".join(trials) or "none with a pose folder"
            raise SourceKindError(f"{trial.name}: a Pose2Sim project; name one trial of it: {listed}")
        trial = trial / trials[0]
    config = cascade(trial)
    folder = _pose_folder(trial, options.stream)
    options = _completed(options, config, trial, losses)
    cameras = read_calibration(options.calibration, _calibrations(trial), trial.name, losses)
    return import_json_folders(
        json_folders(folder),
        cameras,
        options,
        losses,
        kind=f"Pose2Sim {trial.name}/",
        session_id=f"{trial.name}-{folder.name}",
    )


def cascade(trial: Path) -> dict[str, Any]:
    """The trial's settings: inner levels win over outer ones, key by key."""
    merged: dict[str, Any] = {}
    for folder in levels_of(trial):
        for name in CONFIG_NAMES:
            path = folder / name
            if path.is_file():
                try:
                    merged = _merge(merged, tomllib.loads(read_text(path)))
                except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
                    raise ProjectConfigError(f"{path}: not a readable TOML file ({error})") from None
    return merged


def _merge(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(outer)
    for key, value in inner.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(value, dict) and isinstance(old, dict) else value
    return merged


def _table(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = config.get(name)
    return table if isinstance(table, dict) else {}


def _pose_folder(trial: Path, wanted: str | None) -> Path:
    there = pose_folders(trial)
    if wanted is not None:
        if wanted not in there:
            raise StreamChoiceError(f"{trial.name}: no stream '{wanted}'; there are: {', '.join(there)}")
        return trial / wanted
    for name in (*_POSE_FOLDERS, *there):
        if name in there:
            return trial / name
    raise StreamChoiceError(f"{trial.name}: no pose folder with *_json folders in it")


def _completed(
    options: ImportOptions, config: Mapping[str, Any], trial: Path, losses: Losses
) -> ImportOptions:
    """Options with what the project knows filled in where the user said nothing."""
    project, pose, augmentation = (
        _table(config, "project"),
        _table(config, "pose"),
        _table(config, "markerAugmentation"),
    )
    filled: dict[str, Any] = {}
    if options.keypoint_set is None and isinstance(pose.get("pose_model"), str):
        model = pose["pose_model"]
        if model.upper() not in POSE2SIM_MODELS:
            raise KeypointSetError(
                f"{trial.name}: pose_model '{model}' is not supported; supported are {', '.join(POSE2SIM_MODELS)}; "
                "or say the set with --keypoints"
            )
        filled["keypoint_set"] = POSE2SIM_MODELS[model.upper()]
    if options.frame_rate_hz is None:
        rate = plausible("frame_rate_hz", project.get("frame_rate"))
        if rate is None:  # 'auto' in newer projects
            rate = _video_rate(trial)
            if rate is None:
                raise FrameRateMissingError(
                    f"{trial.name}: Config.toml names no frame_rate; give it with --fps"
                )
            losses.note(f"frame rate {rate:g} Hz taken from the videos")
        filled["frame_rate_hz"] = rate
    if project.get("frame_range") not in (None, [], "all", "auto"):
        losses.note("frame_range of Config.toml is for Pose2Sim's own analysis; all pictures are imported")
    for name, key in (("mass_kg", "participant_mass"), ("height_m", "participant_height")):
        if getattr(options, name) is None:
            value = augmentation.get(key, project.get(key))
            value = plausible(name, value[0] if isinstance(value, list) and len(value) == 1 else value)
            if value is not None:
                filled[name] = value
                losses.note(f"{key} = {value:g} taken from Config.toml")
    return dataclasses.replace(options, **filled)


def _video_rate(trial: Path) -> float | None:
    folder = trial / "videos"
    if not folder.is_dir():
        return None
    videos = sorted(p for p in folder.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES)
    return plausible("frame_rate_hz", frame_rate_of(videos[0])) if videos else None


def _calibrations(trial: Path) -> list[Path]:
    """TOML files of the innermost calibration folder of the project (any folder with 'calib' in its name)."""
    for folder in [trial.resolve(), *trial.resolve().parents][:_LEVELS]:
        try:
            calibration_folders = sorted(
                p for p in folder.iterdir() if p.is_dir() and "calib" in p.name.lower()
            )
        except OSError:
            continue
        files = [f for c in calibration_folders for f in sorted(c.glob("*.toml"))]
        files = files or sorted(p for p in folder.glob("*.toml") if p.name.lower().startswith("calib"))
        if files:
            return files
    return []
