"""A compiled graph rebuilt in PyTorch, for comparing speed only."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from netc.compile import Program
from netc.graph.ir import Node
from netc.schema import PoolingParameter


class TorchNet(nn.Module):
    """The net of a program; called with its inputs by name, it gives the loss."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.graph = program.graph
        blobs, _ = program.init(0)
        self.blobs = nn.ParameterDict(
            {
                k.replace("/", "_").replace(".", "_"): nn.Parameter(torch.from_numpy(np.array(v)))
                for k, v in blobs.items()
            }
        )

    def forward(self, inputs: dict[str, Any]) -> Any:
        env, loss = dict(inputs), 0.0
        for node in self.graph.nodes:
            if node.set_up.external is not None:
                continue
            own = [self.blobs[k.replace("/", "_").replace(".", "_")] for k in node.blobs]
            tops = LAYERS[node.param.type](node, own, *(env[b] for b in node.bottoms))
            tops = tops if isinstance(tops, tuple) else (tops,)
            env.update(zip(node.tops, tops, strict=True))
            for top, weight in zip(node.tops, node.loss_weights, strict=True):
                if weight:
                    loss = loss + weight * env[top]
        return loss


def _pair(p: Any, field: str, stem: str, default: int) -> tuple[int, int]:
    if p.HasField(f"{stem}_h"):
        return getattr(p, f"{stem}_h"), getattr(p, f"{stem}_w")
    return (getattr(p, field) if p.HasField(field) else default,) * 2


def _convolution(node: Node, blobs: list[Any], x: Any) -> Any:
    p = node.param.convolution_param
    bias = blobs[1] if len(blobs) > 1 else None
    one = lambda values, default: tuple(values) or default  # noqa: E731
    return F.conv2d(x, blobs[0], bias, one(p.stride, 1), one(p.pad, 0), one(p.dilation, 1), p.group)


def _pooling(node: Node, blobs: list[Any], x: Any) -> Any:
    p = node.param.pooling_param
    if p.global_pooling:
        return x.mean((2, 3), keepdim=True)
    kernel = _pair(p, "kernel_size", "kernel", 1)
    stride, pad = _pair(p, "stride", "stride", 1), _pair(p, "pad", "pad", 0)
    run = F.max_pool2d if p.pool == PoolingParameter.MAX else F.avg_pool2d
    return run(x, kernel, stride, pad, ceil_mode=p.round_mode == PoolingParameter.CEIL)


def _lrn(node: Node, blobs: list[Any], x: Any) -> Any:
    p = node.param.lrn_param
    return F.local_response_norm(x, p.local_size, p.alpha, p.beta, p.k)


LAYERS = {
    "Convolution": _convolution,
    "Pooling": _pooling,
    "LRN": _lrn,
    "InnerProduct": lambda n, b, x: F.linear(x.flatten(1), b[0], b[1] if len(b) > 1 else None),
    "ReLU": lambda n, b, x: F.relu(x),
    "Dropout": lambda n, b, x: F.dropout(x, n.param.dropout_param.dropout_ratio),
    "Concat": lambda n, b, *xs: torch.cat(xs, 1),
    "Flatten": lambda n, b, x: x.flatten(1),
    "Softmax": lambda n, b, x: F.softmax(x, 1),
    "SoftmaxWithLoss": lambda n, b, x, y: F.cross_entropy(x.flatten(1), y.flatten().long()),
}
