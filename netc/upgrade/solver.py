"""The type of a solver. Caffe: upgrade_proto.cpp, UpgradeSolverType."""

from __future__ import annotations

from netc.errors import UpgradeError
from netc.prototxt import Parsed, SourceMap
from netc.schema import SolverParameter

SOLVER_TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "SAG")


def solver_type(solver: SolverParameter, source: SourceMap) -> Parsed:
    """The enum `solver_type` becomes the string `type`."""
    if not solver.HasField("solver_type"):
        return Parsed(solver, source)
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
    return Parsed(upgraded, nodes)
