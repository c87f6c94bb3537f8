"""Blobs of 2^31 elements or more, whichever field asks for them."""

from __future__ import annotations

from ..layers.test_bad_input import LAYER, Bad


def exceeds(shape, count):
    return f"blob size exceeds INT_MAX: {shape} is {count} elements, 2147483647 are the most"


# fmt: off
BAD = [
    Bad(type, fields, bottoms, exceeds(shape, count), tops=tops)
    for type, fields, bottoms, shape, count, tops in (
        ("Input", "input_param { shape { dim: 2 dim: 3 dim: ^2000000000 } }", [],
            "2 x 3 x 2000000000", 12000000000, 1),
        ("Input", "input_param { shape { dim: 2 } shape { dim: 65536 dim: 4 dim: ^65537 } }", [],
            "65536 x 4 x 65537", 17180131328, 2),
        ("DummyData", "dummy_data_param { shape { dim: ^2147483648 } }", [],
            "2147483648", 2147483648, 1),
        ("DummyData", "dummy_data_param { shape { dim: 40000 dim: ^70000 } "
            "data_filler { type: 'gaussian' } }", [], "40000 x 70000", 2800000000, 1),
        ("Parameter", "parameter_param { shape { dim: 3 dim: ^2000000000 } }", [],
            "3 x 2000000000", 6000000000, 1),
        ("MemoryData", "memory_data_param { batch_size: ^999999999 channels: 1 height: 2 "
            "width: 2 }", [], "999999999 x 1 x 2 x 2", 3999999996, 2),
        ("InnerProduct", "inner_product_param { num_output: ^2000000000 }", [(2, 3)],
            "2000000000 x 3", 6000000000, 1),
        ("InnerProduct", "inner_product_param { num_output: ^1500000000 }", [(2, 1)],
            "2 x 1500000000", 3000000000, 1),
        ("Embed", "embed_param { num_output: 2 input_dim: ^2000000000 }", [(2,)],
            "2000000000 x 2", 4000000000, 1),
        ("Tile", "tile_param { tiles: ^2000000000 }", [(2, 3)],
            "2 x 6000000000", 12000000000, 1),
        ("Interp", "interp_param { height: 9 width: ^2000000000 }", [(1, 2, 3, 4)],
            "1 x 2 x 9 x 2000000000", 36000000000, 1),
        ("Resample", "resample_param { height: ^2000000000 width: 8 }", [(1, 2, 3, 4)],
            "1 x 2 x 2000000000 x 8", 32000000000, 1),
        ("Upsample", "upsample_param { scale: ^40000 }", [(1, 2, 3, 4)],
            "1 x 2 x 120000 x 160000", 38400000000, 1),
        ("Upsample", "upsample_param { upsample_h: 2 upsample_w: ^2000000000 }",
            [(1, 2, 3, 4)] * 2, "1 x 2 x 2 x 2000000000", 8000000000, 1),
        ("Accum", "accum_param { top_height: ^2000000000 top_width: 5 }", [(1, 2, 3, 4)] * 2,
            "1 x 2 x 2000000000 x 5", 20000000000, 1),
    )
] + [
    Bad("InnerProduct", "inner_product_param { num_output: ^40000 transpose: true axis: -1 }",
        [(2, 60000)], exceeds("60000 x 40000", 2400000000)),
    Bad("Concat", "", [(40000, 40000)] * 2, exceeds("40000 x 80000", 3200000000), LAYER),
    Bad("PriorBox", "prior_box_param { min_size: 4 }", [(1, 1, 20000, 20000), (1, 3, 9, 9)],
        exceeds("1 x 2 x 1600000000", 3200000000), LAYER),
]
# fmt: on
