"""What all cameras saw at about one instant: the unit the live fitter consumes.

Cameras need not be synchronous. ``t_ns`` is the instant the snapshot stands for (one row of every results
file); each camera keeps its own instant in ``camera_t_ns`` and its residual is evaluated there. A camera
that had nothing by the time the snapshot closed is absent; should its picture arrive later it comes with a
later snapshot as a :class:`LateView` and still corrects the window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64


@dataclass(frozen=True)
class LateView:
    """A picture that belongs to the earlier snapshot ``seq`` but arrived after it had closed."""

    seq: int
    camera_index: int
    t_ns: int
    people: Float32[np.ndarray, "people keypoint 3"]


@dataclass(frozen=True)
class Snapshot:
    """Pictures of about one instant, cameras in the order of the session header.

    Attributes:
        seq: running number, one per snapshot, no gaps.
        t_ns: instant the snapshot stands for, strictly increasing with ``seq``.
        camera_t_ns: (C,) each camera's own instant; any value where the camera is absent.
        present: (C,) the camera contributed a picture (which may show nobody).
        people: per camera (P, K, 3) distorted pixels and confidence of every person seen, P may be 0 (always
            0 where absent); an absent keypoint has confidence 0. Choosing the person is the fitter's job.
        markers: (M, 4) world metres and confidence of optical markers measured at ``t_ns``, or None.
        late: pictures of earlier snapshots that arrived since the last one closed.
    """

    seq: int
    t_ns: int
    camera_t_ns: Int64[np.ndarray, "camera"]
    present: Bool[np.ndarray, "camera"]
    people: tuple[Float32[np.ndarray, "_ keypoint 3"], ...]
    markers: Float32[np.ndarray, "marker 4"] | None = None
    late: tuple[LateView, ...] = ()
