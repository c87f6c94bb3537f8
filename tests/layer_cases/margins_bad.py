"""What classifiers with margins refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, LAYER, SECOND, Bad

NONE = "num_output must be greater than 0, got 0"
ONE_EACH = "must be 2 x 1 x 1 x 1, one number per example:"
LABELLED = [(2, 3), (2,)]

# fmt: off
BAD = [
    Bad(f"{kind}InnerProduct", f"{message} {{ {fields} }}", bottoms, text, at)
    for kind, message in (
        ("LargeMargin", "largemargin_inner_product_param"),
        ("Margin", "margin_inner_product_param"),
    )
    for fields, bottoms, text, at in (
        ("num_output: ^0", LABELLED, NONE, ""),
        ("num_output: 2 axis: ^0", [(2, 3), (2,)],
            "axis must be 1, the one after the examples, got 0", ""),
        ("num_output: 2 axis: ^3", LABELLED, "axis 3 out of range for 2-D Blob with shape 2 x 3",
            ""),
        ("num_output: 2", [(2, 3), (3,)], f"bottom[1] {ONE_EACH} 'x1' is 3", SECOND),
        ("num_output: 2 ^weight_filler { type: 'bilinear' }", LABELLED,
            "Blob must be 4 dim. (bilinear filler on (2, 3))", ""),
    )
] + [
    Bad("MarginInnerProduct", "", LABELLED, NONE, LAYER),
    Bad("LargeMarginInnerProduct", "", [*LABELLED, (4, 2)],
        "bottom[2] 'x2' must hold rows of 3 weights, it is 4 x 2", "'x2'"),
    Bad("InnerProduct", "inner_product_param { num_output: 2 normalize: true transpose: ^true }",
        [(2, 3)], "weights of a bottom, and those of normalize, are one row per output"),
    Bad("InnerProduct", "inner_product_param { transpose: ^true }", [(2, 3), (3, 2)],
        "bottom[1] 'x1' must hold rows of 3 weights, it is 3 x 2", SECOND),
    Bad("InnerProduct", "inner_product_param { transpose: ^true }", [(2, 3), (3, 3)],
        "weights of a bottom, and those of normalize, are one row per output"),
    Bad("InnerProduct", "", [(2, 3), (4, 3), (2, 3)],
        "bottom[2] 'x2' must hold 4 numbers, it is 2 x 3", "'x2'"),
    Bad("InnerProduct", "inner_product_param { normalize: true num_output: ^0 }", [(2, 3)], NONE),
    Bad("InnerDistance", "inner_distance_param { num_output: 2 distance_type: ^'L3' }", [(2, 3)],
        "Unknown distance type: L3 (known types: L1, L2)"),
    Bad("InnerDistance", "inner_distance_param { num_output: 2 transpose: ^true }", [(2, 3)],
        "transpose is not carried out"),
    Bad("InnerDistance", "inner_distance_param { num_output: 2 update_center_only: ^true }",
        [(2, 3)], "the labels of update_center_only are the last bottom, there are 1"),
    Bad("InnerDistance", "", [(2, 3), (4, 3), (2,)],
        "the labels of update_center_only are the last bottom, there are 3", "'x2'"),
    Bad("InnerDistance", "inner_distance_param { num_output: 2 update_center_only: true }",
        [(2, 3), (3,)], f"bottom[1] {ONE_EACH} 'x1' is 3", SECOND),
    Bad("InnerDistance", "", [(2, 3), (4, 2)],
        "bottom[1] 'x1' must hold rows of 3 weights, it is 4 x 2", SECOND),
    Bad("InnerDistance", "", [(2, 3)], NONE, LAYER),
    Bad("LabelSpecificAdd", "", [(), ()], "bottom 'x0' has no batch axis", FIRST),
    Bad("LabelSpecificMargin", "", [(2, 3), (2, 3)], f"bottom[1] {ONE_EACH} 'x1' is 2 x 3", SECOND),
    Bad("LabelSpecificMargin", "label_specific_margin_param { reset_margin: ^true }", LABELLED,
        "reset_margin is not carried out"),
    Bad("LabelSpecificMargin", "label_specific_margin_param { pass_bp: ^true }", LABELLED,
        "pass_bp is not carried out"),
] + [
    Bad("LabelSpecificAffine", f"label_specific_affine_param {{ {field}: ^{value} }}", LABELLED,
        f"{field} is not carried out")
    for field, value in (
        ("auto_tune", "true"), ("reset", "true"), ("original_bp", "true"), ("scale_min", "1"),
        ("protect_low_bound", "true"), ("scale_factor", "2"), ("bias_min", "1"), ("power_max", "1"),
    )
] + [
    Bad("FocalLoss", f"focal_loss_param {{ {fields} }}", [(2, 3), (2,)], message, hint=hint,
        dialect=dialect)
    for fields, message, hint, dialect in (
        ("type: ^ONEADDP", "ONEADDP is a type of happynear alone", 'dialect: "happynear"',
            "focal-loss"),
        ("gamma: ^-1", "gamma must be larger than or equal to zero, got -1", None, "focal-loss"),
        ("alpha: ^0", "alpha must be larger than zero, got 0", None, "happynear"),
    )
] + [
    Bad("FocalLoss", "softmax_param { axis: ^2 }", [(2, 3), (2,)],
        "axis 2 out of range for 2-D Blob with shape 2 x 3"),
]
# fmt: on
