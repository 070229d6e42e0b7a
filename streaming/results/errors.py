"""What can be wrong with a file of somebody's: one class per mistake, all of them :class:`UserMistakeError`."""

from __future__ import annotations

from kincast.models.errors import UserMistakeError


class FileMissingError(UserMistakeError):
    """A file or folder that is needed does not exist or cannot be opened."""


class StorageFormatError(UserMistakeError):
    """A .mot or .sto file without a readable header or table."""


class TrcFormatError(UserMistakeError):
    """A .trc file without a readable header, marker or row."""


class UnitsError(UserMistakeError):
    """Units that are unknown, or numbers that cannot be in the units they claim."""


class TableFormatError(UserMistakeError):
    """A .csv file without a header, or without a needed column."""


class JsonFormatError(UserMistakeError):
    """A JSON file that does not parse or lacks what it must hold."""


class CalibrationFormatError(UserMistakeError):
    """A calibration file that does not parse or describes an impossible camera."""


class DuplicateCameraError(UserMistakeError):
    """Two cameras with one name."""
