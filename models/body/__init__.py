"""The body: one generic skeleton, made a person by eight scales, a mass and an offset per site."""

from kincast.models.body.body import Body, build_body, log_scales, site_offsets
from kincast.models.body.parameters import BodyParameters, BodyParametersError
from kincast.models.body.segments import SCALES
from kincast.models.body.sites import KEYPOINT_SETS, MARKER_SETS, SOFT_SITES, UnknownSiteSetError

__all__ = [
    "KEYPOINT_SETS",
    "MARKER_SETS",
    "SCALES",
    "SOFT_SITES",
    "Body",
    "BodyParameters",
    "BodyParametersError",
    "UnknownSiteSetError",
    "build_body",
    "log_scales",
    "site_offsets",
]
