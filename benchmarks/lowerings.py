"""Measures every row of the lowering table against its alternatives on this machine.

    python benchmarks/lowerings.py [--only conv] [--net resnet] [--layout NHWC] [--runs 15]

Per case and direction: milliseconds of every implementation that can compute it (the best of
several interleaved runs), the table's choice in brackets, and a line where the table is wrong by
more than 1.3 times. `b` is the gradient alone for convolutions, forward and gradient elsewhere.
"""

from __future__ import annotations

import argparse
import functools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from netc.lowering import conv_sides, dense, lrn, pool, reduce
from netc.lowering.geometry import Conv, sizes
from netc.lowering.plan import Plan, table
from netc.lowering.platform import jit, keep_memory

WRONG = 1.3


class Case(NamedTuple):
    """One thing to measure: implementation -> function, over the same arguments."""

    name: str
    operation: str
    facts: Any
    ways: dict[str, Callable]
    arguments: tuple
    flops: float = 0.0


# net, layer, batch, channels, size, outputs, kernel, stride, pad, group, dilation
CONVOLUTIONS = [
    ("lenet", "conv1", 64, 1, 28, 20, 5, 1, 0, 1, 1),
    ("lenet", "conv2", 64, 20, 12, 50, 5, 1, 0, 1, 1),
    ("cifar", "conv1", 100, 3, 32, 32, 5, 1, 2, 1, 1),
    ("cifar", "conv2", 100, 32, 16, 32, 5, 1, 2, 1, 1),
    ("cifar", "conv3", 100, 32, 8, 64, 5, 1, 2, 1, 1),
    ("caffenet", "conv1", 16, 3, 227, 96, 11, 4, 0, 1, 1),
    ("caffenet", "conv2", 16, 96, 27, 256, 5, 1, 2, 2, 1),
    ("caffenet", "conv3", 16, 256, 13, 384, 3, 1, 1, 1, 1),
    ("caffenet", "conv4", 16, 384, 13, 384, 3, 1, 1, 2, 1),
    ("googlenet", "conv1", 8, 3, 224, 64, 7, 2, 3, 1, 1),
    ("googlenet", "conv2/3x3", 8, 64, 56, 192, 3, 1, 1, 1, 1),
    ("googlenet", "3a/1x1", 8, 192, 28, 64, 1, 1, 0, 1, 1),
    ("googlenet", "3a/3x3", 8, 96, 28, 128, 3, 1, 1, 1, 1),
    ("googlenet", "3a/5x5", 8, 16, 28, 32, 5, 1, 2, 1, 1),
    ("googlenet", "4a/3x3", 8, 96, 14, 208, 3, 1, 1, 1, 1),
    ("resnet", "conv1", 4, 3, 224, 64, 7, 2, 3, 1, 1),
    ("resnet", "2a/1x1", 4, 64, 56, 256, 1, 1, 0, 1, 1),
    ("resnet", "2a/3x3", 4, 64, 56, 64, 3, 1, 1, 1, 1),
    ("resnet", "3a/1x1/2", 4, 256, 56, 512, 1, 2, 0, 1, 1),
    ("resnet", "3b/3x3", 4, 128, 28, 128, 3, 1, 1, 1, 1),
    ("resnet", "4b/3x3", 4, 256, 14, 256, 3, 1, 1, 1, 1),
    ("resnet", "5b/3x3", 4, 512, 7, 512, 3, 1, 1, 1, 1),
    ("resnet", "v1.5 3x3/2", 4, 128, 56, 128, 3, 2, 1, 1, 1),
    ("mobilenet", "conv1", 8, 3, 224, 32, 3, 2, 1, 1, 1),
    ("mobilenet", "2_1/dw", 8, 32, 112, 32, 3, 1, 1, 32, 1),
    ("mobilenet", "2_2/dw", 8, 64, 112, 64, 3, 2, 1, 64, 1),
    ("mobilenet", "5_1/dw", 8, 512, 14, 512, 3, 1, 1, 512, 1),
    ("mobilenet", "4_1/sep", 8, 256, 28, 256, 1, 1, 0, 1, 1),
    ("resnext", "3b/3x3 g32", 4, 256, 28, 256, 3, 1, 1, 32, 1),
    ("shufflenet", "1x1 g3", 8, 240, 28, 60, 1, 1, 0, 3, 1),
    ("fcn", "fc6", 4, 256, 6, 1024, 6, 1, 0, 1, 1),
    ("deeplab", "conv5 d2", 2, 512, 33, 512, 3, 1, 2, 1, 2),
    ("dcgan", "deconv 4x4/2", 16, 128, 16, 256, 4, 2, 1, 1, 1),
    ("unet", "deconv 2x2/2", 4, 64, 56, 128, 2, 2, 0, 1, 1),
    ("fcn", "upscore g21", 2, 21, 64, 21, 4, 2, 1, 21, 1),
    ("fcn8s", "upscore8 g21", 1, 21, 272, 21, 16, 8, 4, 21, 1),
    ("fcn32s", "upscore g21", 1, 21, 512, 21, 64, 32, 16, 21, 1),
    ("fcn8s", "upscore8", 1, 21, 272, 21, 16, 8, 4, 1, 1),
]

# net, layer, batch, channels, size, kernel, stride, pad
POOLINGS = [
    ("lenet", "pool1 2/2", 64, 20, 24, 2, 2, 0),
    ("cifar", "pool1 3/2", 100, 32, 32, 3, 2, 0),
    ("caffenet", "pool1 3/2", 16, 96, 55, 3, 2, 0),
    ("googlenet", "pool1 3/2", 8, 64, 112, 3, 2, 0),
    ("googlenet", "3a/pool 3/1", 8, 192, 28, 3, 1, 1),
    ("googlenet", "pool5 7/1", 8, 1024, 7, 7, 1, 0),
    ("resnet", "pool1 3/2", 4, 64, 112, 3, 2, 0),
    ("resnet", "pool5 7/1", 4, 2048, 7, 7, 1, 0),
    ("yolo", "spp 13/1", 2, 128, 13, 13, 1, 6),
    ("vgg", "global 14", 8, 512, 14, 14, 1, 0),
]

# net, layer, batch, channels, size, window
NORMALIZATIONS = [
    ("caffenet", "norm1", 16, 96, 27, 5),
    ("caffenet", "norm2", 16, 256, 13, 5),
    ("googlenet", "norm1", 8, 64, 56, 5),
    ("googlenet", "norm2", 8, 192, 56, 5),
]

# net, layer, rows, inputs, outputs
PRODUCTS = [
    ("lenet", "ip1", 64, 800, 500),
    ("cifar", "ip1", 100, 1024, 64),
    ("caffenet", "fc6", 16, 9216, 4096),
    ("caffenet", "fc7", 16, 4096, 4096),
    ("caffenet", "fc8", 16, 4096, 1000),
    ("caffenet", "fc7 b64", 64, 4096, 4096),
    ("googlenet", "classifier", 8, 1024, 1000),
    ("resnet", "5/1x1", 196, 512, 2048),
    ("resnet", "2/1x1", 12544, 64, 256),
    ("captioner", "gates", 16, 1000, 4000),
]

# net, layer, batch, channels, size
SUMS = [
    ("lenet", "conv1", 64, 20, 24),
    ("caffenet", "conv2", 16, 256, 27),
    ("resnet", "2a", 4, 256, 56),
    ("resnet", "5a", 4, 2048, 7),
]


def array(*shape: int) -> jax.Array:
    return jax.numpy.asarray(np.random.default_rng(0).normal(size=shape), "float32")


def data(layout: str, n: int, c: int, *size: int) -> jax.Array:
    return array(n, c, *size) if layout == "NCHW" else array(n, *size, c)


# net, layer, batch, channels, size of the top
UNPOOLINGS = [
    ("segnet", "upsample5", 2, 512, 22),
    ("segnet", "upsample1", 2, 64, 180),
    ("enet", "upsample4", 2, 64, 128),
]


def able(operation: str, facts: Any) -> list[str]:
    """The implementations that can compute a case."""
    return list(dict.fromkeys(r.implementation for r in table(operation) if r.able(facts)))


def convolutions(plan: Plan, layout: str) -> Iterator[Case]:
    for net, layer, n, c, size, o, k, s, p, group, d in CONVOLUTIONS:
        axes = ((size,) * 2, (k,) * 2, (s,) * 2, (p,) * 2, (d,) * 2)
        g = Conv(n, c, o, *axes, group, layout, 4)
        x, w, dy = array(*g.input_shape), array(*g.weight_shape), array(*g.output_shape)
        flops = 2 * math.prod(g.output_shape) * math.prod(g.weight_shape[1:])
        sides = {"forward": (x, w), "input_gradient": (dy, w), "weight_gradient": (x, dy)}
        for side, arguments in sides.items():
            if side == "input_gradient" and c == 3:
                continue  # nobody asks for the gradient of the picture
            name = f"conv.{side}"
            ways = {
                way: functools.partial(conv_sides.run, Plan(plan.platform, {name: way}), name, g)
                for way in able(name, g)
            }
            yield Case(f"{net} {layer}", name, g, ways, arguments, flops)


def with_gradient(f: Callable) -> Callable:
    """f, then its gradient for the value as the incoming gradient."""

    def both(x):
        y, pull = jax.vjp(f, x)
        return pull(y)

    return both


def directions(name: str, operation: str, facts: Any, ways: dict[str, Callable], x) -> list[Case]:
    both = {way: with_gradient(f) for way, f in ways.items()}
    return [
        Case(f"{name} f", operation, facts, ways, (x,)),
        Case(f"{name} b", operation, facts, both, (x,)),
    ]


def poolings(operation: str, plan: Plan, layout: str) -> Iterator[Case]:
    op = getattr(pool, operation)
    for net, layer, n, c, size, k, s, p in POOLINGS:
        x = data(layout, n, c, size, size)
        how = {"kernel": (k, k), "stride": (s, s), "pad": (p, p), "ceil": True, "layout": layout}
        facts = pool.geometry(x, **how)
        ways = {
            way: functools.partial(op, Plan(plan.platform, {operation: way}), **how)
            for way in able(operation, facts)
        }
        yield from directions(f"{net} {layer}", operation, facts, ways, x)


def unpoolings(plan: Plan, layout: str) -> Iterator[Case]:
    """Masks of pooling 2x2 with stride 2; always channels first."""
    how = {"kernel": (2, 2), "stride": (2, 2), "pad": (0, 0), "ceil": True}
    for net, layer, n, c, size in UNPOOLINGS:
        x, mask = pool.max_pool_with_mask(plan, data("NCHW", n, c, size, size), **how)
        facts = (n * c, math.prod(x.shape[2:]), size * size)
        ways = {
            way: functools.partial(
                pool.unpool, Plan(plan.platform, {"unpool": way}), places=mask, size=(size, size)
            )
            for way in able("unpool", facts)
        }
        yield from directions(f"{net} {layer}", "unpool", facts, ways, x)


def normalizations(plan: Plan, layout: str) -> Iterator[Case]:
    for net, layer, n, c, size, window in NORMALIZATIONS:
        x = data(layout, n, c, size, size)
        facts = (*sizes(x.shape, layout), window, layout)
        how = {"size": window, "alpha": 1e-4, "beta": 0.75, "k": 1.0, "layout": layout}
        ways = {
            way: functools.partial(lrn.across_channels, Plan(plan.platform, {"lrn": way}), **how)
            for way in able("lrn", facts)
        }
        yield from directions(f"{net} {layer}", "lrn", facts, ways, x)


def sums(operation: str, plan: Plan, layout: str) -> Iterator[Case]:
    op = getattr(reduce, operation)
    for net, layer, n, c, size in SUMS:
        x = data(layout, n, c, size, size)
        facts = (*sizes(x.shape, layout), layout)
        arguments = (x, x + 1) if operation == "channel_dot" else (x,)
        ways = {
            way: functools.partial(op, Plan(plan.platform, {operation: way}), layout=layout)
            for way in able(operation, facts)
        }
        yield Case(f"{net} {layer}", operation, facts, ways, arguments)


def products(plan: Plan, layout: str) -> Iterator[Case]:
    for net, layer, rows, inputs, outputs in PRODUCTS:
        x, w, facts = array(rows, inputs), array(outputs, inputs), (rows, inputs, outputs)
        ways = {
            way: functools.partial(dense.product, Plan(plan.platform, {"dense": way}))
            for way in able("dense", facts)
        }
        flops = 2 * rows * inputs * outputs
        yield Case(f"{net} {layer}", "dense", facts, ways, (x, w), flops)


OPERATIONS: dict[str, Callable[[Plan, str], Iterator[Case]]] = {
    "conv": convolutions,
    "dense": products,
    "max_pool": functools.partial(poolings, "max_pool"),
    "ave_pool": functools.partial(poolings, "ave_pool"),
    "unpool": unpoolings,
    "lrn": normalizations,
    "channel_sum": functools.partial(sums, "channel_sum"),
    "channel_dot": functools.partial(sums, "channel_dot"),
}


def measure(case: Case, runs: int) -> dict[str, float]:
    """Milliseconds per implementation: the best of interleaved runs."""
    programs = {way: jit(f) for way, f in case.ways.items()}
    for f in programs.values():
        jax.block_until_ready(f(*case.arguments))
    best = dict.fromkeys(programs, math.inf)
    stop = time.perf_counter() + 4
    for _ in range(runs):
        for way, f in programs.items():
            start = time.perf_counter()
            jax.block_until_ready(f(*case.arguments))
            best[way] = min(best[way], 1e3 * (time.perf_counter() - start))
        if time.perf_counter() > stop:
            break
    return best


def report(case: Case, chosen: str, ms: dict[str, float]) -> str:
    cells = []
    for way, t in sorted(ms.items(), key=lambda item: item[1]):
        rate = f" {case.flops / t / 1e6:.0f}GF" if case.flops else ""
        cells.append(f"[{way} {t:.2f}{rate}]" if way == chosen else f"{way} {t:.2f}{rate}")
    gain = ms["native"] / ms[chosen]
    title = f"{case.operation.replace('_gradient', ''):20s} {case.name:24s}"
    return f"{title} {gain:5.1f}x  {'  '.join(cells)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", choices=OPERATIONS, help="one operation")
    parser.add_argument("--net", default="", help="cases whose name holds this word")
    parser.add_argument("--layout", choices=("NHWC", "NCHW"), default="NHWC")
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    keep_memory()
    plan = Plan(jax.default_backend())
    wrong = []
    print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}, {options.layout}; milliseconds")
    for operation, cases in OPERATIONS.items():
        if options.only not in (None, operation):
            continue
        for case in cases(plan, options.layout):
            if options.net not in case.name:
                continue
            chosen, ms = plan.pick(case.operation, case.facts), measure(case, options.runs)
            print(report(case, chosen, ms), flush=True)
            best = min(ms, key=ms.__getitem__)
            if ms[chosen] > WRONG * ms[best]:
                ratio = ms[chosen] / ms[best]
                wrong.append(f"{case.operation} {case.name}: {best} beats {chosen} by {ratio:.1f}")
    print("\nThe table is right here." if not wrong else "\nThe table is wrong here:")
    print("\n".join(wrong))


if __name__ == "__main__":
    main()
