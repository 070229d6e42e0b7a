"""What adjustment found about single cameras beyond their place, in plain words: clocks, lenses, the rig's size, and what two cameras cannot tell."""

from __future__ import annotations

import numpy as np

from kincast.offline.bundle import Bundle, CameraChange
from kincast.offline.camera_change import CENTRE, CLOCK, FOCAL

CLEAR = 3.0
"""In standard deviations."""
LATE_S = 0.002
FOCAL_SHARE = 0.005
CENTRE_PX = 5.0


def camera_findings(bundle: Bundle) -> tuple[str, ...]:
    """Of a calibration that the data contradict; each names the camera, by how much, and what to do."""
    if not bundle.demanded:
        return ()
    said = []
    usual_s = float(np.median(bundle.clock_s))
    for change in bundle.changes:
        late_s = float(change.change[CLOCK]) - usual_s
        if abs(late_s) > max(LATE_S, CLEAR * change.sd[CLOCK]):
            said.append(
                f"camera {change.name} takes its pictures {1000 * abs(late_s):.0f} ms {'later' if late_s > 0 else 'earlier'} than"
                " stamped, beside the others: put right here; check its trigger or clock synchronisation"
            )
        said += _lens(change)
    if bundle.size_off:
        share = 100 * abs(np.expm1(-bundle.size_off))
        said.append(
            f"the rig is calibrated {share:.1f} % too {'large' if bundle.size_off < 0 else 'small'} for the legs of the body given"
            " (--body): put right here; check the size of the calibration board's squares. If the body is not this person's,"
            " or they have grown since, give none"
        )
    if len(bundle.changes) == 2:
        names = " and ".join(c.name for c in bundle.changes)
        said.append(
            f"of two cameras ({names}) nobody can tell which was moved, nor their distance from each other: lengths rest on the"
            " recorded calibration; calibrate anew, or add a third camera"
        )
    return tuple(said)


def _lens(change: CameraChange) -> list[str]:
    share, centre = float(change.change[FOCAL]), float(np.linalg.norm(change.change[CENTRE]))
    parts = []
    if abs(share) > max(FOCAL_SHARE, CLEAR * change.sd[FOCAL]):
        parts.append(f"focal length {100 * share:+.1f} %")
    if centre > max(CENTRE_PX, CLEAR * float(change.sd[CENTRE].max())):
        parts.append(f"principal point {centre:.0f} px off")
    if not parts:
        return []
    return [
        f"camera {change.name}: the lens is not as calibrated ({', '.join(parts)}): put right here; fix zoom and focus and"
        " calibrate it anew"
    ]
