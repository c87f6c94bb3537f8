"""What SPP and Crop refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FOUR, Bad

IMAGE = (1, 2, 6, 8)

# fmt: off
BAD = [
    Bad("SPP", "spp_param { pyramid_height: 2 }", [(2, 3, 4)], f"{FOUR} 2 x 3 x 4", "'x0'"),
    Bad("SPP", "spp_param { pyramid_height: 2 }", [(2, 3, 0, 4)],
        "Input dimensions cannot be zero: 'x0' is 2 x 3 x 0 x 4.", "'x0'"),
    Bad("SPP", "^spp_param { pool: AVE }", [IMAGE], "pyramid_height must be at least 1, got 0"),
    Bad("SPP", "spp_param { pyramid_height: ^0 }", [IMAGE],
        "pyramid_height must be at least 1, got 0"),
    Bad("SPP", "spp_param { pyramid_height: ^3 }", [(1, 2, 5, 8)],
        "pad 2 x 0 must be smaller than the kernel 2 x 2: 4 bins per side on an image of 5 x 8"),
    Bad("SPP", "spp_param { pyramid_height: ^2 }", [(1, 2, 4, 1)],
        "pad 0 x 1 must be smaller than the kernel 2 x 1: 2 bins per side on an image of 4 x 1"),
    Bad("SPP", "spp_param { pyramid_height: 2 pool: ^STOCHASTIC }", [(1, 2, 6, 7)],
        "Padding implemented only for average and max pooling; 2 bins per side on an image of "
        "6 x 7 need pad 0 x 1."),
] + [
    Bad("Crop", f"crop_param {{ {fields} }}", [IMAGE, like], message)
    for fields, like, message in (
        ("axis: ^4", IMAGE, "axis 4 out of range for 4-D Blob with shape 1 x 2 x 6 x 8"),
        ("axis: ^-5", IMAGE, "axis -5 out of range for 4-D Blob with shape 1 x 2 x 6 x 8"),
        ("axis: 1 offset: 1 offset: ^2", IMAGE,
            "number of offset values specified must be equal to the number of dimensions following "
            "axis: 2 for 3 of 1 x 2 x 6 x 8 from axis 1."),
        ("offset: ^3", (1, 2, 4, 4),
            "the crop for dimension 2 is out-of-bounds with size 4 and offset 3: bottom[0] 'x0' is "
            "1 x 2 x 6 x 8"),
        ("offset: 2 offset: ^5", (1, 2, 4, 4),
            "the crop for dimension 3 is out-of-bounds with size 4 and offset 5: bottom[0] 'x0' is "
            "1 x 2 x 6 x 8"),
    )
] + [
    Bad("Crop", "", [IMAGE, (1, 2, 7, 4)],
        "the crop for dimension 2 is out-of-bounds with size 7 and offset 0: bottom[0] 'x0' is "
        "1 x 2 x 6 x 8", "'x1'"),
    Bad("Crop", "", [IMAGE, (1, 2, 4)],
        "bottom[1] 'x1' is 1 x 2 x 4: it has no axis 3, and bottom[0] 'x0' (1 x 2 x 6 x 8) is "
        "cropped from axis 2 on", "'x1'"),
] + [
    Bad("SpatialTransformer", f"st_param {{ {fields} }}", [IMAGE, (1, 6)], message)
    for fields, message in (
        ("transform_type: ^'tps'", "Unknown transform_type: tps (known: affine)"),
        ("sampler_type: ^'cubic'", "Unknown sampler_type: cubic (known: bilinear)"),
        ("output_H: ^0", "output_H must be greater than 0, got 0"),
        ("output_W: ^-3", "output_W must be greater than 0, got -3"),
    )
] + [
    Bad("SpatialTransformer", "st_param { theta_1_1: 1 }", [IMAGE, (1, 6)],
        "bottom[1] 'x1' must hold 5 numbers for each of the 1 examples, it is 1 x 6", "'x1'"),
    Bad("SpatialTransformer", "", [IMAGE, (2, 6)],
        "bottom[1] 'x1' must hold 6 numbers for each of the 1 examples, it is 2 x 6", "'x1'"),
    Bad("SpatialTransformer", "", [(2, 3), (2, 6)], f"{FOUR} 2 x 3", "'x0'"),
]
# fmt: on
