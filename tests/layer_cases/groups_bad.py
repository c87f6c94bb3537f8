"""What layers of TSN, C3D and ParseNet refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, FOUR, LAYER, SECOND, Bad

KERNEL = "Out filter size is out_kernel_size OR out_kernel_h and out_kernel_w; not both"

# fmt: off
BAD = [
    Bad("BatchReduction", f"batch_reduction_param {{ {fields} }}", [(5, 4, 3)], message)
    for fields, message in (
        ("level: 2 level: ^0", "level must be positive, got 0"),
        ("level: ^2 reduction_param { axis: 0 }",
            "the squares of the levels must add up to the 5 elements of axis 0 of 'x0' (5 x 4 x "
            "3), they are 4"),
        ("reduction_param { axis: ^3 }", "axis 3 out of range for 3-D Blob with shape 5 x 4 x 3"),
        ("reduction_param { operation: ^ASUM }", "the operation ASUM is not implemented"),
        ("level: 1 level: 2 pos: ^true",
            "Cannot do pos-sensitive reduction when level is more than 1"),
        ("level: 1 level: 2 reduction_param { operation: ^TOPK }",
            "For now top-k reduction only works with 1 level"),
        ("pos: ^true", "In pos mode, there are two axis reduced: axes 0 and 1 of 'x0' must be of "
            "one size, it is 5 x 4 x 3"),
        ("pos: ^true reduction_param { axis: 2 }",
            "In pos mode, there are two axis reduced: axes 2 and 3 of 'x0' must be of one size, it "
            "is 5 x 4 x 3"),
        ("reduction_param { operation: TOPK k: ^6 }", "k must be in [1, 5], got 6"),
        ("reduction_param { operation: TOPK k: ^0 }", "k must be in [1, 5], got 0"),
    )
] + [
    Bad("BatchReduction", "batch_reduction_param { reduction_param { operation: ^TOPK } }",
        [(0, 2)], "k must be in [1, 0], got 1"),
    Bad("Grouping", "", [(2, 3), (2, 3)], f"{FOUR} 2 x 3", FIRST),
    Bad("Grouping", "", [(2, 3, 4, 5), (2, 3)],
        "Input must have 4 axes, corresponding to (num, channels, height, width); bottom 'x1' is "
        "2 x 3", SECOND),
    Bad("Grouping", "", [(2, 3, 4, 5), (2, 3, 4, 6)],
        "both bottoms must have the same width: 'x0' is 2 x 3 x 4 x 5, 'x1' is 2 x 3 x 4 x 6",
        SECOND),
    Bad("ParseOutput", "", [(2, 3)], f"{FOUR} 2 x 3", FIRST),
    Bad("ParseOutput", "", [(2, 0, 1, 1)], "bottom 'x0' has no classes: 2 x 0 x 1 x 1", FIRST),
    Bad("ParseEvaluate", "^parse_evaluate_param { }", [(2, 1, 3, 3)] * 2, "Must have num_labels!!"),
    Bad("ParseEvaluate", "parse_evaluate_param { num_labels: ^0 }", [(2, 1, 3, 3)] * 2,
        "num_labels must be positive, got 0"),
    Bad("ParseEvaluate", "parse_evaluate_param { num_labels: 3 }", [(2, 2, 3, 3)] * 2,
        "both bottoms must be N x 1 x H x W: 'x0' is 2 x 2 x 3 x 3, 'x1' is 2 x 2 x 3 x 3", FIRST),
    Bad("ParseEvaluate", "parse_evaluate_param { num_labels: 3 }", [(2, 1, 3, 3), (2, 1, 3, 4)],
        "both bottoms must be N x 1 x H x W: 'x0' is 2 x 1 x 3 x 3, 'x1' is 2 x 1 x 3 x 4", SECOND),
    Bad("L2Normalize", "", [()], "bottom 'x0' has no axes", FIRST),
    Bad("UnPooling", "", [(1, 2, 3, 4)], f"{KERNEL} (given: neither)", LAYER),
    Bad("UnPooling", "^unpooling_param { out_stride: 2 }", [(1, 2, 3, 4)],
        f"{KERNEL} (given: neither)"),
    Bad("UnPooling", "unpooling_param { out_kernel_size: 2 }", [(1, 2)], f"{FOUR} 1 x 2", FIRST),
    Bad("UnPooling", "unpooling_param { out_kernel_size: 2 }", [(1, 2, 0, 3)],
        "bottom 'x0' has no pixels: 1 x 2 x 0 x 3", FIRST),
    Bad("UnPooling", "unpooling_param { out_kernel_size: 2 }", [(1, 2, 9, 9), (1, 2, 1, 1)],
        "out_pad 4 x 4 must be smaller than the kernel 1 x 1", SECOND),
] + [
    Bad("UnPooling", f"unpooling_param {{ {fields} }}", [(1, 2, 1, 4)], message)
    for fields, message in (
        ("out_kernel_size: 2 out_kernel_h: ^2",
            f"{KERNEL} (given: out_kernel_size, out_kernel_h)"),
        ("out_kernel_size: ^0", "Out filter dimensions cannot be zero, got 0 x 0."),
        ("out_kernel_size: 2 out_stride_h: ^2", "Out stride is out_stride OR out_stride_h and "
            "out_stride_w are required. (given: out_stride_h)"),
        ("out_kernel_size: 2 out_pad: 1 out_pad_w: ^1", "Out pad is out_pad OR out_pad_h and "
            "out_pad_w are required. (given: out_pad, out_pad_w)"),
        ("out_kernel_size: 2 out_pad: ^2", "out_pad 2 x 2 must be smaller than the kernel 2 x 2"),
    )
] + [
    Bad("UnPooling", "^unpooling_param { out_kernel_size: 2 out_pad: 1 }", [(1, 2, 1, 4)],
        "the top would be 0 x 3 high and wide"),
]
# fmt: on
