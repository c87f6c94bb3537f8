"""What layers of detection refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, FOUR, LAYER, SECOND, Bad

THIRD, FOURTH = "'x2'", "'x3'"
BOTTOMS = [(2, 24), (2, 18), (1, 2, 24)]
LOSS = [*BOTTOMS, (1, 1, 4, 8)]
PRIOR = [(1, 1, 2, 3), (1, 1, 30, 45)]
MAPS = [(1, 4, 3, 4), (1, 8, 3, 4), (1, 3)]

# fmt: off
PRIOR_BOXES = [
    Bad("PriorBox", f"prior_box_param {{ {fields} }}", PRIOR, message)
    for fields, message in (
        ("min_size: ^0", "min_size must be positive, got 0"),
        ("min_size: 1 max_size: 2 max_size: ^3",
            "max_size must be given once per min_size: 1 min_size, 2 max_size"),
        ("min_size: 3 max_size: ^3", "max_size must be greater than min_size: 3, 3"),
        ("min_size: 3 aspect_ratio: ^-1", "aspect_ratio must be positive, got -1"),
        ("min_size: 3 variance: 1 variance: ^1", "variance must be given once or 4 times, got 2"),
        ("min_size: 3 variance: ^0", "variance must be greater than 0, got 0"),
        ("min_size: 3 img_size: 3 img_h: ^3",
            "Either img_size or img_h/img_w should be specified; not both."),
        ("min_size: 3 img_h: ^3", "img_w should be larger than 0, got 0"),
        ("min_size: 3 img_size: ^0", "img_size should be larger than 0, got 0"),
        ("min_size: 3 step: 3 step_w: ^3",
            "Either step or step_h/step_w should be specified; not both."),
        ("min_size: 3 step: ^-1", "step should be larger than 0, got -1"),
        ("min_size: 3 offset_w: ^1", "offset_w and offset_h must be equally many: 1 and 0"),
        ("height: ^1", "width and height must be equally many: 0 and 1"),
    )
] + [
    Bad("PriorBox", "^prior_box_param { clip: true }", PRIOR, "must provide min_size."),
    Bad("PriorBox", "prior_box_param { min_size: 3 }", PRIOR[:1],
        "the size of the image is not given", LAYER, "a second bottom, img_size or img_h/img_w"),
    Bad("PriorBox", "prior_box_param { min_size: 3 }", [(1, 1, 2, 3), (3, 4)],
        "the image 'x1' must have 4 axes, got 3 x 4", SECOND),
    Bad("PriorBox", "prior_box_param { min_size: 3 }", [(2, 3), (1, 1, 3, 4)], f"{FOUR} 2 x 3",
        FIRST),
]

DETECTIONS = [
    Bad(type, f"{message_field} {{ {fields} }}", bottoms, message, at, hint,
        tops=2 if type == "BoxAnnotatorOHEM" else 1)
    for type, message_field, fields, bottoms, message, at, hint in (
        ("DetectionOutput", "detection_output_param", "num_classes: ^0", BOTTOMS,
            "num_classes should not be less than 1, got 0.", "", None),
        ("DetectionOutput", "detection_output_param", "num_classes: ^1",
            [(2, 24), (2, 6), (1, 2, 24)], "there is no class beside the background", "", None),
        ("DetectionOutput", "detection_output_param", "num_classes: 4", BOTTOMS,
            "Number of priors must match number of confidence predictions: 6 priors need 2 x 24, "
            "'x1' is 2 x 18.", SECOND, None),
        ("DetectionOutput", "detection_output_param", "num_classes: 3 share_location: false",
            BOTTOMS, "Number of priors must match number of location predictions: 6 priors need "
            "2 x 72, 'x0' is 2 x 24.", FIRST, None),
        ("DetectionOutput", "detection_output_param", "num_classes: 3",
            [(2, 24), (2, 18), (1, 1, 24)], "priors must be 1 x 2 x 4P, got 1 x 1 x 24 in 'x2'",
            THIRD, None),
        ("DetectionOutput", "detection_output_param",
            "num_classes: 3 nms_param { nms_threshold: ^-1 }", BOTTOMS,
            "nms_threshold must be non negative, got -1.", "", None),
        ("DetectionOutput", "detection_output_param", "num_classes: 3 nms_param { eta: ^0 }",
            BOTTOMS, "eta must be above 0 and at most 1, got 0", "", None),
        ("DetectionEvaluate", "detection_evaluate_param", "num_classes: 3",
            [(1, 1, 3, 7), (1, 1, 3, 7)], "bottom[1] 'x1' must be 1 x 1 x N x 8, got 1 x 1 x 3 x 7",
            SECOND, None),
        ("DetectionEvaluate", "detection_evaluate_param", "num_classes: 3 overlap_threshold: ^0",
            [(1, 1, 3, 7), (1, 1, 3, 8)], "overlap_threshold must be greater than 0, got 0", "",
            None),
        ("MultiBoxLoss", "multibox_loss_param", "num_classes: 3",
            [*BOTTOMS, (1, 1, 4, 7)], "the boxes 'x3' must be 1 x 1 x G x 8, got 1 x 1 x 4 x 7",
            FOURTH, None),
        ("MultiBoxLoss", "multibox_loss_param", "num_classes: 3",
            [*BOTTOMS, (1, 1, 0, 8)], "the boxes 'x3' must be 1 x 1 x G x 8, got 1 x 1 x 0 x 8",
            FOURTH, None),
        ("MultiBoxLoss", "multibox_loss_param", "num_classes: 3 share_location: ^false",
            [(2, 72), *LOSS[1:]],
            "Currently only support negative mining if share_location is true.", "",
            "mining_type: NONE"),
        ("MultiBoxLoss", "multibox_loss_param", "num_classes: 3 background_label_id: ^3", LOSS,
            "background_label_id should be within [0, num_classes) for Softmax: 3, 3 classes.", "",
            None),
        ("MultiBoxLoss", "multibox_loss_param",
            "num_classes: 3 mining_type: HARD_EXAMPLE sample_size: ^0", LOSS,
            "sample_size must be greater than 0, got 0", "", None),
        ("MultiBoxLoss", "multibox_loss_param", "num_classes: 3 map_object_to_agnostic: ^true",
            LOSS, "map_object_to_agnostic needs 2 classes, background and object, got 3", "", None),
        ("MultiBoxLoss", "multibox_loss_param",
            "num_classes: 3 mining_type: NONE do_neg_mining: ^true", LOSS,
            "do_neg_mining: true contradicts mining_type: NONE", "", "mining_type alone says it"),
        ("ROIPooling", "roi_pooling_param", "pooled_h: 2 pooled_w: ^0", [(1, 2, 3, 4), (3, 5)],
            "pooled_w must be > 0, got 0", "", None),
        ("ROIPooling", "roi_pooling_param", "pooled_h: 2 pooled_size: ^2", [(1, 2, 3, 4), (3, 5)],
            "either pooled_size, once or twice, or pooled_h and pooled_w", "", None),
        ("ROIPooling", "roi_pooling_param", "pooled_size: 2", [(1, 2, 3, 4), (3, 4)],
            "regions must be R x 5: image, x1, y1, x2, y2; 'x1' is 3 x 4", SECOND, None),
        ("PSROIPooling", "psroi_pooling_param", "output_dim: 1 group_size: 2 spatial_scale: ^0",
            [(1, 4, 3, 4), (3, 5)], "spatial_scale must be > 0, got 0", "", None),
        ("PSROIPooling", "psroi_pooling_param", "group_size: 2 spatial_scale: 1 output_dim: ^2",
            [(1, 4, 3, 4), (3, 5)], "input channel number does not match layer parameters: 4 "
            "channels in 'x0', output_dim 2 x group_size 2^2 is 8", "", None),
        ("Proposal", "proposal_param", "feat_stride: ^0", MAPS,
            "feat_stride must be greater than 0, got 0", "", None),
        ("Proposal", "proposal_param", "ratio: 1 ratio: ^0", MAPS,
            "ratio must be greater than 0, got 0", "", None),
        ("Proposal", "proposal_param", "ratio: 1 scale: 1", MAPS,
            "1 anchors need 1 x 2 x 3 x 4, 'x0' is 1 x 4 x 3 x 4", FIRST, None),
        ("Proposal", "proposal_param", "ratio: 1 scale: 1 scale: 2", [*MAPS[:2], (1, 2)],
            "im_info must be 1 x 3: height, width, scale; 'x2' is 1 x 2", THIRD, None),
        ("BoxAnnotatorOHEM", "box_annotator_ohem_param", "roi_per_img: ^0",
            [(3, 5), (3, 1), (3,), (3, 8)], "roi_per_img must be > 0, got 0", "", None),
        ("BoxAnnotatorOHEM", "box_annotator_ohem_param", "roi_per_img: 2",
            [(3, 5), (2, 1), (3,), (3, 8)],
            "bottom[1] 'x1' must be 3 x 1 x 1 x 1, got 2 x 1", SECOND, None),
        ("Permute", "permute_param", "order: 0 order: ^2", [(2, 3)],
            "order should be less than the input dimension: 2, 'x0' is 2 x 3.", "", None),
        ("Permute", "permute_param", "order: 1 order: ^1", [(2, 3)],
            "there are duplicate orders: 1", "", None),
        ("Reorg", "reorg_param", "stride: ^0", [(1, 4, 2, 2)], "stride must be positive, got 0", "",
            None),
        ("Reorg", "reorg_param", "stride: ^2", [(1, 4, 3, 2)],
            "channels must divide by stride^2, height and width by stride 2: 'x0' is "
            "1 x 4 x 3 x 2", "", None),
        ("Normalize", "norm_param", "eps: 1", [(4,)],
            "Number of axes of bottom blob must be >=2: 'x0' is 4.", FIRST, None),
        ("Normalize", "norm_param", "^scale_filler { type: 'xaver' }", [(4, 3)],
            "Unknown filler name: xaver", "", "did you mean 'xavier'?"),
        ("SpatialDropout", "spatial_dropout_param", "dropout_ratio: ^1", [(4, 3)],
            "dropout_ratio must be in [0, 1), got 1", "", None),
        ("SpatialDropout", "spatial_dropout_param", "dropout_ratio: 0.5", [(4,)],
            "bottom 'x0' has no channels: 4", FIRST, None),
    )
]

MISSING = [
    Bad(type, f"^{field} {{ {fields} }}", bottoms, message, tops=tops)
    for type, field, fields, bottoms, message, tops in (
        ("DetectionOutput", "detection_output_param", "keep_top_k: 1", BOTTOMS,
            "Must specify num_classes", 1),
        ("DetectionEvaluate", "detection_evaluate_param", "overlap_threshold: 1",
            [(1, 1, 3, 7), (1, 1, 3, 8)], "Must provide num_classes.", 1),
        ("MultiBoxLoss", "multibox_loss_param", "", LOSS, "Must specify num_classes", 1),
        ("ROIPooling", "roi_pooling_param", "spatial_scale: 1", [(1, 2, 3, 4), (3, 5)],
            "pooled_h must be > 0, got 0", 1),
        ("PSROIPooling", "psroi_pooling_param", "output_dim: 1", [(1, 2, 3, 4), (3, 5)],
            "spatial_scale must be > 0, got 0", 1),
        ("BoxAnnotatorOHEM", "box_annotator_ohem_param", "ignore_label: 1",
            [(3, 5), (3, 1), (3,), (3, 8)], "roi_per_img must be > 0, got 0", 2),
        ("Reorg", "reorg_param", "reverse: true", [(1, 4, 2, 2)], "stride must be positive, got 0",
            1),
    )
]
# fmt: on

BAD: list[Bad] = [*PRIOR_BOXES, *DETECTIONS, *MISSING]
