"""A page per layer type, as data."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from netc.errors import UsageError, did_you_mean
from netc.layers import LAYERS
from netc.layers.base import Count, LayerType
from netc.layers.elsewhere import elsewhere
from netc.layers.plugins import layer_type
from netc.manual.examples import BLOBS, example
from netc.schema import LayerParameter, comment_of, fork_of, is_repeated

# Types whose messages are not named after them, or not after them alone.
MESSAGES = {
    "AnnotatedData": ("annotated_data_param", "data_param", "transform_param"),
    "Data": ("data_param", "transform_param"),
    "DomainTransformForwardOnly": ("domain_transform_param",),
    "FocalLoss": ("focal_loss_param", "softmax_param", "loss_param"),
    "LargeMarginInnerProduct": ("largemargin_inner_product_param",),
    "SpatialTransformer": ("st_param",),
    "SyncBN": ("bn_param",),
    "ConvolutionDepthwise": ("convolution_param",),
    "Convolution3D": ("convolution3d_param", "convolution_param"),
    "Correlation1D": ("correlation_param",),
    "DataAugmentation": ("augmentation_param", "coeff_schedule_param"),
    "Deconvolution": ("convolution_param",),
    "Deconvolution3D": ("convolution3d_param", "convolution_param"),
    "DenseImageData": ("dense_image_data_param", "transform_param"),
    "DepthwiseConvolution": ("convolution_param",),
    "FLOWriter": ("writer_param",),
    "FloatReader": ("reader_param",),
    "FloatWriter": ("writer_param",),
    "FlowAugmentation": ("augmentation_param",),
    "GenerateAugmentationParameters": ("augmentation_param", "coeff_schedule_param"),
    "HDF5Data": ("hdf5_data_param",),
    "Im2col": ("convolution_param",),
    "ImageData": ("image_data_param", "transform_param"),
    "ImageFolder": ("image_folder_param", "transform_param"),
    "ImageLabelmapData": ("image_data_param", "transform_param"),
    "ImageList": ("image_list_param", "transform_param"),
    "ImageSegData": ("image_data_param", "transform_param"),
    "ImgReader": ("reader_param", "transform_param"),
    "ImgWriter": ("writer_param",),
    "InfogainLoss": ("infogain_loss_param", "loss_param"),
    "LSTM": ("recurrent_param",),
    "MemoryData": ("memory_data_param", "transform_param"),
    "NegReLU": ("relu_param",),
    "Normalize": ("norm_param", "normalize_param"),
    "PFMWriter": ("writer_param",),
    "ROIPooling": ("roi_pooling_param",),
    "Pooling3D": ("pooling3d_param", "pooling_param"),
    "RNN": ("recurrent_param",),
    "SigmoidCrossEntropyLoss": ("loss_param",),
    "SmoothL1LossOHEM": ("loss_param",),
    "SoftmaxWithLossOHEM": ("softmax_param", "loss_param"),
    "SoftmaxWithLoss": ("softmax_param", "loss_param"),
    "VideoData": ("video_data_param", "transform_param"),
    "WindowData": ("window_data_param", "transform_param"),
    "Yolov3DetectionOutput": ("yolov3_detection_output_param",),
}
KINDS = {
    getattr(FieldDescriptor, name): name.removeprefix("TYPE_").lower()
    for name in vars(FieldDescriptor)
    if name.startswith("TYPE_")
}


class Field(NamedTuple):
    """A field of a message. default: as prototxt, "" for none. values: of an enum.

    forks: those that add the field; none for Caffe's and netc's own.
    """

    name: str
    type: str
    default: str
    values: tuple[str, ...]
    comment: str
    forks: tuple[str, ...]


class Message(NamedTuple):
    """A message: the field it is given in ("" for one inside others), its type and its fields."""

    field: str
    type: str
    fields: tuple[Field, ...]


class Page(NamedTuple):
    """All that is known of a layer type. bottoms, tops: their number in words.

    dialects: the forks that mean this by the type; none: Caffe, or all. named: no field tells it
    from what Caffe means, only the net's dialect does. others: what others mean.
    """

    type: str
    family: str
    summary: str
    about: str
    bottoms: str
    tops: str
    in_place: bool
    blobs: tuple[str, ...]
    messages: tuple[Message, ...]
    example: str
    dialects: tuple[str, ...]
    named: bool
    others: tuple[Page, ...]


class Family(NamedTuple):
    """The layer types of one file. title: what they have in common."""

    name: str
    title: str
    types: tuple[str, ...]


def page(name: str) -> Page:
    """The page of a registered layer type. Raises UsageError for an unknown one."""
    kind = layer_type(name)
    if kind is None:
        whose = elsewhere(name)
        hint = (whose and whose[1]) or did_you_mean(name, LAYERS) or "netc layers lists them"
        told = f": it is {whose[0]}" if whose else ""
        raise UsageError(f"no layer type '{name}'{told}", hint=hint)
    return _page(kind)


def _page(kind: LayerType) -> Page:
    return Page(
        kind.name,
        _module(kind).rpartition(".")[2],
        sentence(kind.setup.__doc__),
        inspect.cleandoc(kind.setup.__doc__ or ""),
        in_words(kind.bottoms),
        _tops(kind),
        kind.in_place,
        BLOBS.get(kind.label, ()),
        messages(kind.name),
        example(kind),
        kind.dialects,
        bool(kind.dialects) and not kind.fields,
        tuple(_page(other) for other in kind.others),
    )


def families() -> tuple[Family, ...]:
    """The registered types by the file they are in, both in alphabetical order."""
    found: dict[str, list[str]] = {}
    for name, kind in sorted(LAYERS.items()):
        found.setdefault(_module(kind), []).append(name)
    return tuple(
        Family(module.rpartition(".")[2], _title(module), tuple(types))
        for module, types in sorted(found.items())
    )


def sentence(docstring: str | None) -> str:
    """The first sentence of a docstring, on one line, without its end."""
    text = " ".join((docstring or "").split())
    text = re.split(r"\s*(?:Caffe: |Raises )", text)[0]
    return re.split(r"(?<=[^.][.;])\s", text)[0].rstrip(".;")


def in_words(count: Count) -> str:
    """A rule for a number of blobs: none, 2, 1 or 2, 1 to 3, 1 or more."""
    least, most = (count, count) if isinstance(count, int) else count
    if most is None:
        return f"{least} or more" if least else "any number"
    if least == most:
        return str(least) if least else "none"
    return f"{least} {'or' if most == least + 1 else 'to'} {most}"


def messages(name: str) -> tuple[Message, ...]:
    """The messages that a type reads, then those of Caffe that their fields hold."""
    fields: Any = LayerParameter.DESCRIPTOR.fields_by_name
    given = [fields[f] for f in _params(name)]
    told = [Message(f.name, f.message_type.name, _fields(f.message_type)) for f in given]
    inner = _inner([f.message_type for f in given])
    return (*told, *(Message("", m.name, _fields(m)) for m in inner))


def common() -> tuple[Field, ...]:
    """Caffe's fields of every layer: those of LayerParameter that are no type's own."""
    return tuple(
        field
        for field in _fields(LayerParameter.DESCRIPTOR)
        if not field.forks and not field.name.endswith("_param")
    )


def _params(name: str) -> tuple[str, ...]:
    """The fields of LayerParameter that a type reads, by its name where MESSAGES has no row."""
    if name in MESSAGES:
        return MESSAGES[name]
    wanted = f"{name.lower()}param"
    known = LayerParameter.DESCRIPTOR.fields_by_name
    return tuple(f for f in known if f.endswith("_param") and f.replace("_", "") == wanted)


def _inner(outer: Iterable[Any]) -> Iterator[Any]:
    """The messages inside Caffe's fields of others, each once."""
    seen = {}
    waiting = list(outer)
    while waiting:
        message = waiting.pop(0)
        for f in message.fields:
            inside = f.message_type
            if inside and inside.name not in seen and not fork_of(_name(message), f.name):
                seen[inside.name] = inside
                waiting.append(inside)
    return iter(seen.values())


def _fields(message: Any) -> tuple[Field, ...]:
    name = _name(message)
    return tuple(
        Field(
            f.name,
            ("list of " if is_repeated(f) else "") + _type(f),
            _default(f),
            tuple(v.name for v in f.enum_type.values) if f.enum_type else (),
            comment_of(name, f.name),
            fork_of(name, f.name),
        )
        for f in message.fields
    )


def _name(message: Any) -> str:
    return message.full_name.partition(".")[2]


def _type(f: FieldDescriptor) -> str:
    named = f.message_type or f.enum_type
    return named.name if named else KINDS[f.type]


def _default(f: FieldDescriptor) -> str:
    value: Any = f.default_value
    if not f.has_default_value:
        return ""
    if f.enum_type:
        return f.enum_type.values_by_number[value].name
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def _module(kind: LayerType) -> str:
    return kind.setup.__module__


def _title(module: str) -> str:
    return sentence(getattr(sys.modules.get(module), "__doc__", None)) or "layer types of your own"


def _tops(kind: LayerType) -> str:
    words = "as many as bottoms" if kind.equal else in_words(kind.tops)
    return f"{words}; the loss needs no name" if kind.loss else words
