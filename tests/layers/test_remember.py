"""What objects of the user's hold goes into snapshots and comes back."""

from __future__ import annotations

import collections
import json
import random
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from netc.layers import remember
from netc.layers.remember import Lost, large, pack, unpack


class Thing:
    """What a class of the user's makes."""


class Telling:
    """It says itself what it is made of."""

    def __reduce__(self):
        return (Telling, (1,))


VALUES = {
    "nothing": None,
    "count": 3,
    "float": 0.1,
    "not a number": float("inf"),
    "complex": 1 + 2j,
    "text": "ä",
    "bytes": b"\x00\xff",
    "nested": [1, ("a", {"b": [2.5, None]}), {3, 4}, frozenset({"x"})],
    "keys": {1: "a", (2, 3): "b", None: []},
    "range": range(1, 9, 2),
    "deque": collections.deque([1, 2], 5),
    "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
    "array": np.arange(6, dtype=">i2").reshape(2, 3),
    "texts": np.array(["ab", "c"]),
    "empty": np.zeros((0, 3), np.float32),
    "scalar": np.float32(0.3),
    "date": np.datetime64("2026-11-30"),
}


def through(value, now=None):
    lost: list[Lost] = []
    packed = json.loads(json.dumps(pack({"x": value}, {}, lost), allow_nan=False))
    holder = SimpleNamespace(x=now)
    unpack(packed, holder, lost)
    assert lost == []
    return holder.x


@pytest.mark.parametrize("value", VALUES.values(), ids=list(VALUES))
def test_values_come_back(value):
    got = through(value)
    assert type(got) is type(value)
    assert np.array_equal(got, value) if isinstance(value, np.ndarray) else got == value
    if isinstance(value, np.ndarray | np.generic):
        assert got.dtype == value.dtype and np.shape(got) == np.shape(value)
    if isinstance(value, collections.deque):
        assert got.maxlen == value.maxlen


@pytest.mark.parametrize(
    ("generator", "draw"),
    [
        (np.random.default_rng(1), lambda g: g.random()),
        (np.random.Generator(np.random.MT19937(1)), lambda g: g.random()),
        (np.random.RandomState(1), lambda g: g.standard_normal()),
        (random.Random(1), lambda g: g.gauss(0, 1)),
    ],
    ids=["generator", "twister", "state", "random"],
)
def test_generators_go_on(generator, draw):
    draw(generator)
    other = through(generator)
    assert [draw(other) for _ in range(5)] == [draw(generator) for _ in range(5)]


def test_objects_are_given_their_attributes_where_they_stand():
    thing, now = Thing(), Thing()
    thing.at, thing.inner = 5, Thing()
    thing.inner.order = [3, 1]
    now.at, now.inner = 0, Thing()
    inner = now.inner
    assert through({"a": [thing]}, {"a": [now]})["a"][0] is now
    assert (now.at, now.inner, inner.order) == (5, inner, [3, 1])


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (threading.Lock(), "it is a _thread.lock"),
        (len, "it is a builtin_function_or_method"),
        (np, "it is a module"),
        (Thing, "it is a type"),
        (Telling(), "it is a tests.layers.test_remember.Telling"),
        (np.array([None]), "it is an array of objects"),
        ([[threading.Lock()]], "it is a _thread.lock"),
        (collections.Counter("a"), "it is a collections.Counter"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_what_cannot_be_kept_is_told(value, why):
    lost: list[Lost] = []
    assert pack({"x": value, "y": 1}, {}, lost) == {"y": 1}
    assert lost == [Lost("x", why)]


def test_what_holds_itself_is_told():
    thing, ring = Thing(), []
    thing.me, thing.you = thing, Thing()
    ring.append(ring)
    lost: list[Lost] = []
    assert pack({"ring": ring, "thing": thing}, {}, lost) == {
        "thing": ["object", {"you": ["object", {}]}]
    }
    assert [name for name, _ in lost] == ["ring", "thing.me"]


def test_an_object_that_is_not_there_is_told():
    lost: list[Lost] = []
    holder = SimpleNamespace(x=None)
    unpack(pack({"x": Thing()}, {}, lost), holder, lost)
    assert (holder.x, lost) == (None, [Lost("x", "there is no object in its place")])


def test_of_large_arrays_that_stay_there_is_a_digest(monkeypatch):
    monkeypatch.setattr(remember, "LARGE", 100)
    thing = Thing()
    thing.data, thing.inner = np.arange(100.0), Thing()
    thing.inner.order, thing.small = np.arange(50), np.arange(3)
    thing.library, thing.inner.me = np, thing.inner
    made = large(vars(thing))
    del thing.library, thing.inner.me
    assert made.keys() == {"data", "inner.order"}
    thing.inner.order = thing.inner.order[::-1]
    lost: list[Lost] = []
    packed = pack(vars(thing), made, lost)
    assert packed["data"] == ["made", made["data"]]

    again = Thing()
    again.data, again.inner = np.arange(100.0), Thing()
    unpack(packed, again, lost)
    np.testing.assert_array_equal(again.inner.order, thing.inner.order)
    assert lost == []
    again.data = again.data + 1
    unpack(packed, again, lost)
    assert lost == [Lost("data", "setup has made another array")]
