"""Compare a net with what Caffe computed of it, layer by layer.

netc verify deploy.prototxt -weights net.caffemodel --against recording.npz
netc verify deploy.prototxt -weights net.caffemodel --record recording.npz

A recording is a .npz or HDF5 file with what each layer put into its tops, called LAYER/TOP, or with
what blobs held after the pass, called by their names; docs/trust.md has the script that lets
pycaffe write one. The net runs on the recorded inputs as a whole, then every layer by itself on its
recorded bottoms, which tells a wrong layer from small differences that add up. The report is
Markdown. The exit status is 1 where anything differs by more than --tolerance.

With --record, netc writes a recording of its own: on the inputs of --against, on the first batch of
the net's data layers, or on drawn numbers in place of Input layers.
"""

from __future__ import annotations

import argparse
import json

from netc.cli.common import (
    device_flags,
    expecting,
    flag,
    load_plugins,
    model_flags,
    one_file,
    phase,
    stages,
    start_jax,
)
from netc.errors import UsageError
from netc.schema import Phase


def add_arguments(parser: argparse.ArgumentParser) -> None:
    model_flags(parser, phase=True)
    flag(parser, "weights", "the file of weights that the recording was made with", default="")
    flag(parser, "against", "the recording to compare with")
    flag(parser, "record", "a .npz file to write a recording to")
    flag(
        parser,
        "tolerance",
        "the largest difference, as a part of a blob's largest value (default: 1e-4)",
        type=float,
        default=1e-4,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    device_flags(parser)


def run(args: argparse.Namespace) -> int:
    net = one_file(args)
    if not (args.against or args.record):
        raise UsageError("nothing to do: give --against RECORDING, or --record OUT.npz")
    platform = start_jax(args.gpu)
    load_plugins(args)

    from netc.lowering.plan import Plan, parse_overrides
    from netc.verify import Source, record, recording, report, verify

    wanted = phase(args)
    plan = Plan(platform, parse_overrides(args.lowering))
    source = Source(
        net, Phase.TEST if wanted is None else wanted, plan, args.weights, args.level, stages(args)
    )
    arrays = recording.read(args.against) if args.against else None
    with expecting("net", net):
        if args.record:
            recording.write(args.record, record(source, arrays))
        if arrays is None:
            return 0
        rows = verify(source, arrays)
    if args.json:
        print(json.dumps(report.data(rows, args.tolerance), indent=2))
    else:
        print(report.text(rows, args.tolerance))
    return int(not report.agrees(rows, args.tolerance))
