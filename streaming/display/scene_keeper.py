"""Keeps the scene in step with the session: another header, another body."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from kincast.models.body import BodyParameters, BodyParametersError, build_body
from kincast.streaming.display.person import person_scene
from kincast.streaming.display.scene import Scene
from kincast.streaming.messages import BodySwap, LiveFrame, Message, SessionHeader

_log = logging.getLogger(__name__)
# distances that (nearly) no joint changes: from a body to the next, which show the scale of the first
_RULERS = {
    "overall": ("torso", "head"),
    "pelvis": ("pelvis", "torso"),
    "thigh_r": ("femur_r", "tibia_r"),
    "thigh_l": ("femur_l", "tibia_l"),
    "shank_foot_r": ("tibia_r", "talus_r"),
    "shank_foot_l": ("tibia_l", "talus_l"),
    "arm_r": ("humerus_r", "ulna_r"),
    "arm_l": ("humerus_l", "ulna_l"),
}


@dataclass(frozen=True)
class SceneRequest:
    """All that a scene is built from; ``frame`` is there where the scales must be read off it."""

    header: SessionHeader | None
    parameters: BodyParameters
    sha256: str
    frame: LiveFrame | None
    bodies: tuple[str, ...]

    def build(self) -> Scene | None:
        """The scene (slow: compiles the body; may run in another thread). None if it cannot be built."""
        try:
            parameters = self.parameters
            if self.frame is not None:
                parameters = BodyParameters(
                    scales=measured_scales(self.bodies, self.frame.body_xpos),
                    mass_kg=parameters.mass_kg,
                    external_support=parameters.external_support,
                )
            return person_scene(parameters, self.header, self.sha256)
        except Exception:
            # the screen goes on with the scene it has; joints are drawn from the frames in any case
            _log.exception("the scene could not be built")
            return None


class SceneKeeper:
    """Hears every message; ``outdated`` says that :meth:`request` would give another scene than before.

    The engine's body comes as a BodySwap. A display that was started later may have missed it: then the scales
    are read off the distances between the bodies of a LiveFrame, which is all that drawing bones needs.
    """

    def __init__(self, scene: Scene) -> None:
        self._bodies = scene.bodies
        self._sha256 = scene.body_sha256
        self._header: SessionHeader | None = None
        self._parameters: BodyParameters | None = None
        self._unknown: LiveFrame | None = None
        self.outdated = False

    def hear(self, message: Message) -> None:
        """Take note of what changes the scene."""
        match message:
            case SessionHeader() if self._header is None or _drawn(message) != _drawn(self._header):
                self._header, self.outdated = message, True
            case BodySwap():
                self._swap(message)
            case LiveFrame() if message.body_sha256 != self._sha256:
                self._sha256, self._unknown, self.outdated = message.body_sha256, message, True

    def request(self) -> SceneRequest:
        """What the scene as of now is built from."""
        self.outdated = False
        parameters = self._parameters or BodyParameters()
        return SceneRequest(self._header, parameters, self._sha256, self._unknown, self._bodies)

    def _swap(self, message: BodySwap) -> None:
        try:
            parameters = BodyParameters.from_json(message.body_json)
        except BodyParametersError as error:
            _log.warning("a body could not be read: %s", error)
            return
        known = self._parameters is not None and parameters.sha256 == self._parameters.sha256
        self.outdated |= not known or self._unknown is not None
        self._parameters, self._sha256, self._unknown = parameters, parameters.sha256, None


def _drawn(header: SessionHeader) -> tuple[object, ...]:
    """What of a header the scene shows."""
    return (
        header.session_id,
        header.subject_id,
        header.source,
        header.keypoint_set,
        header.mass_kg,
        header.external_support,
    )


def measured_scales(bodies: tuple[str, ...], xpos: Float32[np.ndarray, "body 3"]) -> dict[str, float]:
    """The 8 scales, from distances between bodies; the thighs' to about 1.5 % (the tibia glides on the femur).

    Raises:
        ValueError: a body is missing.
    """
    generic = build_body(BodyParameters()).mj_model
    scales: dict[str, float] = {}
    for name, (parent, child) in _RULERS.items():
        distance = np.linalg.norm(xpos[bodies.index(child)] - xpos[bodies.index(parent)])
        scale = float(distance / np.linalg.norm(generic.body(child).pos))
        scales[name] = scale if name == "overall" else scale / scales["overall"]
    return scales
