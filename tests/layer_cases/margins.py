"""Rows of classifiers with margins, and of products and distances with unit rows."""

from __future__ import annotations

import math

import numpy as np

from .. import reference as ref
from ..cases import LayerCase, labels

X, LABEL = (6, 4), labels((6,), 3)
COSINES = np.random.default_rng(8).uniform(-0.95, 0.95, (6, 3))
ANGLES = np.random.default_rng(9).uniform(0.1, 3, (6, 3))
STEEP = np.array([[-0.99, 0.2], [0.3, 0.99], [0.9, -0.5]])  # angles near 0 and pi


def units(w, eps=0.0):
    return np.stack([row / math.sqrt(row @ row + eps) for row in w])


def distances(x, w, power=2):
    rows = x.reshape(len(x), -1)
    return np.array([[(np.abs(row - center) ** power).sum() for center in w] for row in rows])


def monotone(cosine, m):
    """cos(m t), turned over and shifted so that it falls from 1 to 1 - 2 m."""
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    part = min(int(m * angle / math.pi), m - 1)
    return (-1) ** part * math.cos(m * angle) - 2 * part


def margin_scores(x, label, w, m, strength=1.0):
    rows = x.reshape(len(x), -1)
    y = rows @ w.T
    for i, true in enumerate(label.ravel().astype(int)):
        both = math.sqrt(rows[i] @ rows[i]) * math.sqrt(w[true] @ w[true])
        own = both * monotone(y[i, true] / both, m)
        y[i, true] = (own + strength * y[i, true]) / (1 + strength)
    return y


def of_label(x, label, change):
    y = x.copy()
    for i, true in enumerate(label.ravel().astype(int)):
        y[i, true] = change(x[i, true])
    return y


def softmax_rows(x, label):
    """(softmax, its value for the label) of each row."""
    p = ref.softmax(x)
    return p, p[np.arange(len(x)), label.ravel().astype(int)]


def focal(x, label, weight, norm):
    p, own = softmax_rows(x, label)
    return np.array(-(weight(own) * np.log(own)).sum() / norm), p


# fmt: off
CASES = [
    LayerCase(f"{kind}InnerProduct", f"{message} {{ num_output: 3 {fields} }}", [x, LABEL], tops,
        want, [(3, k)], smooth=smooth)
    for kind, message, smooth, rows in (
        ("LargeMargin", "largemargin_inner_product_param", None, lambda w: w),
        ("Margin", "margin_inner_product_param", (), units),
    )
    for fields, x, k, tops, want in (
        ("", X, 4, [(6, 3)], lambda x, y, w, rows=rows: margin_scores(x, y, rows(w), 1)),
        ("type: DOUBLE", X, 4, [(6, 3)], lambda x, y, w, rows=rows:
            margin_scores(x, y, rows(w), 2)),
        ("type: TRIPLE base: 1000 gamma: 0.5 power: 2 iteration: 9 lambda_min: 5", (6, 2, 2), 4,
            [(6, 3), (1,)], lambda x, y, w, rows=rows: (
                margin_scores(x, y, rows(w), 3, 1000 / 36), np.array([1000 / 36]))),
        ("type: QUADRUPLE base: 2 gamma: 1 lambda_min: 1.5", X, 4, [(6, 3), (1,)],
            lambda x, y, w, rows=rows: (
                margin_scores(x, y, rows(w), 4, 1.5), np.array([1.5]))),
        ("type: QUADRUPLE", X, 4, [(6, 3)],
            lambda x, y, w, rows=rows: margin_scores(x, y, rows(w), 4)),
    )
] + [
    LayerCase("LargeMarginInnerProduct", "largemargin_inner_product_param { type: DOUBLE }",
        [X, LABEL, (3, 4)], [(6, 3)], lambda x, y, w: margin_scores(x, y, w, 2)),
    LayerCase("LargeMarginInnerProduct", "largemargin_inner_product_param { num_output: 2 "
        "type: TRIPLE }", [STEEP, labels((3,), 2)], [(3, 2)],
        lambda x, y, w: margin_scores(x, y, w, 3), [(2, 2)], smooth=()),
] + [
    LayerCase("InnerProduct", f"inner_product_param {{ {fields} }}", bottoms, [(6, 3)], want, blobs,
        smooth=smooth, dialect="happynear")
    for fields, bottoms, blobs, want, smooth in (
        ("num_output: 3 normalize: true", [X], [(3, 4), (3,)],
            lambda x, w, b: x @ units(w).T + b, ()),
        ("num_output: 3 normalize: true bias_term: false", [(6, 2, 2)], [(3, 4)],
            lambda x, w: x.reshape(6, 4) @ units(w).T, ()),
        ("num_output: 3 transpose: true", [X], [(4, 3), (3,)], lambda x, w, b: x @ w + b, None),
        ("normalize: true", [X, (3, 4)], [(3,)], lambda x, w, b: x @ w.T + b, None),
        ("bias_term: false", [X, (3, 2, 2)], [], lambda x, w: x @ w.reshape(3, 4).T, None),
        ("", [X, (3, 4), (3, 1)], [], lambda x, w, b: x @ w.T + b.ravel(), None),
        ("bias_term: false", [X, (3, 4), (3,)], [], lambda x, w, b: x @ w.T, None),
    )
] + [
    LayerCase("InnerDistance", f"inner_distance_param {{ {fields} }}", bottoms, [(6, 3)], want,
        blobs, smooth=smooth)
    for fields, bottoms, blobs, want, smooth in (
        ("num_output: 3", [X], [(3, 4)], distances, None),
        ("num_output: 3 distance_type: 'L1'", [(6, 2, 2)], [(3, 4)],
            lambda x, w: distances(x, w, 1), None),
        ("num_output: 3 normalize: true", [X], [(3, 4)], lambda x, w: distances(x, units(w)), ()),
        ("", [X, (3, 4)], [], distances, None),
        ("num_output: 3 update_center_only: true", [X, LABEL], [(3, 4)],
            lambda x, y, w: distances(x, w), ()),
        ("update_center_only: true distance_type: 'L1'", [X, (3, 2, 2), LABEL], [],
            lambda x, w, y: distances(x, w.reshape(3, 4), 1), ()),
    )
] + [
    LayerCase("LabelSpecificAdd", f"label_specific_add_param {{ {fields} }}", [(6, 3), LABEL], tops,
        lambda x, y, b=bias, tops=tops: (
            of_label(x, y, lambda s: s + b if s > -b else s), np.array([b]))[: len(tops)],
        phases=("TRAIN",))
    for fields, tops, bias in (
        ("bias: -0.35", [(6, 3)], -0.35),
        ("bias_base: -1 bias_gamma: -0.1 bias_power: 2 bias_min: -0.5 iteration: 1",
            [(6, 3), (1,)], -0.5),
        ("bias_base: -1 bias_gamma: 0.5 bias_min: -1 bias_max: 0 iteration: 3",
            [(6, 3), (1,)], 0.0),
        ("bias_base: -1 bias_gamma: 0.25 bias_min: -1 bias_max: 0 iteration: 3",
            [(6, 3), (1,)], -0.25),
    )
] + [
    LayerCase("LabelSpecificAdd", "label_specific_add_param { bias: -0.35 transform_test: true }",
        [(6, 3), LABEL], [(6, 3), (1,)], lambda x, y: (x, np.zeros(1)), phases=("TEST",)),
] + [
    LayerCase("LabelSpecificMargin", f"label_specific_margin_param {{ {fields} }}",
        [COSINES, LABEL], tops, want, smooth=(), phases=phases)
    for fields, tops, phases, want in (
        ("margin_base: 20 gamma: 0", [(6, 3)], ("TRAIN",), lambda x, y:
            of_label(x, y, lambda c: math.cos(math.acos(c) + math.radians(20)))),
        ("margin_base: 5 gamma: 0.5 power: 2 iteration: 2 margin_max: 7", [(6, 3), (1,)],
            ("TRAIN",), lambda x, y: (of_label(
                x, y, lambda c: math.cos(math.acos(c) + math.radians(7))), np.array([7]))),
        ("type: SOFT margin_base: 1.2 gamma: 0", [(6, 3), (1,)], ("TRAIN",), lambda x, y: (of_label(
            x, y, lambda c: math.cos(1.2 * min(math.acos(c), math.pi - 1e-4) if
                1.2 * math.acos(c) <= math.pi - 1e-4 else 1.2 * (math.pi - 1e-4))),
            np.array([1.2]))),
        ("margin_base: 0 gamma: 0 auto_tune: true", [(6, 3), (3,)], ("TRAIN",),
            lambda x, y: tuned(x, y)),
        ("margin_base: 20 margin_on_test: true", [(6, 3)], ("TEST",), lambda x, y: x),
    )
] + [
    LayerCase("LabelSpecificMargin", "", [COSINES, LABEL, np.array([30.0])], [(6, 3), (1,)],
        lambda x, y, m: (of_label(x, y, lambda c: math.cos(math.acos(c) + math.radians(30))), m),
        smooth=(), phases=("TRAIN",)),
] + [
    LayerCase("LabelSpecificAffine", f"label_specific_affine_param {{ {fields} }}",
        [ANGLES, LABEL], [(6, 3), (3,)], lambda x, y, a=a, b=b, q=q: (of_label(
            x, y, lambda t: min(a * t**q * math.pi ** (1 - q) + math.radians(b), math.pi - 1e-4)),
            np.array([a, b, q])), phases=("TRAIN",), smooth=smooth)
    for fields, a, b, q, smooth in (
        ("", 1, 0, 1, None),
        ("scale_base: 0.9 bias_base: 5 bias_max: 8 power_base: 0.8", 0.9, 5, 0.8, None),
        ("scale_base: 1.5 scale_gamma: 1 scale_max: 2 iteration: 4 bias_gamma: 1 bias_max: 3 "
            "power_gamma: 1", 2, 3, 0.5, ()),
    )
] + [
    LayerCase("LabelSpecificAffine", "", [ANGLES, LABEL], [(6, 3), (3,)],
        lambda x, y: (x, np.array([1, 0, 1])), phases=("TEST",)),
] + [
    LayerCase("FocalLoss", fields, [(5, 4), labels((5,), 4)], tops,
        lambda x, y, w=weight, n=norm, tops=tops: focal(x, y, w, n)[: len(tops)], smooth=smooth,
        dialect=dialect)
    for dialect, fields, tops, weight, norm, smooth in (
        ("focal-loss", "", [()], lambda p: 0.25 * (1 - p) ** 2, 5, None),
        ("focal-loss", "focal_loss_param { gamma: 0 alpha: 0.75 }", [(), (5, 4)],
            lambda p: 0.75, 5, (0,)),
        ("focal-loss", "focal_loss_param { gamma: 1.5 type: LINEAR } "
            "loss_param { normalization: NONE }", [()], lambda p: 0.25 * (1 - p) ** 1.5, 1, None),
        ("happynear", "", [()], lambda p: (1 - p) ** 2, 5, None),
        ("happynear", "focal_loss_param { type: ONEADDP gamma: 3 } "
            "loss_param { normalize: false }", [(), (5, 4)], lambda p: (1 + p) ** 3, 5, (0,)),
        ("happynear", "focal_loss_param { alpha: 1.5 gamma: 0.5 }", [()],
            lambda p: (1.5 - p) ** 0.5, 5, ()),
    )
] + [
    LayerCase("FocalLoss", "loss_param { ignore_label: 1 } focal_loss_param { alpha: 1 }",
        [(2, 3, 4), labels((2, 4), 3)], [()], lambda x, y: focal_of_positions(x, y, 1)),
    LayerCase("Arccos", "", [COSINES], [(6, 3)], np.arccos),
    LayerCase("Arccos", "", [np.array([1.5, -1.0])], [(2,)],
        lambda x: np.arccos(np.array([1 - 1e-4, 1e-4 - 1])), smooth=()),
]
# fmt: on


def tuned(x, label):
    """The margin that auto_tune finds in the first pass."""
    angles = np.degrees(np.arccos(x))
    true = np.zeros(x.shape, bool)
    true[np.arange(len(x)), label.ravel().astype(int)] = True
    near, far = angles[true].mean(), angles[~true].mean()
    margin = (far - near) / 2
    y = of_label(x, label, lambda c: math.cos(math.acos(c) + math.radians(margin)))
    return y, np.array([margin, near, far])


def focal_of_positions(x, label, ignore):
    counted = ref.positions(ref.softmax(x), label, 1, ignore)
    return np.array(-sum((1 - p[y]) ** 2 * math.log(p[y]) for p, y in counted) / len(counted))
