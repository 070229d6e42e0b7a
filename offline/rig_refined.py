"""The rig's calibration put to the test by the recordings themselves, and replaced where they contradict it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kincast.models.body import BodyParameters
from kincast.models.observations import Observations
from kincast.offline.bundle import Bundle, BundleConfig, adjusted
from kincast.offline.observe import observe


@dataclass(frozen=True)
class RefinedRig:
    """Observations with the cameras and instants to use, per rig what adjustment found (None: it could not be judged)."""

    observations: tuple[Observations, ...]
    bundles: tuple[Bundle | None, ...]

    @property
    def adjusted(self) -> bool:
        """Some calibration was replaced."""
        return any(b is not None and b.demanded for b in self.bundles)


def refined_rig(
    paths: Sequence[Path],
    recordings: Sequence[Observations],
    config: BundleConfig | None = None,
    body: BodyParameters | None = None,
) -> RefinedRig:
    """Adjust each rig (recordings with the same cameras) and use the result where the data demand it.

    With better cameras people are told apart better: the recordings are read again and the rig is adjusted once more.
    ``body``: the person's, where it is known from elsewhere.
    """
    config = config or BundleConfig()
    out = list(recordings)
    bundles: list[Bundle | None] = []
    left = [i for i, r in enumerate(recordings) if r.cameras]
    while left:
        same = [i for i in left if _same_rig(recordings[i], recordings[left[0]])]
        left = [i for i in left if i not in same]
        calibrated = recordings[same[0]].cameras
        bundle = adjusted([recordings[i] for i in same], config, body)
        if bundle is not None and bundle.demanded:
            again = [replace(observe(paths[i], bundle.cameras)[1], cameras=calibrated) for i in same]
            bundle = adjusted(again, config, body) or bundle
            for i, seen in zip(same, again, strict=True):
                out[i] = _with_cameras(seen, bundle)
        bundles.append(bundle)
    return RefinedRig(tuple(out), tuple(bundles))


def _with_cameras(observations: Observations, bundle: Bundle) -> Observations:
    later_ns = np.round(bundle.clock_s * 1e9).astype(np.int64)
    return replace(observations, cameras=bundle.cameras, t_ns=observations.t_ns + later_ns)


def _same_rig(a: Observations, b: Observations) -> bool:
    if [c.name for c in a.cameras] != [c.name for c in b.cameras] or a.keypoint_set != b.keypoint_set:
        return False
    return all(
        np.array_equal(one.rotation, other.rotation)
        and np.array_equal(one.translation, other.translation)
        and np.array_equal(one.matrix, other.matrix)
        for one, other in zip(a.cameras, b.cameras, strict=True)
    )
