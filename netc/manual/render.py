"""Pages of the manual as Markdown and as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from netc.manual.pages import Field, Message, Page, common, families, page

WIDTH = 100


def markdown(p: Page) -> str:
    """The page as a Markdown file."""
    parts = [f"# {p.type}"]
    for meaning in (p, *p.others):
        parts += [f"## {_whose(meaning)}"] if p.others else []
        parts += [
            f"```text\n{meaning.about}\n```",
            "\n".join(f"- {name}: {value}" for name, value in facts(meaning)),
        ]
        if meaning.blobs:
            blobs = (f"{i}. {b}" for i, b in enumerate(meaning.blobs))
            parts.append("\n".join(["Blobs:", "", *blobs]))
        parts.append(f"```prototxt\n{meaning.example}```")
    for message in p.messages:
        parts.append(f"## {_heading(message)}")
        own, forks = _own(message)
        parts.append(_field_table(own))
        if forks:
            parts += [FORKS, _field_table(forks, forks=True)]
    return "\n\n".join(parts) + "\n"


def text(p: Page) -> str:
    """The page as plain text."""
    parts = [p.type]
    for meaning in (p, *p.others):
        parts += [_whose(meaning)] if p.others else []
        facts_ = (f"{f'{name}:':<10}{value}" for name, value in facts(meaning))
        parts += [meaning.about, "\n".join(facts_)]
        if meaning.blobs:
            blobs = (f"  {i}  {b}" for i, b in enumerate(meaning.blobs))
            parts.append("\n".join(["Blobs", *blobs]))
        parts.append("Example\n" + textwrap.indent(meaning.example.rstrip(), "  "))
    for message in p.messages:
        own, forks = _own(message)
        parts.append("\n".join([_heading(message), *map(_field_text, own)]))
        if forks:
            parts.append(textwrap.fill(f"{FORKS[:-1]}: {', '.join(f.name for f in forks)}", WIDTH))
    return "\n\n".join(parts)


def _whose(meaning: Page) -> str:
    """The forks that mean this by the type, one of several meanings."""
    forks = ", ".join(meaning.dialects)
    if meaning.named:
        return f'In {forks}, where the net says so: dialect: "{meaning.dialects[0]}"'
    return f"In {forks}" if forks else "In all others"


def listing() -> str:
    """Every type with its sentence, by family, as plain text."""
    width = max(len(t) for f in families() for t in f.types)
    blocks = []
    for family in families():
        rows = (f"  {t:<{width}}  {page(t).summary}" for t in family.types)
        blocks.append("\n".join([f"{family.name}: {family.title}", *rows]))
    return "\n\n".join(blocks)


def index() -> str:
    """The Markdown file that leads to all pages."""
    parts = ["# Layer types", "Written by docs/generate.py from the registry and the schema."]
    for family in families():
        rows = [(f"[{t}]({t}.md)", _cell(page(t).summary)) for t in family.types]
        parts += [f"## {family.title}", table(("type", "what it does"), rows)]
    parts += ["## Names that mean several layers", DIALECTS, _dialect_table()]
    parts += ["## Fields of every layer", _field_table(common())]
    return "\n\n".join(parts) + "\n"


DIALECTS = """\
The forks of Caffe gave some names to different layers. Which one a net means is told by the fields
that only one of them has, by the number of bottoms, or by other layers of the net; with
`dialect: "segnet"` in the net, or `--dialect segnet` after any command, it is SegNet's. What is
guessed is logged, and `netc check` points at it."""


def _dialect_table() -> str:
    """A row for each meaning of the types that have several."""
    several = [page(t) for f in families() for t in f.types if page(t).others]
    rows = (
        (f"[{p.type}]({p.type}.md)", ", ".join(p.dialects) or "all others", _cell(p.summary))
        for first in sorted(several, key=lambda p: p.type)
        for p in (first, *first.others)
    )
    return table(("type", "in", "what it does"), rows)


def facts(p: Page) -> list[tuple[str, str]]:
    """Bottoms and tops in words."""
    rows = [("bottoms", p.bottoms), ("tops", p.tops)]
    return [*rows, ("in place", "yes")] if p.in_place else rows


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(r)} |" for r in lines)


FORKS = "Fields of public forks, which parse; the text above names those that netc carries out:"


def _heading(message: Message) -> str:
    return f"{message.field} ({message.type})" if message.field else message.type


def _own(message: Message) -> tuple[list[Field], list[Field]]:
    """The fields of Caffe and netc, and those of forks; all are own where Caffe has no message."""
    own = [f for f in message.fields if not f.forks]
    if not own:
        return list(message.fields), []
    return own, [f for f in message.fields if f.forks]


def _field_table(fields: Iterable[Field], forks: bool = False) -> str:
    head = ("field", "type", "default", "", *(["forks"] if forks else []))
    rows = (
        (
            f"`{f.name}`",
            f.type,
            f"`{f.default}`" if f.default else "",
            _cell(_told(f)),
            *([", ".join(f.forks)] if forks else []),
        )
        for f in fields
    )
    return table(head, rows)


def _field_text(f: Field) -> str:
    default = f", default {f.default}" if f.default else ""
    line = f"  {f.name:<20}  {f.type}{default}"
    told = textwrap.fill(_told(f), WIDTH, initial_indent=" " * 24, subsequent_indent=" " * 24)
    return f"{line}\n{told}" if told else line


def _told(f: Field) -> str:
    values = f"one of {', '.join(f.values)}" if f.values else ""
    return "; ".join(part for part in (f.comment, values) if part)


def _cell(words: str) -> str:
    """Words that stand in a Markdown table as they are."""
    return words.replace("|", "\\|").replace("*", "\\*").replace("<", "\\<")
