"""List the layers of a net: shapes, parameters, operations and memory.

Of a solver, its training net. The net is compiled, not run, for what XLA says about operations and
memory of a whole pass. A multiply-add is two operations.
"""

from __future__ import annotations

import argparse
import json
import sys

from netc.cli.common import (
    device_flags,
    flag,
    freeze_flag,
    load_plugins,
    model_flags,
    naming_shape_flag,
    no_device,
    one_file,
    phase,
    rules,
    rules_flags,
    shape_flag,
    shapes,
    stages,
    start_jax,
)
from netc.compile import compile_net
from netc.errors import NetcError, raise_all
from netc.lowering.plan import Plan, parse_overrides
from netc.opening import open_nets
from netc.overrides import freeze_net
from netc.schema import Phase
from netc.summary import compiled, summarize, text
from netc.transfer import targets
from netc.weights import read_weights
from netc.weights.match import compare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `netc summary`."""
    model_flags(parser, phase=True)
    flag(parser, "weights", "a file of weights to match with the net")
    rules_flags(parser)
    shape_flag(parser)
    freeze_flag(parser)
    device_flags(parser)
    parser.add_argument("--no-compile", action="store_true", help="the table only, quickly")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the summary."""
    if args.no_compile:
        no_device()
    platform = start_jax(args.gpu)
    load_plugins(args)
    wanted = phase(args)
    net, state, _ = open_nets(
        one_file(args),
        Phase.TRAIN if wanted is None else wanted,
        args.level,
        stages(args),
        shapes(args),
    )[0]
    plan = Plan(platform, parse_overrides(args.lowering))
    missing: list[NetcError] = []  # where the net tells the shapes, no data are needed
    with naming_shape_flag():
        program = compile_net(freeze_net(net, args.freeze), state, plan, missing=missing)
        raise_all(missing)
    parts = (
        summarize(program.graph),
        None if args.no_compile else compiled(program),
        compare(targets(program.graph), read_weights(args.weights), rules(args))
        if args.weights
        else None,
    )
    if args.json:
        print(json.dumps(text.as_data(*parts), indent=2))
    elif sys.stdout.isatty():
        text.print_rich(*parts)
    else:
        print(text.plain(*parts))
    return 0
