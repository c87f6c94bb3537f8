"""A net's file as a picture."""

from __future__ import annotations

import os

from netc.draw import diagram, dims, picture
from netc.errors import NetcError, UsageError, raise_all
from netc.files import atomic
from netc.graph.build import build
from netc.graph.infer import infer
from netc.load import read_net
from netc.lowering.plan import Plan
from netc.opening import Shapes, in_state, stand_in
from netc.phase import Filtered, filter_net
from netc.schema import Phase


def draw_file(
    path: str,
    out: str,
    rankdir: str = "TB",
    phase: Phase | None = None,
    level: int | None = None,
    stages: tuple[str, ...] = (),
    rates: bool = False,
    shapes: Shapes | None = None,
) -> None:
    """Draw a net into a file of the kind that its ending names: see `draw.picture`.

    phase: whose layers; None draws those of both. rates: tell the lr_mult of layers.
    shapes: tell the shapes of tops, of TRAIN if the phase is None; those given here stand in for
    data layers. Raises UsageError, and NetcError of every kind for what is wrong with the net.
    """
    kind = os.path.splitext(out)[1]
    if not kind:
        raise UsageError(
            f"'{out}' has no ending that says what to draw",
            hint="net.svg, net.dot and net.mmd need nothing; net.png and net.pdf need Graphviz",
        )
    net, told = read_net(path), {}
    message = net.message
    if phase is not None or shapes is not None:
        state = in_state(net, Phase.TRAIN if phase is None else phase, level, stages).state
        message = filter_net(net, state).message
        if shapes is not None:
            told = _shapes(filter_net(stand_in(net, shapes), state))
    made = picture(diagram(message, rates, told), kind, rankdir)
    try:
        with atomic(out) as file:
            file.write(made)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from None


def _shapes(net: Filtered) -> dict[str, str]:
    """The shapes of the tops of each layer that have axes, as words, by its name."""
    missing: list[NetcError] = []  # where the net tells the shapes, no data are needed
    graph = infer(build(net.message, net.source), Plan("cpu"), missing=missing)
    raise_all(missing)
    made = {n.name: [graph.shapes[t] for t in n.tops] for n in graph.nodes}
    return {name: ", ".join(dims(s) for s in shapes if s) for name, shapes in made.items()}
