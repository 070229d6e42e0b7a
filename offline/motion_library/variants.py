"""Which made-up variants a library gets of the people trained on: mirrored, warped in time, by another's body, impaired, standing up.

Every clip gets a few, drawn by the hash of what it is; the same library gets the same ones. All are judged by the gates on time, speeds,
angles and floor. Whether the feet alone carry a motion is not asked again: edits that move the trunk change it little.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from kincast.models.body import BodyParameters, build_body
from kincast.models.twin.soles import ground_under
from kincast.offline.motion_library import storage
from kincast.offline.motion_library.build import GROUND_CUTOFF_HZ
from kincast.offline.motion_library.clip import Clip
from kincast.offline.motion_library.fit_store import key_of
from kincast.offline.motion_library.gates import GateConfig, Reason, reasons_in_motion, reasons_in_time
from kincast.offline.motion_library.impairments import IMPAIRMENTS, NotAWalkError, Walk
from kincast.offline.motion_library.index import Entry, Library
from kincast.offline.motion_library.retarget import by_another
from kincast.offline.motion_library.sit_to_stand import WEAK, StandingUp, sit_to_stand
from kincast.offline.motion_library.smooth import smooth_motion
from kincast.offline.motion_library.transforms import faster, mirrored, time_warped
from kincast.offline.motion_library.writer import LibraryWriter

VARIANT_RECIPE = 1
"""Raised when variants made before would be made otherwise."""
LONGEST_S = 20.0
"""Of longer clips only mirror images and other speeds are made: they are many poses of one kind."""


@dataclass(frozen=True)
class Variant:
    """``spec`` says which; ``make`` raises NotAWalkError where it does not apply."""

    spec: str
    make: Callable[[Clip], Clip]


def add_variants(writer: LibraryWriter, config: GateConfig, tell: Callable[[str], None]) -> None:
    """Variants of all motions written so far that are trained on and that nothing but the feet carries."""
    originals = [e for e in writer.kept() if e.split == "train" and not (e.support or e.made_of)]
    library = Library(writer.folder)
    bodies: dict[str, BodyParameters] = {}
    first: dict[str, Entry] = {}
    for entry in originals:
        if entry.person not in bodies:
            bodies[entry.person] = library.clip(entry).body
            first[entry.person] = entry
    for k, entry in enumerate(originals):
        said = []
        clip: Clip | None = None
        for variant in variants_of(entry, bodies, first[entry.person] is entry):
            key = key_of(
                {
                    "of": entry.key,
                    "sha256": entry.sha256,
                    "variant": variant.spec,
                    "gates": asdict(config),
                    "recipe": (VARIANT_RECIPE, storage.VERSION),
                }
            )
            if writer.known(key, entry.split) is not None:
                continue
            clip = clip or library.clip(entry)
            try:
                made = variant.make(clip)
            except NotAWalkError:
                continue
            reasons = reasons_of(made, config)
            if reasons:
                writer.leave_out(key, entry.person, made.name, made.origin.source, reasons, entry.name)
                said.append(f"{made.name} kept out, {'; '.join(r.sentence for r in reasons)}")
            else:
                writer.keep(key, made, entry.split, entry.name)
                said.append(made.name)
        if said:
            tell(f"variants [{k + 1}/{len(originals)}] {entry.person}: {', '.join(said)}")


def variants_of(entry: Entry, bodies: Mapping[str, BodyParameters], stands_up: bool) -> Iterator[Variant]:
    """What is made of one clip. ``stands_up``: it is this clip of the person that lends its body to standing up."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(entry.key.encode()).digest()[:8], "big"))
    speed, amount, phase = rng.uniform(0.85, 1.2), rng.uniform(0.1, 0.25), rng.uniform(0.0, 2.0 * np.pi)
    side, mirror = str(rng.choice(["r", "l"])), bool(rng.random() < 0.5)
    others = sorted(p for p in bodies if p != entry.person)
    other = str(rng.choice(others)) if others else ""
    impairment = str(rng.choice(list(IMPAIRMENTS)))
    by_body = bool(rng.random() < 0.5)
    yield Variant("mirrored", mirrored)
    if entry.seconds > LONGEST_S or (not by_body) or not other:
        spec = f"speed {speed:.3f}, warped {amount:.3f} from {phase:.3f}"
        yield Variant(
            spec, lambda clip: time_warped(faster(clip, round(speed, 3)), round(amount, 3), phase=phase)
        )
    elif other:
        body = bodies[other]
        yield Variant(
            f"by {other} {body.sha256}, mirrored {mirror}",
            lambda clip: by_another(mirrored(clip) if mirror else clip, body, other),
        )
    if entry.seconds <= LONGEST_S:
        yield Variant(f"{impairment} {side}", lambda clip: IMPAIRMENTS[impairment](Walk(clip), side))
    if stands_up:
        yield Variant("sit to stand", lambda clip: sit_to_stand(clip, StandingUp(), "sit-to-stand"))
        yield Variant(
            "sit to stand, weak legs", lambda clip: sit_to_stand(clip, WEAK, "sit-to-stand-weak-legs")
        )


def reasons_of(clip: Clip, config: GateConfig) -> tuple[Reason, ...]:
    """Why a clip that was made up is kept out; empty: it is not."""
    q = clip.q.astype(np.float64)
    reasons = reasons_in_time(clip.t_ns, q, config)
    if reasons:
        return reasons
    body = build_body(clip.body)
    v = smooth_motion(clip.t_ns, q, GROUND_CUTOFF_HZ).motion(clip.t_ns).v
    return reasons_in_motion(body, clip.t_ns, q, ground_under(body, clip.t_ns, q, v, 0.0), config)
