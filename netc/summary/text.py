"""Summaries as text, as a table in a terminal, and as data for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netc.layers.base import dims
from netc.summary.compiled import Compiled
from netc.summary.layers import FLOAT, Row, Summary
from netc.weights.match import Match
from netc.weights.match import render as render_match
from netc.weights.match import summary as count_match

NUMBERS = {"params", "frozen", "forward", "backward", "memory"}


def columns(summary: Summary) -> list[str]:
    """The columns that say something about this net."""
    optional = {"frozen": summary.total("frozen") > 0, "backward": summary.trained}
    every = ("layer", "type", "top shape", "params", "frozen", "forward", "backward", "memory")
    return [c for c in every if optional.get(c, True)]


def cells(row: Row, shown: Sequence[str]) -> list[str]:
    """A row as text, one cell per column."""
    params = [f"{row.params:,}"] if row.params else []
    params += [f"{row.shared:,} shared"] if row.shared else []
    params += [f"{row.carried:,} carried"] if row.carried else []
    text = {
        "layer": row.name,
        "type": row.type,
        "top shape": ", ".join(dims(shape) for _, shape in row.tops) or "-",
        "params": " + ".join(params),
        "frozen": f"{row.frozen:,}" if row.frozen else "",
        "forward": operations(row.forward),
        "backward": operations(row.backward),
        "memory": size(row.memory),
    }
    return [text[c] for c in shown]


def operations(n: float | None) -> str:
    """1234567 -> 1.23 M; ? for None."""
    if n is None:
        return "?"
    for unit in ("", " k", " M", " G", " T"):
        if abs(n) < 999.5 or unit == " T":
            return f"{n:.3g}{unit}" if unit else f"{n:.0f}"
        n /= 1000
    raise AssertionError("the last unit takes every number")


def size(n: float) -> str:
    """Bytes as people read them: 1536 -> 1.5 KiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n < 1024 or unit == "GiB":
            return f"{n:.0f} B" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1024
    raise AssertionError("the last unit takes every number")


def totals(
    summary: Summary, compiled: Compiled | None = None, match: Match | None = None
) -> list[tuple[str, str]]:
    """What stands under the table: a name and a sentence each."""
    learnable, frozen = summary.total("params"), summary.total("frozen")
    text = f"{learnable:,}" + (f", {frozen:,} of them frozen" if frozen else "")
    carried = summary.total("carried")
    lines = [("parameters", text + (f", and {carried:,} carried" if carried else ""))]
    forward, backward = summary.total("forward"), summary.total("backward")
    missing = f", without {', '.join(summary.uncounted)}" if summary.uncounted else ""
    lines.append(("forward", f"{operations(forward)} operations{missing}"))
    if summary.trained:
        lines.append(("forward and backward", f"{operations(forward + backward)} operations"))
    if frozen:
        lines.append(("freezing saves", savings(summary)))
    lines.append(("memory of tops", size(summary.total("memory"))))
    lines.append(("Memory required for data", f"{summary.data_memory} bytes, as Caffe counts"))
    if compiled:
        lines += _compiled(compiled, summary.trained)
    if match:
        lines.append(("weights", count_match(match.rows)))
    return lines


def savings(summary: Summary, histories: int | None = None) -> str:
    """What freezing saves: operations of a pass, bytes of gradients and of the solver's history.

    histories: how many arrays the solver keeps for each blob; None if no solver is known.
    """
    share = _share(summary.saved, summary.total("forward") + summary.unfrozen)
    gradients = FLOAT * summary.total("frozen")
    every = "as much of each history that the solver keeps"
    history = every if histories is None else f"{size(histories * gradients)} of history"
    return (
        f"{operations(summary.saved)} operations ({share}) of a pass, {size(gradients)} of "
        f"gradients, {history}"
    )


def _compiled(c: Compiled, trained: bool) -> list[tuple[str, str]]:
    what = "forward and backward" if trained else "forward"
    count = f"{what} in one program, {operations(c.flops)} operations as XLA counts"
    if c.unfrozen > c.flops:
        saved = _share(c.unfrozen - c.flops, c.unfrozen)
        count += f"; {operations(c.unfrozen)} with nothing frozen, so freezing saves {saved}"
    parts = f"{size(c.arguments)} in, {size(c.outputs)} out, {size(c.temporaries)} temporary"
    peak = f"{size(c.peak)} ({parts})"
    if c.limit:
        fits = "fits" if c.peak <= c.limit else "does not fit"
        peak += f", {fits} into the {size(c.limit)} of the device"
    return [(f"compiled for {c.platform}", count), ("peak memory", peak)]


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f}%"


def title(summary: Summary) -> str:
    """The line above the table."""
    return f"net '{summary.name}' in phase {summary.phase}"


def plain(summary: Summary, compiled: Compiled | None = None, match: Match | None = None) -> str:
    """The summary as aligned text."""
    shown = columns(summary)
    table = [shown, *(cells(row, shown) for row in summary.rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    right = [name in NUMBERS for name in shown]
    lines = [title(summary), ""]
    for line in table:
        aligned = [
            text.rjust(width) if is_number else text.ljust(width)
            for text, width, is_number in zip(line, widths, right, strict=True)
        ]
        lines.append("  ".join(aligned).rstrip())
    lines += ["", aligned_pairs(totals(summary, compiled, match))]
    return "\n".join(lines + unmatched(match))


def unmatched(match: Match | None) -> list[str]:
    """What became of the blobs that were not loaded, none if all were."""
    rest = [row for row in match.rows if row.status != "loaded"] if match else []
    return ["", render_match(rest)] if rest else []


def aligned_pairs(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and sentences in two columns."""
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in pairs)


def print_rich(
    summary: Summary, compiled: Compiled | None = None, match: Match | None = None
) -> None:
    """The summary as a table on the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = columns(summary)
    table = Table(title=title(summary), title_justify="left", box=SIMPLE_HEAD, padding=(0, 2, 0, 0))
    for name in shown:
        table.add_column(name, justify="right" if name in NUMBERS else "left", overflow="fold")
    for row in summary.rows:
        style = "dim" if row.params and row.frozen == row.params else None
        table.add_row(*map(Text, cells(row, shown)), style=style)
    console = Console(highlight=False)
    console.print(table)
    console.print(Text(aligned_pairs(totals(summary, compiled, match))))
    for line in unmatched(match):
        console.print(Text(line))


def as_data(
    summary: Summary, compiled: Compiled | None = None, match: Match | None = None
) -> dict[str, Any]:
    """Everything in dictionaries and lists, for JSON."""
    layers = []
    for row in summary.rows:
        tops = [{"blob": blob, "shape": list(shape)} for blob, shape in row.tops]
        layers.append({**row._asdict(), "tops": tops})
    names = ("params", "frozen", "carried", "forward", "backward", "memory")
    return {
        "name": summary.name,
        "phase": summary.phase,
        "layers": layers,
        "totals": {name: summary.total(name) for name in names},
        "freezing_saves": summary.saved,
        "memory_required_for_data": summary.data_memory,
        "weights": [row._asdict() for row in match.rows] if match else None,
        "compiled": {**compiled._asdict(), "peak": compiled.peak} if compiled else None,
    }
