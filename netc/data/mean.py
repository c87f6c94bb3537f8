"""The mean of the images of a database. Caffe: compute_image_mean.cpp."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netc.data.datum import parse, pixels
from netc.data.fail import dims, located
from netc.data.sources import chunks, find_source
from netc.errors import DataError
from netc.files import atomic
from netc.schema import BlobProto

PROGRESS = 10_000


def compute_image_mean(
    db: str, output: str = "", backend: str = "", log: Callable[[str], None] = print
) -> np.ndarray:
    """The mean image of a database, float32 (C, H, W), which is written to a file if one is named.

    The sum is float32 and adds image by image, as Caffe's does. A file whose name ends in `.npy`
    is NumPy's, every other one a BlobProto. The mean of each channel is logged.

    backend: "lmdb", "leveldb" or "" for what the folder holds.
    Raises UsageError, and DataError when the images cannot be read or differ in shape.
    """
    source = find_source(db, backend)
    total: np.ndarray | None = None
    if parse(source.read([0])[0]).encoded:
        log("Decoding Datum")
    log("Starting Iteration")
    for start, records in chunks(source):
        for position, record in enumerate(records, start):
            with located(lambda at=position: source.where(at)):
                image = pixels(parse(record))
                if total is None:
                    total = np.zeros(image.shape, np.float32)
                if image.shape != total.shape:
                    raise DataError(
                        f"Incorrect data field size {image.size}: the image is "
                        f"{dims(image.shape)}, that of the first record {dims(total.shape)}",
                        hint="images are made equal when they are converted, with -resize_width "
                        "and -resize_height",
                    )
            total += image
            if (position + 1) % PROGRESS == 0:
                log(f"Processed {position + 1} files.")
    assert total is not None, "a source has records"
    if len(source) % PROGRESS:
        log(f"Processed {len(source)} files.")
    mean = total / np.float32(len(source))
    if output:
        log(f"Write to {output}")
        write_mean(output, mean)
    log(f"Number of channels: {len(mean)}")
    for channel, value in enumerate(channel_means(mean)):
        log(f"mean_value channel [{channel}]: {value:g}")
    return mean


def channel_means(mean: np.ndarray) -> list[float]:
    """The mean of each channel of a mean image, summed in float32 as Caffe does."""
    sums = [np.add.accumulate(channel.ravel())[-1] for channel in mean]
    return [float(total / np.float32(mean[0].size)) for total in sums]


def as_transform(values: list[float]) -> str:
    """The means of the channels as a prototxt."""
    return "".join(["transform_param {\n", *(f"  mean_value: {v:g}\n" for v in values), "}\n"])


def write_mean(path: str, mean: np.ndarray) -> None:
    """Write a mean image (C, H, W), to be read by `mean_file`. Raises DataError."""
    channels, height, width = mean.shape
    try:
        with atomic(path) as file:
            if path.endswith(".npy"):
                np.save(file, mean)
                return
            blob = BlobProto(num=1, channels=channels, height=height, width=width)
            blob.data.extend(mean.ravel().tolist())
            file.write(blob.SerializeToString())
    except OSError as e:
        raise DataError(f"the mean cannot be written: {e.strerror or e}", path) from None
