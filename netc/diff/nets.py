"""Two nets, layer by layer, or two solvers, field by field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from google.protobuf import text_format

from netc.diff.fields import Change, Placed, change, changes
from netc.load import Loaded

CONNECTIONS = ("bottom", "top")


class LayerChange(NamedTuple):
    """What became of a layer.

    fate: changed, renamed, moved, added (`a` is None) or removed (`b` is None).
    """

    fate: str
    a: Placed | None
    b: Placed | None
    changes: tuple[Change, ...] = ()

    def render(self) -> str:
        one = self.b or self.a
        assert one is not None, "it is a layer of one of the nets"
        head = f"{one.message.name} ({one.message.type})"
        if self.a is None or self.b is None:
            sign = "+" if self.a is None else "-"
            place = f"  ({one.source.span})" if one.source.span else ""
            return f"{sign} {head}{place}"
        fate = {
            "renamed": f": was {self.a.message.name}",
            "moved": ": stands elsewhere among the layers",
        }.get(self.fate, "")
        return "\n".join([f"  {head}{fate}", *(f"      {c.render()}" for c in self.changes)])


class Comparison(NamedTuple):
    """Fields of the file as a whole, then the layers in the order of the second file, those that
    are gone where they were in the first."""

    fields: tuple[Change, ...]
    layers: tuple[LayerChange, ...]


def compare(a: Loaded[Any], b: Loaded[Any]) -> Comparison:
    """How two nets or two solvers in the current format differ, whatever the order of fields.

    A layer is the same by its name and rules, or by its name; one with another name is the same if
    it has the same fields and stands between the same layers. Blobs that a layer renames are the
    same for those that read them.
    """
    one, other = Placed(a.message, a.source), Placed(b.message, b.source)
    fields = tuple(changes(one, other, skip=("layer",)))
    if "layer" not in one.message.DESCRIPTOR.fields_by_name:
        return Comparison(fields, ())
    field = one.message.DESCRIPTOR.fields_by_name["layer"]
    return Comparison(fields, tuple(_layers(one.inside(field), other.inside(field))))


def _layers(a: Sequence[Placed], b: Sequence[Placed]) -> Iterator[LayerChange]:
    pairs = _by_name(a, b)
    blocks = _in_order(a, b, pairs)
    renamed = {i: j for i, j in blocks.items() if i not in pairs}
    moved = {i for i in pairs if i not in blocks}
    partner = {j: i for i, j in (pairs | renamed).items()}
    blobs: dict[str, str] = {}
    gone = [i for i in range(len(a)) if i not in pairs | renamed]
    for j, new in enumerate(b):
        if j not in partner:
            yield LayerChange("added", None, new)
            continue
        i = partner[j]
        while gone and gone[0] < i:
            yield LayerChange("removed", a[gone.pop(0)], None)
        found = (*_connections(a[i], new, blobs), *changes(a[i], new, ("name", *CONNECTIONS)))
        fate = "renamed" if i in renamed else "moved" if i in moved else "changed"
        if found or fate != "changed":
            yield LayerChange(fate, a[i], new, found)
    yield from (LayerChange("removed", a[i], None) for i in gone)


def _by_name(a: Sequence[Placed], b: Sequence[Placed]) -> dict[int, int]:
    """Places of layers in the one net and the other, by name and rules, then by name."""
    pairs: dict[int, int] = {}
    for key in (_name_and_rules, _name):
        free: dict[str, list[int]] = {}
        taken = set(pairs.values())
        for j, layer in enumerate(b):
            if j not in taken:
                free.setdefault(key(layer), []).append(j)
        for i, layer in enumerate(a):
            if i not in pairs and (places := free.get(key(layer))):
                pairs[i] = places.pop(0)
    return pairs


def _in_order(a: Sequence[Placed], b: Sequence[Placed], pairs: dict[int, int]) -> dict[int, int]:
    """The layers that stand in the same order, with those that have only another name."""
    partner = {j: i for i, j in pairs.items()}
    left: list[Any] = [i if i in pairs else _body(x) for i, x in enumerate(a)]
    right: list[Any] = [partner.get(j, _body(x)) for j, x in enumerate(b)]
    blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    return {m.a + k: m.b + k for m in blocks for k in range(m.size)}


def _connections(a: Placed, b: Placed, blobs: dict[str, str]) -> Iterator[Change]:
    """Bottoms and tops that differ; `blobs`, old name -> new, learns of tops with new names."""
    for name in CONNECTIONS:
        old, new = list(getattr(a.message, name)), list(getattr(b.message, name))
        if [blobs.get(blob, blob) for blob in old] != new:
            yield change(a, b, a.message.DESCRIPTOR.fields_by_name[name], name)
        if name == "top":
            blobs.update(zip(old, new, strict=False))


def _name(layer: Placed) -> str:
    return layer.message.name


def _name_and_rules(layer: Placed) -> str:
    rules = (*layer.message.include, *layer.message.exclude)
    return "\0".join((layer.message.name, *map(_one_line, rules)))


def _body(layer: Placed) -> str:
    """All of a layer but its names."""
    message = type(layer.message)()
    message.CopyFrom(layer.message)
    for name in ("name", *CONNECTIONS):
        message.ClearField(name)
    return _one_line(message)


def _one_line(message: Any) -> str:
    return text_format.MessageToString(message, as_one_line=True)


def render(found: Comparison) -> str:
    """The differences and a last line that counts them; "" if there are none."""
    lines = [f"  {c.render()}" for c in found.fields] + [c.render() for c in found.layers]
    counts = Counter(layer.fate for layer in found.layers)
    told = [_count(len(found.fields), "field", "changed")] if found.fields else []
    told += [_count(n, "layer", fate) for fate, n in counts.items()]
    return "\n".join([*lines, "", ", ".join(told)]) if lines else ""


def _count(n: int, noun: str, fate: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'} {fate}"
