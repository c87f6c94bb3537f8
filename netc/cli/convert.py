"""Write a file of weights in another format, as it is or as a net needs it.

netc convert old.caffemodel new.caffemodel.h5
netc convert vgg16.caffemodel vgg16.safetensors --map 'conv(.*)=features/\\1'
netc convert fc.caffemodel conv.caffemodel --net fully_convolutional.prototxt
netc convert resnet.caffemodel folded.caffemodel --net deploy.prototxt --fold-bn folded.prototxt

The formats are .caffemodel, .h5, .npz and .safetensors. With --net, every layer of the net gets its
blobs by name, of any shape that holds the same values: so InnerProduct and Convolution can take
each other's. --fold-bn folds BatchNorm and Scale into the layers before them.
"""

from __future__ import annotations

import argparse

from netc.cli.common import expecting, load_plugins, no_device, plugin_flag, rules, rules_flags
from netc.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="IN", help="a file of weights")
    parser.add_argument("out", metavar="OUT", help="the file to write")
    parser.add_argument("--net", metavar="PROTOTXT", help="the net that is to take the weights")
    parser.add_argument("--fold-bn", metavar="PROTOTXT", help="the folded net to write")
    rules_flags(parser)
    plugin_flag(parser)


def run(args: argparse.Namespace) -> int:
    if not args.net and (args.fold_bn or args.skip_mismatch):
        raise UsageError("--fold-bn and --skip-mismatch go with --net")
    allowed = rules(args)
    no_device()
    load_plugins(args)

    from netc.convert import convert

    with expecting("net", args.net):
        report = convert(args.source, args.out, allowed, args.net, args.fold_bn)
    print(report, end="")
    return 0
