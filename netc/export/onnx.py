"""A net as an ONNX model, compared with netc by onnxruntime, blob by blob."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from netc.compile import Arrays
from netc.errors import NetcError, UsageError
from netc.export import rules  # noqa: F401
from netc.export.calls import Blob, Bottom, Call, Item, Written
from netc.export.checked import verified
from netc.export.net import Net, in_calls
from netc.export.nodes import IR_VERSION, OPSET, Writer
from netc.export.operators import write
from netc.files import atomic
from netc.load import MAX_BYTES, PathLike
from netc.weights.kinds import writing


def write_onnx(net: Net, path: PathLike) -> str:
    """Write the net to an .onnx file once onnxruntime has computed the same; a report.

    Inputs and outputs, and every blob between, have Caffe's names; weights are LAYER/INDEX.
    Raises Unsupported, RunError, and UsageError without onnx or beyond 2 GiB.
    """
    with _packages():
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    size = sum(v.nbytes for v in net.stored.values())
    if size >= MAX_BYTES:
        raise UsageError(f"{size} bytes of weights are more than an ONNX file holds ({MAX_BYTES})")
    net, layers = in_calls(net, exact=True)
    model = _model(net, layers)
    names = {t: net.names[t] for item in layers for t in item.node.tops}
    report = verified(net, _runner(model, names.values()), names, "onnxruntime")
    with writing(path), atomic(path) as file:
        file.write(model.SerializeToString())
    return f"{path}: ONNX, opset {OPSET}; {net.batch}\n{report}"


@contextmanager
def _packages() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"--onnx needs the package {error.name}", hint="pip install 'netc[export]'"
        ) from None


def _model(net: Net, layers: list[Written]) -> Any:
    from onnx import TensorProto, checker, helper, numpy_helper

    names = net.names
    writer = Writer({names[v]: shape for v, shape in net.graph.shapes.items()})
    writer.names = {id(array): key for key, array in net.stored.items()}
    for item in layers:
        first = len(writer.nodes)
        writer.begin(item.node.key)
        bottoms = [names[b] for b in item.node.bottoms]
        tops = _Evaluation(writer, bottoms, net.stored).tops(item.tops)
        _name(writer, first, tops, [names[t] for t in item.node.tops])

    def described(values: dict[str, str]) -> list[Any]:
        return [
            helper.make_tensor_value_info(b, TensorProto.FLOAT, [n or None for n in net.shape(v)])
            for v, b in values.items()
        ]

    graph = helper.make_graph(
        writer.nodes,
        net.graph.name or "net",
        described(net.inputs),
        described(net.outputs),
        [numpy_helper.from_array(a, name) for name, a in writer.constants.items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(
        graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="netc"
    )
    checker.check_model(model)
    return model


class _Evaluation:
    """The expressions of one layer, each written once."""

    def __init__(self, writer: Writer, bottoms: list[str], blobs: Arrays) -> None:
        self.writer, self.bottoms, self.blobs = writer, bottoms, blobs
        self.done: dict[int, Any] = {}

    def tops(self, tops: Any) -> list[Any]:
        """The names or arrays of a layer's tops."""
        found = self.value(tops) if isinstance(tops, Call) else tuple(map(self.value, tops))
        return list(found)

    def value(self, x: Any) -> Any:
        if isinstance(x, Bottom):
            return self.bottoms[x.index]
        if isinstance(x, Blob):
            return self.blobs[x.key]
        if isinstance(x, Item):
            return self.value(x.call)[x.index]
        if isinstance(x, list):
            return [self.value(part) for part in x]
        if not isinstance(x, Call):
            return x
        if id(x) not in self.done:
            values = [self.value(argument) for argument in x.args]
            self.done[id(x)] = write(self.writer, x.function, values, x.options)
        return self.done[id(x)]


def _name(writer: Writer, first: int, values: list[Any], names: list[str]) -> None:
    """Give the tops of a layer, whose nodes start at `first`, their names."""
    made = {out for node in writer.nodes[first:] for out in node.output}
    new = {}
    for value, name in zip(values, names, strict=True):
        if isinstance(value, str) and value in made and value not in new:
            new[value] = name
        else:
            writer.node("Identity", value)
            new[writer.nodes[-1].output[0]] = name
    for node in writer.nodes[first:]:
        for ends in (node.input, node.output):
            ends[:] = [new.get(end, end) for end in ends]


def _runner(model: Any, names: Any) -> Any:
    """A function from inputs by name to every blob by name."""
    import onnxruntime
    from onnx import ModelProto, helper

    every = ModelProto()
    every.CopyFrom(model)
    known = {o.name for o in every.graph.output}
    every.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in names if name not in known
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            every.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its classes are not public
        raise NetcError(f"onnxruntime cannot load the model: {error}") from error
    wanted = [o.name for o in session.get_outputs()]
    read = [i.name for i in session.get_inputs()]

    def run(inputs: Arrays) -> Arrays:
        given = {name: inputs[name] for name in read}
        return dict(zip(wanted, session.run(wanted, given), strict=True))

    return run
