"""A TRC file of optical markers (or of triangulated keypoints) as a session."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from kincast.streaming.importers.markers import import_markers
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.importers.recording import ImportedRecording, Losses
from kincast.streaming.results.trc import read_trc


def import_trc(path: Path, options: ImportOptions) -> ImportedRecording:
    """Read one trial. Raises what :func:`read_trc` and :func:`import_markers` raise."""
    trc = read_trc(path)
    losses = Losses()
    losses.frame("markers", "rows that are unreadable or go back in time", trc.skipped_rows)
    losses.frame("markers", "rows that the header promises and the file lacks", trc.missing_rows)
    if trc.duplicate_names:
        losses.note(f"markers named twice, the first kept: {', '.join(trc.duplicate_names)}")
    return import_markers(
        name=path.stem,
        kind="TRC",
        t_ns=exact_times(trc.time_s, trc.data_rate_hz, losses),
        markers=trc.markers,
        points_m=trc.points_m,
        stated_up=None,
        options=options,
        losses=losses,
    )


def exact_times(
    time_s: Float64[np.ndarray, " row"], rate_hz: float | None, losses: Losses
) -> Int64[np.ndarray, " row"]:
    """Times in nanoseconds, freed from the rounding of the printed column.

    Many writers print milliseconds (0.007, 0.013, 0.020 at 150 Hz), an error of 7 % of the frame period that
    would enter every derivative. Where the column agrees with the header's rate to half a millisecond, the
    rate is what was measured.
    """
    if rate_hz is not None and len(time_s) > 1:
        frames = np.round((time_s - time_s[0]) * rate_hz)
        start = float(np.median(time_s - frames / rate_hz))
        exact = start + frames / rate_hz
        off = np.abs(exact - time_s)
        if 1e-9 < off.max() <= 0.00055 and (np.diff(frames) > 0).all():
            losses.note(f"times are rounded in the file; taken from its rate of {rate_hz:g} Hz")
            return np.round(exact * 1e9).astype(np.int64)
    return np.round(time_s * 1e9).astype(np.int64)
