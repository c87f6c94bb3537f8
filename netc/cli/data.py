"""Look at data: what it holds, how it looks, what an iteration took from it; or copy it.

  netc data SOURCE                        counts, shapes, labels, weights for uneven classes
  netc data SOURCE --sheet sheet.png      a picture of the first examples after the transform
  netc data solver.prototxt --step 1234   the records, crops and flips of an iteration
  netc data --copy SRC DST                between LMDB, LevelDB and HDF5

SOURCE is a net, a solver, or by itself a database, a folder of class folders, an HDF5 file, a list
of such files or of images.
"""

from __future__ import annotations

import argparse

from netc.cli.common import flag, phase, stages, switch
from netc.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="what to look at")
    flag(parser, "phase", "TRAIN or TEST, of a net or solver", choices=("TRAIN", "TEST"))
    flag(parser, "level", "the net's level", type=int)
    flag(parser, "stage", "stages, separated by commas", default="")
    flag(parser, "step", "tell what an iteration used (a batch, unless a solver trains)", type=int)
    flag(parser, "seed", "of the run, where the solver gives no random_seed", type=int)
    flag(parser, "sheet", "draw examples into this picture", metavar="FILE")
    flag(parser, "count", "how many examples to draw (default: all, 100 at most)", type=int)
    flag(parser, "copy", "copy records", nargs=2, metavar=("SRC", "DST"))
    flag(parser, "backend", "of DST: lmdb, leveldb or hdf5 (default: by its name)", default="")
    switch(parser, "force", "replace DST")


def run(args: argparse.Namespace) -> int:
    if bool(args.source) == bool(args.copy):
        raise UsageError("give either a SOURCE to look at, or --copy SRC DST")
    for name, least in (("step", 0), ("count", 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise UsageError(f"--{name} must be at least {least}, got {value}")
    if args.copy:
        from netc.data.copying import copy

        source, target = args.copy
        copy(source, target, args.backend, args.force)
        return 0

    from netc.data.sheet import write_sheet
    from netc.data.survey import render, survey
    from netc.feeding import open_layers, tell_step

    layers = open_layers(args.source, phase(args), args.level, stages(args), args.seed)
    if args.step is not None:
        for layer in layers:
            print("\n".join(tell_step(layer, args.step)))
    elif args.sheet:
        feed = layers[0].feed
        count = args.count or min(feed.epoch_size or 100, 100)
        write_sheet(args.sheet, feed, count)
        print(f"{args.sheet}: {count} examples of {layers[0].title}")
    else:
        for layer in layers:
            print(f"{layer.title}:\n{render(survey(layer.param))}\n")
    return 0
