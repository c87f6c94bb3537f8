"""Caffe's programs and scripts, and the commands that do what they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

Place = Callable[[list[str]], list[str]]  # arguments -> the words of a command


def as_they_are(arguments: list[str]) -> list[str]:
    """The same."""
    return arguments


def called(*flags: str) -> Place:
    """A flag for each argument in turn; "" leaves one as it is, and so are all that follow."""

    def place(arguments: list[str]) -> list[str]:
        pairs = zip(flags, arguments, strict=False)
        named = [word for flag, one in pairs for word in (flag, one) if word]
        return named + arguments[len(flags) :]

    return place


class Tool(NamedTuple):
    """The command that does what a program does.

    place: what becomes of its arguments. flags: those that have another name, "" for none; a name
    of several words has its value in it. switches: its flags without a value. more: words in front.
    where: its folder in Caffe's. alike: whether its arguments mean the same.
    """

    command: str
    place: Place = as_they_are
    flags: Mapping[str, str] = {}
    switches: frozenset[str] = frozenset()
    more: tuple[str, ...] = ()
    where: str = "build/tools"
    alike: bool = True


CURVES = ("accuracy", "accuracy", "loss", "loss", "lr", "lr", "loss", "loss")


def _plot(arguments: list[str]) -> list[str]:
    """TYPE OUT LOG..., as plot_training_log.py numbers its pictures."""
    kind, out, *logs = [*arguments, "", ""][: max(len(arguments), 2)]
    if not (kind.isdigit() and int(kind) < len(CURVES)):
        return [*logs, "-o", out]
    phase = "train" if int(kind) > 3 else "test"
    across = "seconds" if int(kind) % 2 else "iterations"
    return [*logs, "-o", out, "-y", CURVES[int(kind)], "-x", across, "--phase", phase]


IMAGES = {
    "--model_def": "-model",
    "--pretrained_model": "-weights",
    "--gpu": "-gpu 0",
    "--ext": "",
    "--crop_mode": "",
}
LOOKING = {
    "flags": IMAGES,
    "switches": frozenset({"--gpu", "--center_only"}),
    "where": "python",
    "place": called("", "-o"),
}
EXTRA = "tools/extra"
VERBS = ("train", "test", "time", "device_query")
SAME = (  # programs whose commands have their name and their flags
    *("compute_image_mean", "convert_annoset", "convert_imageset", "device_query"),
    *("extract_features", "upgrade_net_proto_binary", "upgrade_net_proto_text"),
    "upgrade_solver_proto_text",
)
TOOLS = {
    **{f"caffe {verb}": Tool(verb) for verb in VERBS},
    **{name: Tool(name) for name in SAME},
    "train_net": Tool("train", called("-solver", "-snapshot")),
    "finetune_net": Tool("train", called("-solver", "-weights")),
    "test_net": Tool("test", called("-model", "-weights", "-iterations")),
    "net_speed_benchmark": Tool("time", called("-model", "-iterations")),
    "convert_mnist_data": Tool("dataset", more=("mnist", "FOLDER", "--from", "IDX_FILES"),
                               alike=False),
    "convert_cifar_data": Tool("dataset", more=("cifar10", "FOLDER", "--from", "BIN_FILES"),
                               alike=False),
    "classification.bin": Tool(
        "classify",
        called("-model", "-weights", "-mean_file", "-labels"),
        more=("--as", "cpp"),
        where="build/examples/cpp_classification",
    ),
    "classify.py": Tool("classify", more=("--as", "python"), **LOOKING),
    "detect.py": Tool("detect", more=("-context_pad", "16"), **LOOKING),
    "draw_net.py": Tool("draw", more=("--rankdir", "LR"), where="python",
                        switches=frozenset({"--display_lrm"})),
    "train.py": Tool("train", flags={"--gpus": "-gpu", "--timing": ""},
                     switches=frozenset({"--timing"}), where="python"),
    "parse_log.py": Tool("parse_log", switches=frozenset({"--verbose"}), where=EXTRA),
    "parse_log.sh": Tool("parse_log", lambda logs: [*logs, "."], where=EXTRA),
    "extract_seconds.py": Tool("parse_log", lambda files: [*files[:1], "."], where=EXTRA),
    "plot_training_log.py": Tool("plot", _plot, where=EXTRA),
    "summarize.py": Tool("summary", flags={"-w": "", "--width": ""}, more=("--no-compile",),
                         where=EXTRA),
    "download_model_binary.py": Tool("zoo", more=("--fetch",), where="scripts"),
}  # fmt: skip


def translated(name: str, words: Sequence[str]) -> list[str]:
    """The words of the command for a call of a tool: netc's after `netc`."""
    tool = TOOLS[name]
    if not tool.alike:
        return [tool.command, *tool.more]
    flags, arguments, rest = [], [], list(words)
    plain = tool.place is as_they_are and not tool.flags
    while rest and not plain:
        word = rest.pop(0)
        flag, equals, value = word.partition("=")
        if not _is_flag(word):
            arguments.append(word)
            continue
        values = [value] if equals else []
        while flag not in tool.switches and not equals and rest and not _is_flag(rest[0]):
            values.append(rest.pop(0))
            if flag != "--gpus":
                break
        new, *given = tool.flags.get(flag, flag).split() or [""]
        told = [",".join(values)] if values and not given else given
        flags += [new, *told] if new else []
    return [tool.command, *tool.more, *(rest if plain else [*tool.place(arguments), *flags])]


def _is_flag(word: str) -> bool:
    return word.startswith("-") and word.lstrip("-")[:1].isalpha()
