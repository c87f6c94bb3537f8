"""A class in Caffe's Python interface as a layer: it runs on the host, called by the program."""

from __future__ import annotations

import functools
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from netc.errors import NetcError, RunError
from netc.layers.base import BlobSpec, Layer, LayerDef, Shape, dims, stateless
from netc.layers.caffe_layer import Blob, Blobs
from netc.layers.remember import Lost, large, pack, unpack
from netc.lazy import jax, jnp
from netc.usercode import stop, whereabouts

Arrays = tuple[np.ndarray, ...]
AHEAD = 64  # passes that may be measured before they are taken
GIVEN = frozenset({"param_str", "phase", "blobs"})  # attributes that the class does not make


@contextmanager
def blaming(d: LayerDef, module: str, doing: str) -> Iterator[None]:
    """Inside the block, an exception of user code becomes a RunError with layer, file and line."""
    try:
        yield
    except NetcError:
        raise
    except Exception as error:
        file = getattr(sys.modules.get(module), "__file__", None)
        message, trace = whereabouts(error, file)
        what = f"{message}, {doing} (layer '{d.param.name}', {d.param.type})"
        failed = RunError(what, d.source.span)
        failed.add_note(trace)
        raise failed from error


class Pass(NamedTuple):
    """One call of `forward`: its number, and the tops. given: blobs and bottoms, if measured."""

    number: int
    tops: list[np.ndarray]
    given: Sequence[Any] = ()


class Hosted:
    """An instance of the class, with its blobs. It is called in every pass of its net, so that it
    may remember things from pass to pass.

    Tops have the shapes that `reshape` gives them for the bottoms at hand; where the class says
    `shapes_vary = True`, the values tell.
    """

    def __init__(self, d: LayerDef, kind: type) -> None:
        self.d, self.name = d, kind.__name__
        self.bottom = [Blob(b.shape) for b in d.bottoms]
        self.top = [self._alias(i) or Blob() for i in range(d.tops)]
        self.user: Any = object.__new__(kind)
        self.user.param_str = d.param.python_param.param_str
        self.user.phase = d.phase
        self.user.blobs = self.blobs = Blobs()
        self._call("__init__")
        self._call("setup", self.bottom, self.top)
        self._call("reshape", self.bottom, self.top)
        self.needs = d.needs or (True,) * len(self.bottom)
        self.passes, self.lock = 0, threading.RLock()
        self._measured: deque[Pass] = deque(maxlen=AHEAD)
        self._large, self._told = large(vars(self.user)), set[Lost]()

    def _alias(self, top: int) -> Blob | None:
        """The bottom that this top is written over, as in Caffe."""
        p = self.d.param
        in_place = top < len(p.bottom) and p.bottom[top] == p.top[top]
        return self.bottom[top] if in_place else None

    def _call(self, method: str, *arguments: Any) -> None:
        module = self.d.param.python_param.module
        with blaming(self.d, module, f"in {method} of {self.name}"):
            getattr(self.user, method)(*arguments)

    def _checked(self, array: Any, shape: Shape, what: str, hint: str | None = None) -> np.ndarray:
        """What the class has left in a blob, in the shape that it must have."""
        if np.shape(array) != shape:
            self.d.fail(
                f"{self.name} leaves {what} with shape {dims(np.shape(array))}, which was "
                f"{dims(shape)} when the net was set up",
                hint=hint,
                kind=RunError,
            )
        return array

    def run(self, *arrays: Any) -> list[np.ndarray]:
        """(*blobs, *bottoms) -> the tops in the shapes that this pass gives them, float32."""
        with self.lock:
            return self._run(np.float32, arrays).tops

    def forward(self, shapes: Sequence[Shape], dtype: Any, *arrays: Any) -> Arrays:
        """(*blobs, *bottoms) -> (*tops, the number of this pass), on the host.

        shapes: those that the tops must have.
        """
        with self.lock:
            made = next((m for m in self._measured if _alike(m.given, arrays)), None)
            if made:
                self._measured.remove(made)
            made = made or self._run(dtype, arrays)
            hint = (
                f"`shapes_vary = True` in class {self.name} lets its tops have another shape in "
                "every pass, for twice the work of the layers before it"
            )
            tops = (
                self._checked(top, shape, f"top[{i}].data", hint).astype(dtype, copy=False)
                for i, (top, shape) in enumerate(zip(made.tops, shapes, strict=True))
            )
            return *tops, np.asarray(made.number, np.int32)

    def measure(self, *arrays: Any) -> tuple[Shape, ...]:
        """The shapes of the tops for these blobs and bottoms.

        It makes the pass, which `forward` takes over; several may be measured before.
        """
        with self.lock:
            self._measured.append(self._run(np.float32, arrays)._replace(given=arrays))
            return tuple(top.shape for top in self._measured[-1].tops)

    def _run(self, dtype: Any, arrays: Sequence[Any]) -> Pass:
        self.passes = (self.passes + 1) % 2**31
        for blob, array in zip((*self.blobs, *self.bottom), arrays, strict=True):
            blob.load(array)
        for top in self.top:
            top.load(np.asarray(top.data, dtype))
        self._call("reshape", self.bottom, self.top)
        self._call("forward", self.bottom, self.top)
        return Pass(self.passes, [np.array(top.data, dtype) for top in self.top])

    def remembered(self) -> tuple[dict[str, Any], list[Lost]]:
        """The attributes that the class has given itself, as JSON, and those that cannot be and
        have not been told yet."""
        lost: list[Lost] = []
        with self.lock:
            own = {k: v for k, v in vars(self.user).items() if k not in GIVEN}
            packed = pack(own, self._large, lost)
        news = [x for x in lost if x not in self._told]
        self._told.update(news)
        return packed, news

    def remind(self, kept: dict[str, Any]) -> list[Lost]:
        """Give the attributes back; those that are otherwise now."""
        lost: list[Lost] = []
        with self.lock:
            unpack({k: v for k, v in kept.items() if k not in GIVEN}, self.user, lost)
        return lost

    def backward(self, needs: Sequence[bool], dtype: Any, ticket: Any, *arrays: Any) -> Arrays:
        """(pass, *blobs, *bottoms, *tops, *their gradients) -> gradients of blobs and of bottoms.

        Classes remember in `forward` what they need here, and programs may run several passes
        forward before they go back: the pass is run anew when it was not the last.
        """
        inputs = (*self.blobs, *self.bottom)
        shapes = [b.shape for b in inputs]
        with self.lock:
            if int(ticket) != self.passes:
                self._run(dtype, arrays[: len(inputs)])
                self.passes = int(ticket)
            given = iter(arrays)
            for blob in (*inputs, *self.top):
                blob.load(next(given))
                blob.diff[...] = 0
            for top in self.top:
                top.diff[...] = next(given)
            self._call("backward", self.top, list(needs), self.bottom)
            return tuple(
                np.array(
                    self._checked(blob.diff, shape, f"the diff of a {dims(shape)} blob"), dtype
                )
                for blob, shape in zip(inputs, shapes, strict=True)
            )

    def layer(self, d: LayerDef) -> Layer:
        """The layer on these bottoms.

        One with bottoms or blobs is called by the program, for its gradient too. What has neither
        is a source: it is called before every pass, and may give its tops other shapes each time.
        """
        if d.bottoms != self.d.bottoms:
            self.d = d
            for blob, bottom in zip(self.bottom, d.bottoms, strict=True):
                blob.reshape(*bottom.shape)
            self._call("reshape", self.bottom, self.top)
        shapes = tuple(top.shape for top in self.top)
        if shapes and not self.bottom and not self.blobs:
            source = HostedFeed(self, shapes)
            external = tuple(jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes)
            return Layer(lambda *_: ((), ()), external=external, feed=source, host=self)
        measure = self.measure if getattr(self.user, "shapes_vary", False) else None
        return self._called(d.shapes or shapes)._replace(host=self, shapes=measure)

    def _called(self, shapes: Sequence[Shape]) -> Layer:
        counted = len(self.blobs)

        def call(inputs: Sequence[Any]) -> tuple[tuple[Any, ...], Any]:
            dtype = _host_dtype(inputs)
            wanted = [jax.ShapeDtypeStruct(s, dtype) for s in shapes]
            wanted.append(jax.ShapeDtypeStruct((), jnp.int32))
            run = functools.partial(self.forward, shapes, dtype)
            *made, ticket = _on_host(run, wanted, inputs, dtype)
            narrow = (*inputs[counted:], *inputs)[0].dtype if inputs else dtype
            return tuple(t.astype(narrow) for t in made), ticket

        def forward(*inputs: Any) -> tuple[Any, ...]:
            return call(inputs)[0]

        def forward_saving(*inputs: Any) -> Any:
            values = tuple(x.value for x in inputs)
            made, ticket = call(values)
            # The structure of a tree is static, what is in it is not: None says "not perturbed".
            moves = tuple(() if x.perturbed else None for x in inputs)
            return made, (ticket, values, made, moves)

        def backward(saved: Any, gradients: Any) -> Any:
            ticket, values, made, moves = saved
            dtype = _host_dtype(values)
            needs = [m is not None and n for m, n in zip(moves[counted:], self.needs, strict=True)]
            given = (jnp.zeros(g.shape, g.dtype) if _is_zero(g) else g for g in gradients)
            found = _on_host(
                functools.partial(self.backward, needs, dtype),
                [jax.ShapeDtypeStruct(x.shape, dtype) for x in values],
                (*values, *made, *given),
                dtype,
                ticket,
            )
            return tuple(
                None if m is None else g.astype(x.dtype)
                for m, g, x in zip(moves, found, values, strict=True)
            )

        run = jax.custom_vjp(forward)
        run.defvjp(forward_saving, backward, symbolic_zeros=True)
        return stateless(
            lambda blobs, *bottoms: run(*blobs, *bottoms),
            [BlobSpec(b.shape, value=b.data.copy()) for b in self.blobs],
        )


class HostedFeed:
    """The passes of a class that is a source. Each call of `batch` is one, whatever its number:
    ask when a pass is due, not ahead of it, so that what scripts change of the class counts.
    """

    labels_top = epoch_size = None

    def __init__(self, host: Hosted, shapes: tuple[Shape, ...]) -> None:
        self._host, self.shapes = host, shapes
        self.dtypes = (np.dtype(np.float32),) * len(shapes)

    def batch(self, k: int) -> Arrays:
        """The tops of the next pass. Raises RunError where the class fails."""
        return tuple(self._host.run())

    def describe(self, k: int) -> tuple[str, ...]:
        """Nothing: the examples have no names."""
        return ()

    def drawn(self, k: int) -> tuple[str, ...]:
        """Nothing: what the class draws is its own matter."""
        return ()


def _alike(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether arrays are the same but for rounding: two programs may have computed them."""
    pairs = (map(np.asarray, pair) for pair in zip(one, other, strict=True))  # in no JAX program
    return all(a.shape == b.shape and np.allclose(a, b, 1e-3, 1e-3, True) for a, b in pairs)


def _host_dtype(arrays: Sequence[Any]) -> Any:
    """float32 as in Caffe; float64 where the program computes in it."""
    wide = any(x.dtype == jnp.float64 for x in arrays)
    return np.dtype(np.float64 if wide else np.float32)


def _is_zero(gradient: Any) -> bool:
    return isinstance(gradient, jax.custom_derivatives.SymbolicZero)


def _on_host(
    f: Callable[..., Arrays],
    wanted: Sequence[Any],
    arrays: Sequence[Any],
    dtype: Any,
    *first: Any,
) -> Sequence[Any]:
    """f(*first, *arrays in dtype) on the host, in every pass, also where nobody reads its results.

    wanted: the shapes and dtypes of the results.
    """
    from jax.experimental import io_callback

    def call(*given: Any) -> Arrays:
        try:
            return f(*given)
        except NetcError as error:
            raise stop(error) from None

    return io_callback(call, tuple(wanted), *first, *(x.astype(dtype) for x in arrays))
