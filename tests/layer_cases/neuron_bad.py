"""What element-wise layers refuse."""

from __future__ import annotations

from ..layers.test_bad_input import FIRST, LAYER, Bad

# fmt: off
BAD = [
    Bad(type, fields, [shape], message, at, hint)
    for type, fields, shape, message, at, hint in (
        ("PReLU", "", (5,), "Number of axes of bottom blob must be >=2: 'x0' is 5", FIRST, None),
        ("PReLU", "prelu_param { ^filler { type: 'xaver' } }", (2, 3),
            "Unknown filler name: xaver", "", "did you mean 'xavier'?"),
        ("PReLU", "prelu_param { channel_shared: true ^filler { type: 'msra' } }", (2, 3),
            "The msra filler needs at least one axis", "", None),
        ("Clip", "", (2, 3), "Missing required fields: clip_param.min, clip_param.max", LAYER,
            "clip_param { min: 0 max: 6 }"),
    )
] + [
    Bad(type, f"{field} {{ base: ^{base} }}", [(2, 3)], message, hint=hint)
    for type, field in (("Exp", "exp_param"), ("Log", "log_param"))
    for base, message, hint in (
        ("0", "base must be strictly positive, got 0", "-1 stands for e"),
        ("-2", "base must be strictly positive, got -2", "-1 stands for e"),
        ("nan", "base must be strictly positive, got nan", "-1 stands for e"),
        ("inf", "Inf result: log(base) = log(inf) = inf", None),
    )
] + [
    Bad("Log", "log_param { base: ^1 }", [(2, 3)], "Inf result: 1/log(base) = 1/log(1) = inf"),
]
# fmt: on
