"""Python layers that remember things from pass to pass, as a user would write them."""

from __future__ import annotations

import random
import threading

import caffe
import numpy as np


class Order:
    """Which examples come next: an object of its own, as in Caffe's examples."""

    def __init__(self, count):
        self.draw, self.count, self.at, self.order = np.random.RandomState(3), count, count, []

    def take(self):
        if self.at >= self.count:
            self.at, self.order = 0, list(self.draw.permutation(self.count))
        self.at += 1
        return self.order[self.at - 1]


class Images(caffe.Layer):
    """Examples one by one, of several heights, in an order drawn anew in every epoch."""

    def setup(self, bottom, top):
        self.rows = np.random.RandomState(0).standard_normal((7, 1, 6, 4)).astype(np.float32)
        self.order = Order(len(self.rows))
        self.lock = threading.Lock()

    def reshape(self, bottom, top):
        self.index = self.order.take()
        self.height = 3 + self.index % 2
        top[0].reshape(1, 1, self.height, 4)
        top[1].reshape(1)

    def forward(self, bottom, top):
        noise = np.random.standard_normal() + random.random()
        top[0].data[...] = self.rows[self.index, :, : self.height] + 0.01 * noise
        top[1].data[...] = self.index % 3


class Noise(caffe.Layer):
    """Adds noise that grows with the passes, from a generator of its own."""

    def setup(self, bottom, top):
        self.generator, self.passes = np.random.default_rng(5), 0

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        self.passes += 1
        noise = self.generator.standard_normal(bottom[0].shape)
        top[0].data[...] = bottom[0].data + 0.01 * self.passes * noise

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].diff


class Positive(caffe.Layer):
    """The rows of which the first number is above the mean: as many as there are."""

    shapes_vary = True
    calls = 0

    def setup(self, bottom, top):
        self.blobs.add_blob(1).data[...] = 2

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        Positive.calls += 1
        x = bottom[0].data
        self.rows = np.flatnonzero(x[:, 0] >= x[:, 0].mean())
        top[0].reshape(len(self.rows), *x.shape[1:])
        top[0].data[...] = self.blobs[0].data * x[self.rows]

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[...] += (bottom[0].data[self.rows] * top[0].diff).sum()
        bottom[0].diff[...] = 0
        bottom[0].diff[self.rows] = self.blobs[0].data * top[0].diff
