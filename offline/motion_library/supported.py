"""Whether the feet alone carry a motion: who sits, holds a rail or leans on a wall moves as no twin on a bare floor can."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64

from kincast.models.body import build_body
from kincast.models.twin.contact_plan import ContactPlan
from kincast.models.twin.model import CONTROL_HZ, build_twin
from kincast.offline.motion_library.clip import Clip
from kincast.offline.motion_library.gates import GateConfig, Reason
from kincast.offline.motion_library.reference import reference_of

LOOKS_PER_S = 20


def support_reasons(clip: Clip, config: GateConfig) -> tuple[Reason, ...]:
    """A reason where the residual of inverse dynamics and contact exceeds what walking needs for too much of the time."""
    _, left = _unexplained(clip)
    share = float(np.mean(np.linalg.norm(left, axis=1) > config.support_bw))
    if share <= config.support_share:
        return ()
    return (
        Reason(
            "supported",
            f"the feet cannot give what the motion demands in {share:.0%} of the time: a seat, a rail or a hand helps",
        ),
    )


def supported_share(clip: Clip) -> Float32[np.ndarray, " time"]:
    """Of the body weight, upwards, that the feet leave to something else, at the clip's instants."""
    since_s, left = _unexplained(clip)
    at_s = (clip.t_ns - clip.t_ns[0]) * 1e-9
    return np.clip(np.interp(at_s, since_s, left[:, 2]), 0.0, 1.0).astype(np.float32)


def _unexplained(clip: Clip) -> tuple[Float64[np.ndarray, " look"], Float64[np.ndarray, "look 3"]]:
    """Seconds since the clip's begin, and the force (body weights) that the motion demands there and the feet do not give."""
    twin = build_twin(build_body(clip.body), clip.sole_drop_m)
    reference = reference_of(clip, twin, balance=False)
    plan = ContactPlan(twin)
    rows = range(0, len(reference.q), CONTROL_HZ // LOOKS_PER_S)
    left = []
    for row in rows:
        q, v, a = (np.asarray(x[row]) for x in (reference.q, reference.v, reference.a))
        planned = plan.plan(q, v, a, q, v)
        left.append((planned.demanded - planned.feet)[:3] / twin.weight_N)
    return np.array(rows) / CONTROL_HZ, np.array(left)
