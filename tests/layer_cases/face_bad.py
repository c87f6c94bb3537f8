"""What layers for faces refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, SECOND, Bad

NO_CLASSES = "num_output, the number of classes, must be greater than 0, got 0"
ONE_SHAPE = "the three bottoms must be of one shape with a batch axis:"

# fmt: off
BAD = [
    Bad("CenterLoss", f"center_loss_param {{ {fields} }}", [(2, 3), (2,)], message, hint=hint)
    for fields, message, hint in (
        ("num_output: ^0", NO_CLASSES, None),
        ("num_output: 2 axis: ^0", "axis must be 1, the one after the examples, got 0", None),
        ("num_output: 2 axis: ^2", "axis 2 out of range for 2-D Blob with shape 2 x 3", None),
        ("num_output: 2 distance_type: ^'L1'", "Unknown distance type: L1 (known types: L2)", None),
        ("num_output: 2 ^center_filler { type: 'xaver' }", "Unknown filler name: xaver",
            "did you mean 'xavier'?"),
    )
] + [
    Bad("CenterLoss", "^center_loss_param { }", [(2, 3), (2,)], NO_CLASSES),
    Bad("CenterLoss", "center_loss_param { num_output: 2 }", [(2, 3), (2, 2)],
        "bottom[1] must be 2 x 1 x 1 x 1, one number per example: 'x1' is 2 x 2", SECOND),
    Bad("CenterLoss", "center_loss_param { num_output: 2 }", [(2, 3), (3,)],
        "The data and label should have the same first dimension: bottom[0] 'x0' is 2 x 3, "
        "bottom[1] 'x1' is 3.", SECOND),
    Bad("TripletLoss", "", [(2, 3), (2, 3), (2, 4)],
        f"{ONE_SHAPE} bottom[0] is 2 x 3, bottom[2] is 2 x 4", "'x2'"),
    Bad("TripletLoss", "", [()] * 3, f"{ONE_SHAPE} bottom[0] is (), bottom[0] is ()", FIRST),
    Bad("Normalize", "normalize_param { normalize_type: ^'L3' }", [(2, 3)],
        "Unknown normalize type: L3 (known types: L1, L2)"),
    Bad("Normalize", "normalize_param { bp_norm: true }", [(5,)],
        "the axes of bottom 'x0' must be 2 to 4, it is 5", FIRST),
]
# fmt: on
