"""What Deconvolution and Im2col refuse."""

from __future__ import annotations

from ..layers.test_bad_input import Bad

IMAGE = (1, 4, 6, 7)

# fmt: off
BAD = [
    Bad("Deconvolution", f"convolution_param {{ {fields} }}", [IMAGE], message)
    for fields, message in (
        ("num_output: 2 kernel_size: 3 axis: ^4",
            "axis 4 out of range for 4-D Blob with shape 1 x 4 x 6 x 7"),
        ("num_output: 2 kernel_size: 3 kernel_size: 3 kernel_size: ^3",
            "kernel_size must be specified once, or once per spatial dimension (kernel_size "
            "specified 3 times; 2 spatial dims)"),
        ("num_output: 2 kernel_size: ^0", "Filter dimensions must be nonzero, got 0 x 0."),
        ("num_output: 2 kernel_size: 3 stride: ^0",
            "Stride dimensions must be nonzero, got 0 x 0."),
        ("num_output: ^0 kernel_size: 3", "num_output must be greater than 0, got 0"),
        ("num_output: 3 kernel_size: 3 group: ^3",
            "The 4 input channels of bottom 'x0' must divide by group 3"),
        ("num_output: 3 kernel_size: 3 group: ^2",
            "Number of output should be multiples of group: num_output 3, group 2."),
        ("num_output: 2 kernel_h: 2 kernel_w: 3 ^weight_filler { type: 'bilinear' }",
            "Filter must be square (bilinear filler on (4, 2, 2, 3))"),
    )
] + [
    Bad("Deconvolution", "^convolution_param { num_output: 2 kernel_size: 2 pad: 4 }", [IMAGE],
        "pad 4 x 4 leaves nothing of the output: -1 x 0 for bottom 'x0' (1 x 4 x 6 x 7) and "
        "kernel 2 x 2"),
    Bad("Deconvolution", "convolution_param { num_output: 2 kernel_size: 1 }", [IMAGE, (1, 4, 6)],
        "All inputs must have the same shape: bottom[0] is 1 x 4 x 6 x 7, bottom[1] is 1 x 4 x 6.",
        "'x1'", tops=2),
] + [
    Bad("Im2col", f"convolution_param {{ {fields} }}", [IMAGE], message)
    for fields, message in (
        ("kernel_size: 3 axis: ^-5", "axis -5 out of range for 4-D Blob with shape 1 x 4 x 6 x 7"),
        ("kernel_size: 3 axis: ^3",
            "Im2col needs a spatial axis after axis 3 of bottom 'x0' (1 x 4 x 6 x 7)"),
        ("kernel_size: 3 kernel_w: ^3",
            "Either kernel_size or kernel_h/w should be specified; not both."),
        ("kernel_size: 3 pad: 1 pad: 2 pad: ^3",
            "pad must be specified once, or once per spatial dimension (pad specified 3 times; "
            "2 spatial dims)"),
        ("kernel_size: 3 dilation: ^0", "Dilation dimensions must be nonzero, got 0 x 0."),
    )
] + [
    Bad("Im2col", "", [(2, 3)],
        "Im2col needs a spatial axis after axis 1 of bottom 'x0' (2 x 3)", "'x0'"),
    Bad("Im2col", "^convolution_param { kernel_size: 5 dilation: 2 pad: 1 }", [IMAGE],
        "kernel 5 x 5 with dilation 2 x 2 covers 9 x 9, more than the padded input 8 x 9 of bottom "
        "'x0' (1 x 4 x 6 x 7)"),
] + [
    Bad(type, f"convolution_param {{ kernel_size: 1 {fields} }}", [IMAGE], message)
    for type in ("ConvolutionDepthwise", "DepthwiseConvolution")
    for fields, message in (
        ("num_output: ^8",
            "num_output must be the 4 channels of bottom 'x0' (1 x 4 x 6 x 7), got 8"),
        ("num_output: 4 group: ^2",
            "group must be the 4 channels of bottom 'x0' (1 x 4 x 6 x 7), got 2"),
    )
]
# fmt: on
