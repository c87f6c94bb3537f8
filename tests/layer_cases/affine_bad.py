"""What Scale and Bias refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, SECOND, Bad

NOT_NEGATIVE = "num_axes must be non-negative, or -1 to extend to the end of bottom[0], got -2"

# fmt: off
BOTH = [
    Bad(type, f"{field} {{ {fields} }}", bottoms, message.format(blob=field[:-6]), at)
    for type, field in (("Scale", "scale_param"), ("Bias", "bias_param"))
    for fields, bottoms, message, at in (
        ("axis: ^2", [(2, 3)], "axis 2 out of range for 2-D Blob with shape 2 x 3", ""),
        ("axis: ^-3", [(2, 3)], "axis -3 out of range for 2-D Blob with shape 2 x 3", ""),
        ("axis: ^3 num_axes: 0", [(2, 3)], "axis 3 out of range for 2-D Blob with shape 2 x 3",
            ""),
        ("num_axes: ^-2", [(2, 3)], NOT_NEGATIVE, ""),
        ("axis: 1 num_axes: ^2", [(2, 3)],
            "{blob} blob's shape extends past bottom[0]'s shape when applied starting with "
            "bottom[0] axis = 1: 2 axes, bottom[0] 'x0' is 2 x 3", ""),
        ("axis: -1", [(2, 3, 4), (3, 4)],
            "{blob} blob's shape extends past bottom[0]'s shape when applied starting with "
            "bottom[0] axis = 2: 2 axes, bottom[0] 'x0' is 2 x 3 x 4", SECOND),
        ("", [(2, 3, 4), (3, 5)],
            "dimension mismatch between bottom[0]->shape(2) and {blob}->shape(1): 'x0' is "
            "2 x 3 x 4, 'x1' is 3 x 5", SECOND),
        ("axis: ^3", [(2, 3), (3,)], "axis 3 out of range for 2-D Blob with shape 2 x 3", ""),
    )
]

FILLERS = [
    Bad(type, fields, [(2, 3)], message, hint=hint)
    for type, fields, message, hint in (
        ("Scale", "scale_param { ^filler { type: 'xaver' } }", "Unknown filler name: xaver",
            "did you mean 'xavier'?"),
        ("Scale", "scale_param { num_axes: 0 ^filler { type: 'gaussian' } }",
            "The gaussian filler needs at least one axis", None),
        ("Scale", "scale_param { bias_term: true filler { } ^bias_filler { type: 'bilinear' } }",
            "Blob must be 4 dim. (bilinear filler on (3,))", None),
        ("Bias", "bias_param { ^filler { type: 'uniform' min: 2 } }",
            "The uniform filler needs min <= max, got 2 and 1", None),
    )
]
FACTOR = "'x0' must be a factor for each channel of bottom[1] 'x1' (2 x 3 x 4), it is"

AXPYS = [
    Bad("Axpy", "", [(2, 1), (2, 3, 4), (2, 3, 4)], f"bottom[0] {FACTOR} 2 x 1", FIRST),
    Bad("Axpy", "", [(2, 3, 4), (2, 3, 4), (2, 3, 4)], f"bottom[0] {FACTOR} 2 x 3 x 4", FIRST),
    Bad("Axpy", "", [(2, 3), (2, 3, 4), (2, 3, 1)],
        "bottom[2] 'x2' (2 x 3 x 1) must be of the shape of bottom[1] 'x1' (2 x 3 x 4)", "'x2'"),
]
# fmt: on

BAD = [*BOTH, *FILLERS, *AXPYS]
