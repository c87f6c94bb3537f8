"""What the layers between files or memory and the net refuse."""

from __future__ import annotations

from ..layers.test_bad_input import Bad

SIZES = "batch_size, channels, height, and width must be specified and positive in "
COLUMNS = (
    "Must specify 'column' once per top blob (2), with an IMAGE, and NUMBERS at most once; "
    "specified"
)

# fmt: off
BAD = [
    Bad(type, fields, [], message, at, hint, 2)
    for type, fields, message, at, hint in (
        ("ImageData", "image_data_param { batch_size: ^0 }", "Positive batch size required, got 0",
            "", None),
        ("ImageData", "image_data_param { new_height: ^5 }",
            "Current implementation requires new_height and new_width to be set at the same time: "
            "5 and 0.", "", None),
        ("ImageData", "image_data_param { new_width: ^7 }",
            "Current implementation requires new_height and new_width to be set at the same time: "
            "0 and 7.", "", None),
        ("ImageData", "image_data_param { new_height: 8 new_width: 6 } "
            "transform_param { crop_size: ^7 }", "crop_size 7 is larger than the image, 8 x 6", "",
            None),
        ("WindowData", "^window_data_param { source: 'w.txt' } transform_param { crop_size: 7 }",
            "batch_size must be positive in window_data_param, got 0", "", None),
        ("WindowData", "^window_data_param { batch_size: 2 }",
            "crop_size must be positive in transform_param, got 0", "", None),
        ("WindowData", "window_data_param { batch_size: 2 crop_mode: ^'wrap' } "
            "transform_param { crop_size: 7 }", "Unknown crop_mode 'wrap'", "",
            "it is 'warp' or 'square'"),
        ("WindowData", "window_data_param { batch_size: 2 context_pad: ^4 } "
            "transform_param { crop_size: 8 }",
            "context_pad 4 on both sides leaves nothing of crop_size 8", "", None),
        ("WindowData", "window_data_param { batch_size: 2 fg_fraction: ^1.5 } "
            "transform_param { crop_size: 8 }", "fg_fraction must be in 0 to 1, got 1.5", "", None),
        ("WindowData", "window_data_param { batch_size: 2 } "
            "transform_param { crop_size: 8 mean_value: 1 mean_value: ^2 }",
            "Specify either 1 mean_value or as many as channels: 3 (got 2)", "", None),
        ("AnnotatedData", "data_param { batch_size: ^0 }", "Positive batch size required", "",
            None),
        ("ImageFolder", "image_folder_param { batch_size: ^0 }",
            "Positive batch size required, got 0", "", None),
        ("DenseImageData", "dense_image_data_param { source: 'x' }",
            "Positive batch size required, got 0", "layer", None),
        ("DenseImageData", "dense_image_data_param { batch_size: 1 label_divide_factor: ^0 }",
            "label_divide_factor must be positive, got 0", "", None),
        ("DenseImageData", "dense_image_data_param { batch_size: 1 label_divide_factor: ^8 } "
            "transform_param { crop_size: 4 }",
            "a crop needs label images of the size of the images, label_divide_factor is 8", "",
            None),
        ("DenseImageData", "dense_image_data_param { batch_size: 1 crop_width: ^4 }",
            "crop_height and crop_width should be used at the same time and should be positive, "
            "got 0 and 4", "", None),
        ("ImageData", "transform_param { crop_h: ^4 }",
            "crop_h and crop_w should be used at the same time and should be positive, got 4 and "
            "0", "", None),
        ("ImageData", "transform_param { crop_size: 3 crop_h: ^4 crop_w: 4 }",
            "Use either crop_size or crop_h and crop_w, not both.", "", None),
        ("ImageData", "image_data_param { new_height: 8 new_width: 6 } "
            "transform_param { crop_h: 3 crop_w: ^7 }", "crop_w 7 is larger than the image, 8 x 6",
            "", None),
        ("ImageSegData", "transform_param { scale_factors: ^0 }",
            "scale_factors must be greater than 0, got 0", "", None),
        ("ImageList", "", f"{COLUMNS} none.", "layer", None),
        ("ImageList", "image_list_param { column: NUMBERS column: ^NUMBERS }",
            f"{COLUMNS} NUMBERS, NUMBERS.", "", None),
        ("ImageList", "image_list_param { column: IMAGE column: NUMBERS new_width: ^4 }",
            "Current implementation requires new_height and new_width to be set at the same time: "
            "0 and 4.", "", None),
        ("VideoData", "video_data_param { new_length: ^0 }", "new_length must be positive, got 0",
            "", None),
        ("VideoData", "video_data_param { batch_size: ^0 }", "batch_size must be positive, got 0",
            "", None),
        ("VideoData", "video_data_param { sampling_rate: ^0 }",
            "sampling_rate must be positive, got 0", "", None),
        ("VideoData", "video_data_param { use_sampling_rate_jitter: true max_sampling_rate: ^0 }",
            "max_sampling_rate must be positive, got 0", "", None),
        ("VideoData", "video_data_param { new_height: ^8 }",
            "Current implementation requires new_height and new_width to be set at the same time: "
            "8 and 0.", "", None),
        ("VideoData", "video_data_param { use_multiple_label: ^true }",
            "number of labels must be set together with use multiple labels", "",
            "num_of_labels: how many there are"),
        ("VideoData", "video_data_param { new_height: 8 new_width: 6 } "
            "transform_param { crop_size: ^7 }", "crop_size 7 is larger than the image, 8 x 6", "",
            None),
        ("VideoData", "video_data_param { source: 'list.txt' num_segments: ^3 }",
            "num_segments is of TSN's VideoData, which netc does not have", "",
            "fill its tops from an Input layer, or write what it reads to a database or an HDF5 "
            "file"),
        ("VideoData", "^data_param { } video_data_param { video_type: VIDEO video_file: 'a.mp4' }",
            "Positive batch size required, got 0", "", "batch_size stands there"),
        ("VideoData", "data_param { batch_size: 1 } video_data_param { video_type: ^WEBCAM }",
            "frames of a WEBCAM are others in every run, and are not read", "",
            "video_type: VIDEO with a video_file, or an Input layer that a script fills"),
        ("VideoData", "data_param { batch_size: 1 } ^video_data_param { video_type: VIDEO }",
            "Must provide video file!", "", None),
        ("VideoData", "data_param { batch_size: 1 } video_data_param { video_type: VIDEO "
            "video_file: 'a.mp4' } transform_param { ^resize_param { height: 3 } }",
            "height and width of resize_param must be greater than 0, got 3 and 0", "", None),
        ("MemoryData", "", f"{SIZES}memory_data_param, got 0 x 0 x 0 x 0", "layer", None),
        ("MemoryData", "^memory_data_param { batch_size: 2 channels: 3 height: 4 }",
            f"{SIZES}memory_data_param, got 2 x 3 x 4 x 0", "", None),
    )
] + [
    Bad("HDF5Output", "", [(2, 3), (2,)], "Failed to open HDF5 file: file_name is empty", "layer",
        tops=0),
    Bad("HDF5Output", "hdf5_output_param { file_name: 'out.h5' }", [(2, 3), (3,)],
        "data blob and label blob must have the same batch size: 'x0' is 2 x 3, 'x1' is 3", "'x1'",
        tops=0),
]
# fmt: on
