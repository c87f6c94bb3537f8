"""Rows of losses."""

from __future__ import annotations

import numpy as np

from ..cases import LayerCase, labels, positive
from . import loss_reference as ref

HALF = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [1e-30, 0.5, 0.5]])
TARGETS = np.random.default_rng(8).uniform(0, 1, (3, 4))
NAN = np.where(np.arange(24).reshape(2, 2, 3, 2) % 5 == 1, np.nan, positive(2, 2, 3, 2))
GAINS = np.random.default_rng(9).integers(-2, 4, (1, 1, 3, 3))
SHARES = np.array([[0.75, 0.25, 0, 0], [0, 0, 1, 0], [0.25, 0.25, 0.25, 0.25]])  # of classes
WEIGHTS = np.array([[2, 0, 1, 3], [1, 1, 0, 5]])  # integers, so that they have no gradient

# fmt: off
WEIGHTED = [
    LayerCase("SoftmaxWithLoss", f"loss_param {{ {fields} }}", bottoms, [()], want)
    for fields, bottoms, want in (
        ("class_weight: 0.5 class_weight: 2 class_weight: 0", [(4, 3), labels((4,), 3)],
            lambda x, y: ref.weighted_softmax_loss(x, y, by_class=(0.5, 2, 0))),
        ("class_weight: [0.5, 2, 1] ignore_label: 1", [(2, 3, 4), labels((2, 4), 3)],
            lambda x, y: ref.weighted_softmax_loss(x, y, by_class=(0.5, 2, 1), ignore=1)),
        ("class_weight: [0.5, 2, 1] normalization: BATCH_SIZE", [(2, 3, 4), labels((2, 4), 3)],
            lambda x, y: ref.weighted_softmax_loss(x, y, by_class=(0.5, 2, 1), norm="BATCH_SIZE")),
        ("class_weight: [0.5, 2, 1] normalization: FULL", [(2, 3, 4), labels((2, 4), 3)],
            lambda x, y: ref.weighted_softmax_loss(x, y, by_class=(0.5, 2, 1), norm="FULL")),
        ("class_weight: [0, 0, 1]", [(2, 3), np.array([0, 1])], lambda x, y: np.zeros(())),
        ("class_weighting: [0.5, 2, 1] weight_by_label_freqs: true", [(4, 3), labels((4,), 3)],
            lambda x, y: ref.weighted_softmax_loss(
                x, y, by_class=(0.5, 2, 1), count_weights=False)),
        ("class_weighting: [0.5, 2, 1]", [(4, 3), labels((4,), 3)],
            lambda x, y: ref.weighted_softmax_loss(x, y)),
        ("label_smoothing: 0.25", [(4, 3), labels((4,), 3)],
            lambda x, y: ref.weighted_softmax_loss(x, y, smoothing=0.25)),
        ("label_smoothing: 1", [(2, 3, 4), labels((2, 4), 3)],
            lambda x, y: ref.weighted_softmax_loss(x, y, smoothing=1)),
        ("label_smoothing: 0.25 class_weight: [1, 2, 3] ignore_label: 0",
            [(2, 3, 4), labels((2, 4), 3)],
            lambda x, y: ref.weighted_softmax_loss(
                x, y, smoothing=0.25, by_class=(1, 2, 3), ignore=0)),
        ("focal_gamma: 2", [(4, 3), labels((4,), 3)],
            lambda x, y: ref.weighted_softmax_loss(x, y, gamma=2)),
        ("focal_gamma: 0.5 class_weight: [1, 2, 3] label_smoothing: 0.125",
            [(2, 3, 4), labels((2, 4), 3)],
            lambda x, y: ref.weighted_softmax_loss(
                x, y, gamma=0.5, by_class=(1, 2, 3), smoothing=0.125)),
        ("", [(2, 3, 4), labels((2, 4), 3), WEIGHTS], ref.weighted_softmax_loss),
        ("", [(4, 3), labels((4,), 3), np.array([3, 0, 1, 2])], ref.weighted_softmax_loss),
        ("ignore_label: 2", [(2, 3, 4), labels((2, 4), 3), np.array([[2], [1]])],
            lambda x, y, w: ref.weighted_softmax_loss(x, y, np.repeat(w, 4), ignore=2)),
        ("normalization: NONE", [(2, 3, 4), labels((2, 4), 3), WEIGHTS.reshape(2, 1, 2, 2)],
            lambda x, y, w: ref.weighted_softmax_loss(x, y, w, norm="NONE")),
        ("normalization: FULL", [(2, 3, 4), labels((2, 4), 3), WEIGHTS],
            lambda x, y, w: ref.weighted_softmax_loss(x, y, w, norm="FULL")),
        ("class_weight: [1, 2, 3]", [(2, 3, 4), labels((2, 4), 3), WEIGHTS],
            lambda x, y, w: ref.weighted_softmax_loss(x, y, w, by_class=(1, 2, 3))),
        ("normalization: PRE_FIXED pre_fixed_normalizer: 2.5", [(4, 3), labels((4,), 3)],
            lambda x, y: ref.weighted_softmax_loss(x, y, norm=2.5)),
    )
] + [
    LayerCase("SoftmaxWithLoss", "softmax_param { axis: -1 } loss_param { focal_gamma: 1 }",
        [(2, 3, 4), labels((2, 3), 4), np.array([2, 1])], [()],
        lambda x, y, w: ref.weighted_softmax_loss(x, y, np.repeat(w, 3), axis=2, gamma=1)),
    LayerCase("SoftmaxWithLoss", "", [(3, 4), SHARES], [()], ref.weighted_softmax_loss),
    LayerCase("SoftmaxWithLoss",
        """loss_param { class_weight: [1, 2, 3, 4] label_smoothing: 0.125 focal_gamma: 1 }
        softmax_param { axis: 2 }""",
        [(2, 3, 4), SHARES.reshape(1, 3, 4).repeat(2, 0), np.array([2, 1])], [()],
        lambda x, y, w: ref.weighted_softmax_loss(
            x, y, np.repeat(w, 3), axis=2, by_class=(1, 2, 3, 4), smoothing=0.125, gamma=1)),
]

MULTINOMIALS = [
    LayerCase("MultinomialLogisticLoss", "", [positive(4, 5), labels((4,), 5)], [()],
        ref.multinomial_loss),
    LayerCase("MultinomialLogisticLoss", "", [positive(3, 2, 2, 1), labels((3, 1, 1, 1), 4)], [()],
        ref.multinomial_loss),
    LayerCase("MultinomialLogisticLoss", "", [HALF, np.array([0, 2, 0])], [()],
        ref.multinomial_loss, smooth=()),
]

HINGES = [
    LayerCase("HingeLoss", "", [(4, 5), labels((4,), 5)], [()], ref.hinge_loss),
    LayerCase("HingeLoss", "hinge_loss_param { norm: L1 }", [(2, 3, 2), labels((2, 1), 6)], [()],
        ref.hinge_loss),
    LayerCase("HingeLoss", "hinge_loss_param { norm: L2 }", [(4, 5), labels((4, 1, 1, 1), 5)],
        [()], lambda x, y: ref.hinge_loss(x, y, 2)),
]

INFOGAINS = [
    LayerCase("InfogainLoss", fields, [x, label, gains], [()], want)
    for fields, x, label, gains, want in (
        ("", (4, 3), labels((4,), 3), GAINS, ref.infogain_loss),
        ("", (4, 3), labels((4, 1, 1, 1), 3), GAINS.reshape(9), ref.infogain_loss),
        ("infogain_loss_param { axis: -1 }", (2, 4, 3), labels((2, 4), 3), GAINS[0, 0],
            lambda x, y, h: ref.infogain_loss(x, y, h, axis=2)),
        ("loss_param { ignore_label: 1 }", (2, 3, 4), labels((2, 4), 3), GAINS,
            lambda x, y, h: ref.infogain_loss(x, y, h, ignore=1)),
        ("loss_param { ignore_label: 255 }", (2, 3), np.array([255, 255]), GAINS,
            lambda x, y, h: np.zeros(())),
        ("loss_param { ignore_label: 1 normalization: FULL }", (2, 3, 4), labels((2, 4), 3), GAINS,
            lambda x, y, h: ref.infogain_loss(x, y, h, ignore=1, norm="FULL")),
        ("loss_param { normalization: BATCH_SIZE }", (2, 3, 4), labels((2, 4), 3), GAINS,
            lambda x, y, h: ref.infogain_loss(x, y, h, norm="BATCH_SIZE")),
        ("loss_param { normalization: NONE }", (2, 3, 4), labels((2, 4), 3), GAINS,
            lambda x, y, h: ref.infogain_loss(x, y, h, norm="NONE")),
    )
] + [
    LayerCase("InfogainLoss", "", [(2, 3, 4), labels((2, 4), 3), GAINS], [(), (2, 3, 4)],
        lambda x, y, h: (ref.infogain_loss(x, y, h), ref.softmax(x)), smooth=(0,)),
    LayerCase("InfogainLoss", "", [np.array([[90.0, 0, 45]]), np.array([1]), GAINS], [()],
        ref.infogain_loss, smooth=()),
]

SIGMOIDS = [
    LayerCase("SigmoidCrossEntropyLoss", fields, [(3, 4), labels((3, 4), 2)], [()], want)
    for fields, want in (
        ("", ref.sigmoid_loss),
        ("loss_param { normalize: true }", lambda x, t: ref.sigmoid_loss(x, t, norm="VALID")),
        ("loss_param { normalize: false }", ref.sigmoid_loss),
        ("loss_param { normalization: FULL }", lambda x, t: ref.sigmoid_loss(x, t, norm="FULL")),
        ("loss_param { normalization: NONE ignore_label: 1 }",
            lambda x, t: ref.sigmoid_loss(x, t, norm="NONE", ignore=1)),
        ("loss_param { normalization: VALID ignore_label: 0 }",
            lambda x, t: ref.sigmoid_loss(x, t, norm="VALID", ignore=0)),
    )
] + [
    LayerCase("SigmoidCrossEntropyLoss", "sigmoid_param { engine: CAFFE }", [(3, 4), TARGETS], [()],
        ref.sigmoid_loss, smooth=()),
    LayerCase("SigmoidCrossEntropyLoss", "loss_param { ignore_label: 0 }", [(3, 4), TARGETS], [()],
        lambda x, t: np.zeros(()), smooth=()),
    LayerCase("SigmoidCrossEntropyLoss", "",
        [np.array([[300.0, -300.0, 0.0], [-300.0, 300.0, 30.0]]),
            np.array([[[1], [0], [1]], [[1], [0], [1]]])], [()], ref.sigmoid_loss, smooth=()),
]

CONTRASTIVES = [
    LayerCase("ContrastiveLoss", f"contrastive_loss_param {{ {fields} }}", [a, b, similar], [()],
        want, smooth=smooth)
    for fields, a, b, similar, want, smooth in (
        ("", (6, 3), (6, 3), labels((6,), 2), ref.contrastive_loss, ()),
        ("margin: 2.5", (6, 3, 1, 1), (6, 3), labels((6, 1, 1, 1), 2),
            lambda a, b, y: ref.contrastive_loss(a, b, y, margin=2.5), ()),
        ("margin: 2.5 legacy_version: true", (6, 3), (6, 3, 1), labels((6, 1), 2),
            lambda a, b, y: ref.contrastive_loss(a, b, y, margin=2.5, legacy=True), None),
        ("", (3, 2), (3, 2), np.array([1, 2, -1]), ref.contrastive_loss, None),
        ("margin: 3", (3, 2), (3, 2), np.array([0.5, -0.9, 1.5]),
            lambda a, b, y: ref.contrastive_loss(a, b, y, margin=3), ()),
        ("", (4,), (4,), labels((4,), 2), ref.contrastive_loss, ()),
    )
]

SMOOTH_L1S = [
    LayerCase("SmoothL1Loss", f"smooth_l1_loss_param {{ {fields} }}", bottoms, [()], want)
    for fields, bottoms, want in (
        ("", [(3, 4), (3, 4)], ref.smooth_l1_loss),
        ("sigma: 3", [(2, 3, 2, 2), (2, 12)],
            lambda a, b: ref.smooth_l1_loss(a, b, sigma=3)),
        ("sigma: 0.5", [(3, 4), (3, 4)], lambda a, b: ref.smooth_l1_loss(a, b, sigma=0.5)),
        ("", [(2, 4), (2, 4), WEIGHTS], ref.smooth_l1_loss),
        ("sigma: 2", [(2, 4), (2, 4), WEIGHTS, WEIGHTS[::-1].copy()],
            lambda a, b, i, o: ref.smooth_l1_loss(a, b, i, o, sigma=2)),
    )
]

L1S = [
    LayerCase("L1Loss", f"l1_loss_param {{ {fields} }}", bottoms, [()], want, smooth=smooth)
    for fields, bottoms, want, smooth in (
        ("", [(3, 4), (3, 4)], ref.l1_loss, None),
        ("", [(3, 4)], ref.l1_loss, None),
        ("", [(2, 3, 2), (2, 6)], ref.l1_loss, None),
        ("plateau: 0.5", [(3, 4), (3, 4)], lambda a, b: ref.l1_loss(a, b, plateau=0.5), None),
        ("normalize_by_num_entries: true", [(2, 2, 3, 2), NAN],
            lambda a, b: ref.l1_loss(a, b, by_entries=True), ()),
        ("l2_per_location: true", [(2, 2, 3, 2)] * 2, ref.end_point_error, None),
        ("l2_per_location: true l2_prescale_by_channels: true epsilon: 0.25", [(2, 3, 2, 2)] * 2,
            lambda a, b: ref.end_point_error(a, b, epsilon=0.25, mean=True), None),
        ("l2_per_location: true plateau: 1 normalize_by_num_entries: true", [(2, 2, 3, 2), NAN],
            lambda a, b: ref.end_point_error(a, b, plateau=1, by_entries=True), ()),
    )
]
# fmt: on

CASES: list[LayerCase] = [
    *WEIGHTED, *MULTINOMIALS, *HINGES, *INFOGAINS, *SIGMOIDS, *CONTRASTIVES, *SMOOTH_L1S, *L1S,
]  # fmt: skip
