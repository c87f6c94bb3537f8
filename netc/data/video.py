"""Batches of frames and of clips of videos, by OpenCV."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from netc.data.annotated import check_geometry, only
from netc.data.datum import planes
from netc.data.distort import resize
from netc.data.draws import below, draws, uniform
from netc.data.fail import Fail, check_same, check_size, excerpt, failing, located
from netc.data.images import Size, load
from netc.data.lists import lines
from netc.data.noise import check_noise, noisy
from netc.data.order import Order
from netc.data.transform import Transformer
from netc.errors import DataError, NetcError, raise_all
from netc.load import nearby
from netc.schema import LayerParameter, TransformationParameter, VideoDataParameter

log = logging.getLogger(__name__)

NEAR = 100  # frames that are rather decoded than jumped over
OF_OLD = ("scale", "mirror", "crop_size", "mean_file")  # in image_data_param, in C3D 1.0
TOLD = 10  # of the mistakes in one list


class Video:
    """The frames of a video file by number. Not for several threads at once."""

    def __init__(self, path: str) -> None:
        if not os.path.isfile(path):
            raise DataError(f"Cannot open {path}: there is no such file", hint=nearby(path))
        self._path = path
        self._open()
        if not self._capture.isOpened() or self.count < 1:
            raise DataError(f"Cannot open {path}: OpenCV finds no video in it")

    @property
    def count(self) -> int:
        """How many frames the file says it has."""
        import cv2

        return int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def read(self, first: int, count: int, step: int = 1) -> list[np.ndarray]:
        """Every step-th frame from one on: uint8 (H, W, 3), BGR. Raises DataError."""
        self._go_to(first)
        frames = []
        for i in range(first, first + count * step, step):
            self._pass_over(i - self._at)
            found, frame = self._capture.read()
            if not found:
                raise DataError(f"{self._path} has no data at frame {i} of {self.count}")
            frames.append(frame)
            self._at += 1
        return frames

    def _open(self) -> None:
        import cv2

        self._capture, self._at = cv2.VideoCapture(self._path), 0

    def _pass_over(self, count: int) -> None:
        for _ in range(count):
            self._capture.grab()
        self._at += count

    def _go_to(self, frame: int) -> None:
        import cv2

        if not 0 <= frame - self._at <= NEAR:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, frame)
            self._at = frame
            if self._capture.get(cv2.CAP_PROP_POS_FRAMES) != frame:
                self._open()
        self._pass_over(frame - self._at)


class Clip(NamedTuple):
    """A line of a list. start: its first frame, or for files of frames with temporal jitter how
    many there are; None where it is drawn. where: names it for a message.
    """

    path: str
    start: int | None
    labels: tuple[int, ...]
    where: str


def read_clips(source: str, starts: bool, several: bool, classes: int) -> list[Clip]:
    """The lines `path start label`, or `path label`; with `several`, the label is several numbers
    below `classes` between commas. Raises DataError naming file and line.
    """
    clips: list[Clip] = []
    errors: list[NetcError] = []
    wanted = "path start label" if starts else "path label"
    for line, where in lines(source):
        path, *words = line.split()
        try:
            start = int(words[0]) if starts else None
            labels = tuple(map(int, words[-1].split(","))) if several else (int(words[-1]),)
            if len(words) != 1 + starts or (start or 0) < 0:
                raise ValueError
        except (ValueError, IndexError):
            errors.append(DataError(f"expected '{wanted}', got '{excerpt(line)}'", where))
        else:
            if several and not all(0 <= n < classes for n in labels):
                errors.append(DataError(f"labels must be in [0, {classes})", where))
            clips.append(Clip(path, start, labels, where))
        if len(errors) == TOLD:
            break
    raise_all(errors)
    if not clips:
        raise DataError("the list is empty", source)
    return clips


class ClipFeed:
    """VideoData of C3D: clips (N, 3, L, h, w) that a list names, and labels (N).

    With use_multiple_label, labels are (N, num_of_labels) of 0 and 1. A clip is cropped and
    mirrored as a whole. What example `i` draws depends on (seed, name, i) alone.
    C3D: video_data_layer.cpp, image_io.cpp, data_transformer.cpp.
    """

    labels_top = 1

    def __init__(self, param: LayerParameter, phase: str, seed: int, fail: Fail) -> None:
        of_old = param.HasField("image_data_param") and not param.HasField("video_data_param")
        p: Any = param.image_data_param if of_old else param.video_data_param
        self._p, self._fail, self._seed, self._name = p, fail, seed, param.name
        self._train = phase == "TRAIN"
        self._jitter = p.use_temporal_jitter
        self._most = 0 if of_old or not p.use_sampling_rate_jitter else p.max_sampling_rate
        self._several = not of_old and p.use_multiple_label
        self._root = p.root_folder
        self._check()
        transform = TransformationParameter()
        transform.CopyFrom(param.transform_param)
        for field in OF_OLD if of_old else ():
            if p.HasField(field) and not transform.HasField(field):
                setattr(transform, field, getattr(p, field))
        if of_old and p.HasField("mean_value") and not transform.mean_value:
            transform.mean_value.append(p.mean_value)
        self._transformer = Transformer(transform, phase, seed, param.name, fail, p.new_length)
        self._resized = (p.new_height, p.new_width) if p.new_height else None
        size = self._resized or self._first_size
        check_size((p.batch_size, 3, p.new_length, *size), fail, "new_length")
        _, *size = self._transformer.output_shape((3 * p.new_length, *size), fail)
        label = (p.num_of_labels,) if self._several else ()
        self.shapes = ((p.batch_size, 3, p.new_length, *size), (p.batch_size, *label))
        self.shapes = self.shapes[: len(param.top)]
        self.dtypes = (np.dtype(np.float32),) * len(self.shapes)
        if len(param.top) == 1:
            self.labels_top = None

    @property
    def epoch_size(self) -> int:
        """How many clips are listed."""
        return len(self._clips)

    def batch(self, k: int) -> tuple[np.ndarray, ...]:
        """Clips and labels, float32. Raises DataError."""
        first, clips = k * self._p.batch_size, self._batch_clips(k)
        data = self._transformer.batch(self._read(clips, first), first, len(clips))
        labels = np.array([clip.labels[0] for clip in clips], np.float32)
        if self._several:
            labels = np.zeros((len(clips), self._p.num_of_labels), np.float32)
            for row, clip in zip(labels, clips, strict=True):
                row[list(clip.labels)] = 1
        rows = len(clips), 3, self._p.new_length, *data.shape[2:]
        return (data.reshape(rows), labels)[: len(self.shapes)]

    def describe(self, k: int) -> tuple[str, ...]:
        """Names each clip of batch k."""
        return tuple(f"{clip.where}, {self._root}{clip.path}" for clip in self._batch_clips(k))

    def drawn(self, k: int) -> tuple[str, ...]:
        """What each clip of batch k draws."""
        first, clips = k * self._p.batch_size, self._batch_clips(k)
        sizes = [clip.shape[1:] for clip in self._read(clips, first)]
        told = []
        for i, place in enumerate(self._transformer.describe(sizes, first)):
            with located(lambda at=clips[i]: at.where):
                start, rate = self._frames(clips[i], first + i, self._open(clips[i]))
            told.append(
                ", ".join(
                    [f"from frame {start}"] * self._jitter
                    + [f"every frame of {rate}"] * bool(self._most)
                    + [place] * bool(place)
                )
            )
        return tuple(told)

    def _check(self) -> None:
        p, fail = self._p, self._fail
        for field in ("batch_size", "new_length", "sampling_rate", "max_sampling_rate"):
            if getattr(p, field, 1) < 1:
                fail(f"{field} must be positive, got {getattr(p, field)}", field)
        if (p.new_height > 0) != (p.new_width > 0):
            fail(
                "Current implementation requires new_height and new_width to be set at the same "
                f"time: {p.new_height} and {p.new_width}.",
                "new_height" if p.new_height else "new_width",
            )
        if self._several and not p.HasField("num_of_labels"):
            fail(
                "number of labels must be set together with use multiple labels",
                "use_multiple_label",
                hint="num_of_labels: how many there are",
            )
        labels = (p.batch_size, p.num_of_labels if self._several else 1)
        check_size(labels, fail, "num_of_labels")
        check_size((p.batch_size, 3, p.new_length), fail, "new_length")

    @cached_property
    def _clips(self) -> list[Clip]:
        p = self._p
        with failing(self._fail, "source"):
            starts = p.use_image or not self._jitter
            classes = p.num_of_labels if self._several else 0
            clips = read_clips(p.source, starts, self._several, classes)
            if p.rand_skip >= len(clips):
                many = f"rand_skip {p.rand_skip}, {len(clips)} clips"
                raise DataError(f"Not enough points to skip: {many}", p.source)
        log.info("A total of %d video chunks.", len(clips))
        return clips

    @cached_property
    def _order(self) -> Order:
        p = self._p
        return Order(len(self._clips), p.shuffle, p.rand_skip, self._seed, self._name)

    def _batch_clips(self, k: int) -> list[Clip]:
        count = self._p.batch_size
        return [self._clips[i] for i in self._order.at(k * count, count)]

    @cached_property
    def _first_size(self) -> Size:
        clip = self._clips[self._order.at(0, 1)[0]]
        with failing(self._fail, "source"), located(lambda: clip.where):
            return self._images(clip, 0, 1)[0].shape[1:]

    def _read(self, clips: list[Clip], first: int) -> Iterator[np.ndarray]:
        """The clips as (3 L, H, W), each read when it is its turn."""
        shape: tuple[int, ...] = ()
        for i, clip in enumerate(clips, first):
            with located(lambda at=clip: at.where):
                frames = self._images(clip, i, self._p.new_length)
                for frame in frames:
                    check_same(frame.shape, frames[0].shape, "img")
                image = np.stack(frames, 1)
                image = image.reshape(-1, *image.shape[2:])
                mine = self._transformer.output_shape(image.shape)
                shape = shape or mine
                check_same((3, *mine[1:]), (3, *shape[1:]), "img")
            yield image

    def _open(self, clip: Clip) -> Video | None:
        """The video of a clip; None where its frames are files."""
        return None if self._p.use_image else Video(self._root + clip.path)

    def _images(self, clip: Clip, example: int, count: int) -> list[np.ndarray]:
        """The first `count` frames of a clip: uint8 (3, H, W)."""
        video = self._open(clip)
        start, rate = self._frames(clip, example, video)
        if video is None:
            folder, numbers = self._root + clip.path, range(start, start + count * rate, rate)
            return [load(f"{folder}/{n:06d}.jpg", True, self._resized) for n in numbers]
        import cv2

        frames = video.read(start, count, rate)
        if self._resized:
            frames = [cv2.resize(frame, self._resized[::-1]) for frame in frames]
        return [planes(frame) for frame in frames]

    def _frames(self, clip: Clip, example: int, video: Video | None) -> tuple[int, int]:
        """The first frame of a clip, and the step from frame to frame."""
        rate = 1 + self._draw("rate", example, self._most) if self._most else self._p.sampling_rate
        if video is None and not self._jitter:
            return clip.start or 0, rate
        need, count = self._p.new_length * rate, video.count if video else clip.start or 0
        if count < need:
            raise DataError(
                f"{clip.path} does not have enough frames; having {count}, {self._p.new_length} "
                f"with a sampling rate of {rate} need {need}"
            )
        if not self._jitter:
            start = clip.start or 0
            if start + need > count:
                raise DataError(
                    f"end frame must be less or equal to num of frames: {start} + {need} of the "
                    f"{count} frames of {clip.path}"
                )
            return start, rate
        start = self._draw("start", example, count - need + 1)
        if video is None:
            start = start + 1 if self._train else 0
        return start, rate

    def _draw(self, what: str, example: int, limit: int) -> int:
        return int(below(draws(self._seed, f"{self._name}/{what}", example, 1), limit)[0, 0])


class FrameFeed:
    """VideoData of SSD: the frames of a video file one after another, and labels of 0.

    A frame is resized, made noisy, cropped and mirrored. After the last frame the first one comes.
    SSD: video_data_layer.cpp.
    """

    def __init__(self, param: LayerParameter, phase: str, seed: int, fail: Fail) -> None:
        p, t = param.video_data_param, param.transform_param
        self._batch, self._seed, self._name = param.data_param.batch_size, seed, param.name
        if not self._batch:
            fail(
                "Positive batch size required, got 0", "data_param", hint="batch_size stands there"
            )
        if p.video_type == VideoDataParameter.WEBCAM:
            fail(
                "frames of a WEBCAM are others in every run, and are not read",
                "video_type" if p.HasField("video_type") else "video_data_param",
                hint="video_type: VIDEO with a video_file, or an Input layer that a script fills",
            )
        if not p.video_file:
            fail("Must provide video file!", "video_data_param")
        self._resize: Any = only(t, "resize_param", fail)
        self._noise: Any = only(t, "noise_param", fail)
        check_geometry(self._resize, None, self._batch, fail)
        self._lock, self._path = threading.Lock(), p.video_file
        with failing(fail, "video_file"):
            self._video = Video(self._path)
            (frame,) = self._video.read(0, 1)
        self.epoch_size = self._video.count
        if self._noise:
            check_noise(self._noise, 3, fail)
        self._transformer = Transformer(t, phase, seed, param.name, fail)
        row = self._transformer.output_shape(self._placed(frame, 0).shape, fail)
        check_size((self._batch, *row), fail, "batch_size")
        self.shapes = ((self._batch, *row), (self._batch,))[: len(param.top)]
        self.dtypes = (np.dtype(np.float32),) * len(self.shapes)
        self.labels_top = 1 if len(param.top) > 1 else None

    def batch(self, k: int) -> tuple[np.ndarray, ...]:
        """Frames (N, 3, h, w) and zeros (N), float32. Raises DataError."""
        first, frames = k * self._batch, self._frames(k)
        data = self._transformer.batch(
            (self._placed(frame, first + i) for i, frame in enumerate(frames)), first, self._batch
        )
        return (data, np.zeros(self._batch, np.float32))[: len(self.shapes)]

    def describe(self, k: int) -> tuple[str, ...]:
        """Names each frame of batch k."""
        return tuple(f"{self._path}, frame {n}" for n in self._numbers(k))

    def drawn(self, k: int) -> tuple[str, ...]:
        """What each frame of batch k draws."""
        first = k * self._batch
        images = [self._placed(frame, first + i) for i, frame in enumerate(self._frames(k))]
        return tuple(self._transformer.describe([image.shape[1:] for image in images], first))

    def _numbers(self, k: int) -> list[int]:
        return [n % self.epoch_size for n in range(k * self._batch, (k + 1) * self._batch)]

    def _frames(self, k: int) -> Sequence[np.ndarray]:
        with self._lock:
            return [self._video.read(n, 1)[0] for n in self._numbers(k)]

    def _placed(self, frame: np.ndarray, example: int) -> np.ndarray:
        """A frame (C, H, W), resized and made noisy."""
        if self._resize:
            word = draws(self._seed, f"{self._name}/resize", example, 1)
            frame = resize(frame, self._resize, float(uniform(word)[0, 0]))
        if self._noise:
            frame = noisy(frame, self._noise, self._seed, self._name, example)
        return planes(frame)


def open_video(param: LayerParameter, phase: str, seed: int, fail: Fail) -> ClipFeed | FrameFeed:
    """The feed of a VideoData: of frames where a file or a camera is given, else of clips."""
    p = param.video_data_param
    of_frames = p.HasField("video_type") or p.HasField("video_file")
    return (FrameFeed if of_frames else ClipFeed)(param, phase, seed, fail)
