"""Layers as plain functions of arrays (N, C, *S)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax


def per_axis(value, rank):
    """A number for each spatial axis, from one for all of them."""
    return (value,) * rank if isinstance(value, int) else value


def margins(pad, rank):
    """Zeros before and after each spatial axis, from one number or a pair for each axis."""
    return ((pad, pad),) * rank if isinstance(pad, int) else pad


def convolution(x, w, b=None, stride=1, pad: int | tuple = 0, dilation=1, group=1):
    """Correlate x (N, C, *S) with filters w (M, C / group, *K), and add b (M)."""
    rank = x.ndim - 2
    y = lax.conv_general_dilated(
        x,
        w,
        window_strides=per_axis(stride, rank),
        padding=margins(pad, rank),
        rhs_dilation=per_axis(dilation, rank),
        feature_group_count=group,
    )
    return y if b is None else y + b.reshape(1, -1, *(1,) * rank)


def deconvolution(x, w, b=None, stride=1, pad=0, dilation=1, group=1):
    """The transpose of a convolution with filters w (C, M / group, *K), plus b (M).

    Zeros are put between the pixels of x; then it is a convolution with the filters turned round.
    """
    rank, (channels, outputs, *kernel) = x.ndim - 2, w.shape
    w = w.reshape(group, channels // group, outputs, *kernel).swapaxes(1, 2)
    w = jnp.flip(w.reshape(group * outputs, channels // group, *kernel), tuple(range(2, rank + 2)))
    between = [(0, 0, s - 1) for s in per_axis(stride, rank)]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *between])
    reach = [d * (k - 1) for d, k in zip(per_axis(dilation, rank), kernel, strict=True)]
    edges = zip(reach, margins(pad, rank), strict=True)
    around = tuple((r - before, r - after) for r, (before, after) in edges)
    return convolution(x, w, b, pad=around, dilation=dilation, group=group)


def inner_product(x, w, b=None, transpose=False):
    """x (N, K) times the transpose of w (M, K), or under transpose times w (K, M), plus b (M)."""
    y = x @ (w if transpose else w.T)
    return y if b is None else y + b.reshape(1, -1)


def max_pool(x, kernel, stride=1, pad=0):
    """The greatest number of each window."""
    rank = len(kernel)
    edges = ((0, 0), (0, 0), *margins(pad, rank))
    return lax.reduce_window(
        x, -jnp.inf, lax.max, (1, 1, *kernel), (1, 1, *per_axis(stride, rank)), edges
    )


def max_pool_with_mask(x, kernel, stride=1, pad=0):
    """The greatest number of each window, and its place: row times width + column."""
    n, c, _, w = x.shape
    edges = ((0, 0), (0, 0), *margins(pad, 2))
    x = jnp.pad(x, edges, constant_values=float(jnp.finfo(x.dtype).min))
    rows, columns = jnp.arange(x.shape[2]) - edges[2][0], jnp.arange(x.shape[3]) - edges[3][0]
    place = (rows[:, None] * w + columns[None, :]).astype(x.dtype)[None, None]

    def windows(image):
        return lax.conv_general_dilated_patches(
            image, kernel, per_axis(stride, 2), "VALID", precision=lax.Precision.HIGHEST
        )

    taps = windows(x.reshape(n * c, 1, *x.shape[2:]))
    first = jnp.argmax(taps, axis=1, keepdims=True)
    mask = jnp.take_along_axis(jnp.broadcast_to(windows(place), taps.shape), first, axis=1)
    top = jnp.take_along_axis(taps, first, axis=1)
    return top.reshape(n, c, *top.shape[2:]), mask.reshape(n, c, *mask.shape[2:])


def ave_pool(x, kernel, stride=1, pad=0, uncounted=0):
    """The mean of each window, with the zeros of the padding but for the last `uncounted` ones."""
    rank = len(kernel)
    uncounted = per_axis(uncounted, rank)
    strides = (1, 1, *per_axis(stride, rank))

    def add_up(image):
        return lax.reduce_window(image, 0.0, lax.add, (1, 1, *kernel), strides, "VALID")

    x = jnp.pad(x, ((0, 0), (0, 0), *margins(pad, rank)))
    inside = jnp.ones([n - u for n, u in zip(x.shape[2:], uncounted, strict=True)], x.dtype)
    inside = jnp.pad(inside, [(0, u) for u in uncounted])
    count = add_up(inside.reshape(1, 1, *inside.shape))
    return add_up(x) / jnp.broadcast_to(count, (1, x.shape[1], *count.shape[2:]))


def lrn(x, size, alpha, beta, k):
    """x (k + alpha / size times the sum of squares of `size` neighbouring channels) ^ -beta."""
    window = (1, size, *(1,) * (x.ndim - 2))
    edges = ((0, 0), (size // 2, size // 2), *((0, 0),) * (x.ndim - 2))
    energy = lax.reduce_window(x * x, 0.0, lax.add, window, (1,) * x.ndim, edges)
    return x * (k + alpha / size * energy) ** -beta


def batch_norm(x, mean, variance, count=None, eps=1e-5):
    """(x - mean) / sqrt(variance + eps) for each channel.

    Caffe stores the sums of `count` batches: the mean is mean / count, and 0 where that is 0.
    """
    shape = (1, -1, *(1,) * (x.ndim - 2))
    if count is not None:
        share = jnp.where(count == 0, 0.0, 1 / jnp.where(count == 0, 1.0, count))
        mean, variance = mean * share, variance * share
    return (x - mean.reshape(shape)) / jnp.sqrt(variance.reshape(shape) + eps)


def standardize(x, axis, eps, inside=True):
    """x with mean 0 and variance 1 over some axes; eps stands inside the root, or beside it."""
    x = x - x.mean(axis, keepdims=True)
    variance = (x * x).mean(axis, keepdims=True)
    return x / (jnp.sqrt(variance + eps) if inside else jnp.sqrt(variance) + eps)


def to_unit(x, axis, eps):
    """x divided by its Euclidean norm over some axes."""
    return x / jnp.sqrt((x * x).sum(axis, keepdims=True) + eps)


def relu(x, negative_slope=0.0):
    """x where it is positive, else negative_slope x."""
    return jnp.where(x > 0, x, negative_slope * x)


def prelu(x, slope):
    """x where it is positive, else slope x."""
    return jnp.where(x > 0, x, slope * x)


def elu(x, alpha):
    """x where it is positive, else alpha (exp(x) - 1)."""
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0.0)))


def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return jax.nn.sigmoid(x)


def softplus(x):
    """log(1 + exp(x))."""
    return jax.nn.softplus(x)


def above(x, threshold):
    """1 where x is greater than the threshold, else 0."""
    return (x > threshold).astype(x.dtype)


def softmax(x, axis):
    """exp(x) / sum exp(x) along an axis."""
    return jax.nn.softmax(x, axis)


def crop(x, axis, start, stop):
    """x from `start` to `stop` along some axes."""
    cut = [slice(None)] * x.ndim
    for a, first, end in zip(axis, start, stop, strict=True):
        cut[a] = slice(first, end)
    return x[tuple(cut)]


def split(x, sizes, axis):
    """x cut into parts of these sizes along an axis."""
    return lax.split(x, sizes, axis)


def rows_at(table, index):
    """The rows of a table at some indices."""
    return jnp.take(table, index.astype(jnp.int32), axis=0)


def largest(x, count, axis):
    """The largest numbers along an axis in falling order, and their indices; of equals the last."""
    values, places = lax.top_k(jnp.flip(jnp.moveaxis(x, axis, -1), -1), count)
    places = (x.shape[axis] - 1 - places).astype(x.dtype)
    return jnp.moveaxis(values, -1, axis), jnp.moveaxis(places, -1, axis)


def resize(x, size):
    """x (N, C, H, W) with bilinear interpolation, corners on corners, as (N, C, *size)."""
    for axis, out in zip((2, 3), size, strict=True):
        last = x.shape[axis] - 1
        at = jnp.arange(out, dtype=x.dtype) * (last / max(out - 1, 1))
        low = jnp.minimum(at.astype(jnp.int32), last)
        share = (at - low.astype(x.dtype)).reshape((1,) * axis + (out,) + (1,) * (3 - axis))
        high = jnp.take(x, jnp.minimum(low + 1, last), axis=axis)
        x = (1 - share) * jnp.take(x, low, axis=axis) + share * high
    return x


def upsample(x, scale):
    """Every pixel of x (N, C, H, W) `scale` times along both axes."""
    return jnp.repeat(jnp.repeat(x, scale, axis=2), scale, axis=3)


def unpool(x, mask, size):
    """x (N, C, H, W) in the places that a mask of max_pool_with_mask names, 0 elsewhere."""
    n, c, h, w = x.shape
    rows, places = jnp.arange(n * c)[:, None], mask.reshape(n * c, h * w).astype(jnp.int32)
    image = jnp.zeros((n * c, size[0] * size[1]), x.dtype)
    return image.at[rows, places].set(x.reshape(n * c, h * w)).reshape(n, c, *size)


def lstm(z, cont, w, h=None, c=None):
    """Every hidden state (T, N, H), the last one, and the last cell state, (1, N, H).

    z (T, N, 4 H) is what the gates i, f, o, g get from the input, w (4 H, H) what they take of the
    hidden state before. cont (T, N) is 0 where a sequence starts, else 1. h, c: the first states.
    """
    steps, streams, size = z.shape[0], z.shape[1], w.shape[1]
    first = tuple(
        jnp.zeros((streams, size), z.dtype) if s is None else s.reshape(streams, size)
        for s in (h, c)
    )

    def step(states, now):
        (h, c), (z, cont) = states, now
        i, f, o, g = jnp.split(z + (h * cont) @ w.T, 4, axis=-1)
        c = cont * jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    (h, c), every = lax.scan(step, first, (z, cont.reshape(steps, streams, 1)))
    return every, h[None], c[None]


def rnn(z, cont, w, h=None):
    """Every hidden state tanh(z + cont h W^T) (T, N, H), and the last one, (1, N, H)."""
    steps, streams, size = z.shape
    first = jnp.zeros((streams, size), z.dtype) if h is None else h.reshape(streams, size)

    def step(h, now):
        z, cont = now
        h = jnp.tanh(z + (h * cont) @ w.T)
        return h, h

    h, every = lax.scan(step, first, (z, cont.reshape(steps, streams, 1)))
    return every, h[None]
