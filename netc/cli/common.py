"""What several commands share: flags in both spellings, overrides, devices."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from netc.errors import DataError, Errors, NetcError, ParseError, UsageError
from netc.lazy import jax
from netc.schema import Phase

if TYPE_CHECKING:
    from netc.chart import Chart
    from netc.load import Loaded
    from netc.schema import SolverParameter
    from netc.weights.match import Rules

log = logging.getLogger(__name__)


def flag(parser: argparse.ArgumentParser, name: str, help: str, **options: Any) -> None:
    """A flag that is written -name as Caffe does, or --name."""
    spellings = dict.fromkeys(
        s for n in (name, name.replace("_", "-")) for s in (f"-{n}", f"--{n}")
    )
    parser.add_argument(*spellings, dest=name, help=help, **options)


def switch(parser: argparse.ArgumentParser, name: str, help: str) -> None:
    """A flag that is on or off, off by default, in every form of Caffe's: -x, -nox, -x=false."""
    flag(parser, name, help, action="store_true")
    hidden: dict[str, Any] = {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS, "dest": name}
    parser.add_argument(f"-no{name}", f"--no{name}", action="store_false", **hidden)


WORDS = {"true": "", "1": "", "t": "", "yes": "", "y": ""} | dict.fromkeys(
    ("false", "0", "f", "no", "n"), "no"
)  # what gflags takes for a switch -> what it is in front of its name


def spelt_out(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> list[str]:
    """The arguments with -x and -nox in place of -x=true and -x=no, where x is a switch."""
    known, found = parser._option_string_actions, []
    for word in arguments:
        name, equals, value = word.partition("=")
        action = known.get(f"--no{name.lstrip('-')}")
        if equals and name in known and action and value.lower() in WORDS:
            word = f"--{WORDS[value.lower()]}{name.lstrip('-')}"
        found.append(word)
    return found


GLOG_SWITCHES = (
    *("logtostderr", "alsologtostderr", "colorlogtostderr", "log_prefix", "drop_log_memory"),
    *("stop_logging_if_full_disk", "symbolize_stacktrace", "timestamp_in_logfile_name"),
)
GLOG_VALUES = (
    *("minloglevel", "log_dir", "stderrthreshold", "v", "vmodule", "log_link", "logbuflevel"),
    *("logbufsecs", "max_log_size", "log_backtrace_at", "alsologtoemail", "logmailer"),
)


def glog_flags(parser: argparse.ArgumentParser) -> None:
    """glog's flags, which scripts for Caffe give: see `heed_glog`."""
    for name in GLOG_SWITCHES:
        switch(parser, name, argparse.SUPPRESS)
    for name in GLOG_VALUES:
        flag(parser, name, argparse.SUPPRESS)


def heed_glog(args: argparse.Namespace) -> None:
    """-minloglevel and -log_dir have the effect of their environment variables, the rest none."""
    for name in ("minloglevel", "log_dir"):
        if getattr(args, name) is not None:
            os.environ[f"GLOG_{name}"] = getattr(args, name)


def model_flags(parser: argparse.ArgumentParser, phase: bool = False) -> None:
    """-model and the flags that choose a state, which also may name the file as an argument."""
    parser.add_argument("file", nargs="?", help="the net's prototxt")
    flag(parser, "model", "the net's prototxt")
    if phase:
        flag(parser, "phase", "TRAIN or TEST", choices=("TRAIN", "TEST", ""))
    state_flags(parser)


def state_flags(parser: argparse.ArgumentParser) -> None:
    """-level, -stage, --plugin and --dialect."""
    flag(parser, "level", "the net's level", type=int)
    flag(parser, "stage", "stages, separated by commas", default="")
    plugin_flag(parser)


def plugin_flag(parser: argparse.ArgumentParser) -> None:
    """--plugin and --dialect, which decide what the layer types are."""
    flag(parser, "plugin", "a Python file of layer types", action="append", default=[])
    flag(parser, "dialect", "the fork whose layers are meant where forks disagree, such as segnet")


def load_plugins(args: argparse.Namespace) -> None:
    """The files of --plugin, and the layers of --dialect.

    Call this when the device is chosen, since plug-ins may import jax.
    """
    from netc.layers import dialects
    from netc.layers.plugins import load_file

    for path in args.plugin:
        load_file(path)
    if args.dialect:
        dialects.use(args.dialect)


def set_flag(parser: argparse.ArgumentParser) -> None:
    """--set."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="override a field"
    )


def freeze_flag(parser: argparse.ArgumentParser) -> None:
    """--freeze."""
    parser.add_argument(
        "--freeze",
        action="append",
        default=[],
        metavar="PATTERN",
        help="layers to leave as they are, as regular expressions separated by commas: conv[1-3]",
    )


def device_flags(parser: argparse.ArgumentParser) -> None:
    """-gpu and --lowering."""
    flag(parser, "gpu", "a device id, several separated by commas, or all")
    flag(parser, "lowering", "force a lowering, such as conv=native", action="append", default=[])


def one_file(args: argparse.Namespace, name: str = "model") -> str:
    """The file given as an argument or by flag. Raises UsageError for none or two."""
    given = [f for f in (args.file, getattr(args, name)) if f]
    if len(given) != 1:
        what = "no file" if not given else f"both {' and '.join(given)}"
        raise UsageError(f"{what}: give one, as netc ... FILE or -{name} FILE")
    return given[0]


@contextmanager
def expecting(kind: str, path: str) -> Iterator[None]:
    """Inside the block, a net where a solver is wanted, or the other way round, is said to be one.

    kind: "net" or "solver". Raises ParseError in place of one for every field that does not fit.
    """
    from netc.load import read_net, read_solver

    other, read = {"net": ("solver", read_solver), "solver": ("net", read_net)}[kind]
    try:
        yield
    except (ParseError, Errors) as error:
        try:
            read(path)
        except NetcError:
            raise error from None
        raise ParseError(
            f"this is a {other}, where a {kind} is expected",
            path,
            "netc train takes a solver, netc test and netc time a net (-model)",
        ) from None


def stages(args: argparse.Namespace) -> tuple[str, ...]:
    """The stages of -stage. Caffe's empty stage is none."""
    return tuple(s.strip() for s in args.stage.split(",") if s.strip())


def phase(args: argparse.Namespace) -> Phase | None:
    """The phase of -phase, None where it is not given."""
    return getattr(Phase, args.phase) if args.phase else None


def shape_flag(parser: argparse.ArgumentParser) -> None:
    """--shape, which stands in for data that is not there."""
    flag(
        parser,
        "shape",
        "the shape of a data layer's top, such as data=64,1,28,28, so that no data is needed",
        action="append",
        default=[],
    )


def shapes(args: argparse.Namespace) -> dict[str, tuple[int, ...]]:
    """The shapes of --shape by top. Raises UsageError."""
    found = {}
    for word in args.shape:
        top, equals, sizes = word.partition("=")
        parts = sizes.split(",")
        if not (top and equals and all(s.strip().isdigit() for s in parts)):
            raise UsageError(f"a shape is TOP=N,C,H,W with whole numbers, not '{word}'")
        found[top.strip()] = tuple(int(s) for s in parts)
    return found


@contextmanager
def naming_shape_flag() -> Iterator[None]:
    """An error about data that is raised inside the block names --shape."""
    try:
        yield
    except DataError as error:
        error.add_note("--shape TOP=N,C,H,W stands in for data that is not there")
        raise


def no_device() -> None:
    """Keep JAX from looking for accelerators, for commands that only infer shapes."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")


def start_jax(gpu: str | None, mode_gpu: bool | None = None, several: bool = False) -> str:
    """Choose the device and switch the compilation cache on; the platform's name.

    gpu: the value of -gpu. mode_gpu: the solver's solver_mode, None where it is not given; then the
    accelerator is used when there is one. several: whether more than the first that -gpu names will
    be used.

    Raises UsageError when a GPU is asked for that is not there.
    """
    if not gpu and mode_gpu is False:
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    from netc.lowering.platform import keep_memory, persistent_cache

    persistent_cache()
    platform = jax.default_backend()
    if platform == "cpu":
        keep_memory()
        if gpu:
            raise UsageError(
                f"-gpu {gpu}: JAX sees no accelerator, only the CPU",
                hint="install netc[gpu], or leave -gpu out",
            )
        if mode_gpu:
            log.warning("solver_mode is GPU, but JAX sees no accelerator: running on the CPU")
    if gpu:
        first, *others = devices_of(gpu)
        if others and not several:  # Caffe: takes the first
            log.warning("-gpu %s: only netc train uses several devices, this is on the first", gpu)
        jax.config.update("jax_default_device", first)
    return platform


def devices_of(gpu: str) -> tuple[Any, ...]:
    """The devices that a value of -gpu names, in its order. Raises UsageError."""
    devices = jax.devices()
    return tuple(devices[i] for i in device_ids(gpu, len(devices)))


def picture_flag(parser: argparse.ArgumentParser) -> None:
    """-o."""
    parser.add_argument("-o", "--output", help="a picture to write, .svg or .png")


def picture(args: argparse.Namespace, *charts: Chart) -> None:
    """The charts into the file of -o, or onto the terminal. Raises UsageError."""
    from netc.chart import text, write

    if not args.output:
        print("\n\n".join(map(text, charts)) + "\n")
        return
    try:
        write(args.output, *charts)
    except OSError as error:
        raise UsageError(f"{args.output} cannot be written: {error.strerror}") from None


def solver_flags(parser: argparse.ArgumentParser) -> None:
    """The solver's file, what to start from, what to override, and the device."""
    parser.add_argument("file", nargs="?", help="the solver's prototxt")
    flag(parser, "solver", "the solver's prototxt")
    flag(parser, "weights", "files of weights to start from, separated by commas; later ones win")
    rules_flags(parser)
    device_flags(parser)
    state_flags(parser)
    set_flag(parser)
    freeze_flag(parser)


def open_solver(
    args: argparse.Namespace,
    settings: Sequence[str] = (),
    allow_unknown: bool = False,
    several: bool = False,
) -> tuple[str, Loaded[SolverParameter], str]:
    """What `solver_flags` name: the file, the solver with its overrides, and the platform chosen.

    settings: more of what --set takes. several: whether -gpu may name more than one device.
    """
    from netc.load import read_solver
    from netc.overrides import override_solver
    from netc.schema import SolverParameter

    path = one_file(args, "solver")
    with expecting("solver", path):
        solver = read_solver(path, allow_unknown=allow_unknown)
    warn(solver.warnings)
    solver = override_solver(solver, [*args.set, *settings], args.freeze)
    p = solver.message
    mode = p.solver_mode == SolverParameter.GPU if p.HasField("solver_mode") else None
    platform = start_jax(args.gpu, mode, several)
    load_plugins(args)
    return path, solver, platform


def weights(args: argparse.Namespace) -> tuple[str, ...]:
    """The files of -weights."""
    return tuple(w.strip() for w in (args.weights or "").split(",") if w.strip())


def device_ids(gpu: str, count: int) -> list[int]:
    """The ids that a value of -gpu names among `count` devices. Raises UsageError."""
    if gpu == "all":
        return list(range(count))
    try:
        ids = [int(i) for i in gpu.split(",")]
    except ValueError:
        raise UsageError(f"-gpu takes ids such as 0 or 0,1, or all, not '{gpu}'") from None
    if len(set(ids)) < len(ids):
        raise UsageError(f"-gpu {gpu}: a device is named twice")
    if unknown := [i for i in ids if not 0 <= i < count]:
        known = "only device 0" if count == 1 else f"devices 0 to {count - 1}"
        raise UsageError(f"-gpu {gpu}: there is no device {unknown[0]}, {known}")
    return ids


def warn(warnings: tuple[NetcError, ...]) -> None:
    """Log what a file had that was passed over."""
    for warning in warnings:
        log.warning("%s", warning.render())


def rules_flags(parser: argparse.ArgumentParser) -> None:
    """--map and --skip-mismatch."""
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="REGEX=NAME",
        help="give the file's layers whose whole name matches another name, with \\1 for groups",
    )
    parser.add_argument(
        "--skip-mismatch",
        action="store_true",
        help="leave out blobs that do not fit the net; those of the same values are reshaped",
    )


def rules(args: argparse.Namespace) -> Rules:
    """What --map and --skip-mismatch allow. Raises UsageError."""
    import re

    from netc.weights.match import Rules

    rename = []
    for entry in args.map:
        pattern, _, replacement = entry.rpartition("=")
        try:
            compiled = re.compile(pattern)
            re.sub(pattern, replacement, "")
        except (re.error, IndexError) as error:
            raise UsageError(f"--map {entry}: {error}") from None
        if not pattern:
            raise UsageError(f"--map takes REGEX=NAME, not '{entry}'")
        rename.append((compiled, replacement))
    return Rules(tuple(rename), cast=args.skip_mismatch, skip=args.skip_mismatch)
