"""What a user would write for layers of type Python."""

from __future__ import annotations

import json

import jax.numpy as jnp
import numpy as np

import netc
import netc.pycaffe as caffe


class EuclideanLoss(caffe.Layer):
    """Half the mean squared distance, its gradient only where it is asked for."""

    def setup(self, bottom, top):
        if len(bottom) != 2:
            raise ValueError("two inputs are needed to compute a distance")

    def reshape(self, bottom, top):
        if bottom[0].count != bottom[1].count:
            raise ValueError("inputs must have the same dimension")
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.difference = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.difference**2) / bottom[0].num / 2

    def backward(self, top, propagate_down, bottom):
        for i, sign in enumerate((1, -1)):
            if propagate_down[i]:
                bottom[i].diff[...] = sign * top[0].diff * self.difference / bottom[i].num


class Mixed(caffe.Layer):
    """w * x and the sum of x and y, with a blob: several bottoms, tops and axes."""

    def setup(self, bottom, top):
        self.scale = json.loads(self.param_str)["scale"]
        self.blobs.add_blob(bottom[0].channels).data[...] = np.arange(bottom[0].channels)

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)
        top[1].reshape(*bottom[1].shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.scale * bottom[0].data * self.blobs[0].data
        top[1].data[...] = bottom[0].data + bottom[1].data

    def backward(self, top, propagate_down, bottom):
        through = self.scale * top[0].diff
        self.blobs[0].diff[...] += (through * bottom[0].data).sum(0)
        bottom[0].diff[...] = through * self.blobs[0].data + top[1].diff
        bottom[1].diff[...] = top[1].diff


class Square:
    """In place, and without the base class."""

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        self.x = bottom[0].data.copy()
        top[0].data[...] = self.x**2

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 2 * self.x * top[0].diff


class Counter(caffe.Layer):
    """A source: 1 in the first pass, 2 in the second."""

    def setup(self, bottom, top):
        self.passes = 0

    def reshape(self, bottom, top):
        top[0].reshape(2, 3)

    def forward(self, bottom, top):
        self.passes += 1
        top[0].data[...] = self.passes

    def backward(self, top, propagate_down, bottom):
        raise RuntimeError("a source has no gradient")


class Sink(caffe.Layer):
    """It has no tops and remembers what it saw."""

    seen: list[float] = []  # noqa: RUF012

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        self.seen.append(float(bottom[0].data.sum()))


class Phased(caffe.Layer):
    """Its top is the phase."""

    def reshape(self, bottom, top):
        top[0].reshape(1)

    def forward(self, bottom, top):
        top[0].data[...] = self.phase


class Failing(caffe.Layer):
    """Fails in the method that param_str names, or grows in `forward`."""

    def _check(self, method):
        if self.param_str == method:
            raise ZeroDivisionError(f"in {method}")

    def setup(self, bottom, top):
        self._check("setup")

    def reshape(self, bottom, top):
        self._check("reshape")
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        self._check("forward")
        if self.param_str == "grow":
            top[0].reshape(9, 9)
        if self.param_str == "grow diff":
            bottom[0].diff = np.zeros(4)

    def backward(self, top, propagate_down, bottom):
        self._check("backward")
        if self.param_str == "grow diff":
            bottom[0].diff = np.zeros(4)


def swish(x, param_str):
    return x / (1 + jnp.exp(-float(param_str) * x))


def gated(blobs, x, y):
    return blobs[0] * x * y, x + blobs[1].sum() * y


gated.blobs = [(1, 1), netc.BlobSpec((2, 2))]


def phased(x, phase):
    return x + phase


def wrong(x):
    return x @ nothing  # noqa: F821


NUMBER = 3
