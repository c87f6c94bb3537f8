"""Rows of the layers between files or memory and the net."""

from __future__ import annotations

from ..cases import LayerCase

WINDOWS = (
    "window_data_param {{ source: '../../layer_cases/windows.txt' root_folder: './' batch_size: 3 "
    "{} }} transform_param {{ {} }}"
)
CLIPS = "video_data_param {{ source: '../../layer_cases/clips.txt' {} }} transform_param {{ {} }}"
FRAMES = (
    "video_data_param {{ video_type: VIDEO video_file: '../../layer_cases/clip.avi' }} data_param "
    "{{ batch_size: {} }} transform_param {{ {} }}"
)
BOXES = "data_param {{ source: '../../layer_cases/boxes_lmdb' backend: LMDB {} }} {}"

# fmt: off
CASES = [
    LayerCase("ImageData", f"image_data_param {{ source: 'list.txt' {fields} }} {transform}", [],
        tops)
    for fields, transform, tops in (
        ("root_folder: './' batch_size: 2", "", [(2, 3, 84, 87), (2,)]),
        ("is_color: false", "", [(1, 1, 84, 87), (1,)]),
        ("new_height: 20 new_width: 30 batch_size: 4", "", [(4, 3, 20, 30), (4,)]),
        ("new_height: 20 new_width: 30 is_color: false", "transform_param { crop_size: 20 }",
            [(1, 1, 20, 20), (1,)]),
        ("shuffle: true", "transform_param { crop_size: 7 mirror: true }", [(1, 3, 7, 7), (1,)]),
    )
] + [
    LayerCase("ImageFolder", "image_folder_param { source: '.' class_name: 'images' batch_size: 2 "
        "new_height: 20 new_width: 30 }", [], [(2, 3, 20, 30), (2,)]),
    LayerCase("ImageList", "image_list_param { source: 'list.txt' column: IMAGE column: NUMBERS "
        "is_color: false }", [], [(1, 1, 84, 87), (1,)]),
    LayerCase("DenseImageData", "dense_image_data_param { source: 'list.txt' batch_size: 2 "
        "new_height: 20 new_width: 30 }", [], [(2, 3, 20, 30), (2, 1, 20, 30)]),
    LayerCase("DenseImageData", "dense_image_data_param { source: 'list.txt' batch_size: 2 "
        "new_height: 20 new_width: 30 crop_height: 8 crop_width: 8 mirror: true is_color: false }",
        [], [(2, 1, 8, 8), (2, 1, 8, 8)]),
    LayerCase("DenseImageData", "dense_image_data_param { source: 'list.txt' batch_size: 2 "
        "new_height: 20 new_width: 30 label_divide_factor: 4 }", [],
        [(2, 3, 20, 30), (2, 1, 5, 7)]),
    LayerCase("DenseImageData", "dense_image_data_param { source: 'list.txt' batch_size: 2 "
        "new_height: 20 new_width: 30 crop_height: 8 crop_width: 9 }", [],
        [(2, 3, 8, 9), (2, 1, 8, 9)]),
    LayerCase("ImageSegData", "image_data_param { source: 'list.txt' batch_size: 2 new_height: 20 "
        "new_width: 30 } transform_param { crop_height: 40 crop_width: 25 }", [],
        [(2, 3, 40, 25), (2, 1, 40, 25), (2, 1, 1, 2)]),
    LayerCase("ImageSegData", "image_data_param { source: 'list.txt' new_height: 20 new_width: 30 "
        "label_type: NONE is_color: false } transform_param { scale_factors: 0.5 }", [],
        [(1, 1, 10, 15), (1, 1, 10, 15)]),
    LayerCase("ImageLabelmapData", "image_data_param { source: 'list.txt' batch_size: 2 "
        "new_height: 20 new_width: 30 }", [], [(2, 3, 20, 30), (2, 1, 20, 30)]),
    LayerCase("AnnotatedData", BOXES.format("batch_size: 2", "annotated_data_param { batch_sampler "
        "{ max_sample: 1 max_trials: 1 } } transform_param { mirror: true resize_param { height: 6 "
        "width: 7 } }"), [], [(2, 3, 6, 7), (1, 1, 8, 8)]),
    LayerCase("AnnotatedData", BOXES.format("batch_size: 3", "transform_param { crop_h: 4 "
        "crop_w: 5 force_gray: true }"), [], [(3, 1, 4, 5), (1, 1, 8, 8)]),
    LayerCase("WindowData", WINDOWS.format("", "crop_size: 27"), [], [(3, 3, 27, 27), (3,)]),
    LayerCase("WindowData", WINDOWS.format("crop_mode: 'square'", "crop_size: 5"), [],
        [(3, 3, 5, 5), (3,)]),
    LayerCase("VideoData", CLIPS.format("batch_size: 2 new_length: 4", ""), [],
        [(2, 3, 4, 24, 32), (2,)]),
    LayerCase("VideoData", CLIPS.format("new_length: 2 sampling_rate: 2 new_height: 12 "
        "new_width: 9 use_multiple_label: true num_of_labels: 5", "crop_size: 7 mirror: true"), [],
        [(1, 3, 2, 7, 7), (1, 5)], dialect="c3d"),
    LayerCase("VideoData", "image_data_param { source: '../../layer_cases/clips.txt' "
        "batch_size: 3 new_length: 3 mean_value: 90 crop_size: 20 shuffle: true }", [],
        [(3, 3, 3, 20, 20)]),
    LayerCase("VideoData", FRAMES.format("2", ""), [], [(2, 3, 24, 32)]),
    LayerCase("VideoData", FRAMES.format("5", "resize_param { height: 10 width: 12 } "
        "crop_size: 8"), [], [(5, 3, 8, 8), (5,)], dialect="ssd"),
    LayerCase("MemoryData", "memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 }",
        [], [(2, 3, 4, 5), (2,)]),
    LayerCase("HDF5Output", "hdf5_output_param { file_name: 'out.h5' }", [(2, 3, 4, 5), (2,)], [],
        lambda *_: ()),
]
# fmt: on
