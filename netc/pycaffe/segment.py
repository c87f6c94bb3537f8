"""A run of layers as two jitted functions: forward, every blob; backward, every gradient."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp

from netc.compile import Arrays, Program
from netc.lowering.platform import jit
from netc.usercode import naming_user_code


class Segment:
    """The layers of a program, some of a net's.

    reads: values that come from before the segment. fed: tops of its Input and data layers.
    """

    def __init__(self, program: Program) -> None:
        self.graph, self.program = program.graph, program
        nodes = self.graph.nodes
        self.fed = [t for n in nodes if n.set_up.external is not None for t in n.tops]
        made = [t for n in nodes for t in n.tops]
        self.reads = sorted({b for n in nodes for b in n.bottoms} - set(made))
        self.values = self.reads + made
        read_inside = {b for n in nodes for b in n.bottoms}
        self.open = [t for t in made if t not in read_inside]

    def batch(self, k: int) -> Arrays:
        """What the data layers read in pass k, by value."""
        fed = ((n.tops, n.set_up.feed) for n in self.graph.nodes if n.set_up.feed is not None)
        return {t: x for tops, feed in fed for t, x in zip(tops, feed.batch(k), strict=True)}

    @cached_property
    def last(self) -> dict[str, str]:
        """Blob -> the value it holds after the segment."""
        return {self.graph.blobs[v]: v for v in self.values}

    def covered(self, inputs: Arrays) -> Arrays:
        """The inputs whose blobs hold another value after the segment."""
        return {v: x for v, x in inputs.items() if self.last[self.graph.blobs[v]] != v}

    @cached_property
    def first(self) -> dict[str, str]:
        """Blob -> the value whose gradient it holds after going back."""
        return {self.graph.blobs[v]: v for v in reversed(self.values)}

    @cached_property
    def forward(self) -> Any:
        """(blobs, state, key, inputs) -> (values by blob, the loss, new state)."""
        keep = [v for v in self.values if v not in self.reads]

        def run(blobs: Arrays, state: Arrays, key: Any, inputs: Arrays) -> Any:
            values, state = self.program.apply(blobs, state, key, inputs, keep)
            weighted = {v: w for v, w in self.graph.weights.items() if v in values}
            loss = sum((w * values[v].sum() for v, w in weighted.items()), jnp.zeros(()))
            by_blob = {b: values[v] for b, v in self.last.items() if v in values}
            return by_blob, loss, state

        return naming_user_code()(jit(run))

    @cached_property
    def backward(self) -> Any:
        """(blobs, state, key, inputs, seeds) -> (gradients by blob, gradients of blobs by key).

        seeds: the gradient of every value that is not read inside the segment; they are not given
        back. Values that are read and have a loss weight add it.
        """

        def run(blobs: Arrays, state: Arrays, key: Any, inputs: Arrays, seeds: Arrays) -> Any:
            made = [v for v in self.values if v not in inputs]
            probes = {v: jnp.zeros(self.graph.shapes[v], jnp.float32) for v in made}

            def objective(blobs: Arrays, probes: Arrays, inputs: Arrays) -> Any:
                values, _ = self.program.apply(blobs, state, key, inputs, self.values, probes)
                total = sum(((values[v] * seeds[v]).sum() for v in self.open), jnp.zeros(()))
                inner = {v: w for v, w in self.graph.weights.items() if v not in self.open}
                return total + sum((w * values[v].sum() for v, w in inner.items()), jnp.zeros(()))

            d_blobs, d_probes, d_inputs = jax.grad(objective, (0, 1, 2))(blobs, probes, inputs)
            every = {**d_probes, **d_inputs}
            return {b: every[v] for b, v in self.first.items() if v not in self.open}, d_blobs

        return naming_user_code()(jit(run))
