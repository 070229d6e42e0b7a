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
        rest = np.zeros(41)
        rest[3] = 1.0
        self._move(rest)
        hip, knee, ankle = (self._data.xpos[self._joints[j]] for j in ("femur", "tibia", "talus"))
        lengths = np.linalg.norm(hip - knee, axis=1) + np.linalg.norm(knee - ankle, axis=1)
        self.leg_length_m = float(lengths.mean())

    def _move(self, q: Float64[np.ndarray, "41"]) -> None:
        self._data.qpos[:] = self._body.full_qpos(q)
        mujoco.mj_kinematics(self._model, self._data)

    def samples(self, t_ns: Sequence[int], q: Float64[np.ndarray, "pose 41"]) -> tuple[GaitSample, ...]:
        """One gait sample per pose."""
        return tuple(self._sample(int(t), pose) for t, pose in zip(t_ns, q, strict=True))

    def _sample(self, t_ns: int, q: Float64[np.ndarray, "41"]) -> GaitSample:
        self._move(q)
        d = self._data
        rotation = d.xmat[self._foot_bodies].reshape(-1, 3, 3)
        feet = d.xpos[self._foot_bodies] + np.einsum("pij,pj->pi", rotation, self._foot_places)
        hips, ankles = d.xpos[self._joints["femur"]], d.xpos[self._joints["talus"]]
        w, x, y, z = q[3:7]
        forward = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + w * z)])  # segment x axis, horizontal part
        norm = float(np.hypot(*forward))
        extension = float(hips[:, 2].mean() - ankles[:, 2].min()) / self.leg_length_m
        return GaitSample(
            t_ns=t_ns,
            feet=feet.reshape(2, 3, 3),
            pelvis=hips.mean(axis=0),
            forward=forward / norm if norm > 0.1 else np.array([1.0, 0.0]),
            leg_extension=extension,
        )
