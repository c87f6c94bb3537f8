"""What objects of the user's hold, as JSON and back, so that a snapshot can have it.

Numbers, text, containers, NumPy arrays and random generators are kept; so are objects of classes
written in Python, by their attributes. No class is ever made from a file: an object is given its
attributes where `setup` has made it.
"""

from __future__ import annotations

import collections
import copyreg
import hashlib
import random
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

LARGE = 2**26  # bytes from which an array that is as `setup` made it is not kept, but its digest
DEPTH = 32  # of objects and containers in one another
PLAIN = (type(None), bool, int, str)
Made = dict[str, str]  # digests of large arrays as `setup` made them, by the path to them


class Lost(NamedTuple):
    """What is not kept, or is not as it was: the attribute, and why."""

    name: str
    why: str


class _Unknown(Exception):
    """There is no way to keep a value; its argument says what it is."""


def pack(held: dict[str, Any], made: Made, lost: list[Lost]) -> dict[str, Any]:
    """Attributes by name as JSON; `lost` gets those that cannot be.

    made: the digests of large arrays as `setup` made them, see `large`.
    """
    return _Packer(made, lost, set()).attributes(held, "", 0)


class _Packer(NamedTuple):
    """within: the identities of the objects and containers that the value at hand is in."""

    made: Made
    lost: list[Lost]
    within: set[int]

    def attributes(self, held: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        packed = {}
        for name, value in held.items():
            try:
                packed[name] = self.value(value, f"{path}{name}", depth)
            except _Unknown as unknown:
                self.lost.append(Lost(f"{path}{name}", unknown.args[0]))
        return packed

    def value(self, value: Any, path: str, depth: int) -> Any:
        if type(value) in PLAIN:
            return value
        if depth > DEPTH or id(value) in self.within:
            raise _Unknown("it holds itself, or is nested too deep")
        self.within.add(id(value))
        try:
            return self.whole(value, path, depth)
        finally:
            self.within.remove(id(value))

    def whole(self, value: Any, path: str, depth: int) -> Any:
        if path in self.made and _is_large(value) and digest(value) == self.made[path]:
            return ["made", self.made[path]]
        if isinstance(value, np.generic):
            return ["scalar", _take_array(np.asarray(value))]
        if kind := BY_TYPE.get(type(value)):
            parts = kind.take(value)
            if not kind.whole:
                parts = [self.value(p, f"{path}[{i}]", depth + 1) for i, p in enumerate(parts)]
            return [kind.name, parts]
        return ["object", self.attributes(_state(value), f"{path}.", depth + 1)]


def _state(value: Any) -> dict[str, Any]:
    """The attributes of an object that is nothing but them."""
    called = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    if isinstance(value, type) or callable(value):
        raise _Unknown(f"it is a {called}")
    try:
        make, arguments, state = value.__reduce_ex__(2)[:3]
    except Exception:
        raise _Unknown(f"it is a {called}") from None
    if getattr(copyreg, "__newobj__", None) is not make or arguments != (type(value),):
        raise _Unknown(f"it is a {called}")
    return state or {}


def unpack(packed: dict[str, Any], holder: Any, lost: list[Lost], path: str = "") -> None:
    """Give an object the attributes that were packed; `lost` gets those that are otherwise now."""
    for name, value in packed.items():
        now = getattr(holder, name, None)
        try:
            setattr(holder, name, _unpacked(value, now, f"{path}{name}", lost))
        except _Unknown as unknown:
            lost.append(Lost(f"{path}{name}", unknown.args[0]))


def _unpacked(value: Any, now: Any, path: str, lost: list[Lost]) -> Any:
    """The value that was packed; `now` is what stands in its place."""
    if not isinstance(value, list):
        return value
    name, parts = value
    if name == "object":
        if now is None:
            raise _Unknown("there is no object in its place")
        unpack(parts, now, lost, f"{path}.")
        return now
    if name == "made":
        if not _is_large(now) or digest(now) != parts:
            raise _Unknown("setup has made another array")
        return now
    if name == "scalar":
        return _make_array(parts)[()]
    kind = BY_NAME[name]
    if kind.whole:
        return kind.make(parts)
    old = kind.take(now) if type(now) is kind.type else []
    old += [None] * (len(parts) - len(old))
    pairs = enumerate(zip(parts, old, strict=False))
    return kind.make([_unpacked(p, o, f"{path}[{i}]", lost) for i, (p, o) in pairs])


def large(held: dict[str, Any], path: str = "", within: frozenset[int] = frozenset()) -> Made:
    """The digests of the large arrays among attributes, and those of objects in them, by path."""
    found: Made = {}
    for name, value in held.items():
        if _is_large(value):
            found[f"{path}{name}"] = digest(value)
        elif type(value) not in (*PLAIN, *BY_TYPE) and len(within) < DEPTH:
            with suppress(_Unknown):
                if id(value) not in within:
                    inner = within | {id(value)}
                    found |= large(_state(value), f"{path}{name}.", inner)
    return found


def _is_large(value: Any) -> bool:
    return type(value) is np.ndarray and value.nbytes >= LARGE and not value.dtype.hasobject


def digest(array: np.ndarray) -> str:
    """Text that changes with the values of an array."""
    found = hashlib.blake2b(f"{array.shape} {array.dtype.str}".encode(), digest_size=16)
    found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


class Kind(NamedTuple):
    """A type that is kept: taken apart into a list of values, or, where `whole`, into JSON."""

    name: str
    type: type
    take: Callable[[Any], Any]
    make: Callable[[Any], Any]
    whole: bool = False


def _take_array(x: np.ndarray) -> dict[str, Any]:
    if x.dtype.hasobject:
        raise _Unknown("it is an array of objects")
    data = b64encode(np.ascontiguousarray(x).tobytes()).decode()
    return {"type": x.dtype.str, "shape": list(x.shape), "data": data}


def _make_array(parts: dict[str, Any]) -> np.ndarray:
    flat = np.frombuffer(b64decode(parts["data"]), parts["type"])
    return flat.reshape(parts["shape"]).copy()


def _take_items(x: Any) -> list[Any]:
    return [part for pair in x.items() for part in pair]


def _items(parts: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(parts[::2], parts[1::2], strict=True))


def _make_generator(parts: list[Any]) -> np.random.Generator:
    bits = getattr(np.random, parts[0]["bit_generator"])()
    bits.state = parts[0]
    return np.random.Generator(bits)


def _make_random_state(parts: list[Any]) -> np.random.RandomState:
    made = np.random.RandomState()
    made.set_state(parts[0])
    return made


def _make_random(parts: list[Any]) -> random.Random:
    made = random.Random()
    made.setstate(parts[0])
    return made


KINDS = (
    Kind("float", float, float.hex, float.fromhex, whole=True),
    Kind("complex", complex, lambda x: [x.real, x.imag], lambda parts: complex(*parts)),
    Kind("bytes", bytes, lambda x: b64encode(x).decode(), b64decode, whole=True),
    Kind("list", list, list, list),
    Kind("tuple", tuple, list, tuple),
    Kind("set", set, lambda x: sorted(x, key=repr), set),
    Kind("frozenset", frozenset, lambda x: sorted(x, key=repr), frozenset),
    Kind("range", range, lambda x: [x.start, x.stop, x.step], lambda parts: range(*parts)),
    Kind("deque", collections.deque, lambda x: [x.maxlen, *x],
        lambda parts: collections.deque(parts[1:], parts[0])),
    Kind("dict", dict, _take_items, lambda parts: dict(_items(parts))),
    Kind("ordered dict", collections.OrderedDict, _take_items,
        lambda parts: collections.OrderedDict(_items(parts))),
    Kind("array", np.ndarray, _take_array, _make_array, whole=True),
    Kind("generator", np.random.Generator, lambda x: [x.bit_generator.state], _make_generator),
    Kind("random state", np.random.RandomState, lambda x: [x.get_state(legacy=False)],
        _make_random_state),
    Kind("random", random.Random, lambda x: [x.getstate()], _make_random),
)  # fmt: skip
BY_NAME = {kind.name: kind for kind in KINDS}
BY_TYPE = {kind.type: kind for kind in KINDS}
