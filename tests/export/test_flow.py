"""Layers of flow nets in both ways: every row of the table, numbers that are missing, refusals."""

import jax.numpy as jnp
import numpy as np
import pytest

from netc.export.calls import Unsupported
from netc.export.onnx import write_onnx
from netc.export.source import write_source

from .nets import MOTION, WRITABLE, answers, case_net, in_both, inputs, net_of

ROWS = [c for c in WRITABLE if c.type in MOTION]


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_the_rows_of_the_table(case, tmp_path):
    in_both(case_net(case), tmp_path)


def values(net, tmp_path, **given):
    """What onnxruntime and netc compute of some numbers."""
    write_onnx(net, tmp_path / "n.onnx")
    x = [np.asarray(v, np.float32) for v in given.values()]
    (want,), _ = net.program.graph.nodes[-1].set_up.apply((), (), None, *map(jnp.asarray, x))
    return answers(tmp_path / "n.onnx", **given)[0], want


def test_pixels_that_are_missing(tmp_path):
    text = (
        inputs(x=(1, 2, 5, 7))
        + """
    layer { name: "d" type: "Downsample" bottom: "x" top: "y"
            downsample_param { top_height: 2 top_width: 3 } }"""
    )
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 7))
    x[0, 0, :3, :4], x[0, 1, 2, 2] = np.nan, np.nan
    got, want = values(net_of(text), tmp_path, x=x)
    assert np.isnan(want[0, 0]).any() and np.isfinite(want[0, 1]).all()
    np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("fill", ["ZERO", "NOT_A_NUMBER"])
def test_flow_to_the_edges_and_out(fill, tmp_path):
    text = (
        inputs(x=(1, 2, 3, 4), flow=(1, 2, 3, 4))
        + f"""
    layer {{ name: "w" type: "FlowWarp" bottom: "x" bottom: "flow" top: "y"
            flow_warp_param {{ fill_value: {fill} }} }}"""
    )
    flow = np.zeros((1, 2, 3, 4))
    flow[0, 0, 0], flow[0, 1, 0] = [-0.5, 2, 1.5, 1], 0.25
    flow[0, 0, 1], flow[0, 1, 1] = [np.nan, 1e30, -np.inf, 0], [0, 0, 0, 1.999]
    flow[0, 1, 2] = [0.5, 1, -2, -2.001]
    x = np.random.default_rng(0).standard_normal((1, 2, 3, 4))
    got, want = values(net_of(text), tmp_path, x=x, flow=flow)
    assert (np.isnan(want) if fill == "NOT_A_NUMBER" else want == 0).sum() == 14
    np.testing.assert_allclose(got, want, atol=1e-6)


AUGMENTED = """
layer {{ name: "a" type: "DataAugmentation" bottom: "x" top: "y"
        augmentation_param {{ {fields} }} }}"""


@pytest.mark.parametrize(
    "fields",
    ["recompute_mean: 10", "recompute_mean: 10 mean_per_pixel: false crop_height: 3 crop_width: 6"],
)
def test_a_mean_that_is_settled(fields, tmp_path):
    net = net_of(inputs(x=(1, 3, 5, 6)) + AUGMENTED.format(fields=fields))
    assert net.state["a/0"].ravel()[0] < 10
    with pytest.raises(Unsupported) as raised:
        write_onnx(net, tmp_path / "n.onnx")
    assert raised.value.render().startswith(
        "<text>:4:46: cannot be exported: its mean is that of 10 passes, of which the weights have "
        "seen 0 (layer 'a', DataAugmentation)"
    )
    passed = np.full((1, 1, 1, 1), 10, np.float32)
    in_both(net._replace(state={**net.state, "a/0": passed}), tmp_path)


@pytest.mark.parametrize(
    ("shapes", "bottom", "fields", "message"),
    [
        ({}, "", "crop_height: 3 crop_width: 4 augment_during_test: true rotate { spread: 0.1 }",
            "it draws numbers"),
        ({"c": (1, 42, 1, 1)}, 'bottom: "c"', "crop_height: 3 crop_width: 4",
            "it moves images by coefficients, which is for training"),
    ],
)  # fmt: skip
def test_augmentation_is_refused(shapes, bottom, fields, message, tmp_path):
    layer = AUGMENTED.format(fields=fields).replace('top: "y"', f'{bottom} top: "y"')
    with pytest.raises(Unsupported, match=message):
        write_source(net_of(inputs(x=(1, 3, 5, 6), **shapes) + layer), tmp_path / "n.py")


def test_how_it_reads(tmp_path):
    text = (
        inputs(a=(1, 8, 9, 12), b=(1, 8, 9, 12))
        + """
    layer { name: "c" type: "Correlation" bottom: "a" bottom: "b" top: "c"
            correlation_param { kernel_size: 1 max_displacement: 4 pad: 4 stride_2: 2 } }
    layer { name: "n" type: "ChannelNorm" bottom: "c" top: "n" }
    layer { name: "r" type: "Resample" bottom: "n" top: "y"
            resample_param { height: 18 width: 12 type: NEAREST antialias: false } }"""
    )
    write_source(net_of(text), tmp_path / "n.py")
    assert """
    # c (Correlation)
    c = correlation(a, b, first=(0, 0), size=(9, 12), down=(-4, 6, 2), across=(-4, 6, 2))
    n = jnp.sqrt(jnp.sum(c * c, axis=(1,), keepdims=True))  # n (ChannelNorm)
    y = jnp.matmul(w["r/0"], n)  # r (Resample)
    return y
""" in (tmp_path / "n.py").read_text()
