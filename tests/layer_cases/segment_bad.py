"""What layers for segmentation refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, FOUR, SECOND, Bad

X = (1, 2, 3, 4)
REQUIRED = (
    "upsample_h & upsample_w are required, else (DEPRECATED) scale OR scale_h & scale_w are "
    "required."
)
NO_SIZE = "height and width, zoom_factor, shrink_factor, or a second bottom of that size"
CROPPING = "Only supports non-pos padding (cropping) for now;"

# fmt: off
BAD = [
    Bad("Upsample", f"upsample_param {{ {fields} }}", [X, X], message)
    for fields, message in (
        ("upsample_h: ^1 upsample_w: 4", "upsample_h must be greater than 1, got 1"),
        ("upsample_h: 4 upsample_w: ^0", "upsample_w must be greater than 1, got 0"),
        ("scale: ^1", "scale must be greater than 1, got 1"),
        ("scale: ^-2", "scale must be greater than 1, got -2"),
        ("scale_h: ^2", REQUIRED),
        ("scale: 2 scale_h: ^2 scale_w: 2", REQUIRED),
        ("scale_h: 2 scale_w: ^1", "scale_w must be greater than 1, got 1"),
        ("scale: 3 pad_out_h: ^true",
            "Output padding compensation requires scale == 2, otherwise the output size is "
            "ill-defined; got 3"),
    )
] + [
    Bad("Upsample", "", [X, (1, 2, 3, 5)],
        "the mask 'x1' (1 x 2 x 3 x 5) must be of the shape of 'x0' (1 x 2 x 3 x 4)", SECOND),
    Bad("Upsample", "", [(2, 3), (2, 3)], f"{FOUR} 2 x 3", FIRST),
    Bad("Upsample", "", [(2, 3)], f"{FOUR} 2 x 3", FIRST),
    Bad("Upsample", "upsample_param { scale: ^0 }", [X], "scale must be at least 1, got 0"),
    Bad("Interp", "", [(2, 3)], f"{FOUR} 2 x 3", FIRST),
    Bad("Interp", "", [X, (2, 3)], "bottom[1] must have 4 axes, it is 2 x 3", SECOND),
    Bad("Interp", "^interp_param { }", [X], "the size of the top is not given", hint=NO_SIZE),
    Bad("Interp", "^interp_param { height: 3 }", [X], "the size of the top is not given",
        hint=NO_SIZE),
    Bad("Interp", "interp_param { zoom_factor: ^0 }", [X], "Zoom factor must be positive, got 0"),
    Bad("Interp", "interp_param { shrink_factor: ^-1 }", [X],
        "Shrink factor must be positive, got -1"),
    Bad("Interp", "interp_param { pad_beg: ^1 }", [X], f"{CROPPING} pad_beg is 1"),
    Bad("Interp", "interp_param { pad_end: ^2 }", [X], f"{CROPPING} pad_end is 2"),
    Bad("Interp", "^interp_param { pad_beg: -3 zoom_factor: 2 }", [X],
        "nothing is left of 3 x 4: 0 x 1"),
    Bad("Interp", "^interp_param { height: 0 width: 4 }", [X],
        "height and width should be positive, got 0 x 4"),
    Bad("SegAccuracy", "", [(2, 3), (2, 1)], f"{FOUR} 2 x 3", FIRST),
    Bad("SegAccuracy", "", [X, (1, 3, 4)],
        "the labels 'x1' must be 1 x 1 x 3 x 4 for 'x0' (1 x 2 x 3 x 4), they are 1 x 3 x 4",
        SECOND),
    Bad("SigmoidCrossEntropyLoss", "", [(2, 3), (2, 4)],
        "SIGMOID_CROSS_ENTROPY_LOSS layer inputs must have the same count: 'x0' is 2 x 3, 'x1' is "
        "2 x 4.", SECOND, dialect="hed"),
    Bad("ShuffleChannel", "shuffle_channel_param { group: ^2 }", [(2, 3)],
        "the 3 channels of bottom 'x0' (2 x 3) must divide by group 2"),
    Bad("ShuffleChannel", "shuffle_channel_param { group: ^0 }", [(2, 3)],
        "the 3 channels of bottom 'x0' (2 x 3) must divide by group 0"),
    Bad("ShuffleChannel", "", [(5,)], "axis 1 out of range for 1-D Blob with shape 5", FIRST),
]
# fmt: on
