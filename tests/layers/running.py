"""A row of the case table as a layer that is set up, and arrays to feed it."""

from __future__ import annotations

import functools
import zlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from netc.compile import Program, compile_net
from netc.layers import LAYERS, Layer
from netc.layers.base import LayerType
from netc.layers.dialects import candidates
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.schema import NetState, Phase

from ..cases import LayerCase, is_array

TOPS = ("data", "label", "other")  # HDF5Data reads the data sets that are named as its tops


def net_text(case: LayerCase) -> str:
    """The net of one case: an Input layer for each bottom, then the layer."""
    names = [f"x{i}" for i in range(len(case.bottoms))]
    lines = []
    for name, bottom in zip(names, case.bottoms, strict=True):
        dims = " ".join(f"dim: {n}" for n in (np.shape(bottom) if is_array(bottom) else bottom))
        lines.append(
            f"layer {{ name: '{name}' type: 'Input' top: '{name}' "
            f"input_param {{ shape {{ {dims} }} }} }}"
        )
    ends = [f"bottom: '{n}'" for n in names] + [f"top: '{t}'" for t in TOPS[: len(case.tops)]]
    dialect = f"dialect: '{case.dialect}' " if case.dialect else ""
    op = f"layer {{ name: 'op' type: '{case.type}' {' '.join(ends)} {case.fields} }}"
    lines.append(dialect + op)
    return "\n".join(lines)


def compiled(text: str, phase: str = "TRAIN", platform: str = "cpu") -> Program:
    return compile_net(parse_net(text), NetState(phase=Phase.Value(phase)), Plan(platform))


def meant(case: LayerCase) -> LayerType:
    """The layer type of a case, of those that bear the name."""
    layer = parse_net(net_text(case)).message.layer[-1]
    return candidates(LAYERS[case.type], layer, case.dialect)[0]


class Running(NamedTuple):
    """A case in one phase. blobs, bottoms: float64 arrays."""

    case: LayerCase
    program: Program
    blobs: tuple[np.ndarray, ...]
    bottoms: tuple[np.ndarray, ...]

    @property
    def layer(self) -> Layer:
        return self.program.graph.nodes[-1].set_up

    def tops(self, blobs: Any, bottoms: Any, *, last: bool = False) -> tuple[Any, ...]:
        """The tops for these arrays, by the function for channels last if asked."""
        apply = self.layer.channels_last if last else self.layer.apply
        carried = self.layer.state + self.layer.memory
        state = tuple(jnp.zeros(s.shape) for s in carried)
        return apply(blobs, state, jax.random.key(5) if self.layer.random else None, *bottoms)[0]

    def arrays(self, dtype: Any = jnp.float32) -> tuple[list[Any], list[Any]]:
        """The blobs and the bottoms as arguments of `tops`."""
        blobs = [jnp.asarray(b, dtype) for b in self.blobs]
        return blobs, [jnp.asarray(b, dtype) for b in self.bottoms]


@functools.cache
def _program(text: str, phase: str) -> Program:
    return compiled(text, phase)


def run(case: LayerCase, phase: str) -> Running:
    """The case set up; its blobs and bottoms depend on the case only."""
    program = _program(net_text(case), phase)
    rng = np.random.default_rng(zlib.crc32(str(case).encode()))
    layer = program.graph.nodes[-1].set_up
    blobs = tuple(rng.normal(size=b.shape) for b in layer.blobs)
    bottoms = tuple(
        np.asarray(b, np.float64) if is_array(b) else _distinct(b, i, rng)
        for i, b in enumerate(case.bottoms)
    )
    return Running(case, program, blobs, bottoms)


def in_phases(case: LayerCase) -> list[Running]:
    """The case in each of its phases, but only once where they compute the same."""
    runs = [run(case, phase) for phase in case.phases]
    return list({str(jax.make_jaxpr(r.tops)(*r.arrays())): r for r in runs}.values())


def _distinct(shape: tuple[int, ...], index: int, rng: np.random.Generator) -> np.ndarray:
    """Values in (-2, 2), evenly spaced, none 0, none that a bottom of another index holds too."""
    count = int(np.prod(shape))
    steps = rng.permutation(count) + 0.5 + 0.11 * index - count // 2
    return (4 / count * steps).reshape(shape)
