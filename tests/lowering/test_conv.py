from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from netc.lowering import conv, conv_sides
from netc.lowering.geometry import Conv
from netc.lowering.plan import Plan, table

from . import reference
from .layouts import LAYOUTS, back, to


class Case(NamedTuple):
    x: tuple[int, ...]
    outputs: int
    kernel: tuple[int, ...]
    stride: int | tuple[int, ...] = 1
    pad: int | tuple[int, ...] = 0
    dilation: int | tuple[int, ...] = 1
    group: int = 1

    def how(self):
        rank = len(self.kernel)
        each = {f: getattr(self, f) for f in ("stride", "pad", "dilation")}
        axes = {f: v if isinstance(v, tuple) else (v,) * rank for f, v in each.items()}
        return {**axes, "group": self.group}

    def arrays(self, dtype=np.float64):
        rng = np.random.default_rng(7)
        w = rng.normal(size=(self.outputs, self.x[1] // self.group, *self.kernel))
        return rng.normal(size=self.x).astype(dtype), w.astype(dtype)


CASES = {
    "plain": Case((2, 3, 6, 5), 4, (3, 3)),
    "rectangular": Case((2, 2, 7, 6), 3, (2, 5), stride=(3, 1), pad=(1, 2)),
    "stride_leaves_rest": Case((1, 2, 8, 9), 2, (3, 2), stride=3),
    "stride_over_kernel": Case((1, 2, 9, 8), 2, (2, 1), stride=(3, 4)),
    "stride_pad": Case((1, 3, 7, 8), 2, (5, 4), stride=2, pad=2),
    "dilated": Case((1, 2, 9, 8), 3, (3, 2), dilation=(2, 3), pad=(2, 1)),
    "dilated_strided": Case((1, 2, 9, 9), 2, (3, 3), dilation=2, stride=2, pad=1),
    "groups": Case((2, 4, 5, 5), 6, (3, 3), pad=1, group=2),
    "groups_strided": Case((1, 6, 6, 5), 6, (3, 2), stride=2, pad=1, group=3),
    "groups_bundled": Case((1, 30, 4, 4), 20, (3, 2), pad=1, group=10),
    "groups_that_do_not_bundle": Case((1, 20, 4, 4), 10, (3, 3), group=5),
    "groups_one_by_one": Case((2, 4, 3, 3), 6, (1, 1), group=2),
    "depthwise": Case((2, 4, 6, 6), 4, (3, 3), pad=1, group=4),
    "depthwise_strided": Case((1, 3, 7, 6), 3, (3, 3), stride=2, pad=1, group=3),
    "depthwise_multiplied": Case((1, 3, 5, 6), 6, (3, 2), group=3, dilation=(1, 2)),
    "large_stride": Case((2, 3, 13, 11), 4, (6, 5), stride=(4, 3), pad=(2, 1)),
    "large_stride_depthwise": Case((1, 4, 10, 9), 4, (6, 4), stride=3, pad=1, group=4),
    "large_kernel_depthwise": Case((1, 2, 17, 12), 2, (9, 8), stride=(4, 2), pad=3, group=2),
    "one_by_one": Case((2, 5, 4, 3), 6, (1, 1)),
    "one_by_one_strided": Case((2, 3, 5, 6), 4, (1, 1), stride=(2, 3)),
    "one_by_one_padded": Case((1, 2, 3, 3), 3, (1, 1), pad=1),
    "whole": Case((3, 2, 4, 3), 5, (4, 3)),
    "line": Case((2, 3, 9), 4, (3,), stride=2, pad=1),
    "volume": Case((1, 2, 4, 5, 4), 3, (3, 2, 3), stride=(1, 2, 1), pad=(0, 1, 1)),
    "no_space": Case((3, 4), 5, ()),
}
SIDES = ("conv.forward", "conv.input_gradient", "conv.weight_gradient")


def plans():
    """Every way to force one side to one implementation, and none."""
    yield Plan("cpu")
    yield Plan("gpu")
    for row in table("conv"):
        yield Plan("cpu", {row.operation: row.implementation})


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CASES)
def test_every_way_matches_the_loops(x64, name, layout):
    case = CASES[name]
    g = geometry(case, layout)
    x, w = case.arrays()
    dy = np.random.default_rng(8).normal(size=(case.x[0], case.outputs, *g.out))
    y, dx, dw = reference.convolve(x, w, dy, **case.how())
    expected = dict(zip(SIDES, (to(layout, y), to(layout, dx), dw), strict=True))

    @jax.jit
    def run(x, w, dy):
        arguments = dict(zip(SIDES, ((x, w), (dy, w), (x, dy)), strict=True))
        results = {}
        for plan in plans():
            for side in SIDES:
                key = (side, plan.pick(side, g))
                if key not in results:
                    results[key] = conv_sides.run(plan, side, g, *arguments[side])
        f = functools.partial(conv.convolve, Plan("cpu"), **case.how(), layout=layout)
        y, pull = jax.vjp(f, x, w)
        differentiated = zip(SIDES, (y, *pull(dy)), strict=True)
        return results | {(side, "convolve"): result for side, result in differentiated}

    for (side, way), result in run(to(layout, x), w, to(layout, dy)).items():
        assert result.shape == expected[side].shape
        np.testing.assert_allclose(
            result, expected[side], rtol=1e-10, atol=1e-10, err_msg=f"{side} {way}"
        )


def geometry(case, layout):
    how = case.how()
    return Conv(
        case.x[0], case.x[1], case.outputs, case.x[2:], case.kernel,
        how["stride"], how["pad"], how["dilation"], case.group, layout, 8,
    )  # fmt: skip


def test_the_cases_reach_every_row():
    reached = set()
    for case in CASES.values():
        for plan in plans():
            reached |= {(side, plan.pick(side, geometry(case, "NHWC"))) for side in SIDES}
    assert reached == {(row.operation, row.implementation) for row in table("conv")}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CASES)
def test_deconvolution_is_the_transpose(x64, name, layout):
    case = CASES[name]
    g = geometry(case, layout)
    rng = np.random.default_rng(3)
    y, w = rng.normal(size=(case.x[0], case.outputs, *g.out)), case.arrays()[1]
    size = tuple(
        s * (o - 1) + d * (k - 1) + 1 - 2 * p
        for s, o, d, k, p in zip(g.stride, g.out, g.dilation, g.kernel, g.pad, strict=True)
    )
    x = rng.normal(size=(*case.x[:2], *size))
    direct = conv.deconvolve(Plan("cpu"), to(layout, y), w, **case.how(), layout=layout)
    there = (back(layout, direct) * x).sum()
    assert back(layout, direct).shape == x.shape
    np.testing.assert_allclose(there, (reference.convolve(x, w, **case.how()) * y).sum())


@pytest.mark.parametrize("name", ["stride_pad", "groups_strided", "depthwise", "line"])
@pytest.mark.parametrize("operation", [conv.convolve, conv.deconvolve])
def test_gradients(x64, operation, name):
    case = CASES[name]
    x, w = case.arrays()
    if operation is conv.deconvolve:
        x = np.asarray(conv.convolve(Plan("cpu"), x, w, **case.how()))
    f = jax.jit(functools.partial(operation, Plan("cpu"), **case.how()))
    check_grads(f, (x, w), order=1, modes=["rev"], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["plain", "groups", "depthwise", "one_by_one", "stride_pad"])
def test_dtype_is_kept(name, dtype):
    case = CASES[name]
    x, w = (jnp.asarray(a, dtype) for a in case.arrays())
    want = reference.convolve(*(np.asarray(a, np.float64) for a in (x, w)), **case.how())

    def f(x, w):
        return conv.convolve(Plan("cpu"), x, w, **case.how())

    y, pull = jax.vjp(jax.jit(f), x, w)
    assert {a.dtype for a in (y, *pull(y))} == {jnp.dtype(dtype)}
    tolerance = 3e-2 if dtype == "bfloat16" else 1e-5
    np.testing.assert_allclose(
        np.asarray(y, np.float64), want, rtol=tolerance, atol=tolerance * abs(want).max()
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_bias(x64, layout, platform):
    rng = np.random.default_rng(0)
    y, b = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=3)

    def f(y, b):
        return conv.add_bias(Plan(platform), y, b, layout=layout)

    out, pull = jax.vjp(f, to(layout, y), b)
    np.testing.assert_array_equal(back(layout, out), y + b[:, None, None])
    dy, db = pull(out)
    np.testing.assert_array_equal(dy, out)
    np.testing.assert_allclose(db, back(layout, out).sum((0, 2, 3)), rtol=1e-12)
