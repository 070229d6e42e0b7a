"""The body of a session: before anything is known, from a description, and with what the session states of the person."""

from __future__ import annotations

from dataclasses import replace

from kincast.models.body import Body, BodyParameters, build_body
from kincast.streaming.messages import SessionHeader

GENERIC_HEIGHT_M = 1.70


def generic_body(header: SessionHeader) -> BodyParameters:
    """The body before anything is known of the person: the generic adult at the stated height and mass."""
    scale = 1.0 if header.height_m is None else header.height_m / GENERIC_HEIGHT_M
    return for_session(BodyParameters(scales={"overall": scale}), header)


def for_session(parameters: BodyParameters, header: SessionHeader) -> BodyParameters:
    """The body with what the session states of the person: a measured mass and a declared support win."""
    if header.mass_kg is not None:
        parameters = replace(parameters, mass_kg=float(header.mass_kg), mass_sd_kg=0.0)
    if header.external_support != "none":
        parameters = replace(parameters, external_support=header.external_support)
    return parameters


def built_for_session(parameters: BodyParameters, header: SessionHeader, muscles: bool) -> Body:
    """What a session runs with; the same on one machine in whichever process it is built (some 20 ms).

    Raises:
        UnknownSiteSetError
    """
    body = build_body(for_session(parameters, header), "muscle" if muscles else "torque", header.keypoint_set)
    _ = body.parameters.sha256  # made here, kept by the parameters
    return body
