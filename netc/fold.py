"""BatchNorm and Scale layers, folded into the convolution or inner product that they follow.

In a net that is not trained further y = a x + c, one a and c per channel, after W x + b is the
same as (a W) x + (a b + c).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from netc.schema import LayerParameter, NetParameter

Blobs = dict[str, list[np.ndarray]]
_AFFINE = ("BatchNorm", "Scale")
_HOSTS = {
    "Convolution": "convolution_param",
    "ConvolutionDepthwise": "convolution_param",
    "DepthwiseConvolution": "convolution_param",
    "InnerProduct": "inner_product_param",
}


class Folded(NamedTuple):
    """A net without the layers that could be folded.

    into: by the name of a folded layer, the layer that took it in.
    kept: by the name of a BatchNorm or Scale that stays, the reason.
    """

    message: NetParameter
    blobs: Blobs
    into: dict[str, str]
    kept: dict[str, str]


def fold(net: NetParameter, blobs: Mapping[str, Sequence[Any]]) -> Folded:
    """Fold every BatchNorm and Scale of a net in TEST phase that can be folded.

    net: upgraded and filtered, its layers connected, without Split layers. blobs: by layer name.
    """
    values = {name: list(arrays) for name, arrays in blobs.items()}
    done: list[LayerParameter] = []
    into: dict[str, str] = {}
    kept: dict[str, str] = {}
    for i, original in enumerate(net.layer):
        layer = LayerParameter()
        layer.CopyFrom(original)
        if layer.type in _AFFINE:
            host = _host(layer, done, net.layer[i + 1 :])
            if isinstance(host, LayerParameter):
                factor, offset = _affine(layer, values.pop(layer.name))
                values[host.name] = _scaled(host, values[host.name], factor, offset)
                host.top[0] = layer.top[0]
                into[layer.name] = host.name
                continue
            kept[layer.name] = host
        done.append(layer)
    message = NetParameter()
    message.CopyFrom(net)
    message.ClearField("layer")
    message.layer.extend(done)
    return Folded(message, values, into, kept)


def _host(
    layer: LayerParameter, before: Sequence[LayerParameter], after: Sequence[LayerParameter]
) -> LayerParameter | str:
    """The layer that can take this one in, or why none can."""
    if len(layer.bottom) != 1:
        return f"it has {len(layer.bottom)} bottoms"
    bottom = layer.bottom[0]
    at = max(k for k, y in enumerate(before) if bottom in y.top)
    host, others = before[at], before[at + 1 :]
    if host.type not in _HOSTS:
        return f"its bottom is the top of a layer of type {host.type}"
    if layer.top[0] != bottom:
        others = [*others, *after]
    readers = [y.name for y in others if bottom in y.bottom]
    if readers:
        return f"'{readers[0]}' reads '{bottom}', too"
    if any(spec.name for spec in (*host.param, *layer.param)):
        return "blobs are shared with other layers"
    if getattr(host, _HOSTS[host.type]).axis != 1:
        return f"the axis of '{host.name}' is not 1"
    norm, scale = layer.batch_norm_param, layer.scale_param
    if (
        layer.type == "BatchNorm"
        and norm.HasField("use_global_stats")
        and not norm.use_global_stats
    ):
        return "it uses the statistics of the batch"
    if layer.type == "Scale" and (scale.axis, scale.num_axes) != (1, 1):
        return "its factor is not one number per channel"
    return host


def _affine(
    layer: LayerParameter, blobs: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray | float]:
    """Factor and offset of each channel. Caffe: batch_norm_layer.cpp, scale_layer.cpp."""
    first, *rest = (np.asarray(blob, np.float64) for blob in blobs)
    if layer.type == "Scale":
        return first, rest[0] if rest else 0.0
    variance, count = rest
    mean, variance = (x / count if count else 0 * x for x in (first, variance))
    factor = 1 / np.sqrt(variance + layer.batch_norm_param.eps)
    return factor, -mean * factor


def _scaled(
    host: LayerParameter,
    blobs: Sequence[np.ndarray],
    factor: np.ndarray,
    offset: np.ndarray | float,
) -> list[np.ndarray]:
    """Weights and bias of a layer with a factor and an offset after it; gives it a bias."""
    weights, *bias = (np.asarray(blob, np.float64) for blob in blobs)
    rows_last = host.inner_product_param.transpose  # false in a convolution
    factors = factor if rows_last else factor.reshape(-1, *[1] * (weights.ndim - 1))
    getattr(host, _HOSTS[host.type]).ClearField("bias_term")
    offset = (bias[0] if bias else 0.0) * factor + offset
    return [(weights * factors).astype(np.float32), offset.astype(np.float32)]
