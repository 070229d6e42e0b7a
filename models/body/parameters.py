"""What makes the generic body one person's: scales, mass, site offsets; and its file, ``body.json``."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from kincast.models.body.scaling import segment_lengths, segment_lengths_sd
from kincast.models.body.segments import SCALES, SEGMENTS
from kincast.models.body.sites import SITE_NAMES
from kincast.models.errors import UserMistakeError

EXTERNAL_SUPPORTS = ("none", "cane", "rail", "harness")
_SUPPORTS = "none, cane, rail, harness, harness(<newtons, 0 to 5000>)"
_OBJECTS = ("scales", "scales_sd", "segments", "sites", "sites_sd")
GENERIC_MASS_KG = 75.0

Real = float | int
Vector = tuple[Real, Real, Real]


class BodyParametersError(UserMistakeError):
    """A body description cannot be used: the message names the entry and the valid choices."""


@dataclass(frozen=True)
class BodyParameters:
    """One person. Scales multiply lengths of the generic adult (``overall`` times the segment's own).

    ``site_offsets`` (m, segment axes: x forward, y up, z right) are added to the scaled default place.
    ``mass_factors`` change a segment's share of the measured mass (a prosthesis weighs less than a shank);
    the total stays ``mass_kg``. ``external_support`` is none, cane, rail or harness, or ``harness(<N>)``.

    Raises:
        BodyParametersError: an entry is unknown, not finite or out of range.
    """

    scales: Mapping[str, Real] = field(default_factory=dict)
    mass_kg: Real = GENERIC_MASS_KG
    mass_sd_kg: Real = 0.0
    site_offsets: Mapping[str, Vector] = field(default_factory=dict)
    mass_factors: Mapping[str, Real] = field(default_factory=dict)
    external_support: str = "none"
    scales_sd: Mapping[str, Real] = field(default_factory=dict)
    site_offsets_sd: Mapping[str, Vector] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scales, scales_sd = _checked_scales(self.scales), _checked_scales_sd(self.scales_sd)
        object.__setattr__(self, "scales", MappingProxyType({s: scales.get(s, 1.0) for s in SCALES}))
        object.__setattr__(self, "scales_sd", MappingProxyType({s: scales_sd.get(s, 0.0) for s in SCALES}))
        object.__setattr__(self, "mass_factors", MappingProxyType(_checked_factors(self.mass_factors)))
        for name in ("site_offsets", "site_offsets_sd"):
            object.__setattr__(self, name, MappingProxyType(_checked_vectors(name, getattr(self, name))))
        mass = _number("mass_kg", self.mass_kg)
        if not 1.0 <= mass <= 500.0:
            raise BodyParametersError(f"mass_kg is {mass:g}; a person's mass lies between 1 and 500 kg")
        if _number("mass_sd_kg", self.mass_sd_kg) < 0.0:
            raise BodyParametersError(f"mass_sd_kg is {self.mass_sd_kg:g}; it cannot be negative")
        harness_force(self.external_support)

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __reduce__(self) -> tuple[Any, ...]:
        return BodyParameters.from_json, (self.to_json(),)  # read-only mappings cannot be pickled

    def to_json(self) -> str:
        """``body.json`` of the results folder; the same parameters give the same text."""
        return json.dumps(self._document(), indent=1, allow_nan=False)

    @cached_property
    def sha256(self) -> str:
        """Fingerprint of the content, as in ``body.json``."""
        return self._document()["body_sha256"]

    def _document(self) -> dict[str, Any]:
        # the segments' lengths are for the reader; scales, factors and offsets decide
        lengths, lengths_sd = segment_lengths(self.scales), segment_lengths_sd(self.scales, self.scales_sd)
        document: dict[str, Any] = {
            "scales": dict(self.scales),
            "scales_sd": dict(self.scales_sd),
            "mass_kg": self.mass_kg,
            "mass_sd_kg": self.mass_sd_kg,
            "segments": {
                name: {
                    "length_m": round(lengths[name], 6),
                    "sd_m": round(lengths_sd[name], 6),
                    "mass_factor": self.mass_factors.get(name, 1.0),
                }
                for name in SEGMENTS
            },
            "sites": {name: list(v) for name, v in sorted(self.site_offsets.items())},
            "sites_sd": {name: list(v) for name, v in sorted(self.site_offsets_sd.items())},
            "external_support": self.external_support,
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
        document["body_sha256"] = hashlib.sha256(text.encode()).hexdigest()
        return document

    @classmethod
    def from_json(cls, text: str) -> BodyParameters:
        """Read ``body.json``. A fingerprint that disagrees with the content is not an error (hand edits are allowed).

        Raises:
            BodyParametersError: not JSON, entries missing, unknown or out of range.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BodyParametersError(f"body.json is not valid JSON: {error}") from None
        if not isinstance(document, dict):
            raise BodyParametersError("body.json holds no object; expected scales, mass_kg, segments, sites")
        known = {
            "scales",
            "scales_sd",
            "mass_kg",
            "mass_sd_kg",
            "segments",
            "sites",
            "sites_sd",
            "external_support",
            "body_sha256",
        }
        if unknown := sorted(set(document) - known):
            raise BodyParametersError(
                f"body.json: unknown entry {unknown[0]!r}; valid: {', '.join(sorted(known))}"
            )
        if missing := [name for name in ("scales", "mass_kg") if name not in document]:
            raise BodyParametersError(f"body.json: {missing[0]} is missing")
        entries = {name: _object(name, document.get(name, {})) for name in known if name in _OBJECTS}
        factors = {
            name: _object(f"segments.{name}", entry).get("mass_factor", 1.0)
            for name, entry in entries["segments"].items()
        }
        support = document.get("external_support", "none")
        if not isinstance(support, str):
            raise BodyParametersError(f"external_support is {support!r}; valid: {_SUPPORTS}")
        return cls(
            scales=_checked_scales(entries["scales"]),
            mass_kg=_number("mass_kg", document["mass_kg"]),
            mass_sd_kg=_number("mass_sd_kg", document.get("mass_sd_kg", 0.0)),
            site_offsets=_checked_vectors("sites", entries["sites"]),
            mass_factors={name: f for name, f in _checked_factors(factors).items() if f != 1.0},
            external_support=support,
            scales_sd=_checked_scales_sd(entries["scales_sd"]),
            site_offsets_sd=_checked_vectors("sites_sd", entries["sites_sd"]),
        )


def harness_force(support: str) -> float:
    """Vertical force (N) of an ``external_support`` entry; 0 where it is not a harness with a stated force.

    Raises:
        BodyParametersError: neither none, cane, rail, harness nor harness(<N>).
    """
    if support in EXTERNAL_SUPPORTS:
        return 0.0
    if isinstance(support, str) and support.startswith("harness(") and support.endswith(")"):
        try:
            force = float(support[len("harness(") : -1].removesuffix("N").strip())
        except ValueError:
            force = math.nan
        if 0.0 <= force <= 5000.0:
            return force
    raise BodyParametersError(f"external_support is {support!r}; valid: {_SUPPORTS}")


def _object(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BodyParametersError(f"body.json: {where} must be an object of names and values, is {value!r}")
    return value


def _number(where: str, value: Any) -> float:
    # compared instead of math.isfinite, which overflows on huge integers
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
        raise BodyParametersError(f"{where} is {str(value)[:40]!r}; expected a finite number")
    return float(value)


def _checked(
    what: str, values: Mapping[str, Any], valid: tuple[str, ...], low: float, high: float
) -> dict[str, float]:
    checked = {}
    for name, value in values.items():
        if name not in valid:
            raise BodyParametersError(f"unknown {what} {name!r}; valid: {', '.join(valid)}")
        checked[name] = _number(f"{what} {name}", value)
        if not low <= checked[name] <= high:
            raise BodyParametersError(f"{what} {name} is {value:g}; valid: {low:g} to {high:g}")
    return checked


def _checked_scales(values: Mapping[str, Any]) -> dict[str, float]:
    return _checked("scale", values, SCALES, low=0.2, high=3.0)


def _checked_scales_sd(values: Mapping[str, Any]) -> dict[str, float]:
    return _checked("scale sd", values, SCALES, low=0.0, high=10.0)


def _checked_factors(values: Mapping[str, Any]) -> dict[str, float]:
    return _checked("mass factor", values, tuple(SEGMENTS), low=0.01, high=10.0)


def _checked_vectors(what: str, values: Mapping[str, Any]) -> dict[str, Vector]:
    checked = {}
    for name, value in values.items():
        if name not in SITE_NAMES:
            raise BodyParametersError(
                f"{what}: unknown site {name!r}; valid: {', '.join(sorted(SITE_NAMES))}"
            )
        if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != 3:
            raise BodyParametersError(f"{what}: {name} is {value!r}; expected three numbers (m)")
        x, y, z = (_number(f"{what} {name}", float(v) if hasattr(v, "dtype") else v) for v in value)
        if max(abs(x), abs(y), abs(z)) > 1.0:
            raise BodyParametersError(
                f"{what}: {name} lies {max(abs(x), abs(y), abs(z)):g} m off; valid: up to 1 m"
            )
        checked[name] = (x, y, z)
    return checked
