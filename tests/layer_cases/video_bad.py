"""What layers on videos refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, LAYER, Bad

X = (1, 2, 4, 5, 6)
FIVE = (
    "Input must have 5 axes, corresponding to (num, channels, length, height, width); bottom 'x0' "
    "is 1 x 2 x 3 x 4"
)
SIZES = "kernel_size is that in space, kernel_depth that in time"
FIELDS = {
    "Convolution3D": "convolution3d_param",
    "Deconvolution3D": "convolution3d_param",
    "Pooling3D": "pooling3d_param",
}

# fmt: off
BAD = [
    Bad(type, f"{field} {{ {fields} }}", [shape], message, at, hint)
    for type, field in FIELDS.items()
    for fields, shape, message, at, hint in (
        ("kernel_size: 1 kernel_depth: 1", (1, 2, 3, 4), FIVE, FIRST, None),
        ("kernel_size: 1", X, "kernel_depth must be greater than 0, got 0", LAYER, SIZES),
        ("kernel_size: 1 kernel_depth: ^0", X, "kernel_depth must be greater than 0, got 0", "",
            SIZES),
        ("kernel_size: ^0 kernel_depth: 1", X, "kernel_size must be greater than 0, got 0", "",
            SIZES),
    )
] + [
    Bad("Convolution3D", "convolution3d_param { num_output: ^0 kernel_size: 1 kernel_depth: 1 }",
        [X], "num_output must be greater than 0, got 0"),
    Bad("Deconvolution3D", "convolution3d_param { num_output: 3 kernel_size: 1 kernel_depth: 1 "
        "group: ^2 }", [X],
        "Number of output should be multiples of group: num_output 3, group 2."),
] + [
    Bad("Pooling3D", f"pooling3d_param {{ {fields} }}", [X], message)
    for fields, message in (
        ("kernel_size: 2 kernel_depth: 1 stride: ^0",
            "Stride dimensions cannot be zero, got 1 x 0 x 0."),
        ("kernel_size: 2 kernel_depth: 1 temporal_stride: ^0",
            "Stride dimensions cannot be zero, got 0 x 1 x 1."),
        ("kernel_size: 2 kernel_depth: 1 pad: ^2", "pad 2 must be smaller than the kernel 2"),
        ("kernel_size: 2 kernel_depth: 1 pool: ^STOCHASTIC", "only MAX and AVE pool videos"),
        ("kernel_size: ^2 kernel_depth: 9", "a window of 9 x 2 x 2 with pad 0 x 0 x 0 does not fit "
            "into bottom 'x0' (1 x 2 x 4 x 5 x 6)"),
    )
]
# fmt: on
