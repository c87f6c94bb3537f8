"""`netc zoo`: folders of nets with their weights, as Caffe's model zoo has them.

The front matter of a folder's readme.md tells name, caffemodel, caffemodel_url and sha1.
Caffe: download_model_binary.py.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from netc.compile import compile_net
from netc.data.fail import missing
from netc.data.fetch import digest_of, fetch
from netc.errors import DataError, NetcError
from netc.graph.ir import Graph
from netc.load import read_as_written, read_bytes, read_net, text_of
from netc.lowering.plan import Plan
from netc.opening import is_solver
from netc.phase import state_of
from netc.schema import LabelMap, Phase
from netc.summary.text import size
from netc.tables import aligned
from netc.transfer import targets
from netc.weights import read_weights
from netc.weights.match import compare

WEIGHTS = (".caffemodel", ".caffemodel.h5", ".safetensors")
NEEDED = ("caffemodel", "caffemodel_url", "sha1")


class Row(NamedTuple):
    """A file, and what is to be said of it. wrong: whether that is a complaint."""

    path: str
    bytes: int | None
    told: str
    wrong: bool = False


def front_matter(path: Path) -> dict[str, str]:
    """The fields `name: value` between the lines `---` that a file begins with."""
    head, *lines = text_of(read_bytes(path)).splitlines() or [""]
    if head.strip() != "---" or "---" not in map(str.strip, lines):
        return {}
    end = list(map(str.strip, lines)).index("---")
    pairs = (line.partition(":") for line in lines[:end] if not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def card_of(folder: str) -> tuple[Path, dict[str, str]]:
    """The readme of a folder and its front matter. Raises DataError where it has none."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise DataError(
            f"Failed to open folder: {error.strerror}", folder, missing(folder)
        ) from None
    for name in names:
        if name.lower() == "readme.md" and (card := front_matter(Path(folder) / name)):
            return Path(folder) / name, card
    raise DataError("no readme.md in it with a front matter between lines ---", folder)


def fetch_model(folder: str, log: Callable[[str], None] = print) -> None:
    """Fetch the weights that a folder's readme.md names, unless they are there, and check their
    SHA1. Raises DataError.
    """
    readme, card = card_of(folder)
    if absent := [name for name in NEEDED if not card.get(name)]:
        raise DataError(f"the front matter has no {', '.join(absent)}", str(readme))
    name, url, sha1 = (card[name] for name in NEEDED)
    if name != os.path.basename(name) or name.startswith("."):
        raise DataError(
            f"caffemodel must be the name of a file in the folder, got '{name}'", str(readme)
        )
    if not url.startswith(("http://", "https://")):
        raise DataError(
            f"caffemodel_url must begin with http:// or https://, got '{url}'", str(readme)
        )
    if len(sha1) != 40:
        raise DataError(f"sha1 must be 40 hexadecimal digits, got '{sha1}'", str(readme))
    path = Path(folder) / name
    try:
        fetch(url, path, sha1.lower(), log)
    except DataError as error:
        there = f"remove {path} to fetch it again" if path.exists() else None
        error.hint = there or f"get {name} by other means, and put it into {folder}"
        raise
    log(f"{path}: {size(path.stat().st_size)}, as its readme.md has it")


def report(folder: str) -> tuple[str, bool]:
    """A table of the models below a folder, and whether all is well. Raises DataError."""
    if not os.path.isdir(folder):
        raise DataError("there is no such folder", folder, missing(folder))
    places = sorted((place, sorted(names)) for place, _, names in os.walk(folder))
    rows = [row for place, names in places for row in _rows(place, names)]
    if not rows:
        raise DataError(f"no net and no weights in it (.prototxt, {', '.join(WEIGHTS)})", folder)
    table = [
        (os.path.relpath(r.path, folder), "" if r.bytes is None else size(r.bytes), r.told)
        for r in rows
    ]
    return aligned([("file", "size", ""), *table]), not any(row.wrong for row in rows)


def _rows(place: str, names: list[str]) -> Iterator[Row]:
    """The files of one folder that are told of."""
    files = {name: os.path.join(place, name) for name in names}
    weights = [name for name in names if name.endswith(WEIGHTS)]
    nets = {name: path for name, path in files.items() if name.endswith(".prototxt")}
    try:
        card = card_of(place)[1]
    except DataError:
        card = {}
    published = card.get("caffemodel")
    graphs: dict[str, Graph] = {}
    for name, path in nets.items():
        told, wrong = _net(name, path, graphs)
        yield Row(path, os.path.getsize(path), told, wrong)
    for name in weights:
        sha1 = card.get("sha1", "").lower() if name == published else ""
        told, wrong = _weights(files[name], sha1, graphs)
        yield Row(files[name], os.path.getsize(files[name]), told, wrong)
    if published and published not in names:
        yield Row(os.path.join(place, published), None, f"not here: netc zoo --fetch {place}")


def _net(name: str, path: str, graphs: dict[str, Graph]) -> tuple[str, bool]:
    """What a prototxt is; a net's graph is added, as far as its shapes are known without data."""
    try:
        if is_solver(path):
            return "solver", False
        with suppress(NetcError):
            return f"label map, {len(read_as_written(path, LabelMap).message.item)} classes", False
        net = read_net(path)
        state = state_of(net.message, Phase.TEST)
        graph = graphs[name] = compile_net(net, state, Plan("cpu"), missing=[]).graph
    except NetcError as error:
        return error.render().splitlines()[0], True
    count = sum(math.prod(p.spec.shape) for p in graph.params)
    told = f"net '{net.message.name}', {len(net.message.layer)} layers"
    return f"{told}, {count:,} parameters" if count else told, False


def _weights(path: str, sha1: str, graphs: dict[str, Graph]) -> tuple[str, bool]:
    """Whether weights have the sum that is published and fit the nets beside them."""
    try:
        found = read_weights(path)
    except NetcError as error:
        return error.render().splitlines()[0], True
    parts, wrong = [], False
    if sha1:
        same = digest_of(Path(path), "sha1") == sha1
        parts.append("SHA1 as published" if same else "SHA1 NOT as published")
        wrong = not same
    fits: dict[str, tuple[int, int]] = {}
    for name, graph in graphs.items():
        wanted = [layer for layer in targets(graph) if layer.shapes]
        statuses = [row.status for row in compare(wanted, found).rows]
        if wanted:
            fits[name] = statuses.count("mismatch"), statuses.count("kept")
    whole = [name for name, lacks in fits.items() if not any(lacks)]
    if whole:
        parts.append(f"fits {', '.join(whole)}")
    elif fits:
        name, (unfit, kept) = min(fits.items(), key=lambda item: sum(item[1]))
        parts.append(f"fits no net; in {name} {unfit} blobs are other, {kept} not in the file")
    return "; ".join(parts) or "weights", wrong or bool(fits and not whole)
