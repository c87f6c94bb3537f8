"""The command line: `netc COMMAND ...`. One file per command, no logic."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from netc import __version__
from netc.errors import NetcError, UsageError, did_you_mean
from netc.usercode import naming_user_code

COMMANDS = {
    "train": "train a net, or go on with a snapshot",
    "test": "score a net on its test data",
    "time": "time a net, layer by layer and as a whole",
    "classify": "tell what is in images: the best classes of each",
    "detect": "find what is where in images: boxes, or the classes of windows",
    "zoo": "list the models below a folder, or fetch the weights of one",
    "run": "run a Python script that was written for pycaffe, as it is",
    "stand-in": "make a folder that scripts take for Caffe's own",
    "check": "find mistakes in a net or solver without running it",
    "upgrade": "rewrite an old net or solver in the current format",
    "convert": "write weights in another format, or as another net needs them",
    "diff": "tell where two nets, two solvers or two files of weights differ",
    "verify": "compare a net with what Caffe computed of it, layer by layer",
    "export": "write a net for ONNX, JAX, OpenCV and others",
    "doctor": "go through a Caffe project: what works, what differs, what to run instead",
    "show": "print a net after one of the compiler's passes",
    "draw": "draw a net: SVG, Graphviz, Mermaid, or a picture",
    "parse_log": "turn a log of training into tables, LOG.train and LOG.test",
    "plot": "draw the curves of training out of logs",
    "plot-lr": "draw the learning rate of a solver over its run",
    "lr-find": "try learning rates on the real data, and suggest base_lr",
    "overfit": "check that the net can learn a few examples by heart, or say why not",
    "summary": "list layers, shapes, parameters, operations and memory",
    "layers": "list the layer types, or print the page of one",
    "device_query": "list the devices JAX sees",
    "convert_imageset": "turn a list of images into a database",
    "convert_annoset": "turn a list of images and their boxes into a database",
    "compute_image_mean": "compute the mean image of a database, and of each channel",
    "extract_features": "write the values of blobs to databases, HDF5 or NumPy files",
    "dataset": "make ready databases of a known data set",
    "data": "look at data: counts, labels, pictures, what an iteration took; or copy it",
}
ALIASES = {  # Caffe's names of commands
    "upgrade_net_proto_text": "upgrade",
    "upgrade_net_proto_binary": "upgrade",
    "upgrade_solver_proto_text": "upgrade",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status: 0 done, 1 a mistake in the files, 2 wrong usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        sys.unraisablehook = _unraisable
    try:
        with naming_user_code():
            return _run(arguments)
    except NetcError as error:
        if "--debug" in arguments:
            raise
        print(error.render(), file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        if argv is None:
            sys.stdout.flush()
            os._exit(130)  # threads that compile would crash Python's own way out
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    """Ctrl-C counts even where Python passes over exceptions, as in callbacks while it imports."""
    if isinstance(found.exc_value, KeyboardInterrupt):
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(found)


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "-help", "--help", "help"):
        print(_help())
        return 0
    if arguments[0] in ("-version", "--version"):
        print(f"netc {__version__}")
        return 0
    name = ALIASES.get(arguments[0], arguments[0])
    if name not in COMMANDS:
        raise UsageError(
            f"no command '{name}'", hint=did_you_mean(name, COMMANDS) or "see netc --help"
        )
    common, command, parser = _parser(name)
    args = parser.parse_args(common.spelt_out(parser, arguments[1:]))
    common.heed_glog(args)
    return command.run(args)


def _parser(name: str) -> tuple[Any, Any, argparse.ArgumentParser]:
    """The modules that commands share and of this one, and what reads its arguments."""
    common = importlib.import_module("netc.cli.common")
    command = importlib.import_module(f"netc.cli.{name.replace('-', '_')}")
    parser = argparse.ArgumentParser(
        prog=f"netc {name}",
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--debug", action="store_true", help="show a traceback on errors")
    command.add_arguments(parser)
    common.glog_flags(parser)
    return common, command, parser


def flags(command: str) -> frozenset[str] | None:
    """The flags of a command, by any of its names; None if there is none."""
    name = ALIASES.get(command, command)
    return frozenset(_parser(name)[2]._option_string_actions) if name in COMMANDS else None


def _help() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [
        "usage: netc COMMAND [flags]    (netc COMMAND --help lists its flags)",
        "",
        "netc compiles Caffe nets and solvers to jitted JAX programs.",
        "",
        *(f"  {name:<{width}}{text}" for name, text in COMMANDS.items()),
    ]
    return "\n".join(lines)
