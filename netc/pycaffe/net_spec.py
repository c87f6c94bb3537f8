"""caffe.net_spec: nets written in Python. Caffe: net_spec.py.

from netc.pycaffe import NetSpec, layers as L, params as P

n = NetSpec()
n.data, n.label = L.Data(ntop=2, batch_size=64, source="train_lmdb", backend=P.Data.LMDB)
n.pool = L.Pooling(n.data, kernel_size=2, stride=2, pool=P.Pooling.MAX)
print(n.to_proto())
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from netc import schema
from netc.errors import UsageError, did_you_mean
from netc.schema import LayerParameter, NetParameter, is_repeated


class Top:
    """An output of a layer that is in no net yet: output `n` of `fn`."""

    def __init__(self, fn: Function, n: int) -> None:
        self.fn, self.n = fn, n

    def to_proto(self) -> NetParameter:
        """The net that computes this."""
        return to_proto(self)


class Function:
    """A layer that is in no net yet. Raises UsageError for an input that is no Top."""

    def __init__(self, type_name: str, inputs: tuple[Top, ...], params: dict[str, Any]) -> None:
        for index, top in enumerate(inputs):
            if not isinstance(top, Top):
                raise UsageError(
                    f"{type_name} input {index} is not a Top (type is {type(top).__name__})",
                    hint="several tops of a layer come as a tuple: take one of them",
                )
        self.type_name, self.inputs = type_name, inputs
        self.ntop, self.in_place = params.pop("ntop", 1), params.pop("in_place", False)
        self.params = params
        self.tops = tuple(Top(self, n) for n in range(self.ntop))


Named = Top | Function


def to_proto(*tops: Top) -> NetParameter:
    """The net that computes these tops, which get names such as Convolution1."""
    return _build(tops, {})


class NetSpec:
    """A net as attributes (or items): name -> top, or a layer without tops."""

    tops: OrderedDict[str, Named]

    def __init__(self) -> None:
        super().__setattr__("tops", OrderedDict())

    def __setattr__(self, name: str, value: Named) -> None:
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        if name not in self.tops:
            hint = did_you_mean(name, self.tops)
            raise AttributeError(f"the net has no top '{name}'{f', {hint}' if hint else ''}")
        return self.tops[name]

    __setitem__ = __setattr__
    __getitem__ = __getattr__

    def __delattr__(self, name: str) -> None:
        del self.tops[name]

    __delitem__ = __delattr__

    def keys(self) -> list[str]:
        """The names, in order."""
        return list(self.tops)

    def vals(self) -> list[Named]:
        """The tops, in order."""
        return list(self.tops.values())

    def update(self, other: Mapping[str, Named]) -> None:
        """Take over names and tops."""
        self.tops.update(other)

    def to_proto(self) -> NetParameter:
        """The net: layers in the order in which they were named, each after what it needs."""
        return _build(self.tops.values(), {top: name for name, top in self.tops.items()})


def _build(ends: Any, names: dict[Named, str]) -> NetParameter:
    count: Counter[str] = Counter()
    layers: dict[Function, LayerParameter] = {}

    def name_of(thing: Named, kind: str) -> str:
        if thing not in names:
            count[kind] += 1
            names[thing] = f"{kind}{count[kind]}"
        return names[thing]

    for end in ends:
        for fn in _in_order(end.fn if isinstance(end, Top) else end, layers):
            kind = fn.type_name
            bottoms = [layers[top.fn].top[top.n] for top in fn.inputs]
            tops = bottoms if fn.in_place else [name_of(top, kind) for top in fn.tops]
            name = name_of(fn.tops[0] if fn.tops else fn, kind)
            layer = layers[fn] = LayerParameter(name=name, type=kind, bottom=bottoms, top=tops)
            own = getattr(layer, PARAMS[kind]) if kind in PARAMS else layer
            for field, value in fn.params.items():
                inside = not field.endswith("param") and field in own.DESCRIPTOR.fields_by_name
                _assign(own if inside else layer, field, value, f"L.{kind}")
    return NetParameter(layer=layers.values())


def _in_order(fn: Function, done: Mapping[Function, Any]) -> Iterator[Function]:
    """The layers that `fn` needs and that are not done yet, each after its inputs, then itself."""
    stack = [fn]
    while stack:
        waiting = [top.fn for top in stack[-1].inputs if top.fn not in done]
        if waiting:
            stack.append(waiting[0])
        elif (ready := stack.pop()) not in done:
            yield ready


# Layer type -> the field of LayerParameter that holds its own message.
PARAMS = {
    field.message_type.name.removesuffix("Parameter"): field.name
    for field in sorted(LayerParameter.DESCRIPTOR.fields, key=lambda f: -f.number)
    if field.name.endswith("_param") and field.message_type
}


def assign_proto(proto: Any, name: str, val: Any) -> None:
    """Set a field of a message as `layers` do. Raises UsageError."""
    _assign(proto, name, val, type(proto).__name__)


def _assign(message: Any, name: str, value: Any, where: str) -> None:
    """Set a field: from a dict where it is a message, from one value or several if repeated."""
    fields = message.DESCRIPTOR.fields_by_name
    if name not in fields:
        raise UsageError(
            f"{where}: message type {message.DESCRIPTOR.full_name} has no field named {name}",
            hint=did_you_mean(name, fields),
        )
    try:
        if is_repeated(fields[name]):
            field = getattr(message, name)
            for item in value if isinstance(value, list | tuple) else [value]:
                if isinstance(item, dict):
                    _assign_all(field.add(), item, where)
                else:
                    field.append(item)
        elif isinstance(value, dict):
            _assign_all(getattr(message, name), value, where)
        else:
            setattr(message, name, value)
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{where}: {name} = {value!r}: {error}") from None


def _assign_all(message: Any, values: Mapping[str, Any], where: str) -> None:
    for name, value in values.items():
        _assign(message, name, value, where)


class Layers:
    """L.Type(*bottoms, **fields): the tops of a layer of this type.

    ntop: how many; one is given as it is, several as a tuple, and for 0 the layer itself.
    in_place: the tops are the bottoms. Fields of the type's own message (`convolution_param`) are
    given by name; all others are those of LayerParameter.
    """

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def layer(*bottoms: Top, **fields: Any) -> Any:
            fn = Function(name, bottoms, fields)
            return {0: fn, 1: fn.tops[0] if fn.tops else fn}.get(fn.ntop, fn.tops)

        return layer


class Parameters:
    """P.Pooling.MAX: the value of an enum in PoolingParameter."""

    def __getattr__(self, name: str) -> Any:
        kind = getattr(schema, f"{name}Parameter", None)
        if kind is None:
            raise AttributeError(f"there is no message {name}Parameter")
        return kind


layers = Layers()
params = Parameters()
