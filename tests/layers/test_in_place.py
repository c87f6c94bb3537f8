"""A layer written in place computes what it computes into a blob of its own.

Caffe spoils the gradients of Power, Clip, BNLL, Log and MVN there.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from netc.errors import GraphError
from netc.layers import LAYERS

from ..cases import CASES
from .running import compiled, meant, net_text, run

IN_PLACE = [
    c
    for c in CASES
    if len(c.tops) == 1
    and c.bottoms
    and LAYERS[c.type].in_place
    and meant(c).in_place
    and "TRAIN" in c.phases
]


@pytest.mark.parametrize(
    "case", list({meant(c).label: c for c in IN_PLACE}.values()), ids=lambda c: c.type
)
def test_values_and_gradients(case):
    apart = run(case, "TRAIN")
    within = compiled(net_text(case).replace("top: 'data'", "top: 'x0'"), "TRAIN")
    assert within.graph.nodes[-1].tops == ("x0'1",)
    keys = within.graph.nodes[-1].blobs
    given = {f"x{i}": jnp.asarray(x, jnp.float32) for i, x in enumerate(apart.bottoms)}
    blobs = {k: jnp.asarray(b, jnp.float32) for k, b in zip(keys, apart.blobs, strict=True)}

    def top(program, name):
        state = program.init(0)[1]

        def f(blobs, given):
            return program.apply(blobs, state, jax.random.key(1), given, {name})[0][name]

        return jax.jit(f)

    want, pull = jax.vjp(top(apart.program, "data"), blobs, given)
    got, pull_within = jax.vjp(top(within, "x0'1"), blobs, given)
    np.testing.assert_array_equal(got, want)
    dy = jnp.asarray(np.random.default_rng(0).normal(size=want.shape), jnp.float32)
    for a, b in zip(jax.tree.leaves(pull_within(dy)), jax.tree.leaves(pull(dy)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_absval_is_refused():
    net = "layer { name: 'i' type: 'Input' top: 'x' input_param { shape { dim: 2 } } }"
    with pytest.raises(GraphError, match="AbsVal Layer does not allow in-place computation"):
        compiled(f"{net} layer {{ name: 'a' type: 'AbsVal' bottom: 'x' top: 'x' }}")
