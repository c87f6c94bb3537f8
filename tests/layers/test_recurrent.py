"""Recurrent layers beyond a single batch: memory, exposed states, the size of the program."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ..cases import LayerCase
from .running import compiled, run

TYPES = pytest.mark.parametrize("type", ["LSTM", "RNN"])
SIZE = "recurrent_param { num_output: 3 }"


def fed(type, steps, cont=None, streams=2):
    """A layer set up, its blobs, and its bottoms."""
    cont = np.ones((steps, streams), int) if cont is None else cont
    case = LayerCase(type, SIZE, [(steps, streams, 4), cont], [(steps, streams, 3)])
    running = run(case, "TRAIN")
    blobs, bottoms = running.arrays()
    return running.layer, blobs, bottoms


def zeros(layer):
    return tuple(jnp.zeros(spec.shape) for spec in layer.memory)


@TYPES
def test_a_batch_goes_on_where_the_one_before_ended(type):
    whole, blobs, (x, cont) = fed(type, 6)
    part, *_ = fed(type, 2)
    (want,), last = whole.apply(blobs, zeros(whole), None, x, cont)
    memory, got = zeros(part), []
    for at in (0, 2, 4):
        (top,), memory = part.apply(blobs, memory, None, x[at : at + 2], cont[at : at + 2])
        got.append(top)
    np.testing.assert_allclose(np.concatenate(got), want, rtol=1e-6, atol=1e-7)
    for a, b in zip(memory, last, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


@TYPES
def test_cont_0_forgets(type):
    layer, blobs, (x, cont) = fed(type, 3)
    memory = tuple(jnp.full(spec.shape, 5.0) for spec in layer.memory)
    (want,), _ = layer.apply(blobs, zeros(layer), None, x, cont)
    (got,), _ = layer.apply(blobs, memory, None, x, cont.at[0, 1].set(0))
    np.testing.assert_allclose(got[:, 1], want[:, 1], rtol=1e-6)
    assert (got[:, 0] != want[:, 0]).all()


@TYPES
def test_exposed_states_are_the_memory(type):
    layer, blobs, (x, cont) = fed(type, 3)
    states = len(layer.memory)
    fields = "recurrent_param { num_output: 3 expose_hidden: true }"
    bottoms = [(3, 2, 4), (3, 2), *[(1, 2, 3)] * states]
    exposed = run(LayerCase(type, fields, bottoms, [(3, 2, 3)] * (1 + states)), "TRAIN").layer
    assert exposed.memory == ()
    first = [jnp.full((2, 3), 0.3 + i) for i in range(states)]
    tops, last = layer.apply(blobs, tuple(first), None, x, cont)
    got, _ = exposed.apply(blobs, (), None, x, cont, *(s[None] for s in first))
    for a, b in zip(got, [*tops, *(s[None] for s in last)], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("asked", [False, True])
def test_gradients_of_exposed_states(asked):
    fields = "recurrent_param { num_output: 3 expose_hidden: true }"
    if asked:
        fields += " propagate_down: true propagate_down: false" + " propagate_down: true" * 2
    bottoms = [(2, 1, 4), (2, 1), (1, 1, 3), (1, 1, 3)]
    running = run(LayerCase("LSTM", fields, bottoms, [(2, 1, 3), *[(1, 1, 3)] * 2]), "TRAIN")
    blobs, arrays = running.arrays()
    found = jax.grad(lambda xs: running.tops(blobs, xs)[2].sum())(arrays)
    assert np.asarray(found[0]).all() and not np.asarray(found[1]).any()
    assert [np.asarray(g).any() for g in found[2:]] == [asked, asked]


@TYPES
def test_the_program_does_not_grow_with_the_steps(type):
    sizes = set()
    for steps in (3, 300):
        layer, blobs, bottoms = fed(type, steps)

        def loss(blobs, x, cont, layer=layer):
            return layer.apply(blobs, zeros(layer), None, x, cont)[0][0].sum()

        lowered = jax.jit(jax.grad(loss)).lower(blobs, *bottoms)
        sizes.add(lowered.as_text().count("\n"))
    assert len(sizes) == 1


@TYPES
def test_memory_is_no_parameter(type):
    text = f"""
    layer {{ name: "i" type: "Input" top: "x" top: "c"
      input_param {{ shape {{ dim: 4 dim: 2 dim: 5 }} shape {{ dim: 4 dim: 2 }} }} }}
    layer {{ name: "l" type: "{type}" bottom: "x" bottom: "c" top: "y" {SIZE} loss_weight: 1 }}
    """
    program = compiled(text)
    blobs, state = program.init(0)
    assert state.keys() == program.graph.memory.keys() == set(program.graph.carried)
    assert not any(p.carried for p in program.graph.params) and not state.keys() & blobs.keys()
    inputs = {"x": jnp.ones((4, 2, 5)), "c": jnp.ones((4, 2))}
    first = program.apply(blobs, {}, None, inputs)
    again = program.apply(blobs, state, None, inputs)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
