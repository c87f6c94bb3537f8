"""What the layers of optical flow and disparity refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, FOUR, LAYER, SECOND, Bad

IMAGE = (1, 2, 6, 8)
SMALL = (
    "Correlation cannot be done with current settings. Neighborhood and kernel don't fit in blob:"
)

# fmt: off
BAD = [
    Bad(type, f"correlation_param {{ {fields} }}", [IMAGE] * 2, message)
    for type, fields, message in (
        ("Correlation", "kernel_size: ^2 max_displacement: 1", "Odd kernel size required, got 2"),
        ("Correlation", "kernel_size: ^0 max_displacement: 1", "Odd kernel size required, got 0"),
        ("Correlation", "kernel_size: 1 max_displacement: 1 stride_1: ^0",
            "stride_1 must be at least 1, got 0"),
        ("Correlation1D", "kernel_size: 1 max_displacement: 1 stride_2: ^0",
            "stride_2 must be at least 1, got 0"),
        ("Correlation1D", "kernel_size: 1 max_displacement: 1 single_direction: ^2",
            "single_direction must be -1 (left), 0 (off), or 1 (right), got 2"),
    )
] + [
    Bad(type, f"^correlation_param {{ {fields} }}", [IMAGE] * 2, message)
    for type, fields, message in (
        ("Correlation", "max_displacement: 1", "Filter kernel_size is not set"),
        ("Correlation1D", "kernel_size: 1", "Max displacement is required."),
        ("Correlation", "kernel_size: 3 max_displacement: 4 pad: 2",
            f"{SMALL} 6 x 8 with pad 2 x 2, max_displacement 4 x 4 and a kernel of 3 x 3"),
        ("Correlation1D", "kernel_size: 7 max_displacement: 1 pad: 2",
            f"{SMALL} 6 x 8 with pad 0 x 2, max_displacement 0 x 1 and a kernel of 7 x 7"),
    )
] + [
    Bad("Correlation", "", [IMAGE] * 2, "Filter kernel_size is not set", LAYER),
    Bad("Correlation", "", [IMAGE, (1, 2, 6, 7)],
        "Both bottom blobs must have same width, height and number of channels: bottom[0] 'x0' is "
        "1 x 2 x 6 x 8, bottom[1] 'x1' is 1 x 2 x 6 x 7", SECOND),
    Bad("Correlation1D", "", [(2, 3)] * 2, f"{FOUR} 2 x 3", FIRST),
    Bad("FlowWarp", "", [IMAGE, (1, 3, 6, 8)],
        "the flow 'x1' must be 1 x 2 x 6 x 8 for 'x0' (1 x 2 x 6 x 8), it is 1 x 3 x 6 x 8",
        SECOND),
    Bad("ChannelNorm", "", [(2, 3)], f"{FOUR} 2 x 3", FIRST),
] + [
    Bad("LpqLoss", f"lpq_loss_param {{ {fields} }}", [IMAGE], message)
    for fields, message in (
        ("p: 1 q: 1 pq_episode_starts_at_iter: ^5",
            "First entry in pq_episode_starts_at_iter is not 0, it is 5"),
        ("p: 1 p: 1 q: 1 q: 2 pq_episode_starts_at_iter: 0 pq_episode_starts_at_iter: ^0",
            "pq_episode_starts_at_iter is not ordered or contains duplicates: 0 after 0"),
    )
] + [
    Bad("LpqLoss", "^lpq_loss_param { p: 1 p: 2 q: 1 pq_episode_starts_at_iter: 0 }", [IMAGE],
        "Incompatible sizes: (pq_episode_starts_at_iter -> 1, p -> 2, q -> 1)",
        hint="one p and one q, or one of each for every episode"),
    Bad("LpqLoss", "", [IMAGE, (1, 2, 6, 7)],
        "Inputs must have the same dimension: 'x0' is 1 x 2 x 6 x 8, 'x1' is 1 x 2 x 6 x 7.",
        SECOND),
    Bad("LpqLoss", "", [(3,)], "bottom 'x0' has no channels: 3", FIRST),
    Bad("Mean", "^mean_param { value: 1 }", [IMAGE], "operation is required: ADD or SUBTRACT"),
    Bad("Mean", "^mean_param { operation: ADD }", [IMAGE], "the mean is not given",
        hint="file, or one value per channel"),
    Bad("Mean", "mean_param { operation: ADD value: 1 value: 2 value: ^3 }", [IMAGE],
        "mean size does not match bottom size: the mean is 3 x 1 x 1, 'x0' 1 x 2 x 6 x 8"),
] + [
    Bad("Resample", fields, [IMAGE], message, hint=hint)
    for fields, message, hint in (
        ("^resample_param { type: AREA }",
            "only CUBIC, LINEAR and NEAREST interpolation is supported for now, got AREA", None),
        ("^resample_param { width: 3 }", "ResampleLayer must have height > 0, got 0",
            "or a second bottom of the size"),
        ("^resample_param { factor: 0.125 }", "ResampleLayer must have height > 0, got 0",
            "or a second bottom of the size"),
    )
] + [
    Bad("Downsample", fields, [IMAGE], message, hint=hint)
    for fields, message, hint in (
        ("downsample_param { top_height: 3 top_width: ^0 }",
            "DownsampleLayer must have top_width > 0, got 0", "or a second bottom of the size"),
        ("^downsample_param { top_height: 7 top_width: 4 }",
            "Downsample makes 6 x 8 smaller, not 7 x 4", None),
    )
] + [
    Bad("Accum", "", [IMAGE, (2, 2, 6, 8)],
        "All accumulated layers must have same number of images: 'x0' is 1 x 2 x 6 x 8, 'x1' "
        "2 x 2 x 6 x 8", SECOND),
    Bad("Accum", "accum_param { have_reference: ^true }", [IMAGE],
        "Need at least two bottom blobs (one as reference)"),
    Bad("Accum", "accum_param { size_divisible_by: ^0 }", [IMAGE],
        "size_divisible_by must be at least 1, got 0"),
]

COEFFICIENTS = (1, 42, 1, 1)
KNOWN = "(known: uniform, gaussian, bernoulli, uniform_bernoulli, gaussian_bernoulli)"
EIGENVECTORS = (
    "You need to specify chromatic eigenvectors for Chromatic-Eigen augmentation: 9 numbers,"
)

AUGMENTATIONS = [
    Bad(type, f"augmentation_param {{ {fields} }}", bottoms, message, hint=hint)
    for type, fields, bottoms, message, hint in (
        ("DataAugmentation", "crop_height: 3 crop_width: ^9", [IMAGE],
            "crop_width must be from 1 to 8, the image's, got 9", None),
        ("DataAugmentation", "crop_height: ^0 crop_width: 2", [IMAGE],
            "crop_height must be from 1 to 6, the image's, got 0", None),
        ("DataAugmentation", "^rotate { rand_type: 'cauchy' }", [IMAGE],
            f"Unknown random type cauchy of rotate {KNOWN}", None),
        ("DataAugmentation", "crop_height: 3 crop_width: 3 ^color { spread: 1 }", [IMAGE],
            "color only works with 3-channel input, got 1 x 2 x 6 x 8", None),
        ("DataAugmentation", "chromatic_eigvec: 1 chromatic_eigvec: ^2", [IMAGE],
            f"{EIGENVECTORS} got 2", None),
        ("DataAugmentation", "mean: 1 mean: ^2", [IMAGE],
            "mean must be 2 numbers, one per channel, without mean_per_pixel; got 2",
            "mean_per_pixel: false"),
        ("GenerateAugmentationParameters", "mode: ^'append'", [COEFFICIENTS],
            "Unknown mode: append (known: add, replace, regenerate)", None),
        ("FlowAugmentation", "crop_height: ^0 crop_width: 2", [IMAGE, COEFFICIENTS, COEFFICIENTS],
            "crop_height must be at least 1, got 0", None),
    )
] + [
    Bad(type, f"^augmentation_param {{ {fields} }}", bottoms, message)
    for type, fields, bottoms, message in (
        ("DataAugmentation", "crop_height: 3 crop_width: 3 col_rotate { spread: 1 }",
            [(1, 3, 6, 8)], f"{EIGENVECTORS} got 0"),
        ("GenerateAugmentationParameters", "crop_height: 3", [IMAGE],
            "Need crop_width and crop_height if there is no blob specifying these"),
        ("GenerateAugmentationParameters", "crop_height: 3 crop_width: 3", [COEFFICIENTS],
            "Need bottomwidth and bottomheight if there is no blob specifying these"),
        ("FlowAugmentation", "crop_height: 3", [IMAGE, COEFFICIENTS, COEFFICIENTS],
            "Please enter crop width and crop height if you want to perform augmentation"),
    )
] + [
    Bad("GenerateAugmentationParameters", "", [COEFFICIENTS, IMAGE],
        "takes one blob or three (coefficients, images before, images after), got 2", SECOND),
    Bad("GenerateAugmentationParameters", "", [(1, 41, 1, 1), IMAGE, IMAGE],
        "the coefficients 'x0' must be 1 x 42 x 1 x 1, they are 1 x 41 x 1 x 1", FIRST),
    Bad("DataAugmentation", "", [IMAGE, (2, 42, 1, 1)],
        "the coefficients 'x1' must be 1 x 42 x 1 x 1, they are 2 x 42 x 1 x 1", SECOND),
    Bad("DataAugmentation", "", [(2, 3)], f"{FOUR} 2 x 3", FIRST),
    Bad("FlowAugmentation", "", [(1, 3, 6, 8), COEFFICIENTS, COEFFICIENTS],
        "Flow data must have two channels, 'x0' is 1 x 3 x 6 x 8", FIRST),
    Bad("BlackAugmentation", "", [IMAGE, (1, 3, 6, 7)],
        "Inputs must have 2 or 3 channels and be equal otherwise: 'x0' is 1 x 2 x 6 x 8, 'x1' "
        "1 x 3 x 6 x 7", SECOND, tops=2),
    Bad("BlackAugmentation", "black_augmentation_param { ^black { rand_type: 'x' } }", [IMAGE],
        f"Unknown random type x of black {KNOWN}"),
]

FILES = [
    Bad(type, "", [bottom], f"{type} layer input must have {channels} channels, 'x0' is {told}",
        FIRST, tops=0)
    for type, bottom, channels, told in (
        ("FLOWriter", (1, 3, 2, 2), "2", "1 x 3 x 2 x 2"),
        ("PFMWriter", IMAGE, "1 or 3", "1 x 2 x 6 x 8"),
        ("ImgWriter", IMAGE, "1 or 3", "1 x 2 x 6 x 8"),
    )
] + [
    Bad("FloatWriter", "", [(2, 3)], f"{FOUR} 2 x 3", FIRST, tops=0),
    Bad("ImgWriter", "", [(2, 3)], f"{FOUR} 2 x 3", FIRST, tops=0),
    Bad("FloatReader", "reader_param { file: 'a.float3' num: ^0 }", [],
        "num must be at least 1, got 0"),
]
BAD += [*AUGMENTATIONS, *FILES]
# fmt: on
