"""What BatchNorm and MVN refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, Bad

STATISTICS = "Cannot configure batch normalization statistics as layer parameters: lr_mult"
NOT_LEARNT = "the three blobs are not learnt: lr_mult: 0, or no param at all"

BAD = [
    Bad("BatchNorm", "^param { name: 'mean' }", [(2, 3)], f"{STATISTICS} 1", hint=NOT_LEARNT),
    Bad(
        "BatchNorm",
        "param { lr_mult: 0 } ^param { lr_mult: 0.5 }",
        [(2, 3)],
        f"{STATISTICS} 0.5",
        hint=NOT_LEARNT,
    ),
    Bad("BatchNorm", "", [(5,)], "axis 1 out of range for 1-D Blob with shape 5", FIRST),
    Bad("BatchNorm", "", [()], "axis 1 out of range for 0-D Blob with shape ()", FIRST),
    Bad(
        "MVN",
        "",
        [(1, 2, 3, 4, 5)],
        "Cannot use legacy accessors on Blobs with > 4 axes: bottom 'x0' is 1 x 2 x 3 x 4 x 5",
        FIRST,
    ),
]
