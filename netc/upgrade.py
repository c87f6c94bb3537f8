"""Old files to the current format: one pure function per step, in Caffe's order.

A step takes a message with its source map and returns both, new if it changed anything, so that an
error in an upgraded file still points at the line its author wrote. Caffe: upgrade_proto.cpp.
"""

from __future__ import annotations

from collections.abc import Callable

from netc.errors import UpgradeError
from netc.prototxt import SourceMap
from netc.schema import NetParameter, SolverParameter

SOLVER_TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "SAG")


def refuse_old_layers(net: NetParameter, source: SourceMap) -> tuple[NetParameter, SourceMap]:
    """Refuse nets written with `layers`, the format before 2014."""
    if net.layers:
        raise UpgradeError(
            f"{len(net.layers)} layers are written as `layers`, the format before 2014, "
            "which is not read here.",
            source.at("layers", 0),
            "Caffe's upgrade_net_proto_text rewrites the file in the current format",
        )
    return net, source


def inputs(net: NetParameter, source: SourceMap) -> tuple[NetParameter, SourceMap]:
    """Net-level `input` fields become one layer of type Input that comes first."""
    if not net.input:
        return net, source
    shaped = bool(net.input_shape)
    given = len(net.input_shape) if shaped else len(net.input_dim)
    needed = len(net.input) * (1 if shaped else 4)
    if given not in (0, needed):
        field = "input_shape" if shaped else "input_dim"
        raise UpgradeError(
            f"{len(net.input)} inputs need {needed} {field} entries, got {given}.",
            source.at(field, 0),
            "give one input_shape { dim: ... } per input" if shaped else "give four per input",
        )
    upgraded = NetParameter()
    nodes = SourceMap(source.span, dict(source.fields))
    if given:
        layer = upgraded.layer.add(name="input", type="Input", top=net.input)
        for i in range(len(net.input)):
            dims = net.input_shape[i].dim if shaped else net.input_dim[4 * i : 4 * i + 4]
            layer.input_param.shape.add(dim=dims)
        param = SourceMap(source.at("input_shape" if shaped else "input_dim", 0))
        param.fields["shape"] = source.get("input_shape")
        node = SourceMap(source.at("input", 0))
        node.fields = {"top": source.get("input"), "input_param": [param]}
        nodes.fields["layer"] = [node, *source.get("layer")]
    upgraded.MergeFrom(net)
    for field in ("input", "input_dim", "input_shape"):
        upgraded.ClearField(field)
        nodes.fields.pop(field, None)
    return upgraded, nodes


def batch_norm(net: NetParameter, source: SourceMap) -> tuple[NetParameter, SourceMap]:
    """A BatchNorm layer with a `param` for each of its three blobs learns none of them.

    Old files give learning rates to these statistics, which are not learnt.
    """
    old = [i for i, y in enumerate(net.layer) if y.type == "BatchNorm" and len(y.param) == 3]
    if not old:
        return net, source
    upgraded = NetParameter()
    upgraded.CopyFrom(net)
    for i in old:
        for param in upgraded.layer[i].param:
            param.lr_mult = param.decay_mult = 0
    return upgraded, source


def solver_type(solver: SolverParameter, source: SourceMap) -> tuple[SolverParameter, SourceMap]:
    """The enum `solver_type` becomes the string `type`."""
    if not solver.HasField("solver_type"):
        return solver, source
    if solver.HasField("type"):
        raise UpgradeError(
            "Failed to upgrade solver: old solver_type field (enum) and new type field (string) "
            "cannot be both specified in solver proto text.",
            source.at("solver_type"),
            f'keep type: "{solver.type}" and drop the older solver_type',
        )
    upgraded = SolverParameter()
    upgraded.CopyFrom(solver)
    upgraded.type = SOLVER_TYPES[solver.solver_type]
    upgraded.ClearField("solver_type")
    nodes = SourceMap(source.span, dict(source.fields))
    if old := nodes.fields.pop("solver_type", None):
        nodes.fields["type"] = old
    return upgraded, nodes


NetStep = Callable[[NetParameter, SourceMap], tuple[NetParameter, SourceMap]]
NET_STEPS: tuple[NetStep, ...] = (refuse_old_layers, inputs, batch_norm)


def upgrade_net(net: NetParameter, source: SourceMap) -> tuple[NetParameter, SourceMap]:
    """Every step for nets, in order. Raises UpgradeError."""
    for step in NET_STEPS:
        net, source = step(net, source)
    return net, source


def upgrade_solver(solver: SolverParameter, source: SourceMap) -> tuple[SolverParameter, SourceMap]:
    """Every step for solvers, the nets inside them included. Raises UpgradeError."""
    solver, source = solver_type(solver, source)
    upgraded, nodes = SolverParameter(), SourceMap(source.span, dict(source.fields))
    upgraded.CopyFrom(solver)
    for field, nets in _nets(upgraded).items():
        done = [upgrade_net(net, source.node(field, i)) for i, net in enumerate(nets)]
        for net, (current, _) in zip(nets, done, strict=True):
            net.CopyFrom(current)
        nodes.fields[field] = [node for _, node in done]
    return upgraded, nodes


def _nets(solver: SolverParameter) -> dict[str, list[NetParameter]]:
    """The nets that stand in a solver, by field."""
    single = [f for f in ("net_param", "train_net_param") if solver.HasField(f)]
    nets = {field: [getattr(solver, field)] for field in single}
    return nets | {"test_net_param": list(solver.test_net_param)}
