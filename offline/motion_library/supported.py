"""Whether the feet alone carry a motion: who sits, holds a rail or leans on a wall moves as no twin on a bare floor can."""

from __future__ import annotations

import numpy as np

from kincast.models.body import build_body
from kincast.models.twin.contact_plan import ContactPlan
from kincast.models.twin.model import CONTROL_HZ, build_twin
from kincast.offline.motion_library.clip import Clip
from kincast.offline.motion_library.gates import GateConfig, Reason
from kincast.offline.motion_library.reference import reference_of

LOOKS_PER_S = 20


def support_reasons(clip: Clip, config: GateConfig) -> tuple[Reason, ...]:
    """A reason where the residual of inverse dynamics and contact exceeds what walking needs for too much of the time."""
    twin = build_twin(build_body(clip.body), clip.sole_drop_m)
    reference = reference_of(clip, twin)
    plan = ContactPlan(twin)
    left = []
    for row in range(0, len(reference.q), CONTROL_HZ // LOOKS_PER_S):
        q, v, a = (np.asarray(x[row]) for x in (reference.q, reference.v, reference.a))
        planned = plan.plan(q, v, a, q, v)
        left.append(float(np.linalg.norm((planned.demanded - planned.feet)[:3])) / twin.weight_N)
    share = float(np.mean(np.array(left) > config.support_bw))
    if share <= config.support_share:
        return ()
    return (
        Reason(
            "supported",
            f"the feet cannot give what the motion demands in {share:.0%} of the time: a seat, a rail or a hand helps",
        ),
    )
