"""What losses refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, LABELS, LAYER, SECOND, Bad

THIRD = "'x2'"
APART = (
    "The data and label should have the same first dimension: bottom[0] 'x0' is {}, bottom[1] "
    "'x1' is {}."
)
ONE_EACH = "bottom[{0}] must be 4 x 1 x 1 x 1, one number per example: 'x{0}' is {1}"

# fmt: off
BAD: list[Bad] = [
    Bad(type, fields, bottoms, message, at)
    for type, fields, bottoms, message, at in (
        ("SoftmaxWithLoss", "loss_param { class_weight: 1 class_weight: ^2 }", [(4, 3), (4,)],
            "class_weight must be given once per class: 2 weights, 3 classes", ""),
        ("SoftmaxWithLoss", "loss_param { class_weight: 1 class_weight: ^-2 class_weight: 1 }",
            [(4, 3), (4,)], "class_weight must be finite and not negative, got -2", ""),
        ("SoftmaxWithLoss", "loss_param { class_weight: 1 class_weight: ^inf class_weight: 1 }",
            [(4, 3), (4,)], "class_weight must be finite and not negative, got inf", ""),
        ("SoftmaxWithLoss", "loss_param { weight_by_label_freqs: true class_weight: ^1 }",
            [(4, 1), (4,)], "class_weight and weight_by_label_freqs exclude each other", ""),
        ("SoftmaxWithLoss", "loss_param { weight_by_label_freqs: ^true }", [(4, 2), (4,)],
            "class_weighting must be given once per class: 0 weights, 2 classes", ""),
        ("SoftmaxWithLoss", "loss_param { label_smoothing: ^1.5 }", [(4, 2), (4,)],
            "label_smoothing must be in [0, 1], got 1.5", ""),
        ("SoftmaxWithLoss", "loss_param { focal_gamma: ^-1 }", [(4, 2), (4,)],
            "focal_gamma must not be negative, got -1", ""),
        ("SoftmaxWithLoss", "", [(4, 2, 3), (4, 3), (3,)],
            "the weights must be one per position (12) or one per example (4): bottom[2] 'x2' is 3",
            THIRD),
        ("MultinomialLogisticLoss", "", [(4, 3), (3,)], APART.format("4 x 3", "3"), SECOND),
        ("MultinomialLogisticLoss", "", [(4, 3), (4, 2)], ONE_EACH.format(1, "4 x 2"), SECOND),
        ("MultinomialLogisticLoss", "", [(4, 3), (4, 1, 1, 1, 1)],
            ONE_EACH.format(1, "4 x 1 x 1 x 1 x 1"), SECOND),
        ("HingeLoss", "", [(4, 3), (3,)], APART.format("4 x 3", "3"), SECOND),
        ("HingeLoss", "", [(4, 3), (4, 3)], ONE_EACH.format(1, "4 x 3"), SECOND),
        ("InfogainLoss", "", [(4, 3), (3,), (9,)], APART.format("4 x 3", "3"), SECOND),
        ("InfogainLoss", "infogain_loss_param { axis: ^2 }", [(4, 3), (4,), (9,)],
            "axis 2 out of range for 2-D Blob with shape 4 x 3", ""),
        ("InfogainLoss", "", [(4, 3, 2), (4,), (9,)],
            LABELS.format("infogain", "4 x 3 x 2", 8, "4"), SECOND),
        ("InfogainLoss", "", [(4, 3), (4,), (3, 2)],
            "the infogain matrix must be 3 x 3 for 3 classes, got 3 x 2", THIRD),
        ("InfogainLoss", "loss_param { normalize: ^true }", [(4, 3), (4,), (9,)],
            'normalize is deprecated. use "normalization"', ""),
        ("SigmoidCrossEntropyLoss", "", [(4, 3), (3, 4)], APART.format("4 x 3", "3 x 4"), SECOND),
        ("SigmoidCrossEntropyLoss", "", [(4, 3), (4, 2)],
            "SIGMOID_CROSS_ENTROPY_LOSS layer inputs must have the same count: 'x0' is 4 x 3, 'x1' "
            "is 4 x 2.", SECOND),
        ("ContrastiveLoss", "", [(4, 3), (3, 3), (4,)], APART.format("4 x 3", "3 x 3"), SECOND),
        ("ContrastiveLoss", "", [(4, 3), (4, 2), (4,)],
            "the features must have the same number of channels: bottom[0] 'x0' has 3, bottom[1] "
            "'x1' has 2", SECOND),
        ("ContrastiveLoss", "", [(4, 3, 2), (4, 3), (4,)],
            "features must be N x C x 1 x 1: bottom[0] 'x0' is 4 x 3 x 2", FIRST),
        ("ContrastiveLoss", "", [(4, 3), (4, 3, 1, 2), (4,)],
            "features must be N x C x 1 x 1: bottom[1] 'x1' is 4 x 3 x 1 x 2", SECOND),
        ("ContrastiveLoss", "", [(4, 3), (4, 3), (4, 2)], ONE_EACH.format(2, "4 x 2"), THIRD),
        ("ContrastiveLoss", "", [(4, 3), (4, 3), (3,)], ONE_EACH.format(2, "3"), THIRD),
        ("SmoothL1Loss", "", [(4, 3), (3, 4)], APART.format("4 x 3", "3 x 4"), SECOND),
        ("SmoothL1Loss", "", [(4, 3), (4, 3), (4,)],
            "Inputs must have the same dimension: 'x0' is 4 x 3, 'x2' is 4.", THIRD),
        ("SmoothL1Loss", "smooth_l1_loss_param { sigma: ^0 }", [(4, 3)] * 2,
            "sigma must be greater than 0, got 0", ""),
        ("L1Loss", "", [(4, 3), (4, 2)],
            "Inputs must have the same dimension: 'x0' is 4 x 3, 'x1' is 4 x 2.", SECOND),
        ("L1Loss", "", [()], "bottom 'x0' has no batch axis", FIRST),
        ("L1Loss", "l1_loss_param { l2_per_location: ^true }", [(4,)],
            "l2_per_location needs a channel axis, 'x0' is 4", ""),
        ("L1Loss", "l1_loss_param { normalize_by_num_entries: ^true }", [(4,)],
            "normalize_by_num_entries needs a channel axis, 'x0' is 4", ""),
    )
] + [
    Bad("InfogainLoss", fields, [(4, 3), (4,)], "Infogain matrix source must be specified.", at,
        "source: a binaryproto file, or a third bottom")
    for fields, at in (("", LAYER), ("^infogain_loss_param { axis: 1 }", ""))
]
# fmt: on
