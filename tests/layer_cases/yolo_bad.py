"""What YOLO's layers refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, FOUR, LAYER, SECOND, Bad

X, LABELS = (2, 18, 3, 3), (2, 30, 5)
GIVEN = "num_class: 4 num: 2"
BIASES = "biases: 1 biases: 2 biases: 3 biases: 4"
GRIDS = [(2, 14, 2, 2), (2, 14, 3, 3)]
OUTPUT = "num_classes: 2 num_box: 2"
MASK = "mask: 0 mask: 1 mask: 2 mask: 3"

# fmt: off
BAD = [
    Bad("RegionLoss", f"region_loss_param {{ {GIVEN} {fields} }}", [X, LABELS], message)
    for fields, message in (
        ("side: 3 coords: ^5", "coords must be 4, got 5"),
        ("side: 3 softmax_tree: ^'9k.tree'", "softmax_tree is not carried out"),
        ("side: ^7", "side is 7, bottom 'x0' is 2 x 18 x 3 x 3"),
        ("side: 3 biases: 1 biases: 2 biases: ^3",
            "biases must be width and height of each anchor, 4 numbers at least, got 3"),
    )
] + [
    Bad("RegionLoss", f"region_loss_param {{ {GIVEN} side: 3 }}", [X, LABELS],
        "biases must be width and height of each anchor, 4 numbers at least, got 0", LAYER),
    Bad("RegionLoss", f"region_loss_param {{ {GIVEN} {BIASES} side: 3 }}", [(2, 17, 3, 3), LABELS],
        "bottom[0] 'x0' must be N x 18 x S x S for 2 boxes and 4 classes, it is 2 x 17 x 3 x 3",
        FIRST),
    Bad("RegionLoss", f"region_loss_param {{ {GIVEN} {BIASES} }}", [X, LABELS],
        "side is 13, bottom 'x0' is 2 x 18 x 3 x 3", FIRST),
    Bad("RegionLoss", f"region_loss_param {{ {GIVEN} {BIASES} side: 3 }}", [X, (2, 30, 4)],
        "the labels 'x1' must be N x 30 x 5, they are 2 x 30 x 4", SECOND),
    Bad("RegionLoss", f"region_loss_param {{ {GIVEN} {BIASES} side: 3 }}", [X, (3, 30, 5)],
        "The data and label should have the same first dimension: bottom[0] 'x0' is 2 x 18 x 3 x "
        "3, bottom[1] 'x1' is 3 x 30 x 5.", SECOND),
    Bad("RegionLoss", "", [(2, 3), (2, 3)], f"{FOUR} 2 x 3", FIRST),
    Bad("Yolov3DetectionOutput", "^yolov3_detection_output_param { }", GRIDS,
        "Must specify num_classes"),
    Bad("Yolov3DetectionOutput", f"^yolov3_detection_output_param {{ {OUTPUT} }}", GRIDS,
        "mask must name 2 anchors for each of 2 bottoms, it names 0"),
    Bad("Yolov3DetectionOutput", f"^yolov3_detection_output_param {{ {OUTPUT} {MASK} }}", GRIDS,
        "anchors_scale must be given once per bottom: 0 for 2 bottoms"),
    Bad("Yolov3DetectionOutput", f"yolov3_detection_output_param {{ {OUTPUT} }}",
        [(2, 14, 2, 2), (2, 14, 3, 2)], "bottom[1] 'x1' must be N x 14 x S x S for 2 boxes and 2 "
        "classes, it is 2 x 14 x 3 x 2", SECOND),
    Bad("Yolov3DetectionOutput", f"yolov3_detection_output_param {{ {OUTPUT} {MASK} {BIASES} "
        "biases: 1 biases: 2 biases: 3 biases: 4 anchors_scale: 32 anchors_scale: 16 }",
        [(2, 14, 2, 2), (1, 14, 3, 3)], "bottom[1] 'x1' has 1 images, bottom[0] 2", SECOND),
] + [
    Bad("Yolov3DetectionOutput", f"yolov3_detection_output_param {{ {OUTPUT} {fields} }}", GRIDS,
        message)
    for fields, message in (
        ("mask_group_num: ^3", "mask_group_num is 3, there are 2 bottoms"),
        ("mask: 0 mask: ^1", "mask must name 2 anchors for each of 2 bottoms, it names 2"),
        (f"{MASK} anchors_scale: ^32",
            "anchors_scale must be given once per bottom: 1 for 2 bottoms"),
        (f"{MASK} anchors_scale: 32 anchors_scale: 16 biases: 1 biases: ^2",
            "biases must be width and height of each anchor, 8 numbers at least, got 2"),
    )
]
# fmt: on
