"""Pooling of regions of a feature map."""

from __future__ import annotations

from netc import lowering
from netc.layers.base import Layer, LayerDef, dims, register, stateless
from netc.lazy import lax


def _check(d: LayerDef) -> None:
    """The bottoms must be a feature map and regions of 5 numbers."""
    d.check_images()
    shape = d.bottoms[1].shape
    if shape[1:2] != (5,) or any(n != 1 for n in shape[2:]):
        d.fail(
            f"regions must be R x 5: image, x1, y1, x2, y2; '{d.param.bottom[1]}' is {dims(shape)}",
            "bottom",
            1,
        )


@register("ROIPooling", bottoms=2, tops=1, fields=("roi_pooling_param",))
def roi_pooling(d: LayerDef) -> Layer:
    """The maximum of each of pooled_h x pooled_w bins of a region: -> (R, C, pooled_h, pooled_w).

    Of a feature map (N, C, H, W) and regions (R, 5): image, x1, y1, x2, y2 in pixels of the image,
    spatial_scale of them one of the map. Corners are rounded and belong to the region. The
    gradient goes to the first maximum; an empty bin is 0, and so is a region of image -1.
    Fast R-CNN: roi_pooling_layer.cpp.
    """
    _check(d)
    pooled, scale = pooled_size(d), d.param.roi_pooling_param.spatial_scale
    count = d.bottoms[1].shape[0]

    def forward(blobs, x, rois):
        rois = lax.stop_gradient(rois).reshape(count, 5)
        return lowering.rois.max_pool(x, rois, pooled, scale)

    return stateless(forward)


def pooled_size(d: LayerDef) -> tuple[int, int]:
    """Rows and columns of a ROIPooling's bins."""
    p = d.param.roi_pooling_param
    sides = list(p.pooled_size)
    if sides and (len(sides) > 2 or p.HasField("pooled_h") or p.HasField("pooled_w")):
        d.fail("either pooled_size, once or twice, or pooled_h and pooled_w", "pooled_size")
    if sides:
        pooled = sides[0], sides[-1]
    else:
        pooled = p.pooled_h, p.pooled_w
    for field, size in zip(("pooled_h", "pooled_w"), pooled, strict=True):
        if size == 0:
            d.fail(
                f"{field} must be > 0, got {size}",
                next((f for f in (field, "pooled_size") if p.HasField(field)), "roi_pooling_param"),
            )
    return pooled


@register("PSROIPooling", bottoms=2, tops=1, fields=("psroi_pooling_param",))
def psroi_pooling(d: LayerDef) -> Layer:
    """The mean of each of g x g bins of a region, over channels of its own: -> (R, D, g, g).

    Of a feature map (N, D g^2, H, W) and regions (R, 5), D = output_dim, g = group_size: bin
    (i, j) of d is over channel (d g + i) g + j. x1 and y1 are rounded, x2 and y2 rounded plus 1,
    then times spatial_scale. An empty bin is 0, and so is a region of image -1.
    R-FCN: psroi_pooling_layer.cu.
    """
    _check(d)
    p = d.param.psroi_pooling_param
    for field in ("spatial_scale", "output_dim", "group_size"):
        if getattr(p, field) <= 0:
            d.fail(
                f"{field} must be > 0, got {getattr(p, field):g}",
                field if p.HasField(field) else "psroi_pooling_param",
            )
    channels = d.bottoms[0].shape[1]
    if channels != p.output_dim * p.group_size**2:
        d.fail(
            f"input channel number does not match layer parameters: {channels} channels in "
            f"'{d.param.bottom[0]}', output_dim {p.output_dim} x group_size {p.group_size}^2 is "
            f"{p.output_dim * p.group_size**2}",
            "output_dim",
        )
    count = d.bottoms[1].shape[0]

    def forward(blobs, x, rois):
        rois = rois.reshape(count, 5)
        return lowering.rois.position_sensitive(x, rois, p.group_size, p.spatial_scale)

    return stateless(forward)
