"""Write a net with its weights for other runtimes, which need nothing of netc.

netc export deploy.prototxt -weights w.caffemodel --onnx net.onnx
netc export deploy.prototxt -weights w.caffemodel --jax-source net.py     # and net.npz: to read
netc export deploy.prototxt -weights w.caffemodel --stablehlo net.bin     # for jax.export
netc export train_val.prototxt -weights w.caffemodel --caffe deploy.prototxt

Of a training net, what its TEST phase has as answers: data layers become inputs, the losses a
Softmax or Sigmoid. Every file is run and compared with netc before it is written.
"""

from __future__ import annotations

import argparse

from netc.cli.common import (
    flag,
    load_plugins,
    model_flags,
    naming_shape_flag,
    no_device,
    one_file,
    rules,
    rules_flags,
    shape_flag,
    shapes,
    stages,
    start_jax,
)
from netc.errors import UsageError

WAYS = {
    "onnx": "NET.onnx, for onnxruntime and others",
    "jax-source": "NET.py, the net as JAX code to read, and NET.npz",
    "stablehlo": "a file for jax.export, with the weights in it",
    "safetensors": "NET.safetensors, the weights",
    "caffe": "NET.prototxt and NET.caffemodel as Caffe and OpenCV read them",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    model_flags(parser)
    flag(parser, "weights", "the file of weights")
    rules_flags(parser)
    shape_flag(parser)
    parser.add_argument("--outputs", default="", help="the blobs to put out, separated by commas")
    parser.add_argument("--platforms", help="what --stablehlo is for (default: cpu,cuda,tpu)")
    parser.add_argument(
        "--weights-apart", action="store_true", help="the weights are arguments of --stablehlo's"
    )
    for way, help in WAYS.items():
        parser.add_argument(f"--{way}", metavar="FILE", help=help)


def run(args: argparse.Namespace) -> int:
    """Write every file that is asked for."""
    asked = {way: path for way in WAYS if (path := getattr(args, way.replace("-", "_")))}
    if not asked:
        raise UsageError(f"say what to write: {', '.join(f'--{way}' for way in WAYS)}")
    if "stablehlo" not in asked and (args.weights_apart or args.platforms is not None):
        raise UsageError("--platforms and --weights-apart go with --stablehlo")
    no_device()
    start_jax(None)
    load_plugins(args)

    from netc.export.net import prepared
    from netc.export.stablehlo import PLATFORMS
    from netc.export.ways import WRITERS
    from netc.lowering.plan import Plan
    from netc.opening import open_nets
    from netc.schema import Phase
    from netc.weights import read_weights

    net, state, _ = open_nets(one_file(args), Phase.TEST, args.level, stages(args), shapes(args))[0]
    weights = read_weights(args.weights) if args.weights else None
    with naming_shape_flag():
        ready = prepared(net, state, Plan("cpu"), weights, rules(args), words(args.outputs))
    platforms = PLATFORMS if args.platforms is None else words(args.platforms)
    options = {"stablehlo": {"platforms": platforms, "apart": args.weights_apart}}
    for way, path in asked.items():
        print(WRITERS[way](ready, path, **options.get(way, {})), flush=True)
    return 0


def words(text: str) -> tuple[str, ...]:
    """What a flag lists, separated by commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
