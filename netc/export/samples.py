"""Numbers to try a net on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netc.compile import Arrays
from netc.graph.ir import Graph, Node
from netc.layers.base import Shape


def samples(graph: Graph) -> Arrays:
    """Numbers by input value: labels, regions, sizes where layers read such, else normal ones."""
    rng = np.random.default_rng(0)
    found: Arrays = {v: rng.standard_normal(graph.shapes[v]) for v in graph.inputs}
    for node in graph.nodes:
        rule = node.set_up.labels
        read = node.bottoms[rule.bottom] if rule else None
        if rule and read in found:
            found[read] = rng.integers(0, rule.classes, graph.shapes[read])
        for i, bottom in enumerate(node.bottoms):
            make = MEANT.get((node.param.type, i)) or MEANT.get(
                (node.param.type, i - len(node.bottoms))
            )
            if make and bottom in found:
                found[bottom] = make(rng, graph, node, graph.shapes[bottom])
    return {v: x.astype(np.float32) for v, x in found.items()}


def _boxes(rng: Any, count: int, width: float, height: float) -> np.ndarray:
    """Corners of boxes, some of which reach over the right and the lower edge: (count, 4)."""
    first = rng.uniform(0, 0.8, (count, 2))
    boxes = np.concatenate([first, first + rng.uniform(0, 0.6, (count, 2))], 1)
    return boxes * np.array([width, height, width, height])


def _regions(rng: Any, graph: Graph, node: Node, shape: Shape) -> np.ndarray:
    images, _, height, width = graph.shapes[node.bottoms[0]]
    field = "roi_pooling_param" if node.param.type == "ROIPooling" else "psroi_pooling_param"
    scale = getattr(node.param, field).spatial_scale
    boxes = _boxes(rng, shape[0], width / scale, height / scale)
    return np.concatenate([rng.integers(0, images, (shape[0], 1)), boxes], 1).reshape(shape)


def _priors(rng: Any, graph: Graph, node: Node, shape: Shape) -> np.ndarray:
    side = 1 if node.param.detection_output_param.normalized_bbox else 100
    boxes = _boxes(rng, shape[2] // 4, side, side)
    variances = np.broadcast_to([0.1, 0.1, 0.2, 0.2], boxes.shape)
    return np.stack([boxes, variances]).reshape(1, 2, -1).repeat(shape[0], 0)


def _image_sizes(rng: Any, graph: Graph, node: Node, shape: Shape) -> np.ndarray:
    """Height and width of the images that the anchors cover, and a scale of 1."""
    height, width = graph.shapes[node.bottoms[0]][2:]
    stride = node.param.proposal_param.feat_stride
    row = [height * stride, width * stride, 1, 1][: shape[1]]
    return np.broadcast_to(row, shape)


def _selectors(rng: Any, graph: Graph, node: Node, shape: Shape) -> np.ndarray:
    return rng.integers(0, 2, shape)


# (layer type, bottom, from the end where negative) -> what the numbers of that bottom mean.
MEANT: dict[tuple[str, int], Callable[[Any, Graph, Node, Shape], np.ndarray]] = {
    ("ROIPooling", 1): _regions,
    ("PSROIPooling", 1): _regions,
    ("DetectionOutput", 2): _priors,
    ("Proposal", 2): _image_sizes,
    ("Python", 2): _image_sizes,
    ("Filter", -1): _selectors,
}


def regions(graph: Graph) -> tuple[str, ...]:
    """The inputs that hold regions, whose number has nothing to do with the size of the batch."""
    held = {
        bottom
        for node in graph.nodes
        for i, bottom in enumerate(node.bottoms)
        if MEANT.get((node.param.type, i)) is _regions
    }
    return tuple(v for v in graph.inputs if v in held)
