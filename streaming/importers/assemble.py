"""From what each camera saw to one session in the order of its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from kincast.models.camera import Camera
from kincast.streaming.importers.errors import NothingReadableError
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.importers.recording import ImportedRecording, Losses
from kincast.streaming.messages import KeypointFrame, SessionHeader
from kincast.streaming.results.time_order import rising, without_far


@dataclass(frozen=True)
class Picture:
    """What one camera saw at one instant."""

    seq: int
    t_ns: int
    people: Float32[np.ndarray, "people keypoint 3"]


def assemble(
    *,
    session_id: str,
    source: str,
    keypoint_set: str,
    cameras: Sequence[Camera],
    pictures: Mapping[str, Sequence[Picture]],
    truncated: Sequence[str],
    options: ImportOptions,
    losses: Losses,
) -> ImportedRecording:
    """Sort, check the stamps and count what is lost. ``truncated``: cameras whose file ended early.

    Raises:
        NothingReadableError: no picture is left.
    """
    kept: dict[str, list[Picture]] = {}
    for camera in cameras:
        all_pictures = list(pictures.get(camera.name, ()))
        chain = [all_pictures[i] for i in rising([p.t_ns for p in all_pictures])]
        losses.frame(camera.name, "timestamps that go backwards", len(all_pictures) - len(chain))
        window = without_far([p.t_ns for p in chain])
        near = chain[window]
        losses.frame(camera.name, "timestamps far from all others", len(chain) - len(near))
        if near:
            kept[camera.name] = near
        elif camera.name in pictures:
            losses.note(f"camera '{camera.name}' has no usable picture and is left out")
    if not kept:
        raise NothingReadableError(f"{source}: no usable picture ({_because(losses)})")
    for name in truncated:
        end = kept[name][-1].t_ns if name in kept else -1
        missing = max(
            (sum(p.t_ns > end for p in others) for n, others in kept.items() if n != name), default=0
        )
        losses.frame(name, "pictures after the point where a file ends early", max(missing, 1))
    used = tuple(camera for camera in cameras if camera.name in kept)
    order = {camera.name: i for i, camera in enumerate(used)}
    messages = [
        KeypointFrame(
            camera=name, seq=p.seq, t_ns=p.t_ns, sent_ns=p.t_ns, keypoint_set=keypoint_set, people=p.people
        )
        for name, chain in kept.items()
        for p in chain
    ]
    messages.sort(key=lambda m: (m.t_ns, order[m.camera]))
    header = SessionHeader(
        session_id=session_id,
        subject_id=options.subject_id,
        keypoint_set=keypoint_set,
        cameras=used,
        start_ns=messages[0].t_ns,
        mass_kg=options.mass_kg,
        height_m=options.height_m,
        belt_speed_m_s=options.belt_speed_m_s,
        source=source,
    )
    return ImportedRecording(header, messages, losses.total(_period_s(kept)), tuple(losses.notes))


def _period_s(kept: Mapping[str, Sequence[Picture]]) -> float:
    periods = [
        float(np.median(np.diff([p.t_ns for p in chain]))) for chain in kept.values() if len(chain) > 1
    ]
    return float(np.median(periods)) * 1e-9 if periods else 0.0


def _because(losses: Losses) -> str:
    return (
        ", ".join(f"{count} x {reason}" for reason, count in sorted(losses.reasons.items()))
        or "the source is empty"
    )
