"""Poses that a trial was fitted with, kept under the hash of all they came from: fitted once, judged as often as one likes."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64

from kincast.models.body.parameters import BodyParameters, BodyParametersError

FITS = "fits"


@dataclass(frozen=True)
class Fit:
    """A body and its poses in the source's world; untracked rows say nothing. ``failed``: why there are none."""

    body: BodyParameters | None
    t_ns: Int64[np.ndarray, " time"]
    q: Float64[np.ndarray, "time 41"]
    tracked: Bool[np.ndarray, " time"]
    failed: str = ""

    @classmethod
    def none(cls, why: str) -> Fit:
        """A trial that could not be fitted."""
        return cls(None, np.zeros(0, np.int64), np.zeros((0, 41)), np.zeros(0, bool), why)


def key_of(made_from: Mapping[str, object]) -> str:
    """SHA-256 of what something is made from, in words and hashes."""
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


class FitStore:
    """The folder ``fits`` of a library; it may be thrown away."""

    def __init__(self, library: Path) -> None:
        self._folder = library / FITS

    def read(self, key: str) -> Fit | None:
        """None where there is none, or a damaged one."""
        try:
            with np.load(self._folder / f"{key}.npz", allow_pickle=False) as archive:
                meta = json.loads(bytes(archive["meta"]).decode())
                body = None if meta["body"] is None else BodyParameters.from_json(json.dumps(meta["body"]))
                return Fit(body, archive["t_ns"], archive["q"], archive["tracked"], meta["failed"])
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, BodyParametersError):
            return None

    def write(self, key: str, fit: Fit) -> None:
        """Whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        meta = {"body": None if fit.body is None else json.loads(fit.body.to_json()), "failed": fit.failed}
        text = np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8)
        aside = self._folder / f".{key}.npz"
        with aside.open("wb") as file:
            np.savez_compressed(file, meta=text, t_ns=fit.t_ns, q=fit.q, tracked=fit.tracked)
        os.replace(aside, self._folder / f"{key}.npz")
