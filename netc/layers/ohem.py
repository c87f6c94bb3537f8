"""Online mining of hard examples: losses that tell each region's share, and what picks regions."""

from __future__ import annotations

import math

from netc.layers.base import Layer, LayerDef, dims, register, stateless
from netc.layers.distance import check_count, huber
from netc.layers.loss import check_first_axis, normalization, normalizer
from netc.lazy import jnp, lax


@register(
    "SmoothL1LossOHEM",
    bottoms=(2, 3),
    tops=(1, 2),
    no_gradient=(2,),
    fields=("loss_param.pre_fixed_normalizer",),
)
def smooth_l1_loss_ohem(d: LayerDef) -> Layer:
    """Huber's loss of w (a - b), and each region's share: (N, C, H, W) -> (), (N, 1, H, W).

    f(e) = e^2 / 2 where |e| < 1, |e| - 1/2 elsewhere, summed; the divisor is N under BATCH_SIZE,
    N H W under FULL and VALID. The first top has no default loss_weight. The gradient goes to a
    and b, none to w. R-FCN: smooth_L1_loss_ohem_layer.
    """
    check_first_axis(d)
    for i in range(1, len(d.bottoms)):
        check_count(d, i, "Inputs must have the same dimension")
    shape = d.bottoms[0].shape
    inner = math.prod(shape[2:])
    norm = normalizer(d, normalization(d), shape[0], inner)
    top = (shape[0], 1, *(*shape[2:], 1, 1)[:2])

    def forward(blobs, x, y, *weights):
        error = x - y.reshape(shape)
        for w in weights:
            error = lax.stop_gradient(w).reshape(shape) * error
        each = huber(error)
        channels = lax.stop_gradient(each).reshape(shape[0], math.prod(shape[1:2]), inner)
        share = channels.sum(1).reshape(top)
        return (each.sum() / norm(float(shape[0] * inner)), share)[: d.tops]

    return stateless(forward)


@register(
    "BoxAnnotatorOHEM",
    bottoms=4,
    tops=2,
    no_gradient=(0, 1, 2, 3),
    fields=("box_annotator_ohem_param",),
)
def box_annotator_ohem(d: LayerDef) -> Layer:
    """Keep the roi_per_img regions of each image whose loss is greatest.

    Regions (N, 5[, H, W]), loss, label (N, 1[, H, W]), weights (N, C[, H, W]) -> label and
    weights, of the other regions ignore_label and 0. R-FCN: box_annotator_ohem_layer.cu.
    """
    p, shapes = d.param.box_annotator_ohem_param, [b.shape for b in d.bottoms]
    if p.roi_per_img == 0:
        d.fail(
            f"roi_per_img must be > 0, got {p.roi_per_img}",
            "roi_per_img" if p.HasField("roi_per_img") else "box_annotator_ohem_param",
        )
    first = (*shapes[0], 1, 1)[:4]
    count, inner = first[0], math.prod(first[2:])
    channels = shapes[3][1] if len(shapes[3]) > 1 else 1
    for i, c in enumerate((5, 1, 1, channels)):
        if shapes[i][:1] != (count,) or math.prod(shapes[i]) != count * c * inner:
            d.fail(
                f"bottom[{i}] '{d.param.bottom[i]}' must be {dims((count, c, *first[2:]))}, got "
                f"{dims(shapes[i])}",
                "bottom",
                i,
            )

    def forward(blobs, *bottoms):
        rois, loss, label, weights = (lax.stop_gradient(b) for b in bottoms)
        image = rois.reshape(count, 5, inner)[:, 0].ravel()
        loss = loss.ravel()
        order = jnp.lexsort((-loss, image))
        place = jnp.arange(len(order))
        new = jnp.diff(image[order], prepend=jnp.nan) != 0
        start = lax.cummax(jnp.where(new, place, 0))
        kept = jnp.zeros(len(order), bool).at[order].set(place - start < p.roi_per_img)
        kept = kept.reshape(count, 1, *first[2:])
        label = jnp.where(kept, label.reshape(kept.shape), p.ignore_label)
        weights = weights.reshape(count, channels, *first[2:])
        return label.astype(bottoms[2].dtype), jnp.where(kept, weights, 0)

    return stateless(forward)
