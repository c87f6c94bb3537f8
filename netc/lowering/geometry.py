"""Shapes of windowed operations: layouts, and what a convolution or a pooling is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Axes = tuple[int, ...]


def channel_axis(layout: str) -> int:
    """The axis of the channels: 1 in (N, C, *spatial), the last one in (N, *spatial, C)."""
    return {"NCHW": 1, "NHWC": -1}[layout]


def spatial_axes(layout: str, rank: int) -> Axes:
    """The axes between or after batch and channels."""
    return tuple({"NCHW": range(2, rank), "NHWC": range(1, rank - 1)}[layout])


def per_channel(values, layout: str, rank: int):
    """A (C,) array shaped to broadcast over an array of that rank."""
    shape = [1] * rank
    shape[channel_axis(layout)] = -1
    return values.reshape(shape)


class Conv(NamedTuple):
    """A convolution (N, channels, *size) -> (N, num_output, *out): the facts rows are chosen by."""

    batch: int
    channels: int
    num_output: int
    size: Axes
    kernel: Axes
    stride: Axes
    pad: Axes
    dilation: Axes
    group: int
    layout: str
    itemsize: int

    @property
    def out(self) -> Axes:
        """Output size per axis: floor((in + 2 pad - (dilation (kernel - 1) + 1)) / stride) + 1."""
        axes = zip(self.size, self.kernel, self.stride, self.pad, self.dilation, strict=True)
        return tuple((i + 2 * p - d * (k - 1) - 1) // s + 1 for i, k, s, p, d in axes)

    @property
    def input_shape(self) -> Axes:
        return self._shape(self.channels, self.size)

    @property
    def output_shape(self) -> Axes:
        return self._shape(self.num_output, self.out)

    @property
    def weight_shape(self) -> Axes:
        return (self.num_output, self.channels // self.group, *self.kernel)

    def _shape(self, channels: int, size: Axes) -> Axes:
        if self.layout == "NCHW":
            return (self.batch, channels, *size)
        return (self.batch, *size, channels)

    @property
    def bundle(self) -> int:
        """How many groups to compute as one, so that they have up to 16 channels: narrower
        convolutions cost as much as that."""
        per_group = self.channels // self.group
        dividers = (m for m in range(1, self.group + 1) if self.group % m == 0)
        return max(m for m in dividers if m == 1 or m * per_group <= 16)

    def one_group(self) -> Conv:
        """The convolution each group does by itself."""
        return self._replace(
            channels=self.channels // self.group, num_output=self.num_output // self.group, group=1
        )


class Pool(NamedTuple):
    """A pooling of (batch, channels, *size) by windows clipped to the image."""

    batch: int
    channels: int
    size: Axes
    kernel: Axes
    stride: Axes
    pad: Axes
    out: Axes
    layout: str

    @property
    def overhang(self) -> Axes:
        """How far the last window reaches over the end of the image; negative where it stops
        short of it."""
        axes = zip(self.size, self.kernel, self.stride, self.pad, self.out, strict=True)
        return tuple((o - 1) * s + k - p - i for i, k, s, p, o in axes)

    @property
    def whole(self) -> bool:
        """One window per axis that covers the image."""
        axes = zip(self.size, self.kernel, self.pad, self.out, strict=True)
        return all(o == 1 and k - p >= i for i, k, p, o in axes)


def sizes(shape: Sequence[int], layout: str) -> tuple[int, int, Axes]:
    """(batch, channels, spatial sizes) of an array's shape."""
    spatial = tuple(shape[a] for a in spatial_axes(layout, len(shape)))
    return shape[0], shape[channel_axis(layout)], spatial
