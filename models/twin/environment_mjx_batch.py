"""MJX behind the same calls as :class:`~kincast.models.twin.environment_c.CEnvironments`: a batch that is stepped from outside.

For training on a GPU with the learning code unchanged; on a processor C MuJoCo is many times faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from kincast.models.twin.bank import MotionBank
from kincast.models.twin.environment import EnvironmentConfig, Outcome, Place
from kincast.models.twin.environment_mjx import MjxState, mjx_environments
from kincast.models.twin.model import Twin


class MjxBatch:
    """``n`` instances in single precision; see :class:`~kincast.models.twin.environment_c.CEnvironments` for what the calls do."""

    def __init__(
        self,
        twins: Sequence[Twin],
        bank: MotionBank,
        person_of_clip: Int[np.ndarray, " clip"],
        config: EnvironmentConfig | None = None,
    ) -> None:
        one = mjx_environments(twins, bank, person_of_clip, config)
        self.config = one.config
        self._reset = jax.jit(jax.vmap(one.reset))
        self._step = jax.jit(jax.vmap(one.step))
        self._exchange = jax.jit(_exchanged)
        self._state: MjxState | None = None
        self._seen: Array | None = None

    @property
    def place(self) -> Place:
        """Where every instance is (NumPy)."""
        return Place(*(np.asarray(values) for values in self._now().place))

    def reset(
        self, clip: Int[np.ndarray, " n"], row: Int[np.ndarray, " n"], residual_limit: float = np.inf
    ) -> Float[np.ndarray, "n observation"]:
        limit = jnp.full(len(clip), residual_limit, jnp.float32)
        self._state, self._seen = self._reset(jnp.asarray(clip), jnp.asarray(row), limit)
        return np.asarray(self._seen)

    def reset_some(
        self, which: Bool[np.ndarray, " n"], clip: Int[np.ndarray, " n"], row: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n observation"]:
        now = self._now()
        new, seen = self._reset(jnp.asarray(clip), jnp.asarray(row), now.place.residual_limit)
        self._state, self._seen = self._exchange(jnp.asarray(which), (new, seen), (now, self._seen))
        return np.asarray(self._seen)

    def step(self, action: Float[np.ndarray, "n action"]) -> Outcome:
        """One control step of every instance; NumPy."""
        self._state, found = self._step(self._now(), jnp.asarray(action, jnp.float32))
        self._seen = jnp.asarray(found.observation)
        return jax.tree.map(np.asarray, found)

    def limit_residual(self, limit: float) -> None:
        now = self._now()
        most = jnp.full_like(now.place.residual_limit, limit)
        self._state = now._replace(place=now.place._replace(residual_limit=most))

    def snapshot(self) -> dict[str, np.ndarray]:
        now = self._now()
        place = {f"place_{name}": np.asarray(values) for name, values in now.place._asdict().items()}
        rest = {name: np.asarray(getattr(now, name)) for name in MjxState._fields if name != "place"}
        return {**rest, **place, "seen": np.asarray(self._seen)}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> Float[np.ndarray, "n observation"]:
        place = Place(*(jnp.asarray(snapshot[f"place_{name}"]) for name in Place._fields))
        rest = {name: jnp.asarray(snapshot[name]) for name in MjxState._fields if name != "place"}
        self._state, self._seen = MjxState(place=place, **rest), jnp.asarray(snapshot["seen"])
        return np.asarray(self._seen)

    def close(self) -> None:
        """Nothing is held."""

    def _now(self) -> MjxState:
        if self._state is None:
            raise ValueError("reset comes first")
        return self._state


def _exchanged(which: Bool[Array, " n"], new: object, old: object) -> object:
    """The instances ``which`` out of ``new``, the others out of ``old``."""

    def pick(a: Array, b: Array) -> Array:
        return jnp.where(jnp.reshape(which, (-1,) + (1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(pick, new, old)
