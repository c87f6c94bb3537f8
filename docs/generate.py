"""Write what is generated of the documents: `python docs/generate.py [--check] [--curves RUN]`.

The tables of README.md and the pages of docs/layers come from the registries and the schema.
--curves draws docs/digits.svg from the metrics.jsonl of a run folder (it needs matplotlib).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from netc.layers import LAYERS
from netc.manual import index, markdown, page, sentence, table

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = ROOT / "docs" / "layers"

FORMATS = (
    ("net, solver", "`.prototxt`, or binary", "read"),
    ("weights", "`.caffemodel`, binary (also V1's and V0's layers) and HDF5", "read, written"),
    ("solver state", "`.solverstate`, binary and HDF5", "read, written"),
    ("databases", "LMDB of Datums, raw or encoded images", "read, written"),
    ("HDF5 data", "files and lists of them, a data set per top", "read"),
    ("mean", "`.binaryproto`, `.npy`", "read"),
    ("metrics", "Caffe's log lines, JSON lines, TensorBoard events", "written"),
)


def first_sentence(docstring: str | None) -> str:
    """The first sentence of a docstring, for a Markdown table."""
    return sentence(docstring).replace("|", "\\|")


def tables() -> str:
    """The tables of layers, solvers, policies and formats."""
    from netc.solvers import POLICIES, SOLVERS

    layers = [(f"`{n}`", first_sentence(LAYERS[n].setup.__doc__)) for n in sorted(LAYERS)]
    solvers = [
        (f"`{n}`", first_sentence(sys.modules[s.rule.__module__].__doc__))
        for n, s in SOLVERS.items()
    ]
    policies = [(f"`{n}`", f"`{first_sentence(f.__doc__)}`") for n, f in POLICIES.items()]
    parts = [
        table(("layer type", "what it does"), layers),
        table(("solver type", ""), solvers),
        table(("lr_policy", "rate"), policies),
        table(("file", "format", ""), FORMATS),
    ]
    return "\n\n".join(parts)


def filled(readme: str) -> str:
    """README's text with the part between its marks replaced."""
    start, end = "<!-- tables: docs/generate.py -->", "<!-- end of tables -->"
    before, rest = readme.split(start)
    return f"{before}{start}\n\n{tables()}\n\n{end}{rest.split(end)[1]}"


def outputs() -> dict[Path, str]:
    """Every generated file and its text."""
    pages = {PAGES / f"{name}.md": markdown(page(name)) for name in LAYERS}
    return {README: filled(README.read_text()), PAGES / "README.md": index(), **pages}


def stale(made: dict[Path, str]) -> list[Path]:
    """The files that are not what they would be made, or not made any more."""
    changed = [p for p, text in made.items() if not p.exists() or p.read_text() != text]
    return changed + sorted(set(PAGES.glob("*.md")) - set(made))


def draw(run: Path) -> None:
    """docs/digits.svg: loss and test accuracy against iterations."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    entries = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    train = [(e["iteration"], e["loss"]) for e in entries if e["kind"] == "train"]
    test = [e for e in entries if e["kind"] == "test 0"]
    matplotlib.rcParams.update({"svg.hashsalt": "netc", "font.size": 9})
    figure, left = pyplot.subplots(figsize=(6.4, 2.8), layout="constrained")
    left.semilogy(*zip(*train, strict=True), label="train loss", color="tab:blue")
    at = [e["iteration"] for e in test]
    left.semilogy(at, [e["loss"] for e in test], "o-", label="test loss", color="tab:orange")
    left.set(xlabel="iteration", ylabel="loss")
    right = left.twinx()
    accuracy = [100 * e["accuracy"] for e in test]
    right.plot(at, accuracy, "s--", label="test accuracy", color="tab:green")
    right.set(ylabel="accuracy, %", ylim=(80 if min(accuracy[1:]) > 80 else 0, 100.5))
    lines = left.get_lines() + right.get_lines()
    left.legend(lines, [str(line.get_label()) for line in lines], loc="center right")
    figure.savefig(ROOT / "docs" / "digits.svg", metadata={"Date": None})


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if stale")
    parser.add_argument("--curves", type=Path, help="a run folder to draw")
    args = parser.parse_args(argv)
    if args.curves:
        draw(args.curves)
    made = outputs()
    old = stale(made)
    for path in old:
        if args.check:
            print(f"{path.relative_to(ROOT)} is stale: run python docs/generate.py")
        elif path in made:
            path.parent.mkdir(exist_ok=True)
            path.write_text(made[path])
        else:
            path.unlink()
    return int(args.check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
