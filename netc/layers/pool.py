"""Pooling."""

from __future__ import annotations

from netc import lowering
from netc.layers.base import TRAIN, Layer, LayerDef, Shape, dims, register, stateless, stochastic
from netc.lazy import jax, jnp
from netc.schema import PoolingParameter


def _pair(d: LayerDef, field: str, stem: str, default: int) -> Shape:
    """kernel_size OR kernel_h and kernel_w, and the like. Caffe: pooling_layer.cpp."""
    p = d.param.pooling_param
    high, wide = f"{stem}_h", f"{stem}_w"
    given = [f for f in (high, wide) if p.HasField(f)]
    if not given:
        return (getattr(p, field) if p.HasField(field) else default,) * 2
    if p.HasField(field):
        d.fail(f"{stem} is {field} OR {high} and {wide}; not both", given[0])
    if len(given) == 1:
        d.fail(f"For non-square {stem} both {high} and {wide} are required.", given[0])
    return getattr(p, high), getattr(p, wide)


def _geometry(d: LayerDef) -> tuple[Shape, Shape, Shape]:
    p, shape = d.param.pooling_param, d.bottoms[0].shape
    if len(shape) != 4:
        d.fail(
            "Input must have 4 axes, corresponding to (num, channels, height, width); "
            f"bottom '{d.param.bottom[0]}' is {dims(shape)}",
            "bottom",
        )
    sized = [f for f in ("kernel_size", "kernel_h", "kernel_w") if p.HasField(f)]
    stride, pad = _pair(d, "stride", "stride", 1), _pair(d, "pad", "pad", 0)
    if p.global_pooling:
        if sized:
            d.fail("With Global_pooling: true Filter size cannot specified", sized[0])
        if pad != (0, 0) or stride != (1, 1):
            d.fail("With Global_pooling: true; only pad = 0 and stride = 1", "global_pooling")
        return shape[2:], stride, pad
    kernel = _pair(d, "kernel_size", "kernel", 0)
    if not sized:
        d.fail("kernel_size is missing (or kernel_h and kernel_w)", "pooling_param")
    if 0 in kernel:
        d.fail(f"Filter dimensions cannot be zero: {dims(kernel)}.", sized[0])
    if 0 in stride:
        d.fail(f"Stride dimensions cannot be zero: {dims(stride)}.", "stride")
    if any(q >= k for q, k in zip(pad, kernel, strict=True)):
        d.fail(f"pad {dims(pad)} must be smaller than the kernel {dims(kernel)}", "pad")
    if any(s + 2 * q < k for s, q, k in zip(shape[2:], pad, kernel, strict=True)):
        d.fail(
            f"kernel {dims(kernel)} with pad {dims(pad)} is larger than bottom "
            f"'{d.param.bottom[0]}' ({dims(shape)})",
            sized[0],
        )
    return kernel, stride, pad


@register("Pooling", bottoms=1, tops=(1, 2))
def pooling(d: LayerDef) -> Layer:
    """Take the maximum, mean or a sample of windows: (N, C, H, W) -> (N, C, H', W').

    H' = ceil((H + 2 pad - kernel) / stride) + 1, or floor with round_mode: FLOOR; a last window that
    would start in the padding is dropped. MAX: the first maximum in row-major order takes the
    gradient; a second top holds its index h W + w. AVE: the divisor counts padding. STOCHASTIC:
    TRAIN takes an element with probability proportional to its value, TEST gives
    sum(x^2) / sum(x). Caffe: pooling_layer.cpp, pooling_layer.cu.
    """
    p = d.param.pooling_param
    kernel, stride, pad = _geometry(d)
    geometry = {
        "kernel": kernel,
        "stride": stride,
        "pad": pad,
        "ceil": p.round_mode == PoolingParameter.CEIL,
    }
    if d.tops == 2 and p.pool != PoolingParameter.MAX:
        d.fail("Only MAX pooling has a second top, the mask", "top", 1)
    if p.pool == PoolingParameter.STOCHASTIC:
        if pad != (0, 0):
            d.fail("Padding implemented only for average and max pooling.", "pad")
        return _stochastic(d, geometry)
    if d.tops == 2:
        return stateless(lambda blobs, x: lowering.pool.max_pool_with_mask(d.plan, x, **geometry))

    def forward(blobs, x, layout="NCHW"):
        operation = (
            lowering.pool.max_pool if p.pool == PoolingParameter.MAX else lowering.pool.ave_pool
        )
        return operation(d.plan, x, **geometry, layout=layout)

    return stateless(
        forward,
        channels_last=lambda blobs, x: forward(blobs, x, layout="NHWC"),
        prefers_last=True,
    )


def _stochastic(d: LayerDef, geometry: dict) -> Layer:
    kernel, stride, ceil = geometry["kernel"], geometry["stride"], geometry["ceil"]
    size = d.bottoms[0].shape[2:]

    def taps(x):
        """Every window's elements along a new first axis, zero outside the image."""
        parts = [x]
        for axis in (0, 1):
            out = lowering.pool.output_size(size[axis], kernel[axis], stride[axis], 0, ceil)
            over = max((out - 1) * stride[axis] + kernel[axis] - size[axis], 0)
            cut = lowering.windows.slices
            padded = [lowering.windows.pad_axis(p, axis + 2, 0, over) for p in parts]
            parts = [t for p in padded for t in cut(p, axis + 2, kernel[axis], stride[axis], out)]
        return jnp.stack(parts)

    if d.phase != TRAIN:

        def expected(blobs, x):
            window = taps(x)
            total = window.sum(0)
            return jnp.where(total > 0, (window * window).sum(0) / jnp.where(total > 0, total, 1), 0)

        return stateless(expected)

    def sample(rng, x):
        window = taps(x)
        reach = jax.lax.cumsum(jax.lax.stop_gradient(window), 0)
        threshold = jax.random.uniform(rng, reach.shape[1:], x.dtype) * reach[-1]
        chosen = jnp.argmax(reach >= threshold[None], axis=0)
        return jnp.take_along_axis(window, chosen[None], axis=0)[0]

    return stochastic(sample)
