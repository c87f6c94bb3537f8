"""Normalisation."""

from __future__ import annotations

from netc import lowering
from netc.layers.base import Layer, LayerDef, dims, register, stateless
from netc.schema import LRNParameter


@register("LRN", bottoms=1, tops=1, in_place=True)
def lrn(d: LayerDef) -> Layer:
    """Divide by the energy of neighbours: (N, C, H, W) -> the same shape, n = local_size.

    ACROSS_CHANNELS: y = x (k + alpha / n sum_{n channels} x^2)^-beta;
    WITHIN_CHANNEL: y = x (1 + alpha mean_{n x n} x^2)^-beta, the mean over n^2 with zeros outside.
    Caffe: lrn_layer.cpp.
    """
    p, shape = d.param.lrn_param, d.bottoms[0].shape
    if p.local_size % 2 == 0:
        d.fail(f"LRN only supports odd values for local_size, got {p.local_size}", "local_size")
    if len(shape) != 4:
        d.fail(
            "Input must have 4 axes, corresponding to (num, channels, height, width); "
            f"bottom '{d.param.bottom[0]}' is {dims(shape)}",
            "bottom",
        )

    def forward(blobs, x, layout="NCHW"):
        common = {"size": p.local_size, "alpha": p.alpha, "beta": p.beta, "layout": layout}
        if p.norm_region == LRNParameter.ACROSS_CHANNELS:
            return lowering.lrn.across_channels(d.plan, x, k=p.k, **common)
        return lowering.lrn.within_channel(d.plan, x, **common)

    return stateless(
        forward,
        channels_last=lambda blobs, x: forward(blobs, x, layout="NHWC"),
        prefers_last=True,
    )
