"""Actor and critic in flax, and the way from their parameters to a :class:`~kincast.models.twin.policy.Policy` and back."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen
from jaxtyping import Array, Float, PRNGKeyArray

from kincast.models.twin.policy import FURTHEST, Layer, Normalisation, Policy, PolicyFacts

Parameters = Any
"""Pytree of a network's weights."""


class Perceptron(linen.Module):
    """SiLU behind all layers but the last, which begins small."""

    hidden: tuple[int, ...]
    outputs: int

    @linen.compact
    def __call__(self, x: Float[Array, "*n a"]) -> Float[Array, "*n b"]:
        for width in self.hidden:
            x = linen.silu(linen.Dense(width, kernel_init=linen.initializers.lecun_normal())(x))
        small = linen.initializers.variance_scaling(1e-2, "fan_in", "truncated_normal")
        return linen.Dense(self.outputs, kernel_init=small)(x)


def begin(network: Perceptron, inputs: int, key: PRNGKeyArray) -> Parameters:
    """Parameters at the start of a training run."""
    return network.init(key, jnp.zeros((1, inputs)))


def normalised(
    normalisation: Normalisation, observation: Float[Array, "*n observation"]
) -> Float[Array, "*n observation"]:
    """What the networks are given; cut at :data:`FURTHEST`."""
    shape = (1,) * (observation.ndim - 1) + (-1,)
    mean, spread = (jnp.reshape(x, shape) for x in (normalisation.mean, normalisation.spread))
    return jnp.clip((observation - mean) / spread, -FURTHEST, FURTHEST)


def policy_of(
    facts: PolicyFacts,
    normalisation: Normalisation,
    parameters: Parameters,
    log_spread: Float[Array, " action"],
) -> Policy:
    """Trained parameters as the policy that runs (NumPy, float32)."""
    dense = parameters["params"]
    layers = tuple(
        Layer(np.asarray(dense[f"Dense_{k}"]["kernel"]), np.asarray(dense[f"Dense_{k}"]["bias"]))
        for k in range(len(dense))
    )
    plain = Normalisation(*(np.asarray(values, np.float32) for values in normalisation))
    return Policy(facts, plain, layers, np.asarray(log_spread, np.float32))


def parameters_of(policy: Policy) -> Parameters:
    """A policy's weights, to be trained on."""
    dense = {
        f"Dense_{k}": {"kernel": jnp.asarray(layer.weight), "bias": jnp.asarray(layer.bias)}
        for k, layer in enumerate(policy.layers)
    }
    return {"params": dense}


def hidden_of(policy: Policy) -> tuple[int, ...]:
    """Widths of its hidden layers."""
    return tuple(len(np.asarray(layer.bias)) for layer in policy.layers[:-1])


def finite(tree: Any) -> Array:
    """Whether every number of a pytree is one."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))
