"""What layers that cut, pick or sum up elements refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, LAYER, SECOND, Bad

# fmt: off
SLICES = [
    Bad("Slice", f"slice_param {{ {fields} }}", [(2, 6)], message, tops=tops)
    for fields, message, tops in (
        ("axis: 1 slice_dim: ^1", "Either axis or slice_dim should be specified; not both.", 2),
        ("axis: ^2", "axis 2 out of range for 2-D Blob with shape 2 x 6", 2),
        ("slice_dim: ^2", "slice_dim out of range: 2 for 2 x 6.", 2),
        ("slice_point: ^3",
            "there must be one slice_point less than tops: 1 slice_point, 3 tops", 3),
        ("slice_point: ^0", "slice_point 0 must be greater than 0 and at most 6, the size of the "
            "slice axis", 2),
        ("slice_point: 3 slice_point: ^3", "slice_point 3 must be greater than 3 and at most 6, "
            "the size of the slice axis", 3),
        ("slice_point: ^7", "slice_point 7 must be greater than 0 and at most 6, the size of the "
            "slice axis", 2),
    )
] + [
    Bad("Slice", "", [(2, 7)], "Number of top blobs (3) should evenly divide input slice axis (7)",
        "'data'", "slice_point gives parts of different sizes", tops=3),
    Bad("Slice", "slice_param { slice_point: 1 slice_point: 2 }", [(2, 2)],
        "3 tops are more than the slice axis has elements (2)", "'other'", tops=3),
]

OTHERS = [
    Bad(type, fields, bottoms, message, at)
    for type, fields, bottoms, message, at in (
        ("Tile", "^tile_param { axis: 1 }", [(2, 3)], "Number of tiles must be specified", ""),
        ("Tile", "", [(2, 3)], "Number of tiles must be specified", LAYER),
        ("Tile", "tile_param { tiles: ^0 }", [(2, 3)], "Number of tiles must be positive, got 0.",
            ""),
        ("Tile", "tile_param { tiles: ^-2 }", [(2, 3)],
            "Number of tiles must be positive, got -2.", ""),
        ("Tile", "tile_param { tiles: 2 axis: ^2 }", [(2, 3)],
            "axis 2 out of range for 2-D Blob with shape 2 x 3", ""),
        ("Reduction", "reduction_param { axis: ^-3 }", [(2, 3)],
            "axis -3 out of range for 2-D Blob with shape 2 x 3", ""),
        ("Reduction", "reduction_param { operation: ^TOPK }", [(2, 3)],
            "the operation TOPK is not carried out", ""),
        ("Reduction", "", [()], "axis 0 out of range for 0-D Blob with shape ()", LAYER),
        ("ArgMax", "argmax_param { top_k: ^0 }", [(2, 3)], "top k must not be less than 1, got 0.",
            ""),
        ("ArgMax", "argmax_param { top_k: ^7 }", [(2, 3, 2)],
            "top_k must be less than or equal to the dimension of the flattened bottom blob per "
            "instance: top_k 7, 6 elements in 2 x 3 x 2.", ""),
        ("ArgMax", "argmax_param { axis: 1 top_k: ^4 }", [(2, 3, 2)],
            "top_k must be less than or equal to the dimension of the axis: top_k 4, 3 elements in "
            "2 x 3 x 2.", ""),
        ("ArgMax", "", [(2, 0)],
            "top_k must be less than or equal to the dimension of the flattened bottom blob per "
            "instance: top_k 1, 0 elements in 2 x 0.", FIRST),
        ("ArgMax", "argmax_param { axis: ^3 }", [(2, 3, 2)],
            "axis 3 out of range for 3-D Blob with shape 2 x 3 x 2", ""),
        ("ArgMax", "", [()], "bottom 'x0' has no axes to search", FIRST),
        ("BatchReindex", "", [(2, 3), (2, 1)],
            "the indices must have 1 axis: bottom[1] 'x1' is 2 x 1", SECOND),
        ("BatchReindex", "", [(), (2,)], "bottom[0] 'x0' has no batch axis", FIRST),
        ("Filter", "", [(4, 3), (4, 2)],
            "Selector blob dimensions must be singletons (1), except the first: bottom 'x1' is "
            "4 x 2", SECOND),
        ("Filter", "", [(4, 3), ()],
            "Selector blob dimensions must be singletons (1), except the first: bottom 'x1' is ()",
            SECOND),
        ("Filter", "", [(4, 3), (3,)],
            "Each bottom should have the same 0th dimension as the selector blob: bottom[0] 'x0' "
            "is 4 x 3, the selector 'x1' is 3", FIRST),
        ("Filter", "", [(4, 3), (4,), (4,)],
            "Filter Layer has one top for each bottom but the selector: 3 bottoms, 1 tops",
            "'data'"),
        ("Parameter", "parameter_param { ^shape { dim: 2 dim: -1 } }", [],
            "shape 2 x -1 has a negative dim", ""),
        ("Embed", "embed_param { input_dim: 2 num_output: ^0 }", [(3,)],
            "EmbedLayer num_output must be positive, got 0.", ""),
        ("Embed", "embed_param { num_output: 2 input_dim: ^0 }", [(3,)],
            "EmbedLayer input_dim must be positive, got 0.", ""),
        ("Embed", "^embed_param { num_output: 2 }", [(3,)],
            "EmbedLayer input_dim must be positive, got 0.", ""),
        ("Embed", "", [(3,)], "EmbedLayer num_output must be positive, got 0.", LAYER),
    )
] + [
    Bad("Embed", "embed_param { input_dim: 2 num_output: 2 ^weight_filler { type: 'xaver' } }",
        [(3,)], "Unknown filler name: xaver", hint="did you mean 'xavier'?"),
]
# fmt: on

BAD: list[Bad] = [*SLICES, *OTHERS]
