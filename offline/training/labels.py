"""The expert's answer for many instances at once, each with its own body; what depends on the reference alone is kept."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.twin.action import ActionConfig, action_of
from kincast.models.twin.contact_plan import Wanted
from kincast.models.twin.environment_c import CEnvironments
from kincast.models.twin.expert import Expert, ExpertConfig
from kincast.models.twin.person import Person
from kincast.offline.training.motions import Motions


class Labels:
    """Experts of all people of ``motions``; an answer depends on state and place alone."""

    def __init__(self, motions: Motions, config: ExpertConfig, action: ActionConfig) -> None:
        self._motions, self._config, self._action = motions, config, action
        self._experts: dict[int, Expert] = {}
        self._wanted: dict[int, Wanted] = {}

    def of(
        self, environments: CEnvironments, which: Bool[np.ndarray, " n"]
    ) -> Float64[np.ndarray, "k action"]:
        """Actions for the instances ``which``, in order."""
        q, v = environments.state()
        bank, place = self._motions.bank, environments.place
        found = np.flatnonzero(which)
        residual, torque = np.zeros((len(found), 6)), np.zeros((len(found), 34))
        for k, i in enumerate(found):
            clip = int(place.clip[i])
            row = int(bank.start[clip] + min(place.row[i], bank.length[clip] - 1))
            expert = self._expert(int(self._motions.person_of_clip[clip]))
            target_q, target_v, target_a = (np.asarray(x[row]) for x in bank.rows[:3])
            wanted = self._wanted.get(row)
            if wanted is None:
                wanted = self._wanted[row] = expert.wanted(
                    target_q, target_v, float(bank.rows.right_share[row])
                )
            residual[k], torque[k] = expert.forces(q[i], v[i], target_q, target_v, target_a, wanted)
        people = Person(*(values[found] for values in environments.people()))
        return np.asarray(action_of(self._action, people, residual, torque))

    def _expert(self, person: int) -> Expert:
        if person not in self._experts:
            self._experts[person] = Expert(self._motions.twins[person], self._config)
        return self._experts[person]
