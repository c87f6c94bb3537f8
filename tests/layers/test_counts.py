"""Every registered type refuses numbers of bottoms and tops that it cannot work with."""

from __future__ import annotations

import pytest

from netc.layers import LAYERS
from netc.layers.base import count_error

EVERY = [k for kind in LAYERS.values() for k in kind.variants]
OWN = [k for k in EVERY if k.setup.__module__.startswith("netc.layers.")]


def limits(rule):
    return (rule, rule) if isinstance(rule, int) else rule


@pytest.mark.parametrize("kind", OWN, ids=lambda k: k.label)
def test_a_number_out_of_range_is_refused(kind):
    least = limits(kind.bottoms)[0], limits(kind.tops)[0]
    assert count_error(kind, *least) is None
    for which, (rule, noun) in enumerate(((kind.bottoms, "bottom"), (kind.tops, "top"))):
        fewest, most = limits(rule)
        below = [fewest - 1] if fewest else []
        above = [] if most is None else [most + 1]
        for count in below + above:
            counts = [*least]
            counts[which] = count
            message = count_error(kind, *counts)
            assert message and f"{noun} blob(s)" in message and f"got {count}." in message
