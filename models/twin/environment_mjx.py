"""Many people at once in MJX: the same environment inside one compiled JAX function, on CPU or GPU.

Every person's model is one slice of stacked arrays; an instance takes its own by the clip it follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from mujoco import mjx

from kincast.models.twin.bank import MotionBank
from kincast.models.twin.environment import EnvironmentConfig, Outcome, Place, controls, outcome
from kincast.models.twin.model import Twin
from kincast.models.twin.person import Person, person_of


class MjxState(NamedTuple):
    """Of one instance, or many along the leading axis; a pytree."""

    qpos: Float[jax.Array, "*n nq"]
    qvel: Float[jax.Array, "*n nv"]
    warmstart: Float[jax.Array, "*n nv"]
    previous_action: Float[jax.Array, "*n action"]
    place: Place


@dataclass(frozen=True, eq=False)
class MjxEnvironments:
    """``reset`` and ``step`` are pure functions of one instance, to be ``jax.vmap``ped and jitted with the rest of a training step.

    ``start_qpos, start_qvel``: MuJoCo's state at every row of the bank.
    """

    config: EnvironmentConfig
    bank: MotionBank
    people: Person
    models: Any
    blank: Any
    person_of_clip: Int[jax.Array, " clip"]
    start_qpos: Float[jax.Array, "row nq"]
    start_qvel: Float[jax.Array, "row nv"]
    independent_qpos: Int[np.ndarray, "41"]
    independent_dof: Int[np.ndarray, "40"]

    def reset(
        self, clip: Int[jax.Array, ""], row: Int[jax.Array, ""], residual_limit: Float[jax.Array, ""]
    ) -> tuple[MjxState, Float[jax.Array, " observation"]]:
        """The reference's state at a clip's row, and what is seen there."""
        at = self.bank.start[clip] + row
        still = jnp.zeros(self.config.action.size)
        state = MjxState(
            self.start_qpos[at],
            self.start_qvel[at],
            jnp.zeros_like(self.start_qvel[at]),
            still,
            Place(clip, row, residual_limit),
        )
        found = self._outcome(state, jnp.zeros_like(self.blank.sensordata), still)
        return state, jnp.asarray(found.observation)

    def step(self, state: MjxState, action: Float[jax.Array, " action"]) -> tuple[MjxState, Outcome]:
        """One control step of one instance."""
        who = self.person_of_clip[state.place.clip]
        model = jax.tree.map(lambda values: values[who], self.models)
        data = self.blank.replace(qpos=state.qpos, qvel=state.qvel, qacc_warmstart=state.warmstart)

        def physics(data: Any, ctrl: Float[jax.Array, " control"]) -> tuple[Any, None]:
            return mjx.step(model, data.replace(ctrl=ctrl)), None

        ctrl = jnp.asarray(controls(self.config, self._person(state.place), self.bank, state.place, action))
        with jax.numpy_rank_promotion("allow"):  # MJX promotes ranks
            data, _ = jax.lax.scan(physics, data, ctrl)
            sensed = contact_numbers(model, data)
        reached = MjxState(
            data.qpos,
            data.qvel,
            data.qacc_warmstart,
            state.previous_action,
            state.place._replace(row=state.place.row + 1),
        )
        found = self._outcome(reached, sensed, action)
        return reached._replace(previous_action=action), found

    def _person(self, place: Place) -> Person:
        who = self.person_of_clip[place.clip]
        return Person(*(values[who] for values in self.people))

    def _outcome(
        self, state: MjxState, sensordata: Float[jax.Array, " s"], action: Float[jax.Array, " action"]
    ) -> Outcome:
        q, v = state.qpos[self.independent_qpos], state.qvel[self.independent_dof]
        return outcome(
            self.config,
            self._person(state.place),
            self.bank,
            state.place,
            q,
            v,
            sensordata,
            action,
            state.previous_action,
        )


def mjx_environments(
    twins: Sequence[Twin],
    bank: MotionBank,
    person_of_clip: Int[np.ndarray, " clip"],
    config: EnvironmentConfig | None = None,
) -> MjxEnvironments:
    """The environment on JAX's default device, in its default precision."""
    models = [mjx.put_model(t.model) for t in twins]
    without = models[0].opt.disableflags | mjx.DisableBit.SENSOR
    models = [m.replace(opt=m.opt.replace(disableflags=without)) for m in models]
    # a static copy of the geoms' radii, for height fields alone, which would keep people's models apart
    radii = models[0]._impl.geom_rbound_hfield
    models = [m.replace(_impl=m._impl.replace(geom_rbound_hfield=radii)) for m in models]
    stacked = jax.tree.map(lambda *values: jnp.stack(values), *models)
    people = [person_of(t) for t in twins]
    qpos, qvel = [], []
    for k, (start, length) in enumerate(zip(bank.start.tolist(), bank.length.tolist(), strict=True)):
        coupling = twins[int(person_of_clip[k])].body.coupling
        for at in range(start, start + length):
            qpos.append(coupling.full_qpos(np.asarray(bank.rows.q[at])))
            qvel.append(coupling.full_qvel(np.asarray(bank.rows.q[at]), np.asarray(bank.rows.v[at])))
    coupling = twins[0].body.coupling
    return MjxEnvironments(
        config=config or EnvironmentConfig(),
        bank=jax.tree.map(jnp.asarray, bank),
        people=Person(*(jnp.asarray(np.stack(values)) for values in zip(*people, strict=True))),
        models=stacked,
        blank=mjx.make_data(twins[0].model),
        person_of_clip=jnp.asarray(person_of_clip),
        start_qpos=jnp.asarray(np.stack(qpos)),
        start_qvel=jnp.asarray(np.stack(qvel)),
        independent_qpos=coupling.independent_qpos,
        independent_dof=coupling.independent_dof,
    )


def contact_numbers(model: Any, data: Any) -> Float[jax.Array, " s"]:
    """What the twin's contact sensors say in C, out of MJX's own contacts.

    MJX 3.17's contact sensors ignore which geoms they are of unless they reduce (``sensor._sensor_contact``: every sensor
    of a kind reports the first one's contacts), so they are switched off. The contacts are those of floor and
    capsules in the order of the geoms, as the sensors are; pyramids are decoded as in ``mj_contactForce``.
    """
    contact = data._impl.contact
    address = np.asarray(contact.efc_address)
    edges = data._impl.efc_force[address[:, None] + np.arange(4)]
    force = jnp.stack(
        [
            edges.sum(axis=1),
            contact.friction[:, 0] * (edges[:, 0] - edges[:, 1]),
            contact.friction[:, 1] * (edges[:, 2] - edges[:, 3]),
        ],
        axis=1,
    )
    return jnp.concatenate([force, contact.pos, contact.frame[:, 0], contact.frame[:, 1]], axis=1).reshape(-1)
