"""What random fields, edge-preserving filters and layers for image labels refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, FOUR, LAYER, SECOND, Bad

X, IMAGE, SIZES = (2, 4, 6, 7), (2, 3, 6, 7), (2, 1, 1, 2)
THETAS = "theta_alpha: 160 theta_beta: 3 theta_gamma: 3"
ITERATIONS = "Number of iterations must be greater than 1, got"
OF_IMAGES = "must hold height and width of 2 images, it is"
LISTS = "must hold a list of labels for each of 2 images, N x L x 1 x 1, it is"

# fmt: off
BAD = [
    Bad("MultiStageMeanfield", f"multi_stage_meanfield_param {{ {fields} }}", [X, X, IMAGE],
        message)
    for fields, message in (
        (f"num_iterations: ^1 {THETAS}", f"{ITERATIONS} 1."),
        ("num_iterations: 5 theta_alpha: ^0", "theta_alpha must be greater than 0, got 0"),
        ("num_iterations: 5 theta_alpha: 1 theta_beta: ^-1",
            "theta_beta must be greater than 0, got -1"),
        (f"num_iterations: 5 {THETAS} spatial_filter_weights_str: ^'3 3 3'",
            "A malformed string! >3 3 3<. Couldn't read 4 values."),
        (f"num_iterations: 5 {THETAS} bilateral_filter_weights_str: ^'3 3 x 3'",
            "A malformed string! >3 3 x 3<. Couldn't read 4 values."),
    )
] + [
    Bad("MultiStageMeanfield", f"^multi_stage_meanfield_param {{ {THETAS} }}", [X, X, IMAGE],
        f"{ITERATIONS} 0."),
    Bad("MultiStageMeanfield", "^multi_stage_meanfield_param { num_iterations: 5 }", [X, X, IMAGE],
        "theta_alpha must be greater than 0, got 0"),
    Bad("MultiStageMeanfield", "", [(2, 3), X, IMAGE], f"{FOUR} 2 x 3", FIRST),
    Bad("MultiStageMeanfield", "", [X, (2, 4, 6, 6), IMAGE],
        "bottom[1] 'x1' must be 2 x 4 x 6 x 7, it is 2 x 4 x 6 x 6", SECOND),
    Bad("MultiStageMeanfield", "", [X, X, X],
        "bottom[2] 'x2' must be 2 x 3 x 6 x 7, it is 2 x 4 x 6 x 7", "'x2'"),
] + [
    Bad("DenseCRF", f"dense_crf_param {{ {fields} }}", [X, SIZES, IMAGE], message)
    for fields, message in (
        ("pos_w: ^3", "pos_w and pos_xy_std should have the same size: 1 and 0."),
        ("bi_xy_std: ^3", "bi_w and bi_xy_std should have the same size: 0 and 1."),
        ("bi_w: ^3 bi_xy_std: 3", "bi_w and bi_rgb_std should have the same size: 1 and 0."),
        ("bi_w: 3 bi_xy_std: 3 bi_rgb_std: ^0", "bi_rgb_std must be greater than 0, got 0"),
        ("pos_w: 3 pos_w: 1 pos_xy_std: 3 pos_xy_std: ^-1",
            "pos_xy_std must be greater than 0, got -1"),
    )
] + [
    Bad("DenseCRF", "^dense_crf_param { pos_w: 3 pos_xy_std: 3 }", [X, SIZES, IMAGE],
        "has image as input, but no bilateral parameters specified."),
    Bad("DenseCRF", "", [X, (2, 3)], f"bottom[1] 'x1' {OF_IMAGES} 2 x 3", SECOND),
    Bad("DenseCRF", "", [X, SIZES, (2, 3, 6, 6)],
        "bottom[2] 'x2' must be 2 x 3 x 6 x 7, it is 2 x 3 x 6 x 6", "'x2'"),
    Bad("DenseCRF", "", [(2, 3), SIZES], f"{FOUR} 2 x 3", FIRST),
] + [
    Bad(kind, f"domain_transform_param {{ {fields} }}", [X, (2, 1, 6, 7), SIZES], message)
    for kind in ("DomainTransform", "DomainTransformForwardOnly")
    for fields, message in (
        ("spatial_sigma: ^0", "Spatial sigma needs to be positive, got 0."),
        ("range_sigma: ^-1", "Range sigma needs to be positive, got -1."),
        ("min_weight: ^-0.5", "Minimum weight value needs to be non-negative, got -0.5."),
        ("num_iter: ^0", "number of iteration should be larger than 0, got 0."),
    )
] + [
    Bad("DomainTransform", "", [X, (2, 2, 6, 7), SIZES],
        "bottom[1] 'x1' must be 2 x 1 x 6 x 7, it is 2 x 2 x 6 x 7", SECOND),
    Bad("DomainTransform", "", [X, (2, 1, 6, 7), (1, 2)],
        f"bottom[2] 'x2' {OF_IMAGES} 1 x 2", "'x2'"),
    Bad("BiasChannel", "bias_channel_param { bg_bias: ^-1 }", [X, (2, 3, 1, 1)],
        "BG bias needs to be positive, got -1"),
    Bad("BiasChannel", "bias_channel_param { fg_bias: ^-1 }", [X, (2, 3, 1, 1)],
        "FG bias needs to be positive, got -1"),
    Bad("BiasChannel", "", [X, (2, 3, 2, 1)], f"bottom[1] 'x1' {LISTS} 2 x 3 x 2 x 1", SECOND),
    Bad("BiasChannel", "bias_channel_param { label_type: PIXEL }", [X, (2, 1, 1, 1)],
        "the labels 'x1' must be 2 x 1 x 6 x 7, they are 2 x 1 x 1 x 1", SECOND),
    Bad("BiasChannel", "bias_channel_param { label_type: PIXEL background_label: ^4 }",
        [X, (2, 1, 6, 7)], "background_label must be one of the 4 channels, got 4"),
    Bad("AdaptiveBiasChannel", "", [X, (3, 2)], f"bottom[1] 'x1' {LISTS} 3 x 2", SECOND),
    Bad("AdaptiveBiasChannel", "", [(2, 1, 6, 7), (2, 2)],
        "there must be more than one channel, 'x0' has 1", FIRST),
    Bad("UniqueLabel", "unique_label_param { max_labels: ^2 force_label: 0 force_label: 5 }",
        [(2, 1, 6, 7)], "At least one label more than the forced ones needs to fit: max_labels 2, "
        "2 force_label"),
    Bad("UniqueLabel", "", [(2, 1, 6, 7)],
        "At least one label more than the forced ones needs to fit: max_labels 0, 0 force_label",
        LAYER),
    Bad("UniqueLabel", "", [X], "Input must have one channel: 'x0' is 2 x 4 x 6 x 7", FIRST),
    Bad("MatWrite", "mat_write_param { period: ^0 }", [X], "period must be positive, got 0",
        tops=0),
    Bad("MatWrite", "mat_write_param { strip: ^-1 }", [X], "Strip cannot be negative, got -1",
        tops=0),
    Bad("MatRead", "mat_read_param { strip: ^-1 }", [], "Strip cannot be negative, got -1"),
    Bad("MatRead", "mat_read_param { batch_size: ^0 }", [], "batch_size must be positive, got 0"),
    Bad("SpatialProduct", "", [X, (2, 1, 6, 6)],
        "the factors 'x1' must be 2 x 1 x 6 x 7, they are 2 x 1 x 6 x 6", SECOND),
] + [
    Bad("AdaptiveBiasChannel", f"adaptive_bias_channel_param {{ {fields} }}", [X, (2, 2)], message)
    for fields, message in (
        ("num_iter: ^0", "num_iter needs to be at least 1, got 0"),
        ("margin_others: ^-1", "margin_others needs to be at least 0, got -1"),
        ("bg_portion: ^2", "bg_portion needs to be in [0, 1], got 2"),
        ("fg_portion: ^-0.5", "fg_portion needs to be in [0, 1], got -0.5"),
    )
]
# fmt: on
