"""Channels first or last: the order of axes inside a program changes no number."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from netc.layers import LAYERS, Layer
from tests.graph.nets import inputs
from tests.test_compile import KEY, LOSS, close, fed, gradients, ip, layer, loss, program

IMAGES = inputs(x=(2, 3, 9, 8), label=(2,))
CONV = "convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: 'xavier' } }"
GROUPS = CONV.replace("kernel_size", "group: 3 kernel_size")
POOL = "pooling_param { pool: %s kernel_size: 3 stride: 2 }"
LAYOUTS = {
    "convolution": layer("Convolution", ["x"], "c", CONV),
    "in place": layer("Convolution", ["x"], "c", CONV) + layer("ReLU", ["c"], "c"),
    "pooling": layer("Convolution", ["x"], "b", CONV)
    + layer("LRN", ["b"], "n", "lrn_param { local_size: 3 alpha: 0.5 }")
    + layer("Pooling", ["n"], "c", POOL % "MAX"),
    "inception": layer("Convolution", ["x"], "a", CONV)
    + layer("Convolution", ["a"], "b", GROUPS)
    + layer("Concat", ["a", "b"], "c"),
    "along the height": layer("Convolution", ["x"], "a", CONV)
    + layer("Convolution", ["a"], "b", GROUPS)
    + layer("Concat", ["a", "b"], "c", "concat_param { axis: 2 }"),
    "residual": layer("Convolution", ["x"], "a", CONV)
    + layer("Convolution", ["a"], "b", CONV)
    + layer("Eltwise", ["a", "b"], "s")
    + layer("Pooling", ["s"], "c", POOL % "AVE"),
    "reshaped": layer("Convolution", ["x"], "a", CONV)
    + layer("Reshape", ["a"], "r", "reshape_param { shape { dim: [0, 4, 3, -1] } }")
    + layer("ReLU", ["r"], "c"),
    "flattened": layer("Convolution", ["x"], "a", CONV) + layer("Flatten", ["a"], "c"),
}


@pytest.mark.parametrize("middle", LAYOUTS.values(), ids=LAYOUTS)
def test_order_of_axes_changes_no_number(middle):
    text = IMAGES + middle + ip("out", "c", 3) + LOSS
    reference, cpu = program(text), program(text, platform="cpu")
    blobs, x = reference.init(0)[0], fed(reference)
    keep = reference.graph.shapes.keys()
    values, others = (
        jax.jit(lambda b, p=p: p.apply(b, {}, KEY, x, keep)[0])(blobs) for p in (reference, cpu)
    )
    assert {k: v.shape for k, v in others.items()} == reference.graph.shapes
    close(others, values, 1e-4)
    close(gradients(cpu, blobs), gradients(reference, blobs), 1e-3)


@pytest.mark.parametrize(
    ("platform", "orders"),
    [("reference", ["first", "first", "first"]), ("cpu", ["first", "last", "first"])],
)
def test_layers_take_the_order_of_their_bottoms(monkeypatch, platform, orders):
    taken = []

    def setup(d):
        def noting(order):
            def apply(blobs, state, rng, x):
                taken.append(order)
                return (x,), state

            return apply

        return Layer(noting("first"), channels_last=noting("last"))

    monkeypatch.setitem(LAYERS, "ReLU", LAYERS["ReLU"]._replace(setup=setup))
    p = program(
        IMAGES
        + layer("ReLU", ["x"], "a")
        + layer("LRN", ["a"], "n")
        + layer("ReLU", ["n"], "b")
        + layer("LRN", ["b"], "m")
        + layer("Flatten", ["m"], "f")
        + layer("ReLU", ["f"], "c"),
        platform=platform,
    )
    taken.clear()
    p.apply({}, {}, KEY, fed(p))
    assert taken == orders


@pytest.mark.parametrize("platform", ["reference", "cpu"])
def test_probes_have_the_gradients_of_their_values(platform):
    text = (
        IMAGES
        + layer("Convolution", ["x"], "c", CONV)
        + layer("ReLU", ["c"], "c")
        + layer("Pooling", ["c"], "n", POOL % "MAX")
        + ip("out", "n", 3)
        + LOSS
    )
    p = program(text, platform=platform)
    blobs, x = p.init(0)[0], fed(p)
    names = ("x", "c", "c'1", "n", "out")
    probes = {name: jnp.zeros(p.graph.shapes[name], jnp.float32) for name in names}

    def probed(probes):
        return p.loss(p.apply(blobs, {}, KEY, x, probes=probes)[0])

    found = jax.jit(jax.grad(probed))(probes)
    by_hand = gradients(p, blobs)
    out = found["out"]
    close({"out/1": out.sum(0)}, {"out/1": by_hand["out/1"]})
    close({"c": found["c"].sum((0, 2, 3))}, {"c": by_hand["c_Convolution/1"]}, 1e-4)
    image = jax.grad(lambda image: loss(p, blobs, {**x, "x": image}))(x["x"])
    close({"x": found["x"]}, {"x": image})
    rectified = p.apply(blobs, {}, KEY, x, keep=["c"])[0]["c"] > 0
    close({"c": found["c"]}, {"c": np.where(rectified, found["c'1"], 0)})


def test_jit_gives_the_numbers_of_eager():
    text = IMAGES + LAYOUTS["pooling"] + ip("out", "c", 3) + LOSS
    p = program(text, platform="cpu")
    blobs, x = p.init(0)[0], fed(p)
    np.testing.assert_allclose(
        jax.jit(lambda b: loss(p, b, x))(blobs), loss(p, blobs, x), rtol=1e-5
    )
