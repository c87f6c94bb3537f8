"""Every recorded one-layer net of the real Caffe: forward, gradients, changed blobs."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from netc.layers import LAYERS
from netc.sizes import Sizes

from .running import compiled

GOLDEN = Path(__file__).parents[1] / "golden"
RECORDINGS = sorted(p for kind in ("layers", "fork_layers") for p in (GOLDEN / kind).glob("*.npz"))


def under(recording, prefix):
    """The arrays whose keys start with `prefix/`, by the rest of the key."""
    return {
        k.removeprefix(f"{prefix}/"): v for k, v in recording.items() if k.startswith(f"{prefix}/")
    }


def error(got, want):
    """As the recordings are judged: relative to the greatest value."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape
    return np.abs(got - want).max(initial=0) / (np.abs(want).max(initial=0) + 1e-6)


def goes_back(graph, key):
    """Whether Caffe computes the gradient of a blob, rather than leaving it at zero."""
    return graph.message.force_backward or key in graph.differentiable


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda p: p.stem)
def test_recording(path):
    with np.load(path) as f:
        recording = dict(f)
    text = bytes(recording["net"]).decode()
    missing = set(re.findall(r' type: "(\w+)" (?:bottom|top)', text)) - LAYERS.keys()
    if missing:
        pytest.skip(f"no layer type {', '.join(sorted(missing))} yet")
    program = compiled(text, str(recording["phase"]))
    graph = program.graph
    values = graph.last_values
    keys = {f"{n.name}/{i}": k for n in graph.nodes for i, k in enumerate(n.stored)}
    carried = {k for n in graph.nodes for k in n.state}
    given = {keys[k]: jnp.asarray(v) for k, v in under(recording, "param").items()}
    blobs = {k: v for k, v in given.items() if k not in carried}
    state = {k: v for k, v in given.items() if k in carried}
    inputs = {k: jnp.asarray(v) for k, v in under(recording, "in").items()}
    fed = under(recording, "dout")
    wanted = under(recording, "out")

    program = Sizes(program, exact=True).fit(blobs, state, jax.random.key(0), inputs)

    def objective(blobs, inputs):
        keep = {values[k] for k in (*wanted, *fed)} | set(graph.weights)
        tops, after = program.apply(blobs, state, jax.random.key(0), inputs, keep)
        loss = program.loss(tops) + sum((tops[values[k]] * v).sum() for k, v in fed.items())
        return loss, (tops, after)

    (_, (tops, after)), (dblobs, dinputs) = jax.jit(
        jax.value_and_grad(objective, argnums=(0, 1), has_aux=True)
    )(blobs, inputs)
    pairs = [(f"out/{k}", tops[values[k]], v) for k, v in wanted.items()]
    pairs += [(f"after/{k}", after[keys[k]], v) for k, v in under(recording, "after").items()]
    pairs += [(f"din/{k}", dinputs[k], v) for k, v in under(recording, "din").items()]
    pairs += [
        (f"dparam/{k}", dblobs[keys[k]], v)
        for k, v in under(recording, "dparam").items()
        if keys[k] not in carried and goes_back(graph, keys[k])
    ]
    errors = {k: error(got, want) for k, got, want in pairs}
    assert errors and max(errors.values()) < 5e-5, errors
