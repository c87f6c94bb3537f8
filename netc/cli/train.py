"""Train the net of a solver, or go on with a snapshot.

netc train solver.prototxt
netc train -solver solver.prototxt -snapshot lenet_iter_5000.solverstate
netc train solver.prototxt --resume auto --set base_lr=0.001
netc train solver.prototxt -weights lenet.caffemodel --freeze 'conv[1-2]'
netc train solver.prototxt -gpu 0,1
"""

from __future__ import annotations

import argparse
from typing import Any

from netc.cli.common import devices_of, flag, open_solver, rules, solver_flags, stages, weights
from netc.devices import use_cpus
from netc.errors import UsageError
from netc.lazy import jax


def add_arguments(parser: argparse.ArgumentParser) -> None:
    solver_flags(parser)
    flag(parser, "snapshot", "the .solverstate to go on with")
    flag(parser, "phase", "TRAIN; accepted because Caffe's command has it", choices=("TRAIN", ""))
    flag(parser, "iterations", "stop after this many iterations in all (max_iter)", type=int)
    actions = {"choices": ("stop", "snapshot", "none")}
    flag(parser, "sigint_effect", "what SIGINT does", default="stop", **actions)
    flag(parser, "sighup_effect", "what SIGHUP does", default="snapshot", **actions)
    parser.add_argument("--resume", choices=("auto",), help="go on with the newest snapshot if any")
    parser.add_argument("--run-dir", help="the run folder (default: SNAPSHOT_PREFIX_run)")
    parser.add_argument("--no-run-dir", action="store_true", help="keep no run folder")
    parser.add_argument("--profile", action="store_true", help="say where the time went")
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that make batches (0: threads do)"
    )
    parser.add_argument(
        "--cpu-devices",
        type=int,
        metavar="N",
        help="train on N devices as -gpu 0,1,... does, made of the CPU: to try that without GPUs",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="one step, one test batch, one snapshot, then stop"
    )
    parser.add_argument(
        "--allow-unknown", action="store_true", help="pass over unknown fields of the solver"
    )


def run(args: argparse.Namespace) -> int:
    from netc.train.log import to_stderr

    if args.snapshot and args.weights:
        raise UsageError("Give a snapshot to resume training or weights to finetune but not both.")
    if args.snapshot and args.resume:
        raise UsageError("give -snapshot or --resume, not both")
    if args.workers < 0:
        raise UsageError(f"--workers must not be negative, got {args.workers}")
    if args.cpu_devices is not None:
        if args.gpu:
            raise UsageError("give -gpu or --cpu-devices, not both")
        if args.cpu_devices < 1:
            raise UsageError(f"--cpu-devices must be at least 1, got {args.cpu_devices}")
        use_cpus(args.cpu_devices)
    to_stderr()
    settings = [] if args.iterations is None else [f"max_iter={args.iterations}"]
    path, solver, platform = open_solver(args, settings, args.allow_unknown, True)
    if settings:
        solver.message.ClearField("max_epoch")

    from netc.train.run import Options, train

    return train(
        solver,
        Options(
            path=path,
            platform=platform,
            snapshot=args.snapshot,
            weights=weights(args),
            rules=rules(args),
            resume=args.resume == "auto",
            level=args.level,
            stages=stages(args),
            sigint=args.sigint_effect,
            sighup=args.sighup_effect,
            lowering=tuple(args.lowering),
            run_dir=None if args.no_run_dir else args.run_dir or "",
            dry_run=args.dry_run,
            profile=args.profile,
            workers=args.workers,
            devices=_devices(args),
        ),
    )


def _devices(args: argparse.Namespace) -> tuple[Any, ...]:
    """The devices that -gpu or --cpu-devices asks for, none where neither does."""
    if args.gpu:
        return devices_of(args.gpu)
    return tuple(jax.devices()[: args.cpu_devices]) if args.cpu_devices else ()
