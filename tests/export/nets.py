"""Nets to be written: the rows of the table of layer cases, and small ones of several layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from netc.export import rules  # noqa: F401
from netc.export.calls import RULES
from netc.export.net import Net, prepared, ready
from netc.export.onnx import write_onnx
from netc.export.source import write_source
from netc.layers.base import TEST
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.phase import net_state
from netc.weights.match import EXACT

from ..cases import CASES, LayerCase
from ..layers.running import compiled, meant, net_text

# What rows of types with a rule have that is refused: Python code, a falling threshold, a mean that
# is not settled, coefficients that are a bottom.
REFUSED = ("Python", "eta: 0.7", "recompute_mean", "2x42x1x1")
WRITABLE = [c for c in CASES if c.bottoms and c.tops and "TEST" in c.phases]
WRITABLE = [c for c in WRITABLE if meant(c).label in RULES]
WRITABLE = [c for c in WRITABLE if not any(word in str(c) for word in REFUSED)]


# Types whose rows are all written in both ways, in files of their own.
DETECTION = {"DetectionOutput", "Proposal", "ROIPooling", "PSROIPooling"}
MOTION = {
    *("Accum", "ChannelNorm", "Correlation", "Correlation1D", "DataAugmentation", "Downsample"),
    *("FlowWarp", "Mean", "Resample", "SpatialTransformer"),
}


def first_rows(count: int) -> list[LayerCase]:
    """So many rows of every other layer type that has a rule."""
    seen: dict[str, list[LayerCase]] = {}
    for case in WRITABLE:
        if case.type in DETECTION | MOTION or case.type == "Filter":
            continue
        seen.setdefault(meant(case).label, []).append(case)
    return [case for rows in seen.values() for case in rows[:count]]


def net_of(text: str, spread: float = 1.0) -> Net:
    """A net in TEST phase with random weights, those that are carried positive."""
    program = compiled(text, "TEST")
    rng = np.random.default_rng(0)
    given = {}
    for p in program.graph.params:
        values = spread * rng.standard_normal(p.spec.shape).astype(np.float32)
        given[p.key] = np.abs(values) + 0.5 if p.carried else values
    return ready(program, given)


def deployed_net(text: str, outputs: tuple[str, ...] = ()) -> Net:
    """A net without weights as it is written."""
    return prepared(parse_net(text), net_state(TEST), Plan("cpu"), None, EXACT, outputs)


def inputs(**shapes):
    """A layer of inputs."""
    tops = " ".join(f'top: "{name}"' for name in shapes)
    dims = (" ".join(f"dim: {n}" for n in shape) for shape in shapes.values())
    told = " ".join(f"shape {{ {d} }}" for d in dims)
    return f'layer {{ name: "in" type: "Input" {tops} input_param {{ {told} }} }}\n'


def case_net(case: LayerCase) -> Net:
    return net_of(net_text(case))


def in_both(net: Net, folder: Path) -> None:
    """Write a net as ONNX and as JAX code, which compares either with netc."""
    assert "onnxruntime computes the same as netc" in write_onnx(net, folder / "n.onnx")
    assert "n.py computes the same as netc" in write_source(net, folder / "n.py")


def answers(path: Path, **inputs: np.ndarray) -> list[np.ndarray]:
    """What onnxruntime computes."""
    session = onnxruntime.InferenceSession(path)
    return session.run(None, {k: np.asarray(v, np.float32) for k, v in inputs.items()})
