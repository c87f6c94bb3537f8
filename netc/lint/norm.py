"""The rules for normalization and what belongs to it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from netc.graph.ir import Node
from netc.layers.base import TEST, TRAIN
from netc.lint.rules import Net, Place, Rule, in_layer

SMALL_BATCH = 8


def by_batch(node: Node) -> bool:
    """Whether it is a BatchNorm that trains on the statistics of its batch."""
    p = node.param.batch_norm_param
    fixed = p.HasField("use_global_stats") and p.use_global_stats
    return node.param.type == "BatchNorm" and node.phase == TRAIN and not fixed


def no_scale(net: Net) -> Iterator[Place]:
    """BatchNorm has no factor and no offset of its own: what follows gets mean 0 and variance 1,
    and cannot learn anything else."""
    for node in net.nodes:
        if node.param.type == "BatchNorm":
            readers = net.readers.get(node.tops[0], [])
            if not any(r.param.type == "Scale" for r in readers):
                yield in_layer(node, message=f"no Scale layer reads '{node.param.top[0]}'")


def batch_in_test(net: Net) -> Iterator[Place]:
    """The answer for one example depends on the others in its batch, and what training learnt of
    mean and variance is not used."""
    for node in net.nodes:
        p = node.param.batch_norm_param
        given = p.HasField("use_global_stats") and not p.use_global_stats
        if node.param.type == "BatchNorm" and node.phase == TEST and given:
            where = ("batch_norm_param", "use_global_stats")
            yield in_layer(node, *where, message="use_global_stats: false in TEST")


def tiny_batch(net: Net) -> Iterator[Place]:
    """Mean and variance of a few examples are noise: training gets unstable, and TEST, which takes
    the averages of all batches, sees other values."""
    for node in filter(by_batch, net.known):
        examples = net.shape(node.bottoms[0])[0]
        if examples < SMALL_BATCH:
            yield in_layer(node, message=f"statistics of batches of {examples}")


def overwritten_factor(net: Net) -> Iterator[Place]:
    """Caffe overwrites this factor's gradient instead of adding to it: of iter_size passes, or of
    several layers that share the factor, only the last one counts; netc adds them up."""
    for node in net.known:
        frozen = node.param.param and not node.param.param[0].lr_mult
        if node.param.type != "Scale" or len(node.bottoms) != 1 or frozen:
            continue
        shape, factor = net.shape(node.bottoms[0]), node.set_up.blobs[0].shape
        axis = node.param.scale_param.axis % len(shape)
        if math.prod(shape[:axis]) == 1 and math.prod(factor) > 1:
            yield in_layer(node, message="a factor without a batch in front of it (batch size 1)")


RULES = (
    Rule("N019", no_scale, "add a Scale layer with bias_term: true", training=True),
    Rule("N020", batch_in_test, "leave use_global_stats out"),
    Rule(
        "N021", tiny_batch, "a larger batch_size, or use_global_stats: true with learnt statistics",
        training=True,
    ),
    Rule(
        "N105", overwritten_factor, "a larger batch_size, or leave it to netc", training=True
    ),
)  # fmt: skip
