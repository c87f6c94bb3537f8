"""Each layer type against PyTorch, forward and with backward: `python benchmarks/layers.py`.

A row is a one-layer net on a usual shape. Both sides run in this process, in turn; the best of the
rounds counts. Prints a table, the slowest against PyTorch first.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F

from netc.compile import compile_net
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.lowering.platform import jit, keep_memory
from netc.phase import net_state
from netc.schema import Phase


class Row(NamedTuple):
    """A layer: its fields, the shapes of its bottoms (a number is that many classes of labels of
    the shape before it), and the same in PyTorch: (*bottoms, *blobs) -> top."""

    type: str
    fields: str
    bottoms: tuple[Any, ...]
    torch: Callable[..., Any]


class Labels(NamedTuple):
    shape: tuple[int, ...]
    classes: int


IMAGE = (16, 64, 56, 56)
VECTOR = (64, 4096)


def _conv(**options: Any) -> Callable[..., Any]:
    return lambda x, w, b: F.conv2d(x, w, b, **options)


def _lstm(x: Any, cont: Any, w: Any, b: Any, u: Any) -> Any:
    h = c = x.new_zeros(x.shape[1], u.shape[1])
    tops = []
    for t in range(x.shape[0]):
        gates = x[t] @ w.T + b + h @ u.T
        i, f, o, g = gates.chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        tops.append(h)
    return torch.stack(tops)


def _batch_norm(x: Any, *state: Any) -> Any:
    return F.batch_norm(x, None, None, training=True, eps=1e-5)


def _column(v: Any) -> Any:
    return v[None, :, None, None]


def _mvn(x: Any) -> Any:
    return F.instance_norm(x, eps=1e-9)


ROWS = [
    Row(
        "Convolution",
        "convolution_param { num_output: 64 kernel_size: 3 pad: 1 }",
        (IMAGE,),
        _conv(padding=1),
    ),
    Row("Convolution", "convolution_param { num_output: 64 kernel_size: 1 }", (IMAGE,), _conv()),
    Row(
        "Convolution",
        "convolution_param { num_output: 64 kernel_size: 3 pad: 1 group: 2 }",
        (IMAGE,),
        _conv(padding=1, groups=2),
    ),
    Row(
        "Convolution",
        "convolution_param { num_output: 64 kernel_size: 3 pad: 1 group: 64 }",
        (IMAGE,),
        _conv(padding=1, groups=64),
    ),
    Row(
        "Deconvolution",
        "convolution_param { num_output: 64 kernel_size: 4 stride: 2 pad: 1 }",
        ((16, 64, 28, 28),),
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1),
    ),
    Row(
        "Im2col",
        "convolution_param { kernel_size: 3 pad: 1 }",
        ((8, 32, 56, 56),),
        lambda x: F.unfold(x, 3, padding=1),
    ),
    Row(
        "Pooling",
        "pooling_param { kernel_size: 3 stride: 2 }",
        (IMAGE,),
        lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True),
    ),
    Row(
        "Pooling",
        "pooling_param { pool: AVE kernel_size: 3 stride: 2 }",
        (IMAGE,),
        lambda x: F.avg_pool2d(x, 3, 2, ceil_mode=True),
    ),
    Row(
        "Pooling",
        "pooling_param { pool: AVE global_pooling: true }",
        (IMAGE,),
        lambda x: x.mean((2, 3), keepdim=True),
    ),
    Row("LRN", "lrn_param { alpha: 1e-4 }", (IMAGE,), lambda x: F.local_response_norm(x, 5, 1e-4)),
    Row("BatchNorm", "", (IMAGE,), _batch_norm),
    Row("MVN", "", (IMAGE,), _mvn),
    Row(
        "Scale",
        "scale_param { bias_term: true }",
        (IMAGE,),
        lambda x, s, b: x * _column(s) + _column(b),
    ),
    Row("Bias", "", (IMAGE,), lambda x, b: x + _column(b)),
    Row("InnerProduct", "inner_product_param { num_output: 1024 }", (VECTOR,), F.linear),
    Row("ReLU", "", (IMAGE,), F.relu),
    Row("PReLU", "", (IMAGE,), F.prelu),
    Row("ELU", "", (IMAGE,), F.elu),
    Row("Sigmoid", "", (IMAGE,), torch.sigmoid),
    Row("TanH", "", (IMAGE,), torch.tanh),
    Row("Swish", "", (IMAGE,), F.silu),
    Row("BNLL", "", (IMAGE,), F.softplus),
    Row("AbsVal", "", (IMAGE,), torch.abs),
    Row(
        "Power",
        "power_param { power: 2 scale: 0.5 shift: 1 }",
        (IMAGE,),
        lambda x: (1 + 0.5 * x) ** 2,
    ),
    Row("Exp", "", (IMAGE,), torch.exp),
    Row("Log", "log_param { shift: 9 }", (IMAGE,), lambda x: torch.log(9 + x)),
    Row("Clip", "clip_param { min: 0 max: 6 }", (IMAGE,), lambda x: x.clamp(0, 6)),
    Row("Dropout", "", (VECTOR,), lambda x: F.dropout(x, 0.5)),
    Row("Concat", "", (IMAGE, IMAGE), lambda x, y: torch.cat((x, y), 1)),
    Row("Eltwise", "", (IMAGE, IMAGE), lambda x, y: x + y),
    Row("Eltwise", "eltwise_param { operation: MAX }", (IMAGE, IMAGE), torch.maximum),
    Row("Flatten", "", (IMAGE,), lambda x: x.flatten(1)),
    Row(
        "Reshape",
        "reshape_param { shape { dim: 0 dim: -1 } }",
        (IMAGE,),
        lambda x: x.reshape(16, -1),
    ),
    Row("Tile", "tile_param { tiles: 2 }", ((16, 64, 28, 28),), lambda x: x.repeat(1, 2, 1, 1)),
    Row("Reduction", "reduction_param { axis: 1 }", (IMAGE,), lambda x: x.sum((1, 2, 3))),
    Row("Softmax", "", ((64, 1000),), lambda x: F.softmax(x, 1)),
    Row("SoftmaxWithLoss", "", ((64, 1000), Labels((64,), 1000)), F.cross_entropy),
    Row("SoftmaxWithLoss", "", ((4, 21, 128, 128), Labels((4, 128, 128), 21)), F.cross_entropy),
    Row(
        "SigmoidCrossEntropyLoss",
        "",
        (VECTOR, Labels(VECTOR, 2)),
        lambda x, y: F.binary_cross_entropy_with_logits(x, y.float(), reduction="sum") / 64,
    ),
    Row(
        "EuclideanLoss", "", (VECTOR, VECTOR), lambda x, y: F.mse_loss(x, y, reduction="sum") / 128
    ),
    Row(
        "HingeLoss",
        "",
        ((64, 1000), Labels((64,), 1000)),
        lambda x, y: (1 + x * (1 - 2 * F.one_hot(y, 1000).float())).clamp_min(0).sum() / 64,
    ),
    Row(
        "Embed",
        "embed_param { num_output: 256 input_dim: 10000 }",
        (Labels((64, 20), 10000),),
        lambda i, w, b: F.embedding(i, w) + b,
    ),
    Row("LSTM", "recurrent_param { num_output: 256 }", ((100, 16, 128), (100, 16)), _lstm),
]


def sides(row: Row) -> tuple[tuple[Callable[[], Any], ...], tuple[Callable[[], Any], ...]]:
    """(forward, forward with backward) of netc and of PyTorch."""
    shapes = [b.shape if isinstance(b, Labels) else b for b in row.bottoms]
    text = "".join(
        f'layer {{ name: "x{i}" type: "Input" top: "x{i}" input_param {{ shape {{ '
        + "".join(f"dim: {n} " for n in shape)
        + "} } }\n"
        for i, shape in enumerate(shapes)
    )
    names = "".join(f'bottom: "x{i}" ' for i in range(len(shapes)))
    text += f'layer {{ name: "op" type: "{row.type}" {names} top: "y" {row.fields} }}'
    program = compile_net(parse_net(text), net_state(Phase.TRAIN), Plan("cpu"))
    blobs, state = program.init(0)
    draw = np.random.default_rng(0)
    blobs = {k: draw.standard_normal(v.shape, np.float32) * 0.1 for k, v in blobs.items()}
    values = [
        draw.integers(0, b.classes, b.shape)
        if isinstance(b, Labels)
        else draw.standard_normal(b, np.float32)
        for b in row.bottoms
    ]
    floats = {f"x{i}": v for i, v in enumerate(values) if v.dtype == np.float32}
    labels = {f"x{i}": v.astype(np.float32) for i, v in enumerate(values) if f"x{i}" not in floats}

    def forward(blobs: Any, floats: Any) -> Any:
        return program.apply(blobs, state, jax.random.key(0), {**floats, **labels})[0]["y"]

    top = jax.eval_shape(forward, blobs, floats)
    seed = np.ones(top.shape, np.float32)

    def both(blobs: Any, floats: Any) -> Any:
        y, back = jax.vjp(forward, blobs, floats)
        return y, back(jnp.asarray(seed))

    own = jax.tree.map(jnp.asarray, (blobs, floats))
    one, two = jit(forward), jit(both)
    ours = (
        lambda: jax.block_until_ready(one(*own)),
        lambda: jax.block_until_ready(two(*own)),
    )
    tensors = [torch.from_numpy(np.array(v)) for v in (*values, *blobs.values())]
    leaves = [t.requires_grad_() for t in tensors if t.dtype == torch.float32]

    def torch_forward() -> Any:
        with torch.no_grad():
            return row.torch(*tensors)

    def torch_both() -> Any:
        for leaf in leaves:
            leaf.grad = None
        y = row.torch(*tensors)
        y.backward(torch.ones_like(y))
        return y

    return ours, (torch_forward, torch_both)


def best(calls: list[Callable[[], Any]], rounds: int) -> list[float]:
    """The best time of each, in milliseconds, in turn, after one round that is not counted."""
    times = [math.inf] * len(calls)
    for i in range(rounds + 1):
        for j, call in enumerate(calls):
            began = time.perf_counter()
            call()
            if i:
                times[j] = min(times[j], (time.perf_counter() - began) * 1e3)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="types that contain this")
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    keep_memory()
    found = []
    for row in ROWS:
        if args.only in row.type:
            ours, theirs = sides(row)
            f = best([ours[0], theirs[0]], args.rounds)
            b = best([ours[1], theirs[1]], args.rounds)
            found.append((b[0] / b[1], row, f, b))
    print("| type | fields, bottoms | forward, ms | / torch | with backward, ms | / torch |")
    print("|---|---|---|---|---|---|")
    for ratio, row, f, b in sorted(found, key=lambda r: -r[0]):
        shapes = ", ".join(
            str(tuple(x)) if not isinstance(x, Labels) else "labels" for x in row.bottoms
        )
        print(
            f"| {row.type} | `{row.fields}` {shapes} | {f[0]:.2f} | {f[0] / f[1]:.2f} "
            f"| {b[0]:.2f} | {ratio:.2f} |"
        )


if __name__ == "__main__":
    main()
