"""A net as boxes and links: what is drawn, whatever the format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from netc.layers import LAYERS
from netc.schema import BlobShape, LayerParameter, NetParameter, Phase, is_repeated

JOINT = " · "
LONGEST = 24  # letters of a string that is told, and numbers of a list
FIRST = ("num_output", "kernel_size", "stride", "pad")
SILENT = {"transform_param", "loss_param", "bias_term", "engine"}  # of no interest in a picture
PLAIN = {"num_output", "dropout_ratio", "source", "layer"}  # fields whose value says it all
FAMILIES = {  # of layer types -> the modules in which they are
    "conv": ("conv", "video"),
    "pool": ("pool", "rois"),
    "dense": ("dense",),
    "recurrent": ("recurrent",),
    "norm": ("norm", "bn", "affine"),
    "neuron": ("neuron",),
    "shape": ("shape", "select", "spatial", "resample"),
    "loss": ("accuracy", "distance", "face", "loss", "multibox", "ohem", "softmax"),
}
FAMILY = {module: family for family, modules in FAMILIES.items() for module in modules}


class Line(NamedTuple):
    """A layer in a box. detail: its type and what its fields say. shape: of its tops, if known.

    only: the phase it is for, where the picture is of several.
    """

    name: str
    detail: str
    family: str
    shape: str = ""
    only: str = ""


class Box(NamedTuple):
    """A layer, and those after it that only rework its top."""

    lines: tuple[Line, ...]

    @property
    def shape(self) -> str:
        """The shape of what comes out."""
        return next((line.shape for line in reversed(self.lines) if line.shape), "")


class Link(NamedTuple):
    """A blob on its way from one box to another."""

    source: int
    target: int
    blob: str


class Diagram(NamedTuple):
    """The boxes in the order of the net, and what leads from one to another."""

    name: str
    boxes: tuple[Box, ...]
    links: tuple[Link, ...]

    labelled: bool = True

    def label(self, link: Link) -> str:
        """What to write on a link: its blob where no layer of its source bears that name."""
        if not self.labelled:
            return ""
        names = {line.name for line in self.boxes[link.source].lines}
        return "" if link.blob in names else link.blob


def diagram(
    net: NetParameter, rates: bool = False, shapes: Mapping[str, str] | None = None
) -> Diagram:
    """What to draw of a net whose layers are in the current format.

    rates: tell the lr_mult of layers. shapes: the shapes of tops, by layer name.
    """
    read = Counter(b for layer in net.layer for b in set(layer.bottom))
    boxes: list[list[Line]] = []
    last: dict[str, list[int]] = {}  # blob -> the boxes that make it, in several phases perhaps
    links: dict[Link, None] = {}
    for layer in net.layer:
        line = _line(layer, rates, (shapes or {}).get(layer.name, ""))
        host = _host(layer, last, read)
        if host is None:
            host = len(boxes)
            boxes.append([])
            for blob in dict.fromkeys(layer.bottom):
                for source in last.get(blob, ()):
                    if len({line.only, boxes[source][0].only} - {""}) < 2:
                        links[Link(source, host, blob)] = None
        boxes[host].append(line)
        for top in layer.top:
            fresh = top in layer.bottom or not _alternative(layer)
            last[top] = [host] if fresh else [*last.get(top, ()), host]
    return Diagram(net.name, tuple(Box(tuple(lines)) for lines in boxes), tuple(links))


def _host(layer: LayerParameter, last: Mapping[str, list[int]], read: Counter[str]) -> int | None:
    """The box that a layer goes into: of its bottom, where it writes over it or alone reads it."""
    kind = LAYERS.get(layer.type)
    if len(layer.bottom) != 1 or len(layer.top) != 1 or _family(layer) in ("loss", "other"):
        return None
    (bottom,), (top,), makers = layer.bottom, layer.top, last.get(layer.bottom[0], [])
    light = kind is not None and kind.in_place and _family(layer) in ("neuron", "norm")
    if len(makers) != 1 or not (bottom == top or (light and read[bottom] == 1)):
        return None
    return makers[0]


def _alternative(layer: LayerParameter) -> bool:
    """Whether the layer is in some states only, so that another may make the same blob."""
    return bool(layer.include or layer.exclude)


def _line(layer: LayerParameter, rates: bool, shape: str) -> Line:
    told = [layer.type, *_facts(layer)]
    if rates and layer.param:
        told.append("lr_mult " + " ".join(f"{p.lr_mult:g}" for p in layer.param))
    phases = {Phase.Name(rule.phase) for rule in layer.include if rule.HasField("phase")}
    only = phases.pop() if len(phases) == 1 else ""
    return Line(layer.name or layer.type, JOINT.join(told), _family(layer), shape, only)


def _family(layer: LayerParameter) -> str:
    """The family that a layer is coloured by."""
    if not layer.bottom:
        return "data"
    kind = LAYERS.get(layer.type)
    if kind is None:
        return "other"
    return FAMILY.get(kind.setup.__module__.rpartition(".")[2], "other")


def _facts(layer: LayerParameter) -> list[str]:
    """The fields of the layer's messages that are set, as words."""
    found: list[tuple[int, str]] = []
    for message, value in layer.ListFields():
        if message.name.endswith("_param") and message.message_type and message.name not in SILENT:
            for field, inner in value.ListFields():
                at = FIRST.index(field.name) if field.name in FIRST else len(FIRST)
                if field.name not in SILENT and (told := _fact(field, inner)):
                    found.append((at, told))
    return [told for _, told in sorted(found, key=lambda pair: pair[0])]


def _fact(field: Any, value: Any) -> str:
    """One field as words: 11×11, MAX, stride 4. None for messages but shapes."""
    values = list(value) if is_repeated(field) else [value]
    if field.message_type:
        shapes = [dims(v.dim) for v in values if isinstance(v, BlobShape)]
        return JOINT.join(shapes)
    if field.enum_type:
        return " ".join(field.enum_type.values_by_number[v].name for v in values)
    words = [_word(v) for v in values[:LONGEST]] + ["…"] * (len(values) > LONGEST)
    if field.name == "kernel_size":
        return dims(words * 2 if len(words) == 1 else words)
    return " ".join(words if field.name in PLAIN else [field.name, *words])


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = value.rstrip("/").rpartition("/")[2] if isinstance(value, str) else f"{value:.6g}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def dims(sizes: Sequence[Any]) -> str:
    """1×3×227×227, or () for no axes."""
    return "×".join(map(str, sizes)) or "()"
