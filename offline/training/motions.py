"""A library's clips as what the twin is trained on: people with their bodies, their references in one bank, and variations of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Int

from kincast.models.body import build_body
from kincast.models.twin.bank import MotionBank, bank_of
from kincast.models.twin.model import CONTROL_HZ, Twin, build_twin
from kincast.models.twin.reference import Reference
from kincast.offline.file_hash import file_sha256
from kincast.offline.motion_library.clip import Clip, ClipForces
from kincast.offline.motion_library.index import INDEX, Library, Split
from kincast.offline.motion_library.reference import reference_of
from kincast.offline.motion_library.transforms import larger, mirrored
from kincast.offline.training.config import MotionsConfig, TrainingConfigError

LEAST_S = 1.0
"""Shorter clips are left out."""
CHANGES = 256
"""Random numbers set apart for one clip."""


@dataclass(frozen=True, eq=False)
class Motions:
    """``person_of_clip[i]`` is the twin of clip ``i`` of the bank; ``names`` and ``library`` (a hash) say where from."""

    twins: tuple[Twin, ...]
    bank: MotionBank
    person_of_clip: Int[np.ndarray, " clip"]
    names: tuple[str, ...]
    library: str

    @property
    def seconds(self) -> float:
        return float(self.bank.length.sum()) / CONTROL_HZ


def motions_of(
    library: Library,
    split: Split,
    config: MotionsConfig,
    seed: int,
    tell: Callable[[str], None] = lambda line: None,
) -> Motions:
    """Clips of a split and their variations; the same seed gives the same.

    Raises:
        TrainingConfigError: the split holds no clip of a second at least.
        LibraryFormatError, ClipFormatError: a file of the library is missing, changed or damaged.
    """
    twins: list[Twin] = []
    references: list[Reference] = []
    names: list[str] = []
    for number, clip in enumerate(library.clips(split)):
        if clip.seconds < LEAST_S:
            continue
        rng = np.random.default_rng([seed, CHANGES, number])
        for varied in (clip, *(variation(clip, config, rng) for _ in range(config.copies))):
            twin = build_twin(build_body(varied.body), varied.sole_drop_m)
            twins.append(twin)
            references.append(reference_of(varied, twin))
            names.append(varied.name)
        tell(f"{clip.name}: {1 + config.copies} x {clip.seconds:.1f} s")
    if not twins:
        raise TrainingConfigError(f"{library.folder}: no clip of {LEAST_S:g} s or more in split {split}")
    return made_of(twins, references, names, file_sha256(library.folder / INDEX))


def made_of(
    twins: Sequence[Twin], references: Sequence[Reference], names: Sequence[str], library: str
) -> Motions:
    """One clip per twin."""
    return Motions(tuple(twins), bank_of(references), np.arange(len(twins)), tuple(names), library)


def variation(clip: Clip, config: MotionsConfig, rng: np.random.Generator) -> Clip:
    """The motion by someone of other size and mass, on other soles, perhaps mirrored, seen less often."""
    if rng.random() < 0.5:
        clip = mirrored(clip)
    clip = larger(clip, 1.0 + config.size_spread * rng.uniform(-1.0, 1.0))
    clip = heavier(clip, 1.0 + config.mass_spread * rng.uniform(-1.0, 1.0))
    drop = clip.sole_drop_m + config.sole_m * rng.normal(size=(2, 1))
    return seen_at(replace(clip, sole_drop_m=drop), config.slowest_hz, rng)


def heavier(clip: Clip, factor: float) -> Clip:
    """All of the body ``factor`` times as heavy: the same motion takes ``factor`` times the force."""
    forces = clip.forces
    if forces is not None:
        forces = replace(forces, force=(forces.force * factor).astype(np.float32))
    body = replace(clip.body, mass_kg=clip.body.mass_kg * factor)
    return replace(clip, body=body, forces=forces)


def seen_at(clip: Clip, slowest_hz: float, rng: np.random.Generator) -> Clip:
    """Only the poses nearest to the instants of a slower camera; they keep their own timestamps."""
    own_hz = (len(clip.t_ns) - 1) / max(clip.seconds, 1e-9)
    rate_hz = rng.uniform(min(slowest_hz, own_hz), own_hz)
    since_s = (clip.t_ns - clip.t_ns[0]) * 1e-9
    asked = np.arange(0.0, clip.seconds, 1.0 / rate_hz)
    rows = np.unique(np.searchsorted(since_s, asked))
    forces = clip.forces
    if forces is not None:
        forces = ClipForces(*(getattr(forces, f.name)[rows] for f in fields(forces)))
    support = clip.support and replace(clip.support, share=clip.support.share[rows])
    return replace(clip, t_ns=clip.t_ns[rows], q=clip.q[rows], forces=forces, support=support)
