"""A policy as one file: a NumPy archive (``.npz``) of its weights and one JSON text of what it was made for."""

from __future__ import annotations

import json
import math
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kincast.models.errors import UserMistakeError
from kincast.models.twin.policy import Layer, Normalisation, Policy, PolicyFacts

SCHEMA = "kincast policy"
VERSION = 1


class PolicyFileError(UserMistakeError):
    """A file is not a policy of this version, or is damaged."""


def write_policy(path: Path, policy: Policy) -> None:
    """The same policy gives the same bytes; the file is there whole or not at all."""
    facts = asdict(policy.facts) | {"look_ahead": list(policy.facts.look_ahead)}
    if math.isinf(policy.facts.residual_limit):
        facts["residual_limit"] = None
    meta = {"schema": SCHEMA, "version": VERSION, "facts": facts}
    arrays: dict[str, np.ndarray] = {
        f"normalisation_{name}": np.asarray(values, np.float32)
        for name, values in policy.normalisation._asdict().items()
    }
    for k, layer in enumerate(policy.layers):
        arrays[f"weight_{k}"] = np.asarray(layer.weight, np.float32)
        arrays[f"bias_{k}"] = np.asarray(layer.bias, np.float32)
    arrays["log_spread"] = np.asarray(policy.log_spread, np.float32)
    text = np.frombuffer(json.dumps(meta, sort_keys=True, allow_nan=False).encode(), np.uint8)
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        np.savez(file, meta=text, **arrays)  # pyright: ignore[reportArgumentType]
    partial.replace(path)


def read_policy(path: Path) -> Policy:
    """Read a policy back; whether it fits a body is asked by :meth:`Policy.require`.

    Raises:
        PolicyFileError
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(bytes(arrays.pop("meta")).decode())
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise PolicyFileError(f"{path}: not readable as a policy ({error})") from None
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        raise PolicyFileError(f"{path}: not a {SCHEMA}")
    if meta.get("version") != VERSION:
        raise PolicyFileError(
            f"{path}: {SCHEMA} of version {meta.get('version')}; this kincast reads version {VERSION}"
        )
    try:
        return _policy(meta["facts"], arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyFileError(f"{path}: damaged ({error})") from None


def _policy(document: dict[str, Any], arrays: dict[str, np.ndarray]) -> Policy:
    if document["residual_limit"] is None:
        document["residual_limit"] = math.inf
    facts = PolicyFacts(**{**document, "look_ahead": tuple(int(k) for k in document["look_ahead"])})
    for name, values in arrays.items():
        if values.dtype != np.float32 or not np.all(np.isfinite(values)):
            raise ValueError(f"{name} holds numbers that are none")
    count = sum(name.startswith("weight_") for name in arrays)
    layers = tuple(Layer(arrays[f"weight_{k}"], arrays[f"bias_{k}"]) for k in range(count))
    normalisation = Normalisation(*(arrays[f"normalisation_{name}"] for name in Normalisation._fields))
    width = len(normalisation.mean)
    for layer in layers:
        if layer.weight.shape != (width, len(layer.bias)):
            raise ValueError(f"layer of {layer.weight.shape} behind {width} numbers")
        width = len(layer.bias)
    if not width == facts.actions == len(arrays["log_spread"]) == len(normalisation.action_mean):
        raise ValueError(f"{width} outputs for {facts.actions} actions")
    return Policy(facts, normalisation, layers, arrays["log_spread"])
