"""Where blobs come from, and the layer that hands them to a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn, TypeVar

import numpy as np

from netc.data.feeds import Feed, open_feed
from netc.data.rows import write_pass
from netc.data.transform import CROPS
from netc.errors import DataError, ShapeError
from netc.fillers import fill, problem, traced_draw
from netc.layers.base import (
    BlobSpec,
    Layer,
    LayerDef,
    Shape,
    dims,
    elementwise,
    register,
    stateless,
)
from netc.layers.elsewhere import FEED_IT
from netc.lazy import jax, jnp
from netc.schema import BlobShape, FillerParameter, ImageListParameter, LayerParameter, Phase

T = TypeVar("T")
FILES = ("source", "mean_file", "file", "prefix", "video_file")  # fields that name them
# Fields of forks that layers of images carry out.
CROP = tuple(f"transform_param.{field}" for pair in CROPS[1:] for field in pair)
OF_SEGMENTS = (
    "transform_param.scale_factors",
    "image_data_param.label_type",
    "image_data_param.ignore_label",
)
WITH_BOXES = tuple(
    f"transform_param.{field}"
    for field in ("distort_param", "expand_param", "resize_param", "noise_param", "emit_constraint")
)
OF_CLIPS = (
    *(
        f"video_data_param.{field}"
        for field in (
            *("source", "batch_size", "rand_skip", "shuffle", "new_height", "new_width"),
            *("new_length", "root_folder", "use_image", "use_temporal_jitter", "sampling_rate"),
            *("max_sampling_rate", "use_sampling_rate_jitter", "use_multiple_label"),
            "num_of_labels",
        )
    ),
    *(
        f"image_data_param.{field}"
        for field in (
            "use_image",
            "new_length",
            "sampling_rate",
            "use_temporal_jitter",
            "mean_value",
        )
    ),
)
OF_FRAMES = (
    *(f"video_data_param.{field}" for field in ("video_type", "video_file")),
    *(f"transform_param.{field}" for field in ("resize_param", "noise_param")),
)


def outside(*shapes: Shape, feed: Feed | None = None) -> Layer:
    """A layer whose tops come from outside the program, float32."""
    return Layer(
        lambda *_: ((), ()),
        external=tuple(jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes),
        feed=feed,
    )


def per_top(d: LayerDef, field: str, given: Sequence[T]) -> Sequence[T]:
    """A repeated field given once for all tops, or once per top."""
    if len(given) not in (1, d.tops):
        d.fail(
            f"Must specify '{field}' once, or once per top blob ({d.tops}); "
            f"specified {len(given)}.",
            field if given else None,
        )
    return given if len(given) == d.tops else [given[0]] * d.tops


def blob_shapes(d: LayerDef, given: Sequence[BlobShape]) -> Sequence[Shape]:
    """The shape of each top out of a field `shape`. Caffe: blob.cpp, Reshape."""
    shapes = [tuple(shape.dim) for shape in given]
    for i, shape in enumerate(shapes):
        if any(n < 0 for n in shape):
            d.fail(f"shape {dims(shape)} has a negative dim", "shape", i)
    return per_top(d, "shape", shapes)


@register("Input", bottoms=0, tops=(1, None))
def input_(d: LayerDef) -> Layer:
    """Blobs that the caller fills. Caffe: input_layer.cpp."""
    return outside(*blob_shapes(d, d.param.input_param.shape))


@register("Parameter", bottoms=0, tops=1)
def parameter(d: LayerDef) -> Layer:
    """A learnable blob of the given shape as a top; it starts at zero.

    Caffe: parameter_layer.cpp.
    """
    (shape,) = blob_shapes(d, [d.param.parameter_param.shape])
    return stateless(lambda blobs: blobs[0], [BlobSpec(shape)])


@register("Data", bottoms=0, tops=(1, 2), fields=("data_param.shuffle", *CROP))
def data(d: LayerDef) -> Layer:
    """Records of a database in key order, transformed: (N, C, H, W), and labels (N).

    Labels are (N, L) where `netc convert_imageset -labels L` made the database.
    Caffe: data_layer.cpp.
    """
    return from_source(d)


@register("HDF5Data", bottoms=0, tops=(1, None))
def hdf5_data(d: LayerDef) -> Layer:
    """Rows of the data sets named as the tops, from a list of HDF5 files or from one.

    Caffe: hdf5_data_layer.cpp.
    """
    return from_source(d)


@register("ImageData", bottoms=0, tops=2, fields=CROP)
def image_data(d: LayerDef) -> Layer:
    """Image files from a list with a label each: (N, C, H, W), and labels (N).

    C is 3, or 1 without is_color. H x W is crop_size, new_height x new_width, or the size of the
    images, which must be equal in one batch. Caffe: image_data_layer.cpp.
    """
    return from_source(d)


@register("ImageFolder", bottoms=0, tops=2, fields=CROP)
def image_folder(d: LayerDef) -> Layer:
    """Image files in a folder for each class: (N, C, H, W) as of ImageData, and labels (N).

    A label is the place of the folder's name among all, sorted, or in class_name.
    """
    return from_source(d)


@register("ImageList", bottoms=0, tops=(1, None), fields=CROP)
def image_list(d: LayerDef) -> Layer:
    """Image files from a list with label images or any number of numbers; a top for each column.

    An IMAGE is (N, C, H, W) as of ImageData, a LABEL_IMAGE (N, 1, H, W), cropped, mirrored and
    warped as the image but otherwise as it is, and NUMBERS are (N, K), or (N) if each line has one.
    """
    columns = [ImageListParameter.Column.Name(c) for c in d.param.image_list_param.column]
    if len(columns) != d.tops or columns.count("NUMBERS") > 1 or "IMAGE" not in columns:
        d.fail(
            f"Must specify 'column' once per top blob ({d.tops}), with an IMAGE, and NUMBERS at "
            f"most once; specified {', '.join(columns) or 'none'}.",
            "column" if columns else None,
        )
    return from_source(d)


@register("DenseImageData", bottoms=0, tops=2, fields=CROP)
def dense_image_data(d: LayerDef) -> Layer:
    """Image files from a list with their label images: (N, C, H, W) and (N, 1, H, W).

    As ImageList with an IMAGE and a LABEL_IMAGE in each line. mirror, mean_file and the crop may
    stand here or in transform_param. With label_divide_factor label images are resized to H and W
    divided by it, without mixing classes. SegNet, ENet: dense_image_data_layer.cpp.
    """
    p = d.param.dense_image_data_param
    param = LayerParameter()
    param.CopyFrom(d.param)
    transform = param.transform_param
    for field in ("mirror", "mean_file", "crop_height", "crop_width"):
        if p.HasField(field):
            setattr(transform, field, getattr(p, field))
    if not p.label_divide_factor:
        d.fail("label_divide_factor must be positive, got 0", "label_divide_factor")
    if p.label_divide_factor > 1 and (transform.crop_size or transform.crop_height):
        d.fail(
            f"a crop needs label images of the size of the images, label_divide_factor is "
            f"{p.label_divide_factor}",
            "label_divide_factor",
        )
    return from_source(replace(d, param=param))


@register("ImageSegData", bottoms=0, tops=(1, 3), fields=(*CROP, *OF_SEGMENTS))
def image_seg_data(d: LayerDef) -> Layer:
    """Image files from a list with a class in each pixel: (N, C, H, W), (N, 1, H, W), (N, 1, 1, 2).

    The label image is the second file of a line, or full of the number there, or of ignore_label:
    label_type PIXEL, IMAGE or NONE. Both are resized by one of scale_factors at random, and filled
    up to the crop at the bottom and at the right, with the mean and with ignore_label. The third
    top is the height and width of each image, those of the crop at most.
    DeepLab, PSPNet: image_seg_data_layer.cpp.
    """
    return from_source(d)


@register("ImageLabelmapData", bottoms=0, tops=2, fields=CROP)
def image_labelmap_data(d: LayerDef) -> Layer:
    """Image files from a list with maps of edges: (N, C, H, W), and (N, 1, H, W) of 0 and 1.

    A pixel of a map is 1 where it is at least 128 after resizing.
    HED: image_labelmap_data_layer.cpp.
    """
    return from_source(d)


@register(
    "AnnotatedData", bottoms=0, tops=(1, 2), fields=("data_param.shuffle", *CROP, *WITH_BOXES)
)
def annotated_data(d: LayerDef) -> Layer:
    """Images with boxes from a database, transformed: (N, C, H, W), and the boxes (1, 1, G, 8).

    A row is the item of the batch, label, instance, xmin, ymin, xmax, ymax in units of the sides of
    the image, and whether it is difficult. Rows of -1 are no boxes: one where a batch has none,
    and in a run so many that G takes few values. Where records have no type of annotation, labels
    are (N, 1, 1, 1).
    Images are distorted, expanded, cut by one of the windows that the batch_sampler find, resized,
    made noisy, cropped and mirrored, in this order, and the boxes with them. label_map_file is not
    read, and prob of resize_param and noise_param has no effect, as in SSD.
    SSD: annotated_data_layer.cpp.
    """
    return from_source(d)


@register("WindowData", bottoms=0, tops=2)
def window_data(d: LayerDef) -> Layer:
    """Windows of images, background and foreground, warped to crop_size: (N, 3, crop, crop),
    and labels (N).

    N (1 - fg_fraction) of them are background, of label 0. Caffe: window_data_layer.cpp.
    """
    return from_source(d)


@register("VideoData", bottoms=0, tops=(1, 2), dialects=("c3d",), fields=(*CROP, *OF_CLIPS))
def video_data(d: LayerDef) -> Layer:
    """Clips of videos from a list: (N, 3, new_length, H, W), and labels (N), or (N, num_of_labels).

    A clip is every sampling_rate-th frame of a video file from the start on, or with use_image of a
    folder of 000001.jpg and so on. All of its frames are cropped and mirrored alike; a mean_file
    holds 3 x new_length x H x W. C3D: video_data_layer.cpp; C3D 1.0 has image_data_param.
    """
    p = d.param.video_data_param
    for field in ("num_segments", "modality", "name_pattern", "encoded", "grayscale"):
        if p.HasField(field):
            d.fail(f"{field} is of TSN's VideoData, which netc does not have", field, hint=FEED_IT)
    return from_source(d)


@register(
    "VideoData",
    bottoms=0,
    tops=(1, 2),
    dialects=("ssd", "nvcaffe", "intel"),
    fields=(*CROP, *OF_FRAMES),
)
def video_frames(d: LayerDef) -> Layer:
    """The frames of a video file one after another, transformed: (N, 3, H, W), and labels 0 (N).

    After the last frame the first one comes again. batch_size stands in data_param. Frames are
    resized, made noisy, cropped and mirrored. SSD: video_data_layer.cpp.
    """
    p = d.param.video_data_param
    if not p.HasField("video_file") and not p.HasField("video_type"):
        d.fail("Must provide video file!", "video_data_param")
    return from_source(d)


@register("MemoryData", bottoms=0, tops=2)
def memory_data(d: LayerDef) -> Layer:
    """Arrays that the caller gives: (N, C, H, W), and labels (N). Caffe: memory_data_layer.cpp."""
    p = d.param.memory_data_param
    shape = (p.batch_size, p.channels, p.height, p.width)
    if 0 in shape:
        d.fail(
            "batch_size, channels, height, and width must be specified and positive in "
            f"memory_data_param, got {dims(shape)}",
            "memory_data_param",
        )
    return outside(shape, (p.batch_size,))


@register("HDF5Output", bottoms=2, tops=0)
def hdf5_output(d: LayerDef) -> Layer:
    """Append data and labels of every pass to a file, as many of the one as of the other.

    They are put at the end of the data sets `data` and `label`, both (N, C, H, W) with sizes of 1
    for axes that a bottom has not; the data set `pass` tells which pass a row is from. A run starts
    the file anew, one that is resumed goes on where its snapshot was. Caffe: hdf5_output_layer.cpp.
    """
    path = d.param.hdf5_output_param.file_name
    if not path:
        d.fail("Failed to open HDF5 file: file_name is empty", "hdf5_output_param")
    data, label = (b.shape for b in d.bottoms)
    if not data or data[:1] != label[:1]:
        d.fail(
            "data blob and label blob must have the same batch size: "
            f"'{d.param.bottom[0]}' is {dims(data)}, '{d.param.bottom[1]}' is {dims(label)}",
            "bottom",
            1,
        )

    def sink(k: int, *bottoms: np.ndarray) -> None:
        four = (x.reshape(x.shape + (1,) * (4 - x.ndim)) for x in bottoms)
        write_pass(path, k, dict(zip(("data", "label"), four, strict=True)))

    return elementwise(lambda *xs: ())._replace(sink=sink)


def from_source(d: LayerDef) -> Layer:
    """A layer whose tops a feed fills."""

    def fail(message: str, field: str, *, hint: str | None = None) -> NoReturn:
        d.fail(message, field, hint=hint, kind=DataError if field in FILES else ShapeError)

    feed = open_feed(d.param, Phase.Name(d.phase), d.seed, fail)
    return outside(*feed.shapes, feed=feed)


@register("DummyData", bottoms=0, tops=(1, None))
def dummy_data(d: LayerDef) -> Layer:
    """Blobs made by fillers: constant ones stay, all others are drawn anew in every pass.

    Caffe: dummy_data_layer.cpp.
    """
    p = d.param.dummy_data_param
    if len(p.data_filler) not in (0, 1, d.tops):
        d.fail(
            f"Number of data fillers must be 0, 1 or equal to the number of tops: {d.tops}; "
            f"you specified {len(p.data_filler)} data fillers.",
            "data_filler",
        )
    fillers = per_top(d, "data_filler", list(p.data_filler) or [FillerParameter()])
    shapes = _dummy_shapes(d)
    for i, (filler, shape) in enumerate(zip(fillers, shapes, strict=True)):
        if wrong := problem(filler, shape):
            d.fail(wrong[0], "data_filler", i, wrong[1])
    drawn = any(f.type != "constant" for f in fillers)

    def apply(blobs, state, rng):
        keys = jax.random.split(rng, d.tops) if drawn else (None,) * d.tops
        tops = []
        for key, filler, shape in zip(keys, fillers, shapes, strict=True):
            if filler.type == "constant":
                tops.append(jnp.full(shape, filler.value, jnp.float32))
            else:
                tops.append(jnp.asarray(fill(filler, shape, traced_draw(key)), jnp.float32))
        return tuple(tops), state

    return Layer(apply, random=drawn)


def _dummy_shapes(d: LayerDef) -> Sequence[Shape]:
    p = d.param.dummy_data_param
    legacy = {f: list(getattr(p, f)) for f in ("num", "channels", "height", "width")}
    if not any(legacy.values()):
        return blob_shapes(d, p.shape)
    if p.shape:
        d.fail("Both shape and legacy fields were specified", "shape")
    sizes = [per_top(d, field, given) for field, given in legacy.items()]
    return list(zip(*sizes, strict=True))
