"""What the layers called BN refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, FOUR, Bad

AXIS = "axis 1 out of range for 1-D Blob with shape 5"
UNKNOWN, SUGGESTION = "Unknown filler name: constnat", "did you mean 'constant'?"

BAD = [
    Bad("BN", "", [(5,)], AXIS, FIRST),
    Bad("BN", "", [(5,)], AXIS, FIRST, dialect="segnet"),
    Bad("SyncBN", "", [(5,)], AXIS, FIRST),
    Bad("BN", "bn_param { ^slope_filler { type: 'constnat' } }", [(2, 3)], UNKNOWN,
        hint=SUGGESTION),
    Bad("BN", "bn_param { ^shift_filler { type: 'constnat' } }", [(2, 3, 1, 1)], UNKNOWN,
        hint=SUGGESTION),
    Bad("BN", "bn_param { bn_mode: LEARN }", [(2, 3)], f"{FOUR} 2 x 3", FIRST),
    Bad("BN", "bn_param { var_eps: 1 }", [(2, 3)], f"{FOUR} 2 x 3", FIRST),
    Bad("BN", "bn_param { bn_mode: INFERENCE }", [(2, 3, 1, 1)],
        "bn_mode INFERENCE has no statistics for further tops", "'label'", tops=2),
    Bad("BatchNorm", "", [(5,)], AXIS, FIRST, dialect="nvcaffe"),
    Bad("BatchNorm", "batch_norm_param { scale_bias: true ^bias_filler { type: 'constnat' } }",
        [(2, 3)], UNKNOWN, hint=SUGGESTION),
    Bad("BatchNorm", "batch_norm_param { ^filler { type: 'constnat' } }", [(2, 3)], UNKNOWN,
        hint=SUGGESTION),
    Bad("BatchNorm", "batch_norm_param { stats_batch_size: ^2 }", [(4, 3)],
        "statistics of 2 of the 4 examples of a batch are not computed",
        hint="give the batch that size"),
]  # fmt: skip
