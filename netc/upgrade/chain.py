"""The steps, one after the other."""

from __future__ import annotations

from collections.abc import Callable

from netc.errors import NetcError
from netc.prototxt import Parsed, SourceMap
from netc.schema import NetParameter, SolverParameter
from netc.upgrade.batch_norm import batch_norm
from netc.upgrade.data import transform
from netc.upgrade.inputs import inputs
from netc.upgrade.solver import solver_type
from netc.upgrade.v0 import padding, v0_layers
from netc.upgrade.v1 import v1_layers

NetStep = Callable[[NetParameter, SourceMap], Parsed]
NET_STEPS: tuple[NetStep, ...] = (padding, v0_layers, transform, v1_layers, inputs, batch_norm)


def upgrade_net(net: NetParameter, source: SourceMap) -> Parsed:
    """Every step for nets, in order; the warnings are of fields left out. Raises UpgradeError."""
    warnings: list[NetcError] = []
    for step in NET_STEPS:
        net, source, told = step(net, source)
        warnings += told
    return Parsed(net, source, warnings)


def upgrade_solver(solver: SolverParameter, source: SourceMap) -> Parsed:
    """Every step for solvers, the nets inside them included. Raises UpgradeError."""
    solver, source, _ = solver_type(solver, source)
    upgraded, nodes = SolverParameter(), SourceMap(source.span, dict(source.fields))
    upgraded.CopyFrom(solver)
    warnings: list[NetcError] = []
    for field, nets in _nets(upgraded).items():
        done = [upgrade_net(net, source.node(field, i)) for i, net in enumerate(nets)]
        for net, current in zip(nets, done, strict=True):
            net.CopyFrom(current.message)
            warnings += current.warnings
        nodes.fields[field] = [current.source for current in done]
    return Parsed(upgraded, nodes, warnings)


def _nets(solver: SolverParameter) -> dict[str, list[NetParameter]]:
    """The nets that stand in a solver, by field."""
    single = [f for f in ("net_param", "train_net_param") if solver.HasField(f)]
    nets = {field: [getattr(solver, field)] for field in single}
    return nets | {"test_net_param": list(solver.test_net_param)}
