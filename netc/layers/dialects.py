"""One type name, several layers: whose a net means, and which fields of forks do nothing here.

The forks of Caffe took the same names for different layers. The variants of a type stand in the
registry; here one is chosen, from the net's dialect or from the layer's own fields.
"""

from __future__ import annotations

from netc.errors import UsageError, did_you_mean
from netc.layers.base import LAYERS, LayerType, count_error
from netc.schema import LayerParameter, NetParameter, fork_names, fork_of, is_repeated

BVLC = "bvlc"
# Fields of forks about speed, memory and messages, whose values change no number.
HARMLESS = {
    *("cache", "conv_algorithm", "conv_algos_override", "cudnn_convolution_algo_seeker"),
    *("disk_reader_threads", "display", "engine", "fuse", "min_is_better", "parser_threads"),
    *("per_fla_fuse", "precache", "show_data", "threads", "torch_pooling", "use_gpu_transform"),
    "verbose",
}


def known() -> tuple[str, ...]:
    """The names a dialect can have: Caffe's, the forks' of the schema, the registered types'."""
    registered = {d for kind in LAYERS.values() for k in kind.variants for d in k.dialects}
    return tuple(sorted({BVLC, *fork_names(), *registered}))


def problem(dialect: str) -> tuple[str, str] | None:
    """A message and a hint where this is no dialect."""
    if not dialect or dialect in known():
        return None
    names = ", ".join(known())
    return f"Unknown dialect: {dialect} (known dialects: {names})", (
        did_you_mean(dialect, known()) or "it is the fork that the net was written for"
    )


def use(dialect: str) -> None:
    """From now on, take the types as the dialect means them, whatever nets say.

    Raises UsageError for an unknown one.
    """
    if wrong := problem(dialect):
        raise UsageError(wrong[0], hint=wrong[1])
    for name, kind in LAYERS.items():
        if meant := _meant(kind, dialect):
            LAYERS[name] = meant


def _meant(kind: LayerType, dialect: str) -> LayerType | None:
    return next((k for k in kind.variants if dialect in (k.dialects or (BVLC,))), None)


def candidates(
    kind: LayerType, layer: LayerParameter, dialect: str, evident: frozenset[str] = frozenset()
) -> tuple[LayerType, ...]:
    """What a layer can mean, the likeliest first; several where nothing tells them apart.

    They are the dialect's variant if it has one; otherwise those that take as many bottoms and
    leave the fewest of the layer's fields without effect, or Caffe's own alone if it is of these,
    or those of them that are of the forks that the net evidently is for.
    """
    if meant := _meant(kind, dialect):
        return (meant,)
    if not kind.others:
        return (kind,)

    def misfit(k: LayerType) -> tuple[bool, int]:
        wrong_count = count_error(k, len(layer.bottom), len(layer.top)) is not None
        return wrong_count, len(without_effect(k, layer))

    least = min(map(misfit, kind.variants))
    best = tuple(k for k in kind.variants if misfit(k) == least)
    if not best[0].dialects:
        return best[:1]
    return tuple(k for k in best if evident.intersection(k.dialects)) or best


def evident(net: NetParameter) -> frozenset[str]:
    """The forks that some layer of a net is of by its fields and bottoms."""
    found: set[str] = set()
    for layer in net.layer:
        if layer.type in LAYERS:
            meant, *others = candidates(LAYERS[layer.type], layer, net.dialect)
            found.update(() if others else meant.dialects)
    return frozenset(found)


def without_effect(kind: LayerType, layer: LayerParameter) -> list[tuple[str, str]]:
    """(message, field) of the forks' fields that a layer sets and its type does not carry out.

    A message that is a fork's as a whole is taken for its own type's, which then reads all of it,
    unless variants share it.
    """
    shared = {f.partition(".")[0] for k in LAYERS[kind.name].variants for f in k.fields}
    found = []
    for field, message in layer.ListFields():
        own = fork_of("LayerParameter", field.name) and field.name not in shared
        if field.message_type is None or is_repeated(field) or own or field.name in kind.fields:
            continue
        for inner, _ in message.ListFields():
            carried = f"{field.name}.{inner.name}" in kind.fields or inner.name in HARMLESS
            if fork_of(field.message_type.name, inner.name) and not carried:
                found.append((field.name, inner.name))
    return found
