"""What every row of the case table buys."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from netc.errors import NetcError
from netc.layers import LAYERS
from netc.transfer import by_key, by_layer, file_message, targets
from netc.weights import read_weights, write_weights
from netc.weights.match import match

from ..cases import CASES, is_array
from .running import compiled, in_phases, meant, net_text, run

GOLDEN = Path(__file__).parents[1] / "golden"
FED = [c for c in CASES if c.bottoms]


def rows(cases):
    return pytest.mark.parametrize("case", cases, ids=str)


def error(got, want):
    """The greatest difference, relative to the greatest value."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape
    return np.abs(got - want).max(initial=0) / (np.abs(want).max(initial=0) + 1e-6)


def channels(x, to_last):
    if x.ndim != 4:
        return x
    return jnp.moveaxis(x, 1, -1) if to_last else jnp.moveaxis(x, -1, 1)


def test_every_layer_type_has_a_row():
    every = [k for kind in LAYERS.values() for k in kind.variants]
    own = {k.label for k in every if k.setup.__module__.startswith("netc.layers.")}
    assert own == {meant(case).label for case in CASES}


@rows([c for c in CASES if not c.bottoms])
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_shapes_of_sources(case, phase, monkeypatch):
    monkeypatch.chdir(GOLDEN / "data")
    graph = compiled(net_text(case), phase).graph
    assert [graph.shapes[t] for t in graph.nodes[-1].tops] == list(case.tops)


@rows(FED)
def test_forward(case):
    for running in in_phases(case):
        assert [b.shape for b in running.layer.blobs] == list(case.blobs)
        tops = jax.jit(running.tops)(*running.arrays())
        assert [t.shape for t in tops] == list(case.tops)
        if case.want:
            want = case.want(*running.bottoms, *running.blobs)
            for got, expected in zip(
                tops, want if isinstance(want, tuple) else [want], strict=True
            ):
                assert error(got, expected) < 5e-6


@rows([c for c in FED if c.smooth != () and c.tops])
def test_gradient(case):
    given = [not is_array(b) or b.dtype.kind == "f" for b in case.bottoms]
    for running in in_phases(case):
        with jax.enable_x64(True):
            blobs, bottoms = running.arrays(jnp.float64)

            @jax.jit
            def tops(blobs, moving, running=running, bottoms=bottoms):
                moving = iter(moving)
                fed = [next(moving) if m else b for m, b in zip(given, bottoms, strict=True)]
                found = running.tops(blobs, fed)
                return [found[i] for i in (case.smooth or range(len(found)))]

            moving = [b for m, b in zip(given, bottoms, strict=True) if m]
            check_grads(
                tops, (blobs, moving), order=1, modes=["rev"], eps=1e-5, atol=1e-6, rtol=1e-6
            )


@rows(FED)
def test_jit_equals_eager(case):
    running = run(case, case.phases[0])
    eager, jitted = running.tops(*running.arrays()), jax.jit(running.tops)(*running.arrays())
    assert all(error(b, a) < 2e-6 for a, b in zip(eager, jitted, strict=True))


@rows(FED)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_dtype_is_kept(case, dtype):
    for running in in_phases(case):
        tops = jax.eval_shape(running.tops, *running.arrays(dtype))
        wanted = [jnp.float32 if i in case.indices else dtype for i in range(len(case.tops))]
        assert [t.dtype for t in tops] == wanted


@rows([c for c in FED if any(len(b.shape if is_array(b) else b) == 4 for b in c.bottoms)])
def test_channels_last(case):
    running = run(case, case.phases[0])
    if running.layer.channels_last is None:
        pytest.skip("the layer has no form for channels last")
    blobs, bottoms = running.arrays()

    @jax.jit
    def last(blobs, bottoms):
        found = running.tops(blobs, [channels(x, True) for x in bottoms], last=True)
        return [channels(t, False) for t in found]

    first = jax.jit(running.tops)(blobs, bottoms)
    assert all(error(a, b) < 2e-6 for a, b in zip(last(blobs, bottoms), first, strict=True))


@rows([c for c in CASES if c.blobs])
@pytest.mark.parametrize("name", ["w.caffemodel", "w.caffemodel.h5"])
def test_save_and_load(case, name, tmp_path):
    running = run(case, "TRAIN")
    graph = running.program.graph
    rng = np.random.default_rng(0)
    stored = zip(graph.nodes[-1].stored, running.layer.stored, strict=True)
    blobs = {k: rng.normal(size=spec.shape).astype(np.float32) for k, (spec, _) in stored}
    write_weights(tmp_path / name, file_message(graph), by_layer(graph, blobs))
    loaded = by_key(graph, match(targets(graph), read_weights(tmp_path / name)))
    assert loaded.keys() == blobs.keys()
    assert all(np.array_equal(loaded[k], v) for k, v in blobs.items())


@rows(FED)
def test_a_batch_without_examples(case):
    """It is computed, forward and back, or refused in the layer's own words."""
    given = (np.shape(b) if is_array(b) else b for b in case.bottoms)
    shapes = [(0, *shape[1:])[: len(shape)] for shape in given]
    try:
        program = compiled(net_text(case._replace(bottoms=shapes)), case.phases[0])
        blobs, state = program.init(0)

        def total(blobs, inputs):
            values, _ = program.apply(blobs, state, jax.random.key(0), inputs)
            return sum((x.sum() for x in values.values()), jnp.zeros(()))

        inputs = {v: jnp.zeros(program.graph.shapes[v]) for v in program.graph.inputs}
        jax.eval_shape(jax.grad(total, (0, 1)), blobs, inputs)
    except NetcError as error:
        assert "cannot work on bottoms" not in str(error)
