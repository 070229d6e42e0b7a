"""The base body: what is known of people seen through one keypoint set before one of them is seen; and its file.

A Gaussian over people: mean and covariance of the shape (8 log scales, 3 offsets per site) and the mean of the
usual posture. :func:`generic_base` is the one of published anthropometry (``body_prior``); ``kincast meta``
learns another mean from many people. The spread stays the literature's and is not written: the true spread of a generated
population gained nothing. Sites are written as places on the generic adult, not as offsets, so that a file stays
true when a default place is changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from kincast.models.body import SCALES
from kincast.models.body.sites import sites_of
from kincast.models.body_prior import POSTURE, ShapePrior, posture_table, shape_prior
from kincast.models.errors import UserMistakeError

SCHEMA = "kincast base body"
SCHEMA_VERSION = 2
HEIGHT_SD = 0.02
"""How far log stature and the overall log scale go apart among people of one height."""
_ENTRIES = (
    "schema",
    "schema_version",
    "keypoint_set",
    "people",
    "recordings",
    "inputs_sha256",
    "source",
    "licence",
    "verdict",
    "left_out",
)
_NUMBERS = ("log_scales", "sites", "mean_posture_deg", "base_sha256")
VERDICTS = ("better", "worse", "unverified")
"""Of raw joint angles of people left out of the learning; unverified: too few had measured angles."""


class BaseBodyError(UserMistakeError):
    """A base body file cannot be used: the message says why and what would do."""


@dataclass(frozen=True, eq=False)
class BaseBody:
    """``mean`` and ``covariance`` over people of (8 log scales, 3 S site offsets in m); ``mean_posture`` (rad, ``POSTURE``).

    ``people``, ``recordings``: learned from so many (0: from the literature); ``inputs_sha256`` identifies them;
    ``source`` and ``licence`` say in words where they come from and what may be done with the result.
    ``verdict`` and ``left_out`` (figure -> before, after): how people left out of the learning fared with it.
    """

    keypoint_set: str
    mean: Float[np.ndarray, " shape"]
    covariance: Float[np.ndarray, "shape shape"]
    mean_posture: Float[np.ndarray, "36"]
    people: int = 0
    recordings: int = 0
    inputs_sha256: str = ""
    source: str = ""
    licence: str = ""
    verdict: str = "unverified"
    left_out: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def shape_prior(self, height_ratio: float | None = None) -> ShapePrior:
        """Prior on a person's shape; ``height_ratio``: stature over the generic adult's where it was measured."""
        precision = np.linalg.inv(self.covariance)
        precision = 0.5 * (precision + precision.T)
        if height_ratio is None:
            return ShapePrior(self.mean, precision)
        measured = precision.copy()
        measured[0, 0] += HEIGHT_SD**-2
        right = precision @ self.mean
        right[0] += np.log(height_ratio) / HEIGHT_SD**2
        return ShapePrior(np.linalg.solve(measured, right), measured)

    def require(self, keypoint_set: str) -> None:
        """Raises :class:`BaseBodyError` where the session's keypoint set is another."""
        if keypoint_set != self.keypoint_set:
            raise BaseBodyError(
                f"the base body was learned for {self.keypoint_set}, the session's keypoints are {keypoint_set}:"
                " give the base of that set, or none"
            )

    @property
    def sha256(self) -> str:
        """Fingerprint of the content, as in the file."""
        return self._document()["base_sha256"]

    def to_json(self) -> str:
        """The file's text; the same base gives the same text."""
        return json.dumps(self._document(), allow_nan=False)

    def _document(self) -> dict[str, Any]:
        sites = sites_of(self.keypoint_set)
        places = np.array([place for _, place in sites.values()]) + self.mean[8:].reshape(-1, 3)
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "keypoint_set": self.keypoint_set,
            "people": self.people,
            "recordings": self.recordings,
            "inputs_sha256": self.inputs_sha256,
            "source": self.source,
            "licence": self.licence,
            "verdict": self.verdict,
            "left_out": {name: [_rounded(v) for v in pair] for name, pair in self.left_out.items()},
            "log_scales": {name: _rounded(v) for name, v in zip(SCALES, self.mean[:8], strict=True)},
            "sites": {
                name: {"segment": segment, "place_m": [_rounded(v) for v in place]}
                for (name, (segment, _)), place in zip(sites.items(), places, strict=True)
            },
            "mean_posture_deg": {
                name: _rounded(v) for name, v in zip(POSTURE, np.degrees(self.mean_posture), strict=True)
            },
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
        document["base_sha256"] = hashlib.sha256(text.encode()).hexdigest()
        return document

    @classmethod
    def from_json(cls, text: str) -> BaseBody:
        """Read the file.

        Raises:
            BaseBodyError: not such a file, of another version, changed by hand, or not of this build's sites.
        """
        document = _object("the file", _parsed(text))
        if document.get("schema") != SCHEMA:
            raise BaseBodyError(
                f"not a base body (schema {document.get('schema')!r}); `kincast meta` writes one. A person's body.json goes to --body"
            )
        if document.get("schema_version") != SCHEMA_VERSION:
            raise BaseBodyError(
                f"base body of schema version {document.get('schema_version')!r}; this version reads {SCHEMA_VERSION}:"
                " make it anew with `kincast meta`"
            )
        if missing := [name for name in (*_ENTRIES, *_NUMBERS) if name not in document]:
            raise BaseBodyError(f"base body: {missing[0]} is missing")
        keypoint_set = str(document["keypoint_set"])
        sites = sites_of(keypoint_set)
        written = _object("sites", document["sites"])
        if [(n, _object(n, e).get("segment")) for n, e in written.items()] != [
            (name, segment) for name, (segment, _) in sites.items()
        ]:
            raise BaseBodyError(f"base body: its sites are not those that {keypoint_set} has in this version")
        scales, posture = document["log_scales"], document["mean_posture_deg"]
        places = _array([e.get("place_m") for e in written.values()], (len(sites), 3), "sites")
        offsets = places - np.array([place for _, place in sites.values()])
        log_scales = _array([_object("log_scales", scales).get(n) for n in SCALES], (8,), "log_scales")
        found = cls(
            keypoint_set,
            np.concatenate([log_scales, offsets.ravel()]),
            generic_base(keypoint_set).covariance,
            np.radians(
                _array(
                    [_object("posture", posture).get(n) for n in POSTURE], (len(POSTURE),), "mean_posture_deg"
                )
            ),
            people=_count("people", document["people"]),
            recordings=_count("recordings", document["recordings"]),
            inputs_sha256=str(document["inputs_sha256"]),
            source=str(document["source"]),
            licence=str(document["licence"]),
            verdict=str(document["verdict"]),
            left_out={
                name: (float(before), float(after))
                for name, pair in _object("left_out", document["left_out"]).items()
                for before, after in [_array(pair, (2,), f"left_out {name}")]
            },
        )
        if found.verdict not in VERDICTS:
            raise BaseBodyError(
                f"base body: verdict is {found.verdict!r}; expected one of {', '.join(VERDICTS)}"
            )
        if np.abs(found.mean[:8]).max() > 1.0 or np.abs(found.mean[8:]).max() > 0.3:
            raise BaseBodyError("base body: its mean is no person (a scale beyond e, or a site 0.3 m off)")
        claimed = document.pop("base_sha256")
        again = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
        if hashlib.sha256(again.encode()).hexdigest() != claimed:
            raise BaseBodyError(
                "base body: the content does not agree with its fingerprint; fetch the file again"
            )
        return found


def generic_base(site_set: str) -> BaseBody:
    """What the literature says (:mod:`kincast.models.body_prior`).

    Raises:
        UnknownSiteSetError
    """
    prior = shape_prior(site_set)
    covariance = np.linalg.inv(prior.precision)
    return BaseBody(
        site_set,
        prior.mean,
        0.5 * (covariance + covariance.T),
        posture_table()[0],
        source="published anthropometry and detector attachments (models/body_prior.py)",
    )


def _rounded(value: float) -> float:
    return float(f"{value:.9g}")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BaseBodyError(f"base body: not valid JSON ({error})") from None


def _object(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BaseBodyError(f"base body: {where} must be an object of names and values")
    return value


def _count(where: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BaseBodyError(f"base body: {where} is {value!r}; expected a number of them")
    return value


def _array(value: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    try:
        found = np.array(value, float)
    except (TypeError, ValueError):
        raise BaseBodyError(f"base body: {where} must hold numbers") from None
    if found.shape != shape or not np.isfinite(found).all():
        raise BaseBodyError(f"base body: {where} must hold {' x '.join(map(str, shape))} finite numbers")
    return found
