"""Rows of random fields, of filters that stop at edges, and of learning from image labels."""

from __future__ import annotations

import numpy as np

from ..cases import LayerCase, labels
from . import crf_reference as ref

X = (2, 3, 4, 5)
IMAGE = np.random.default_rng(7).integers(0, 256, X)
WHOLE = np.full((2, 1, 1, 2), [4, 5])
PARTS = np.array([[3, 5], [9, 4]]).reshape(2, 1, 1, 2)
FIELD = "num_iterations: 3 theta_alpha: 1.9 theta_beta: 37 theta_gamma: 1.3"
WEIGHTS = [(1, 1, 3, 3)] * 3
EDGES = np.random.default_rng(4).uniform(0, 2, (2, 1, 4, 5))
LISTS = np.array([[0, 2, -1], [1, -1, -1]]).reshape(2, 3, 1, 1)
MAP = labels((2, 1, 4, 5), 3)


def field(unary, first, image, *weights):
    return ref.meanfield(unary, first, image, *weights, steps=3, alpha=1.9, beta=37, gamma=1.3)


def biased(x, lists, ground=1.0, other=2.0, ignored=(-1,)):
    y = x.copy()
    for n, found in enumerate(lists.reshape(len(x), -1).astype(int)):
        for label in found:
            if label not in ignored:
                y[n, label] += other if label else ground
    return y


def biased_pixels(x, label, *, ground=None, low=1.0, high=2.0, ignored=(-1,)):
    y = x.copy()
    for n, h, w in np.ndindex(len(x), *x.shape[2:]):
        own = int(label[n, 0, h, w])
        if own in ignored:
            continue
        if ground is not None:
            y[n, ground, h, w] += low
        if own != ground:
            y[n, own, h, w] += high
    return y


def adapted(x, lists, *, times=1, low=0.2, high=0.2, margin=1e-5):
    """margin None: others stay. Of the labels but 0 there is at most one, so order is no matter."""
    y = x.copy()
    for n, found in enumerate(lists.reshape(len(x), -1).astype(int)):
        found = [label for label in found if label >= 0]
        if not found:
            continue
        bound = y[n, found].min(0)
        for c in set(range(x.shape[1])) - set(found) if margin is not None else ():
            y[n, c] = np.where(y[n, c] > bound, bound - margin, y[n, c])
        before = y[n, found].max(0).mean()
        for _ in range(times):
            for c in found:
                ahead = np.sort((y[n, found].max(0) - y[n, c]).ravel())
                y[n, c] += ahead[int(np.float32(low if c == 0 else high) * np.float32(ahead.size))]
        y[n] += before - y[n, found].max(0).mean()
    return y


def different(label, room, *, ignored=(), forced=()):
    y = np.full((len(label), room, 1, 1), -1.0)
    for n, one in enumerate(label):
        found = sorted({*one.ravel().tolist()} - {*ignored} | {*forced})[:room]
        y[n, : len(found), 0, 0] = found
    return y


# fmt: off
CASES = [
    LayerCase("MultiStageMeanfield", f"multi_stage_meanfield_param {{ {FIELD} {fields} }}",
        [x, x, image], [x], want, [(1, 1, x[1], x[1])] * 3)
    for fields, x, image, want in (
        ("spatial_filter_weight: 3 bilateral_filter_weight: 5", X, IMAGE, field),
        ("compatibility_mode: POTTS threshold: 2 spatial_filter_weights_str: '3 2 1' "
            "bilateral_filter_weights_str: '1 2 3'", X, IMAGE, field),
        ("", (1, 2, 3, 3), IMAGE[:1, :, :3, :3], field),
    )
] + [
    LayerCase("DenseCRF", f"dense_crf_param {{ {fields} }}", bottoms, [X], want, smooth=())
    for fields, bottoms, want in (
        ("max_iter: 2 pos_w: 3 pos_xy_std: 1.3 bi_w: 4 bi_xy_std: 1.9 bi_rgb_std: 37",
            [X, WHOLE, IMAGE], lambda x, size, image: ref.dense_crf(
                x, size, image, steps=2, near=[(3, 1.3)], like=[(4, 1.9, 37)])),
        ("max_iter: 1 bi_w: 4 bi_xy_std: 1.9 bi_rgb_std: 37 bi_w: 1 bi_xy_std: 1.1 bi_rgb_std: 90 "
            "output_probability: false", [X, PARTS, IMAGE], lambda x, size, image: ref.dense_crf(
                x, size, image, steps=1, like=[(4, 1.9, 37), (1, 1.1, 90)], log=True)),
        ("max_iter: 3 pos_w: 2 pos_xy_std: 0.9", [X, PARTS],
            lambda x, size: ref.dense_crf(x, size, steps=3, near=[(2, 0.9)])),
        ("max_iter: 0", [X, PARTS], lambda x, size: ref.dense_crf(x, size, steps=0)),
    )
] + [
    LayerCase(kind, f"domain_transform_param {{ {fields} }}", [X, EDGES, size], [X], want,
        smooth=smooth)
    for kind, fields, size, want, smooth in (
        ("DomainTransform", "", WHOLE, ref.swept, None),
        ("DomainTransform", "num_iter: 2 spatial_sigma: 4 range_sigma: 1",
            np.array([[3, 5], [4, 2]]).reshape(2, 1, 1, 2), lambda x, g, size:
            ref.swept(x, g, size, times=2, spatial=4, spread=1), None),
        ("DomainTransform", "num_iter: 1 spatial_sigma: 4 range_sigma: 1 min_weight: 0.2", WHOLE,
            lambda x, g, size: ref.swept(x, g, size, times=1, spatial=4, spread=1, least=0.2), ()),
    )
] + [
    LayerCase("DomainTransformForwardOnly", "domain_transform_param { num_iter: 2 "
        "spatial_sigma: 4 range_sigma: 1 }", [X, EDGES - 0.5, WHOLE], [X], lambda x, g, size:
        ref.swept(x, g, size, times=2, spatial=4, spread=1, least=None), smooth=()),
] + [
    LayerCase("BiasChannel", f"bias_channel_param {{ {fields} }}", [X, label], [X], want)
    for fields, label, want in (
        ("", LISTS, biased),
        ("bg_bias: 3 fg_bias: 0.5 ignore_label: 1", np.array([[0, 2, 2], [1, 1, -1]]),
            lambda x, y: biased(x, y, 3, 0.5, (-1, 1))),
        ("label_type: PIXEL", MAP, biased_pixels),
        ("label_type: PIXEL bg_bias: 3 ignore_label: 255", np.where(MAP == 1, 255, MAP),
            lambda x, y: biased_pixels(x, y, ground=0, low=3, ignored=(-1, 255))),
        ("label_type: PIXEL background_label: 2 fg_bias: 0", np.where(MAP == 1, -1, MAP),
            lambda x, y: biased_pixels(x, y, ground=2, high=0)),
    )
] + [
    LayerCase("AdaptiveBiasChannel", f"adaptive_bias_channel_param {{ {fields} }}", [X, LISTS], [X],
        want, smooth=())
    for fields, want in (
        ("", adapted),
        ("num_iter: 3 bg_portion: 0.7 fg_portion: 1 suppress_others: false",
            lambda x, y: adapted(x, y, times=3, low=0.7, high=0.95, margin=None)),
        ("bg_portion: 0 margin_others: 0.5", lambda x, y: adapted(x, y, low=0, margin=0.5)),
    )
] + [
    LayerCase("AdaptiveBiasChannel", "", [X, np.full((2, 1), -1)], [X], lambda x, y: x, smooth=()),
    LayerCase("SpatialProduct", "", [X, (2, 1, 4, 5)], [X], lambda x, y: x * y),
] + [
    LayerCase("UniqueLabel", f"unique_label_param {{ {fields} }}", [MAP], [(2, room, 1, 1)],
        lambda x, room=room, more=more: different(x, room, **more), smooth=())
    for fields, room, more in (
        ("max_labels: 3", 3, {}),
        ("max_labels: 5 ignore_label: 1 ignore_label: 255", 5, {"ignored": (1, 255)}),
        ("max_labels: 4 ignore_label: 0 force_label: 0 force_label: 7", 4,
            {"ignored": (0,), "forced": (0, 7)}),
        ("max_labels: 2", 2, {}),
        ("max_labels: 30", 30, {}),
    )
] + [
    LayerCase("MatWrite", "", [X, (2, 3)], [], lambda x, y: ()),
    LayerCase("MatWrite", "mat_write_param { period: 100 }", [X], [], lambda x: ()),
    LayerCase("MatRead", "mat_read_param { prefix: '../../layer_cases/' "
        "source: '../../layer_cases/names.txt' batch_size: 3 }", [], [(3, 2, 3, 4)]),
]
# fmt: on
