"""RIG.toml: one gait lab. Cameras and their calibration, where things listen, who is measured.

    name = "gait lab 1"
    keypoint_set = "HALPE_26"
    calibration = "Calib.toml"        # Pose2Sim dialect; a camera may name a file of its own
    belt_speed_m_s = 1.2              # treadmill only
    keys = "keys"                     # folder made by `kincast keys init`; without it loopback only
    recordings = "sessions"

    [subject]
    id = "S042"
    mass_kg = 71.5
    height_m = 1.78
    external_support = "none"         # none | cane | rail | harness | harness(N)
    body = "body.json"                # from `kincast body`; without it the first seconds decide

    [network]
    host = "127.0.0.1"
    ingest_port = 7400
    publish_port = 7401
    clock_port = 7402
    display_port = 7480

    [[cameras]]
    name = "cam_01"
    source = "uvc:0"                  # for `kincast node`
    fps = 60

Paths are relative to the file.
"""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kincast.deploy.keys import DISPLAY, key_id, server_keys
from kincast.models.body import BodyParameters
from kincast.models.body.parameters import harness_force
from kincast.models.body.sites import KEYPOINT_SETS
from kincast.models.camera import Camera
from kincast.models.errors import UserMistakeError
from kincast.streaming.live import LiveSettings
from kincast.streaming.messages import SessionHeader
from kincast.streaming.results.cameras_toml import read_cameras


class RigFileError(UserMistakeError):
    """RIG.toml cannot be read, or an entry is unknown, missing or of the wrong type."""


class RigCalibrationError(UserMistakeError):
    """A camera of the rig has no calibration."""


class RigKeypointSetError(UserMistakeError):
    """The keypoint set is not known."""


class RigCameraNameError(UserMistakeError):
    """Two cameras share a name, or a name cannot be one."""


class RigSubjectError(UserMistakeError):
    """A person cannot be like that."""


@dataclass(frozen=True)
class RigCamera:
    """One camera; ``calibration`` overrides the rig's file."""

    name: str
    source: str = ""
    fps: float = 60.0
    calibration: Path | None = None


@dataclass(frozen=True)
class Subject:
    """Who is measured. What is not known stays None and is estimated."""

    id: str = "unknown"
    mass_kg: float | None = None
    height_m: float | None = None
    external_support: str = "none"
    body: Path | None = None


@dataclass(frozen=True)
class Network:
    """Where the engine and the display listen."""

    host: str = "127.0.0.1"
    ingest_port: int = 7400
    publish_port: int = 7401
    clock_port: int = 7402
    display_port: int = 7480


@dataclass(frozen=True)
class Rig:
    """A rig file, checked; all paths absolute."""

    cameras: tuple[RigCamera, ...]
    name: str = "rig"
    keypoint_set: str = "HALPE_26"
    calibration: Path | None = None
    belt_speed_m_s: float | None = None
    keys: Path | None = None
    recordings: Path = Path("sessions")
    subject: Subject = field(default_factory=Subject)
    network: Network = field(default_factory=Network)

    def calibrated(self) -> tuple[Camera, ...]:
        """The rig's cameras with their calibration, in the file's order.

        Raises:
            RigCalibrationError: a camera that no calibration file knows.
        """
        files: dict[Path, dict[str, Camera]] = {}
        found = []
        for camera in self.cameras:
            path = camera.calibration or self.calibration
            if path is None:
                raise RigCalibrationError(
                    f"camera '{camera.name}' has no calibration: give `calibration = FILE` for the rig or the camera"
                )
            if path not in files:
                files[path] = {c.name: c for c in read_cameras(path)}
            if camera.name not in files[path]:
                raise RigCalibrationError(
                    f"{path} holds no calibration of camera '{camera.name}'; it holds: {', '.join(files[path])}"
                )
            found.append(files[path][camera.name])
        return tuple(found)

    def header(self, session_id: str) -> SessionHeader:
        """First message of a session on this rig.

        Raises:
            RigCalibrationError
        """
        return SessionHeader(
            session_id=session_id,
            subject_id=self.subject.id,
            keypoint_set=self.keypoint_set,
            cameras=self.calibrated(),
            mass_kg=self.subject.mass_kg,
            height_m=self.subject.height_m,
            belt_speed_m_s=self.belt_speed_m_s,
            external_support=self.subject.external_support,
        )

    def body(self) -> BodyParameters | None:
        """The subject's body, if a file is named.

        Raises:
            RigFileError: it cannot be read; BodyParametersError: it is no body.
        """
        if self.subject.body is None:
            return None
        try:
            return BodyParameters.from_json(self.subject.body.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise RigFileError(f"subject.body: {self.subject.body} cannot be read ({error})") from error

    def live_settings(self, recording: Path | None, exposed: bool = False) -> LiveSettings:
        """Addresses, keys and recording of a live session.

        Raises:
            KeyMissingError, KeyFileError
        """
        keys = None
        if self.keys is not None:
            keys = server_keys(self.keys, [*(c.name for c in self.cameras), DISPLAY])
        network = self.network
        return LiveSettings(
            ingest=f"tcp://{network.host}:{network.ingest_port}",
            publish=f"tcp://{network.host}:{network.publish_port}",
            clock=f"tcp://{network.host}:{network.clock_port}",
            recording=recording,
            keys=keys,
            key_id=LiveSettings.key_id if keys is None else key_id(keys.public),
            exposed=exposed,
        )


def read_rig(path: Path) -> Rig:
    """Read and check a rig file; calibration files are opened by :meth:`Rig.calibrated`.

    Raises:
        RigFileError, RigKeypointSetError, RigCameraNameError, RigSubjectError, BodyParametersError
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RigFileError(f"there is no rig file {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RigFileError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise RigFileError(f"{path} is not valid TOML: {error}") from error
    rig = _filled(Rig, table, str(path.name), path.resolve().parent)
    _check(rig, path)
    return rig


def _check(rig: Rig, path: Path) -> None:
    if rig.keypoint_set not in KEYPOINT_SETS:
        raise RigKeypointSetError(
            f"{path.name}: unknown keypoint_set {rig.keypoint_set!r}; valid: {', '.join(KEYPOINT_SETS)}"
        )
    if not 1 <= len(rig.cameras) <= 64:
        raise RigFileError(f"{path.name}: {len(rig.cameras)} cameras; give 1 to 64 [[cameras]] tables")
    names = [camera.name for camera in rig.cameras]
    for name in names:
        if not name or len(name.encode()) > 64 or "/" in name or not name.isprintable():
            raise RigCameraNameError(
                f"{path.name}: {name!r} cannot name a camera; use 1 to 64 printable characters without '/'"
            )
        if names.count(name) > 1:
            raise RigCameraNameError(
                f"{path.name}: {names.count(name)} cameras are called '{name}'; every camera needs its own name"
            )
    for camera in rig.cameras:
        if not 1 <= camera.fps <= 1000:
            raise RigFileError(
                f"{path.name}: camera '{camera.name}': fps is {camera.fps:g}; valid: 1 to 1000"
            )
    for name, value, low, high, unit in (
        ("mass_kg", rig.subject.mass_kg, 2.0, 400.0, "kg"),
        ("height_m", rig.subject.height_m, 0.4, 2.6, "m"),
    ):
        if value is not None and not low <= value <= high:
            raise RigSubjectError(
                f"{path.name}: subject.{name} is {value:g}; a person's lies between {low:g} and {high:g} {unit}; "
                "leave it out if it was not measured"
            )
    if rig.belt_speed_m_s is not None and not -10 <= rig.belt_speed_m_s <= 10:
        raise RigFileError(f"{path.name}: belt_speed_m_s is {rig.belt_speed_m_s:g}; valid: -10 to 10")
    harness_force(rig.subject.external_support)


def _filled(cls: type, table: Mapping[str, Any], where: str, folder: Path) -> Any:
    """A dataclass from a TOML table: unknown and missing entries and wrong types are told with the valid choices."""
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    if unknown := [key for key in table if key not in fields]:
        raise RigFileError(f"{where}: unknown entry '{unknown[0]}'; valid: {', '.join(fields)}")
    values = {key: _value(hints[key], value, f"{where}: {key}", folder) for key, value in table.items()}
    missing = [
        name
        for name, f in fields.items()
        if name not in values
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise RigFileError(f"{where}: '{missing[0]}' is missing")
    if cls is Rig:
        values.setdefault("recordings", folder / "sessions")
    return cls(**values)


def _value(hint: Any, value: Any, where: str, folder: Path) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _value(arguments[0], value, where, folder)
    if origin is tuple:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise RigFileError(f"{where} must be a list of tables ([[cameras]]), is {value!r}")
        return tuple(_value(arguments[0], v, f"{where}[{i + 1}]", folder) for i, v in enumerate(value))
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise RigFileError(f"{where} must be a table, is {value!r}")
        return _filled(typing.cast(type, hint), value, where, folder)
    if hint is Path and isinstance(value, str):
        return folder / value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint or (hint is float and value != value):
        kind = {float: "a number", int: "a whole number", str: "text", Path: "a path in quotes"}[hint]
        raise RigFileError(f"{where} must be {kind}, is {value!r}")
    return value
