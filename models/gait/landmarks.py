"""From fitted poses to the few points gait is judged by: heels, toes, hips, the way the pelvis faces.

C MuJoCo's kinematics (some 20 microseconds a pose): in double precision and nothing to compile.
"""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from jaxtyping import Float64

from kincast.models.body.body import Body
from kincast.models.body.keypoint_sets import KEYPOINT_LANDMARKS
from kincast.models.body.landmarks import LANDMARKS
from kincast.models.body.marker_sets import MARKER_LANDMARKS
from kincast.models.body.scaling import segment_scale
from kincast.models.gait.track import POINTS, GaitSample

_SUBSTITUTES = {
    "heel": ("heel", "calcaneus"),
    "big_toe": ("big_toe", "hallux", "second_toe"),
    "small_toe": ("small_toe", "fourth_toe"),
}
_SIDES = ("r", "l")


class GaitLandmarks:
    """Gait samples of one person's body.

    Foot points are the keypoints of the recording's own set, with this person's site offsets; where the set has
    none (few marker sets have a small toe) the landmark's default place on the scaled foot stands in. Hips, knees
    and ankles are joint centres. ``seen_sites``: per side, which sites of the set lie on the foot.
    """

    def __init__(self, body: Body) -> None:
        self._body = body
        self._model = body.mj_model
        self._data = mujoco.MjData(self._model)
        own = {**KEYPOINT_LANDMARKS, **MARKER_LANDMARKS}[body.keypoint_set]
        site_of = {landmark: site for site, landmark in own.items()}
        bodies, places = [], []
        for side in _SIDES:
            for point in POINTS:
                names = [site_of.get(f"{p}_{side}") for p in _SUBSTITUTES[point]]
                site = next((n for n in names if n is not None), None)
                if site is not None:
                    found = self._model.site(site)
                    bodies.append(int(found.bodyid[0]))
                    places.append(np.array(found.pos))
                else:
                    segment, pos = LANDMARKS[f"{point}_{side}"]
                    bodies.append(int(self._model.body(segment).id))
                    places.append(segment_scale(body.parameters.scales, segment) * np.array(pos))
        self._foot_bodies, self._foot_places = np.array(bodies), np.array(places)
        self.seen_sites: tuple[tuple[int, ...], ...] = tuple(
            tuple(
                i
                for i, site in enumerate(body.sites)
                if LANDMARKS[own[site]][0] in (f"calcn_{side}", f"toes_{side}")
            )
            for side in _SIDES
        )
        self._joints = {
            joint: [int(self._model.body(f"{joint}_{side}").id) for side in _SIDES]
            for joint in ("femur", "tibia", "talus")
        }
        self._bodies = np.concatenate([self._joints["femur"], self._joints["talus"], bodies]).astype(int)
        rest = np.zeros(41)
        rest[3] = 1.0
        self._data.qpos[:] = body.full_qpos(rest)
        mujoco.mj_kinematics(self._model, self._data)
        hip, knee, ankle = (self._data.xpos[self._joints[j]] for j in ("femur", "tibia", "talus"))
        lengths = np.linalg.norm(hip - knee, axis=1) + np.linalg.norm(knee - ankle, axis=1)
        self.leg_length_m = float(lengths.mean())

    def samples(self, t_ns: Sequence[int], q: Float64[np.ndarray, "pose 41"]) -> tuple[GaitSample, ...]:
        """One gait sample per pose."""
        n, model, data = len(t_ns), self._model, self._data
        if n == 0:
            return ()
        places = np.empty((n, len(self._bodies), 3))
        turns = np.empty((n, len(self._foot_bodies), 9))
        for i, qpos in enumerate(self._full_qpos(q)):
            data.qpos[:] = qpos
            mujoco.mj_kinematics(model, data)
            data.xpos.take(self._bodies, axis=0, out=places[i])
            data.xmat.take(self._foot_bodies, axis=0, out=turns[i])
        feet = places[:, 4:] + np.einsum("npij,pj->npi", turns.reshape(n, -1, 3, 3), self._foot_places)
        pelvis = 0.5 * (places[:, 0] + places[:, 1])
        extension = (pelvis[:, 2] - places[:, 2:4, 2].min(axis=1)) / self.leg_length_m
        w, x, y, z = q[:, 3:7].T
        forward = np.stack(
            [1 - 2 * (y * y + z * z), 2 * (x * y + w * z)], -1
        )  # segment x axis, horizontal part
        norm = np.sqrt((forward * forward).sum(axis=1))
        forward = np.where(norm[:, None] > 0.1, forward / np.maximum(norm, 0.1)[:, None], (1.0, 0.0))
        feet = feet.reshape(n, 2, 3, 3)
        return tuple(
            GaitSample(int(t_ns[i]), feet[i], pelvis[i], forward[i], float(extension[i])) for i in range(n)
        )

    def _full_qpos(self, q: Float64[np.ndarray, "pose 41"]) -> Float64[np.ndarray, "pose nq"]:
        """:meth:`Body.full_qpos` of several poses at once; only values of the polynomials are needed here."""
        coupling = self._body.coupling
        driving = q[:, 7 + coupling.driver]
        inside = np.clip(driving, *coupling.range)
        c = coupling.coefficients.T
        value, rate = c[4], 0.0
        for power in (3, 2, 1, 0):
            rate = rate * inside + value
            value = value * inside + c[power]
        full = np.empty((len(q), coupling.nq))
        full[:, coupling.independent_qpos] = q
        full[:, coupling.coupled_qpos] = value + rate * (driving - inside)
        return full
