"""Why a source was refused: one class per mistake, all of them :class:`UserMistakeError`."""

from __future__ import annotations

from kincast.models.errors import UserMistakeError


class SourceKindError(UserMistakeError):
    """The source is of no kind that can be imported, or of several at once."""


class TruthFolderError(UserMistakeError):
    """The source lies in a folder named ``truth``; what is measured against must not be an input."""


class NothingReadableError(UserMistakeError):
    """The source holds no usable picture or marker frame at all."""


class StreamChoiceError(UserMistakeError):
    """The stream asked for is not there, or several are and none was named."""


class FrameRateMissingError(UserMistakeError):
    """The source carries no time and no frame rate was given."""


class KeypointSetError(UserMistakeError):
    """The keypoint set is unknown, ambiguous, or does not fit the number of points."""


class CalibrationMissingError(UserMistakeError):
    """There is no calibration, or none for any camera of the source."""


class SubjectError(UserMistakeError):
    """An impossible mass, height, belt speed or frame rate."""


class AxesError(UserMistakeError):
    """Which way is up in a marker file cannot be told."""


class MirroredError(UserMistakeError):
    """A marker file shows the mirror image of a person."""


class ExtraMissingError(UserMistakeError):
    """The source needs a package that is not installed."""


class C3dFormatError(UserMistakeError):
    """A C3D file that cannot be read."""


class ProjectConfigError(UserMistakeError):
    """A Pose2Sim Config.toml that cannot be read."""
