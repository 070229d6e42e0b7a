"""Where the knee turns and where its joint centre is are two things: what moving keypoints say of the one tells little of the other.

Published knees slide differently with flexion. From 0 to 60 degrees the tibia's origin moves away from the hip
by 0 mm (a hinge there), 7 mm (Rajagopal et al. 2016), 10 mm (Delp et al. 1990, gait2392) and 13 mm (Lai et al. 2017), on a thigh of 404 mm.
Explained by our knee, the same path needs the joint centre 13 mm higher, in place, 6 mm lower and 11 mm lower along the leg. So a body fitted to keypoints
finds thighs too long and shanks too short, or the reverse, by what its knee is wrong. Here that is a nuisance: a displacement of the
turning point along the leg, ``SD_M`` between people, integrated out of the fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from kincast.models.body import SCALES
from kincast.models.body.segments import SEGMENTS
from kincast.models.kinematics import Skeleton
from kincast.models.pose_fit import BatchKinematics

SD_M = 0.010
"""Root mean square of the four displacements above."""
SIDES_CORRELATION = 0.95
"""Both knees of a person are of one kind."""


@dataclass(frozen=True)
class KneeCentre:
    """``directions``: change of the shared parameters per metre that the right and the left knee turn lower than their
    joint centre; nothing seen changes while the leg is straight. ``covariance`` (m^2) of the two."""

    directions: Float[np.ndarray, "shared 2"]
    covariance: Float[np.ndarray, "2 2"]

    @staticmethod
    def of(skeleton: Skeleton, shared: int) -> KneeCentre:
        """For a vector that begins with 8 log scales and three offsets per site."""
        upright = np.zeros((1, 41))
        upright[0, 3:5] = np.sqrt(0.5)
        sites = len(skeleton.site_names)
        kinematics = BatchKinematics(skeleton, chunk=1)
        by_scale, by_offset = kinematics.shape(np.zeros(8), np.zeros((sites, 3)), upright)
        directions = np.zeros((shared, 2))
        for column, side in enumerate("rl"):
            directions[SCALES.index(f"thigh_{side}"), column] = -1.0 / SEGMENTS[f"femur_{side}"].end[1]
            directions[SCALES.index(f"shank_foot_{side}"), column] = 1.0 / SEGMENTS[f"tibia_{side}"].end[1]
            moved = by_scale[0] @ directions[:8, column]
            back = -np.linalg.solve(by_offset[0], moved[..., None])[..., 0]
            directions[8 : 8 + 3 * sites, column] = back.ravel()
        together = SIDES_CORRELATION
        return KneeCentre(directions, SD_M**2 * np.array([[1.0, together], [together, 1.0]]))

    def widened(self, precision: Float[np.ndarray, "shared shared"]) -> Float[np.ndarray, "shared shared"]:
        """Prior precision of parameters that hold the displacement beside what ``precision`` is of (Woodbury)."""
        along = precision @ self.directions
        inner = np.linalg.inv(self.covariance) + self.directions.T @ along
        return precision - along @ np.linalg.solve(inner, along.T)

    def integrated_out(
        self,
        found: Float[np.ndarray, " shared"],
        covariance: Float[np.ndarray, "shared shared"],
        mean: Float[np.ndarray, " shared"],
        precision: Float[np.ndarray, "shared shared"],
    ) -> tuple[Float[np.ndarray, " shared"], Float[np.ndarray, "shared shared"]]:
        """Parameters without the displacement, and their covariance; ``found`` with ``covariance`` were fitted with the
        prior ``mean`` and :meth:`widened` ``precision``."""
        gain = self.covariance @ self.directions.T @ self.widened(precision)
        left = self.covariance - gain @ self.directions @ self.covariance
        keep = np.eye(len(found)) - self.directions @ gain
        without = mean + keep @ (found - mean)
        return without, keep @ covariance @ keep.T + self.directions @ left @ self.directions.T
