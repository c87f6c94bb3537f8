"""Train the net of a solver, or go on with a snapshot.

netc train solver.prototxt
netc train -solver solver.prototxt -snapshot lenet_iter_5000.solverstate
netc train solver.prototxt --resume auto --set base_lr=0.001
netc train solver.prototxt -weights lenet.caffemodel --freeze 'conv[1-2]'
"""

from __future__ import annotations

import argparse

from netc.cli.common import (
    device_flags,
    expecting,
    flag,
    freeze_flag,
    load_plugins,
    one_file,
    set_flag,
    stages,
    start_jax,
    state_flags,
    warn,
)
from netc.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", help="the solver's prototxt")
    flag(parser, "solver", "the solver's prototxt")
    flag(parser, "snapshot", "the .solverstate to go on with")
    flag(parser, "weights", "files of weights to start from, separated by commas; later ones win")
    device_flags(parser)
    state_flags(parser)
    flag(parser, "phase", "TRAIN; accepted because Caffe's command has it", choices=("TRAIN", ""))
    flag(parser, "iterations", "stop after this many iterations in all (max_iter)", type=int)
    actions = {"choices": ("stop", "snapshot", "none")}
    flag(parser, "sigint_effect", "what SIGINT does", default="stop", **actions)
    flag(parser, "sighup_effect", "what SIGHUP does", default="snapshot", **actions)
    parser.add_argument("--resume", choices=("auto",), help="go on with the newest snapshot if any")
    set_flag(parser)
    freeze_flag(parser)
    parser.add_argument("--run-dir", help="the run folder (default: SNAPSHOT_PREFIX_run)")
    parser.add_argument("--no-run-dir", action="store_true", help="keep no run folder")
    parser.add_argument("--profile", action="store_true", help="say where the time went")
    parser.add_argument(
        "--dry-run", action="store_true", help="one step, one test batch, one snapshot, then stop"
    )
    parser.add_argument(
        "--allow-unknown", action="store_true", help="pass over fields the schema does not have"
    )


def run(args: argparse.Namespace) -> int:
    from netc.load import read_solver
    from netc.overrides import override_solver
    from netc.schema import SolverParameter
    from netc.train.log import to_stderr

    if args.snapshot and args.weights:
        raise UsageError("Give a snapshot to resume training or weights to finetune but not both.")
    if args.snapshot and args.resume:
        raise UsageError("give -snapshot or --resume, not both")
    to_stderr()
    path = one_file(args, "solver")
    with expecting("solver", path):
        solver = read_solver(path, allow_unknown=args.allow_unknown)
    warn(solver.warnings)
    overrides = list(args.set)
    if args.iterations is not None:
        overrides.append(f"max_iter={args.iterations}")
    solver = override_solver(solver, overrides, args.freeze)
    p = solver.message
    mode = p.solver_mode == SolverParameter.GPU if p.HasField("solver_mode") else None
    platform = start_jax(args.gpu, mode)
    load_plugins(args)

    from netc.train.run import Options, train

    return train(
        solver,
        Options(
            path=path,
            platform=platform,
            snapshot=args.snapshot,
            weights=tuple(w.strip() for w in (args.weights or "").split(",") if w.strip()),
            resume=args.resume == "auto",
            level=args.level,
            stages=stages(args),
            sigint=args.sigint_effect,
            sighup=args.sighup_effect,
            lowering=tuple(args.lowering),
            run_dir=None if args.no_run_dir else args.run_dir or "",
            dry_run=args.dry_run,
            profile=args.profile,
        ),
    )
