"""Many people at once in C MuJoCo, on all cores: ``mujoco.rollout`` over the physics steps of one control step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mujoco
import mujoco.rollout
import numpy as np
from jaxtyping import Bool, Float, Int

from kincast.models.twin.bank import MotionBank
from kincast.models.twin.environment import EnvironmentConfig, Outcome, Place, controls, outcome
from kincast.models.twin.loads import foot_loads
from kincast.models.twin.model import Twin
from kincast.models.twin.person import Person, person_of

_STATE = mujoco.mjtState.mjSTATE_FULLPHYSICS.value


class CEnvironments:
    """``n`` instances; each follows a clip of the bank with the twin of the clip's person.

    ``person_of_clip[i]`` is the twin of clip ``i``. All arrays are float64. An instance that ended or finished must be
    reset before it is stepped on; its last outcome stands until then.
    """

    def __init__(
        self,
        twins: Sequence[Twin],
        bank: MotionBank,
        person_of_clip: Int[np.ndarray, " clip"],
        config: EnvironmentConfig | None = None,
        threads: int = 1,
    ) -> None:
        self.config = config or EnvironmentConfig()
        self.bank = bank
        self._twins = list(twins)
        self._person_of_clip = person_of_clip
        people = [person_of(t) for t in twins]
        self._people = Person(*(np.stack(values) for values in zip(*people, strict=True)))
        self._coupling = twins[0].body.coupling
        model = twins[0].model
        self._nq, self._nv = model.nq, model.nv
        self._data = [mujoco.MjData(model) for _ in range(max(1, threads))]
        self._rollout = mujoco.rollout.Rollout(nthread=threads if threads > 1 else 0)
        self._state = np.zeros((0, mujoco.mj_stateSize(model, _STATE)))
        self._previous = np.zeros((0, self.config.action.size))
        self._sensed = np.zeros((0, model.nsensordata))
        self.place = Place(np.zeros(0, int), np.zeros(0, int), np.zeros(0))

    def reset(
        self, clip: Int[np.ndarray, " n"], row: Int[np.ndarray, " n"], residual_limit: float = np.inf
    ) -> Float[np.ndarray, "n observation"]:
        """All instances anew: each in the reference's state at its clip and row."""
        n = len(clip)
        self._state = np.zeros((n, self._state.shape[1]))
        self._previous = np.zeros((n, self._previous.shape[1]))
        self._sensed = np.zeros((n, self._sensed.shape[1]))
        self.place = Place(np.array(clip), np.array(row), np.full(n, float(residual_limit)))
        return self.reset_some(np.ones(n, bool), clip, row)

    def reset_some(
        self, which: Bool[np.ndarray, " n"], clip: Int[np.ndarray, " n"], row: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n observation"]:
        """Put the instances ``which`` where ``clip`` and ``row`` say; the observation of all."""
        place = self.place
        place = place._replace(clip=np.where(which, clip, place.clip), row=np.where(which, row, place.row))
        for i in np.flatnonzero(which):
            at = self.bank.start[place.clip[i]] + place.row[i]
            coupling = self._twins[self._person_of_clip[place.clip[i]]].body.coupling
            q, v = np.asarray(self.bank.rows.q[at], float), np.asarray(self.bank.rows.v[at], float)
            self._state[i, 1 : 1 + self._nq] = coupling.full_qpos(q)
            self._state[i, 1 + self._nq : 1 + self._nq + self._nv] = coupling.full_qvel(q, v)
            self._state[i, 1 + self._nq + self._nv :] = 0.0
            self._previous[i] = 0.0
            self._sensed[i] = 0.0
        self.place = place
        q, v = self.state()
        found = outcome(
            self.config, self.people(), self.bank, place, q, v, self._sensed, self._previous, self._previous
        )
        return np.asarray(found.observation)

    def step(self, action: Float[np.ndarray, "n action"]) -> Outcome:
        """One control step of every instance."""
        models = [self._twins[k].model for k in self._person_of_clip[self.place.clip]]
        ctrl = controls(self.config, self.people(), self.bank, self.place, action)
        state, sensed = (
            np.asarray(x)[:, -1]
            for x in self._rollout.rollout(models, self._data, self._state, np.asarray(ctrl))
        )
        self._state, self._sensed = state.copy(), sensed.copy()
        self.place = self.place._replace(row=self.place.row + 1)
        q, v = self.state()
        found = outcome(
            self.config, self.people(), self.bank, self.place, q, v, sensed, action, self._previous
        )
        self._previous = action.copy()
        return found

    def limit_residual(self, limit: float) -> None:
        """From now on at most so many body weights, for every instance."""
        self.place = self.place._replace(residual_limit=np.full(len(self.place.clip), float(limit)))

    def snapshot(self) -> dict[str, np.ndarray]:
        """All that the next step depends on."""
        place = {f"place_{name}": values.copy() for name, values in self.place._asdict().items()}
        return {
            "state": self._state.copy(),
            "previous": self._previous.copy(),
            "sensed": self._sensed.copy(),
            **place,
        }

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> Float[np.ndarray, "n observation"]:
        """Go on from a snapshot; the observation there."""
        self._state, self._previous, self._sensed = (
            np.array(snapshot[name]) for name in ("state", "previous", "sensed")
        )
        self.place = Place(*(np.array(snapshot[f"place_{name}"]) for name in Place._fields))
        return self.reset_some(np.zeros(len(self._state), bool), *(np.asarray(x) for x in self.place[:2]))

    def situation(
        self,
    ) -> tuple[Float[np.ndarray, "n 2 3"], Float[np.ndarray, "n action"]]:
        """Force on the feet (N) and the previous action, as the observation has them beside pose and velocity."""
        return np.asarray(foot_loads(self._sensed).force), self._previous.copy()

    def people(self) -> Person:
        """The person of every instance."""
        who = self._person_of_clip[self.place.clip]
        return Person(*(values[who] for values in self._people))

    def state(self) -> tuple[Float[np.ndarray, "n 41"], Float[np.ndarray, "n 40"]]:
        """Pose and velocity of every instance."""
        qpos = self._state[:, 1 : 1 + self._nq]
        qvel = self._state[:, 1 + self._nq : 1 + self._nq + self._nv]
        return qpos[:, self._coupling.independent_qpos], qvel[:, self._coupling.independent_dof]

    def close(self) -> None:
        """Stop the threads."""
        self._rollout.close()
