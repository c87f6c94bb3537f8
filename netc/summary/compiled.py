"""What the compiler says of a whole pass: operations and memory."""

from __future__ import annotations

from typing import Any, NamedTuple

from netc.compile import Program
from netc.layers.base import TRAIN
from netc.lazy import jax, jnp
from netc.lowering.platform import jit


class Compiled(NamedTuple):
    """The compiled program of one pass, forward and backward where there is a loss.

    flops: as XLA counts them; unfrozen: the same with nothing frozen. arguments, outputs,
    temporaries: bytes. limit: bytes of the device, where it tells.
    """

    platform: str
    flops: float
    unfrozen: float
    arguments: int
    outputs: int
    temporaries: int
    limit: int | None

    @property
    def peak(self) -> int:
        """Bytes on the device while the program runs."""
        return self.arguments + self.outputs + self.temporaries


def compiled(program: Program) -> Compiled:
    """Compile one pass of a program and ask XLA what it needs. Nothing runs."""
    graph = program.graph
    trained = graph.phase == TRAIN and bool(graph.weights)
    everything = tuple(graph.differentiable)
    lowered = _lowered(program, graph.trainable if trained else ())
    unfrozen = _lowered(program, everything) if trained else lowered
    memory = lowered.compile().memory_analysis()
    (device,) = jnp.zeros(()).devices()
    limit = (device.memory_stats() or {}).get("bytes_limit")
    return Compiled(
        device.platform,
        _flops(lowered),
        _flops(unfrozen),
        memory.argument_size_in_bytes,
        memory.output_size_in_bytes,
        memory.temp_size_in_bytes,
        limit,
    )


def _lowered(program: Program, moving: tuple[str, ...]) -> Any:
    """One pass, with the gradients of the blobs in `moving`, lowered from shapes alone."""
    graph = program.graph

    def shaped(keep: Any) -> dict[str, Any]:
        kept = [p for p in graph.params if keep(p)]
        return {p.key: jax.ShapeDtypeStruct(p.spec.shape, jnp.float32) for p in kept}

    learnt = shaped(lambda p: p.key in moving)
    frozen = shaped(lambda p: not p.carried and p.key not in moving)
    state = shaped(lambda p: p.carried)
    inputs = {v: jax.ShapeDtypeStruct(graph.shapes[v], graph.dtypes[v]) for v in graph.inputs}
    key = jax.eval_shape(lambda: jax.random.key(0))

    def loss(moving: Any, frozen: Any, state: Any, key: Any, inputs: Any) -> Any:
        values, state = program.apply({**frozen, **moving}, state, key, inputs)
        return program.loss(values), (values, state)

    f = jax.value_and_grad(loss, has_aux=True) if moving else loss
    return jit(f).lower(learnt, frozen, state, key, inputs)


def _flops(lowered: Any) -> float:
    return float((lowered.cost_analysis() or {}).get("flops", 0.0))
