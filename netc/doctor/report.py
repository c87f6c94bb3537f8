"""What `doctor` found, as text and as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args

from netc.doctor.findings import MARKS, Entry, Finding, Mark

WIDTH = max(map(len, MARKS))
FAILING: tuple[Mark, ...] = ("missing", "wrong")


def healthy(entries: Sequence[Entry]) -> bool:
    """Whether nothing is missing or wrong."""
    return not any(f.mark in FAILING for e in entries for f in e.findings)


def text(entries: Sequence[Entry]) -> str:
    """The findings file by file, then how many there are of each mark."""
    blocks = [
        "\n".join([f"{e.path}: {e.kind}", *(line for f in e.findings for line in _lines(f))])
        for e in entries
    ]
    return "\n\n".join([*blocks, _summary(entries)])


def _lines(found: Finding) -> list[str]:
    where = f"{found.where}: " if found.where else ""
    lines = [f"  {found.mark:<{WIDTH}}  {where}{found.what}"]
    if found.instead:
        lines.append(f"  {'':<{WIDTH}}  -> {found.instead}")
    return lines


def _summary(entries: Sequence[Entry]) -> str:
    kinds = Counter(e.kind for e in entries)
    marks = Counter(f.mark for e in entries for f in e.findings)
    files = ", ".join(f"{n} {_plural(kind, n)}" for kind, n in kinds.items())
    counts = [f"{marks[m]:6} {m:<{WIDTH}}  {MARKS[m]}" for m in get_args(Mark) if marks[m]]
    return "\n".join([files or "no nets, solvers or scripts", *counts])


def _plural(kind: str, n: int) -> str:
    return kind if n == 1 or kind.endswith("s") else f"{kind}s"


def data(entries: Sequence[Entry]) -> dict[str, Any]:
    """The same for other programs."""
    files = [
        {"path": e.path, "kind": e.kind, "findings": [f._asdict() for f in e.findings]}
        for e in entries
    ]
    return {"healthy": healthy(entries), "files": files}
