"""A net as a JAX program to read: one line a layer, with nothing of netc in it."""

from __future__ import annotations

import inspect
import json
import keyword
import re
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from netc.compile import Arrays
from netc.errors import UsageError, raise_all
from netc.export import rules  # noqa: F401
from netc.export.calls import Blob, Bottom, Call, Item, Unsupported, Written
from netc.export.checked import verified
from netc.export.net import Net, counting, in_calls
from netc.files import atomic
from netc.graph.ir import Node
from netc.load import PathLike
from netc.lowering.platform import jit
from netc.weights.kinds import writing

WIDTH = 100
SIGNS = {"add": ("+", 0), "subtract": ("-", 0), "multiply": ("*", 1), "divide": ("/", 1)}
HEAD = '''"""{what}

    python {file}                        # a pass over random numbers
    from {stem} import load, net
    {answers} = net(load("{weights}"), {inputs})
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

'''
TAIL = '''


def load(path):
    """The weights in a .npz or .safetensors file, by name: LAYER/INDEX."""
    if path.endswith(".safetensors"):
        from safetensors.numpy import load_file

        return load_file(path)
    return dict(np.load(path))


if __name__ == "__main__":
    random = np.random.default_rng(0)
    inputs = [random.standard_normal(shape, np.float32) for shape in {shapes}]
    for answer in jax.tree.leaves(jax.jit(net)(load("{weights}"), *inputs)):
        print(answer.shape, answer.ravel()[:5])
'''


def write_source(net: Net, path: PathLike) -> str:
    """Write the net as a Python file, and its weights beside it as .npz; a report.

    Raises UsageError where the file's name is none of a module, Unsupported, RunError.
    """
    path = Path(path)
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UsageError(f"{path}: a Python file is called NAME.py, NAME of letters, digits and _")
    raise_all([_shapeless(node) for node in counting(net.graph) if not node.set_up.padded])
    net, layers = in_calls(net)
    text, weights, every = source(net, layers, path)
    module: dict[str, Any] = {"__name__": path.stem}
    exec(compile(text + every, str(path), "exec"), module)
    program = jit(module["every"])
    names = {t: net.names[t] for item in layers for t in item.node.tops}

    def run(inputs: Arrays) -> Arrays:
        found = program(weights, *(inputs[b] for b in net.inputs.values()))
        return dict(zip(names.values(), found, strict=True))

    report = verified(net, run, names, str(path))
    beside = path.with_suffix(".npz")
    with writing(beside), atomic(beside) as file:
        np.savez(file, **weights)  # pyright: ignore[reportArgumentType]
    with writing(path), atomic(path, "w") as file:
        file.write(text)
    return f"{path} and {beside}: JAX, {net.batch}\n{report}"


def _shapeless(node: Node) -> Unsupported:
    return Unsupported(
        "cannot be exported as JAX code, whose shapes are fixed: how many items are kept depends "
        f"on values (layer '{node.name}', {node.param.type})",
        node.source.span,
    )


class Source(NamedTuple):
    """The text of a file, the weights that it reads, and the text of a function like its `net` that
    gives the tops of every layer."""

    text: str
    weights: Arrays
    every: str


def source(net: Net, layers: list[Written], path: Path) -> Source:
    """The net as JAX code."""
    writer = _Writer(net)
    lines = [(writer.layer(item), writer.tops(item)) for item in layers]
    inputs = [writer.variable(b) for b in net.inputs.values()]
    answers = [writer.variable(b) for b in net.outputs.values()]
    ends = {**net.inputs, **net.outputs}
    shapes = {writer.variable(b): _shape(net.shape(v)) for v, b in ends.items()}
    told = [" ".join((name, shapes[name])) for name in inputs]
    results = [" ".join((name, shapes[name])) for name in answers]
    head = HEAD.format(
        what=f"{_plain(net.graph.name) or path.stem}, a net of {len(layers)} layers.",
        file=path.name,
        stem=path.stem,
        weights=path.with_suffix(".npz").name,
        inputs=", ".join(inputs),
        answers=", ".join(answers),
    )
    body = [
        f"def net(w, {', '.join(inputs)}):",
        f'    """{", ".join(told)} -> {", ".join(results)}, with weights w."""',
        *(f"    {line}" for own, _ in lines for line in own),
        f"    return {', '.join(answers)}",
    ]
    kept = writer.unused("kept")
    every = [
        f"def every(w, {', '.join(inputs)}):",
        f"    {kept} = []",
        *(f"    {line}" for own, tops in lines for line in (*own, f"{kept} += [{tops}]")),
        f"    return {kept}",
    ]
    tail = TAIL.format(
        shapes=[net.graph.shapes[v] for v in net.inputs], weights=path.with_suffix(".npz").name
    )
    functions = (f"\n{text}\n" for text in _functions(writer.used))
    text = "".join((head, *functions, "\n", "\n".join(body), tail))
    return Source(text, {**net.stored, **writer.constants}, "\n".join(("", *every, "")))


def _shape(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(str(n) or '...' for n in shape)})"


def _plain(name: str) -> str:
    """A name without what would end a comment or a docstring."""
    return "".join(c if c.isprintable() and c not in '"\\' else " " for c in name)


def _functions(used: set[str]) -> list[str]:
    """The sources of functions and of those they call, in the order of the modules."""
    from netc.export.functions import FUNCTIONS

    texts = {name: inspect.getsource(f) for name, f in FUNCTIONS.items()}
    needed, more = set[str](), used & texts.keys()
    while more:
        needed |= more
        more = {word for name in more for word in re.findall(r"\w+", texts[name])}
        more = (more & texts.keys()) - needed
    return [text for name, text in texts.items() if name in needed]


class _Writer:
    """The lines of the net's function, and what they use."""

    def __init__(self, net: Net) -> None:
        self.net, self.used, self.constants = net, set[str](), dict[str, np.ndarray]()
        self.blobs = net.graph.blobs
        self.variables: dict[str, str] = {}
        from netc.export.functions import FUNCTIONS

        self.known = FUNCTIONS.keys()
        self.taken = {"w", "jax", "jnp", "np", "lax", "net", "load", "every", *FUNCTIONS}

    def variable(self, blob: str) -> str:
        """The name that a blob has in Python."""
        if blob not in self.variables:
            name = re.sub(r"\W", "_", blob)
            if not name.isidentifier() or keyword.iskeyword(name):
                name = f"_{name}"
            self.variables[blob] = self.unused(name)
        return self.variables[blob]

    def unused(self, name: str) -> str:
        """The name, or one like it that nothing has, which is then taken."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def tops(self, item: Written) -> str:
        """The variables of a layer's tops."""
        return ", ".join(self.variable(self.blobs[t]) for t in item.node.tops)

    def layer(self, item: Written) -> list[str]:
        """A line that computes a layer, or several where a value is used more than once."""
        node = item.node
        self.bottoms = [self.variable(self.blobs[b]) for b in node.bottoms]
        self.node, self.parts, self.arrays = node, {}, list[np.ndarray]()
        tops = [self.variable(self.blobs[t]) for t in node.tops]
        lines: list[str] = []
        values = [item.tops] if isinstance(item.tops, Call) else list(item.tops)
        for call in _shared(values):
            name = f"{tops[0]}_{len(self.parts) + 1}"
            lines.extend(_assignment([name], self.text(call)))
            self.parts[id(call)] = name
        lines += _assignment(tops, ", ".join(map(self.text, values)))
        told = f"# {_plain(node.name)} ({node.param.type})"
        if len(lines) == 1 and len(lines[0]) + len(told) + 6 <= WIDTH:
            return [f"{lines[0]}  {told}"]
        return [told, *lines]

    def text(self, x: Any) -> str:
        """An expression in Python."""
        if isinstance(x, Bottom):
            return self.bottoms[x.index]
        if isinstance(x, Blob):
            return f"w[{json.dumps(x.key)}]"
        if isinstance(x, Item):
            return f"{self.text(x.call)}[{x.index}]"
        if isinstance(x, list):
            return f"[{', '.join(map(self.text, x))}]"
        if isinstance(x, np.ndarray):
            return f"w[{json.dumps(self.constant(x))}]"
        if not isinstance(x, Call):
            return number(x)
        if id(x) in self.parts:
            return self.parts[id(x)]
        if x.function in SIGNS:
            left, right = x.args
            sign, strength = SIGNS[x.function]
            return f"{self.operand(left, strength)} {sign} {self.operand(right, strength + 1)}"
        options = [f"{name}={number(value)}" for name, value in x.options.items()]
        arguments = ", ".join([*map(self.text, x.args), *options])
        self.used.add(x.function)
        return f"{self.function(x.function)}({arguments})"

    def operand(self, x: Any, strength: int) -> str:
        """An expression, in brackets where a sign in it binds less than that."""
        signed = isinstance(x, Call) and x.function in SIGNS and id(x) not in self.parts
        return f"({self.text(x)})" if signed and SIGNS[x.function][1] < strength else self.text(x)

    def function(self, name: str) -> str:
        return name if name in self.known else f"jnp.{name}"

    def constant(self, array: np.ndarray) -> str:
        """The name under which an array is stored with the weights."""
        if not any(array is other for other in self.arrays):
            self.arrays.append(array)
        index = next(i for i, other in enumerate(self.arrays) if other is array)
        key = f"{self.node.key}/{len(self.node.stored) + index}"
        self.constants[key] = array
        return key


def number(value: Any) -> str:
    """A number, or a tuple of them, as short as float32 allows."""
    if isinstance(value, tuple):
        return f"({', '.join(map(number, value))}{',' if len(value) == 1 else ''})"
    if not isinstance(value, float):
        return repr(value)
    if not np.isfinite(value):
        return f"{'-' if value < 0 else ''}jnp.{abs(value)}"
    return str(np.float32(value))


def _shared(values: list[Any]) -> list[Call]:
    """The calls that are used more than once, those that others need first."""
    counts, order = Counter[int](), list[Call]()

    def visit(x: Any) -> None:
        if isinstance(x, Item):
            visit(x.call)
        elif isinstance(x, list):
            for part in x:
                visit(part)
        elif isinstance(x, Call):
            counts[id(x)] += 1
            if counts[id(x)] == 1:
                visit(list(x.args))
                order.append(x)

    visit(values)
    return [call for call in order if counts[id(call)] > 1]


def _assignment(names: list[str], value: str) -> list[str]:
    """The lines of an assignment, those of a long one in brackets."""
    line = f"{', '.join(names)} = {value}"
    if len(line) + 4 <= WIDTH:
        return [line]
    text = re.sub(r'"(?:[^"\\]|\\.)*"', lambda key: key[0].replace(" ", "\0"), value)
    parts = textwrap.wrap(text, WIDTH - 8, break_long_words=False, break_on_hyphens=False)
    return [f"{', '.join(names)} = (", *("    " + p.replace("\0", " ") for p in parts), ")"]
