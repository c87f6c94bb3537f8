"""What a layer is: a function from a checked definition to blob specs and one pure closure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

import numpy as np

from netc.data.fail import oversize
from netc.data.feeds import Feed
from netc.errors import NetcError, ShapeError, did_you_mean
from netc.fillers import problem
from netc.layers.elsewhere import elsewhere
from netc.prototxt import Path, SourceMap
from netc.schema import FillerParameter, LayerParameter, Phase, is_repeated

if TYPE_CHECKING:
    import jax

    from netc.lowering.plan import Plan
    from netc.weights.content import LayerWeights

Shape = tuple[int, ...]
Rows = int | tuple[Shape, ...]
TRAIN, TEST = Phase.TRAIN, Phase.TEST
# (blobs, state, rng, *bottoms) -> (tops, state)
Apply = Callable[..., tuple[tuple[Any, ...], tuple[Any, ...]]]


class BlobSpec(NamedTuple):
    """A learnable or carried blob before it has values; without a filler it starts at zero.

    value: the array it starts with, in place of a filler.
    """

    shape: Shape
    filler: FillerParameter | None = None
    value: np.ndarray | None = None


class LabelRule(NamedTuple):
    """A bottom that holds class labels: whole numbers in [0, classes), or `ignore`.

    index: they are no classes but the places of items or rows.
    """

    bottom: int
    classes: int
    ignore: int | None = None
    index: bool = False


class Layer(NamedTuple):
    """A layer set up for its bottoms.

    apply: (blobs, state, rng, *bottoms) -> (tops, state), pure.
    blobs: learnable, in caffemodel order.
    state: carried from pass to pass and never differentiated; after the blobs in the file, or with
    state_first before them.
    read: what a file holds for this layer as this layer would have it, where programs wrote it
    otherwise.
    rewrite: (blobs) -> blobs, what a pass writes over its blobs before it reads them; an iteration
    of training moves these.
    memory: carried likewise, but in no file and not shared; `apply` has it after the state. clock:
    the first of it is the iteration of the training, 0 outside one.
    channels_last: the same function on (N, H, W, C) arrays. prefers_last: it is the quicker one
    on CPU; otherwise it only serves bottoms that are in that order already. See netc.graph.layouts.
    random: whether `apply` draws; only then is `rng` a key, else it is None.
    external: shapes of the tops when they come from outside; `apply` is then not called.
    feed: the data source that fills them; None where the caller does.
    labels: which bottom holds labels, and their range.
    rows: (*bottoms) -> how many items the tops hold, where that depends on values; the layer is
    then set up anew with `LayerDef.rows`. padded: until then the tops mark the items that are
    missing, so that a run goes on without.
    shapes: likewise for what runs on the host: (*blobs, *bottoms there) -> those of all tops.
    sink: (k, *bottoms) hands what pass k has computed to the outside; whoever runs the program
    calls it with arrays on the host.
    host: the object on the host that the layer calls, which lives as long as the net does.
    """

    apply: Apply
    blobs: tuple[BlobSpec, ...] = ()
    state: tuple[BlobSpec, ...] = ()
    channels_last: Apply | None = None
    prefers_last: bool = False
    random: bool = False
    external: tuple[jax.ShapeDtypeStruct, ...] | None = None
    feed: Feed | None = None
    labels: LabelRule | None = None
    memory: tuple[BlobSpec, ...] = ()
    clock: bool = False
    rows: Callable[..., Any] | None = None
    padded: bool = False
    shapes: Callable[..., tuple[Shape, ...]] | None = None
    state_first: bool = False
    read: Callable[[LayerWeights], LayerWeights] | None = None
    rewrite: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None = None

    @property
    def stored(self) -> tuple[tuple[BlobSpec, bool], ...]:
        """The blobs of a file in their order, each with whether it is carried."""
        blobs, state = ((b, False) for b in self.blobs), ((s, True) for s in self.state)
        return (*state, *blobs) if self.state_first else (*blobs, *state)

    sink: Callable[..., None] | None = None
    host: Any = None


@dataclass(frozen=True)
class LayerDef:
    """One layer of a net, as its setup function sees it.

    param: the LayerParameter. bottoms: their shapes and dtypes. tops: how many it has.
    phase: TRAIN or TEST. source: where its fields stand. plan: how operations run on this backend.
    rows: how many items its tops hold, for a layer that only the values tell; None before a pass.
    shapes: likewise those of all tops, for a layer that runs on the host.
    needs: whether a gradient is wanted for each bottom; None: for all.
    before: the layer as it was set up for bottoms of other shapes, if it was.
    """

    param: LayerParameter
    bottoms: tuple[jax.ShapeDtypeStruct, ...]
    tops: int
    phase: Phase
    source: SourceMap
    plan: Plan
    seed: int = 0
    rows: int | None = None
    shapes: tuple[Shape, ...] | None = None
    needs: tuple[bool, ...] | None = None
    before: Layer | None = None

    def fail(
        self,
        message: str,
        field: str | Path | None = None,
        index: int = -1,
        hint: str | None = None,
        kind: type[NetcError] = ShapeError,
    ) -> NoReturn:
        """Raise an error at the layer, or at the field of it that is wrong: a name, or a path."""
        if isinstance(field, tuple):
            where = self.source.at(*field)
        else:
            where = self.source.find(field, index) if field else self.source.span
        what = f"{message} (layer '{self.param.name}', {self.param.type})"
        raise kind(what, where, hint)

    def check_images(self, bottom: int = 0) -> None:
        """The bottom must be (num, channels, height, width)."""
        shape = self.bottoms[bottom].shape
        if len(shape) != 4:
            self.fail(
                "Input must have 4 axes, corresponding to (num, channels, height, width); "
                f"bottom '{self.param.bottom[bottom]}' is {dims(shape)}",
                "bottom",
                bottom,
            )

    def check_sizes(self, *shapes: Shape) -> None:
        """Blobs of these shapes can be; the error is at the largest number of the layer.

        For all blobs it is called once the layer is set up; a layer that makes arrays of the size
        of its fields before calls it itself.
        """
        for shape in shapes:
            if wrong := oversize(shape):
                self.fail(wrong, max(_numbers(self.param), default=(0, ()))[1])

    def axis(self, axis: int, bottom: int = 0, field: str = "axis") -> int:
        """The axis counted from the front. Caffe: blob.hpp, CanonicalAxisIndex."""
        shape = self.bottoms[bottom].shape
        if not -len(shape) <= axis < len(shape):
            self.fail(
                f"axis {axis} out of range for {len(shape)}-D Blob with shape {dims(shape)}", field
            )
        return axis % len(shape)

    def blob(self, shape: Shape, filler: FillerParameter, field: str) -> BlobSpec:
        """A learnable blob; `field` is where its filler is given."""
        if wrong := problem(filler, shape):
            self.fail(wrong[0], field, hint=wrong[1])
        return BlobSpec(shape, filler)


def _numbers(message: Any, path: Path = ()) -> Iterator[tuple[int, Path]]:
    """The whole numbers that a message holds, each with its path."""
    for field, value in message.ListFields():
        several = is_repeated(field)
        for i, one in enumerate(value if several else [value]):
            at = (*path, field.name, i) if several else (*path, field.name)
            if field.message_type:
                yield from _numbers(one, at)
            elif type(one) is int and not field.enum_type:
                yield one, at


def dims(shape: Sequence[int]) -> str:
    """A shape as people read it: 64 x 1 x 28 x 28, or () for a scalar."""
    return " x ".join(map(str, shape)) if len(shape) else "()"


def merged(x: Any, first: int) -> Any:
    """x with its axes from `first` on as one, also where x is empty."""
    return x.reshape(*x.shape[:first], math.prod(x.shape[first:]))


def stateless(
    f: Callable[..., Any],
    blobs: Sequence[BlobSpec] = (),
    channels_last: Callable[..., Any] | None = None,
    prefers_last: bool = False,
) -> Layer:
    """A layer that only computes: f(blobs, *bottoms) -> top or tuple of tops."""
    last = _plain(channels_last) if channels_last else None
    return Layer(_plain(f), tuple(blobs), channels_last=last, prefers_last=prefers_last)


def elementwise(f: Callable[..., Any]) -> Layer:
    """A stateless layer f(*bottoms) -> top whose work does not depend on the order of axes."""
    return stateless(lambda blobs, *xs: f(*xs), channels_last=lambda blobs, *xs: f(*xs))


def stochastic(f: Callable[..., Any]) -> Layer:
    """A layer that draws: f(rng, *bottoms) -> top or tuple of tops."""

    def apply(blobs: Any, state: Any, rng: Any, *bottoms: Any) -> Any:
        return _tuple(f(rng, *bottoms)), state

    return Layer(apply, random=True)


def _plain(f: Callable[..., Any]) -> Apply:
    def apply(blobs: Any, state: Any, rng: Any, *bottoms: Any) -> Any:
        return _tuple(f(blobs, *bottoms)), state

    return apply


def _tuple(tops: Any) -> tuple[Any, ...]:
    return tuple(tops) if isinstance(tops, tuple | list) else (tops,)


Count = int | tuple[int, int | None]
Setup = Callable[[LayerDef], Layer]
S = TypeVar("S", bound=Setup)


class LayerType(NamedTuple):
    """A registered layer type and the rules for its bottoms and tops.

    bottoms, tops: an exact number, or (least, most) where None is no limit.
    equal: as many tops as bottoms. loss: top 0 has weight 1 by default, and missing tops are made.
    in_place: whether a top may bear its bottom's name.
    no_gradient: the bottoms through which no gradient can go, from the end where negative.
    separate: whether the gradient of each top goes to the bottom of its place alone.
    fields: the forks' fields that it carries out, such as "dropout_param.scale_train" or, for all
    of a message, "bn_param". dialects: the forks that mean this layer by the name; none: Caffe.
    others: what others mean by the name.
    """

    name: str
    setup: Setup
    bottoms: Count
    tops: Count
    equal: bool
    loss: bool
    in_place: bool
    no_gradient: tuple[int, ...] = ()
    separate: bool = False
    fields: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ()
    others: tuple[LayerType, ...] = ()

    @property
    def least_tops(self) -> int:
        return self.tops if isinstance(self.tops, int) else self.tops[0]

    @property
    def label(self) -> str:
        """The name, and the first of the dialects where it has some: BN (segnet)."""
        return f"{self.name} ({self.dialects[0]})" if self.dialects else self.name

    @property
    def variants(self) -> tuple[LayerType, ...]:
        """All that the name can mean, the most usual first."""
        return self._replace(others=()), *self.others


LAYERS: dict[str, LayerType] = {}


def register(
    name: str,
    *,
    bottoms: Count,
    tops: Count,
    equal: bool = False,
    loss: bool = False,
    in_place: bool = False,
    no_gradient: tuple[int, ...] = (),
    separate: bool = False,
    fields: tuple[str, ...] = (),
    dialects: tuple[str, ...] = (),
) -> Callable[[S], S]:
    """Decorate a setup function to make it the layer type `name`, or what `dialects` mean by it.

    Caffe's own meaning is the most usual one, then the order of registration counts.
    """

    def add(setup: S) -> S:
        kind = LayerType(
            name,
            setup,
            bottoms,
            tops,
            equal,
            loss,
            in_place,
            no_gradient,
            separate,
            fields,
            dialects,
        )
        known = LAYERS[name].variants if name in LAYERS else ()
        rest = [k for k in known if k.setup.__qualname__ != setup.__qualname__]
        if any(k.dialects == dialects for k in rest):
            raise ValueError(f"layer type {kind.label} is registered already")
        first, *others = sorted([*rest, kind], key=lambda k: bool(k.dialects))
        LAYERS[name] = first._replace(others=tuple(others))
        return setup

    return add


def count_error(kind: LayerType, bottoms: int, tops: int) -> str | None:
    """What is wrong with the number of bottoms or tops, in Caffe's words. Caffe: layer.hpp."""
    for have, rule, verb, noun in (
        (bottoms, kind.bottoms, "takes", "bottom blob(s) as input"),
        (tops, kind.tops, "produces", "top blob(s) as output"),
    ):
        least, most = (rule, rule) if isinstance(rule, int) else rule
        bound = "" if least == most else "at least " if have < least else "at most "
        limit = least if have < least else most
        if have < least or (most is not None and have > most):
            return f"{kind.name} Layer {verb} {bound}{limit} {noun}, got {have}."
    if kind.equal and bottoms != tops:
        return (
            f"{kind.name} Layer produces one top blob as output for each bottom blob input, "
            f"got {bottoms} and {tops}."
        )
    return None


def unknown_type(name: str) -> tuple[str, str]:
    """Caffe's sentence for a type that is not registered, with the forks that have it; a hint."""
    known, whose = sorted(LAYERS), elsewhere(name)
    what = f"Unknown layer type: {name}" + (f", {whose[0]}" if whose else "")
    hint = (
        (whose and whose[1])
        or did_you_mean(name, known)
        or "types are written as in the list, case included"
    )
    return f"{what} (known types: {', '.join(known)})", hint
