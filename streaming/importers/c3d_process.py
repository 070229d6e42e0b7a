"""Child process that lets ezc3d parse one C3D file: its C++ parser crashes on some damaged files.

    python -m kincast.streaming.importers.c3d_process FILE.c3d   -> .npz on standard output

Exit code 3: ezc3d is not installed; 4: it refused the file (reason on standard error).
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import numpy as np

NO_EZC3D = 3
REFUSED = 4
BASE_MEMORY_BYTES = 2 << 30
MEMORY_PER_FILE_BYTE = 60
"""What ezc3d needs for a sound file is far below; a damaged header may ask for anything."""


def _values(parameters: Any, group: str, name: str) -> list[Any]:
    try:
        return list(parameters[group][name]["value"])
    except (KeyError, TypeError):
        return []


def _labels(parameters: Any, name: str) -> list[str]:
    """A POINT list and its continuations (LABELS, LABELS2, ...)."""
    found = [str(v) for v in _values(parameters, "POINT", name)]
    number = 2
    while more := _values(parameters, "POINT", f"{name}{number}"):
        found += [str(v) for v in more]
        number += 1
    return found


def main(path: str) -> int:
    """Parse ``path`` and write the arrays. Returns the exit code."""
    try:
        import resource

        limit = BASE_MEMORY_BYTES + MEMORY_PER_FILE_BYTE * os.path.getsize(path)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ImportError, OSError, ValueError):
        pass  # no limit to set here; the parent's time limit remains
    try:
        import ezc3d
    except ImportError:
        return NO_EZC3D
    try:
        file = ezc3d.c3d(path)
        parameters = file["parameters"]
        points = np.asarray(file["data"]["points"], dtype=np.float64)[:3]
        residuals = np.asarray(file["data"]["meta_points"]["residuals"], dtype=np.float64)[0]
        computed = [
            label
            for kind in ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS", "REACTIONS", "MODELED_MARKERS")
            for label in _labels(parameters, kind)
        ]
        numbers = {
            f"{group}.{name}": [
                v for v in _values(parameters, group, name) if isinstance(v, (int, float, np.number))
            ]
            for group in ("PROCESSING", "SUBJECTS", "SUBJECT")
            for name in ("Bodymass", "BODYMASS", "Height", "HEIGHT", "MASS", "WEIGHT", "Mass", "Weight")
        }
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {
            "points": points,
            "residuals": residuals,
            "rate": np.array([float(file["header"]["points"]["frame_rate"])]),
            "first": np.array([int(file["header"]["points"]["first_frame"])]),
            "labels": np.array(_labels(parameters, "LABELS"), dtype=np.str_),
            "computed": np.array(computed, dtype=np.str_),
            "units": np.array([str(v) for v in _values(parameters, "POINT", "UNITS")], dtype=np.str_),
            "y_screen": np.array([str(v) for v in _values(parameters, "POINT", "Y_SCREEN")], dtype=np.str_),
            "prefixes": np.array(
                [str(v) for v in _values(parameters, "SUBJECTS", "LABEL_PREFIXES")], dtype=np.str_
            ),
        }
        arrays |= {f"number.{k}": np.array(v, dtype=np.float64) for k, v in numbers.items() if v}
        np.savez(buffer, **arrays)
    except Exception as error:  # whatever ezc3d says about a damaged file becomes one sentence
        sys.stderr.write(f"{error}")
        return REFUSED
    sys.stdout.buffer.write(buffer.getvalue())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
