"""A net as a file that jax.export reads: StableHLO, without netc."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netc.compile import Arrays, Program
from netc.errors import RunError, UsageError
from netc.export.checked import verified
from netc.export.net import Net, batched, of_size
from netc.files import atomic
from netc.graph.infer import infer
from netc.lazy import jax, jnp, lax
from netc.load import PathLike
from netc.lowering.plan import Plan
from netc.weights.kinds import writing

PLATFORMS = ("cpu", "cuda", "tpu")
Call = Callable[[Arrays, Arrays], Arrays]  # (weights by key, inputs by name) -> outputs by name


def write_stablehlo(
    net: Net, path: PathLike, platforms: Sequence[str] = PLATFORMS, apart: bool = False
) -> str:
    """Write the net as jax.export's file for these platforms; a report.

    The program takes a dictionary of inputs, after one of the weights where they are `apart`, and
    gives one of outputs, by Caffe's names. For a batch of any size it is the program for one
    example, mapped over a batch; a net that mixes the examples of a batch keeps its size.
    Raises UsageError for other platforms or without flatbuffers, RunError.
    """
    if unknown := [p for p in platforms if p not in PLATFORMS]:
        raise UsageError(f"no platform '{unknown[0]}'; there are {', '.join(PLATFORMS)}")
    if not platforms:
        raise UsageError(f"no platform is given; there are {', '.join(PLATFORMS)}")
    try:
        import flatbuffers  # noqa: F401
    except ImportError:
        raise UsageError(
            "--stablehlo needs the package flatbuffers", hint="pip install 'netc[export]'"
        ) from None
    data, report, net = _checked(net, platforms, apart)
    with writing(path), atomic(path) as file:
        file.write(data)
    return f"{path}: StableHLO for {', '.join(platforms)}; {net.batch}\n{report}"


def _checked(net: Net, platforms: Sequence[str], apart: bool) -> tuple[bytes, str, Net]:
    """The file, a report on it, and the net as it is there."""
    if net.larger is not None:
        try:
            return _exported(net, platforms, apart)
        except (RunError, NotImplementedError, TypeError, ValueError) as error:
            mixed = isinstance(error, RunError) or "out_axes" in str(error)
            told = "its layers mix the examples of a batch" if mixed else str(error).splitlines()[0]
            net = net.held(told)
    try:
        return _exported(net, platforms, apart)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise RunError(f"jax.export cannot write the net: {error}") from error


def _exported(net: Net, platforms: Sequence[str], apart: bool) -> tuple[bytes, str, Net]:
    from netc.lowering.platform import jit

    weights = net.stored
    call = _on_platforms(net, platforms)
    scope = jax.export.SymbolicScope()
    inputs = {}
    for value, blob in net.inputs.items():
        sizes = ", ".join(map(str, net.shape(value)))
        shape = jax.export.symbolic_shape(sizes, scope=scope)
        inputs[blob] = jax.ShapeDtypeStruct(shape, jnp.float32)
    if apart:
        shapes = {k: jax.ShapeDtypeStruct(v.shape, v.dtype) for k, v in weights.items()}
        made = jax.export.export(jax.jit(call), platforms=platforms)(shapes, inputs)
    else:
        whole = jax.jit(lambda inputs: call(weights, inputs))
        made = jax.export.export(whole, platforms=platforms)(inputs)
    data = bytes(made.serialize())
    again = jit(jax.export.deserialize(bytearray(data)).call if "cpu" in platforms else call)

    def run(inputs: Arrays) -> Arrays:
        return again(weights, inputs) if apart or "cpu" not in platforms else again(inputs)

    return data, verified(net, run, net.outputs, "the file"), net


def _on_platforms(net: Net, platforms: Sequence[str]) -> Call:
    """The net, each platform with the operations that it is quick at."""
    quick = _call(net, net.program)
    if tuple(platforms) == ("cpu",):
        return quick
    plan = Plan("gpu")
    native = _call(net, Program(infer(net.graph, plan), plan))
    if "cpu" not in platforms:
        return native
    return lambda weights, inputs: lax.platform_dependent(
        weights, inputs, cpu=quick, default=native
    )


def _call(net: Net, program: Program) -> Call:
    """The net as a function of weights and inputs."""
    if net.larger is None:
        return _plainly(net, program)
    one, graph = _plainly(net, of_size(program, 1)), net.graph
    many = {net.inputs[v] for v in batched(graph)}
    grows = {b: graph.shapes[v] != net.larger.graph.shapes[v] for v, b in net.outputs.items()}

    def example(weights: Arrays, inputs: Arrays) -> Arrays:
        return one(weights, {b: x[None] if b in many else x for b, x in inputs.items()})

    def call(weights: Arrays, inputs: Arrays) -> Arrays:
        given = None, {b: 0 if b in many else None for b in inputs}
        mapped = jax.vmap(example, given, {b: 0 if grows[b] else None for b in grows})
        found = mapped(weights, inputs)
        return {b: y.reshape(-1, *y.shape[2:]) if grows[b] else y for b, y in found.items()}

    return call


def _plainly(net: Net, program: Program) -> Call:
    def call(weights: Arrays, inputs: Arrays) -> Arrays:
        state = {key: weights[key] for key in net.state}
        given = {v: inputs[b] for v, b in net.inputs.items()}
        values = program.apply(weights, state, jax.random.key(0), given, keep=net.outputs)[0]
        return {b: values[v] for v, b in net.outputs.items()}

    return call
