import pytest

from netc.errors import UsageError
from netc.lowering import conv_sides, dense, lrn, pool, reduce
from netc.lowering.geometry import Conv
from netc.lowering.plan import Plan, parse_overrides, table
from netc.lowering.table import ROWS

OPERATIONS = [
    *((side, {*ways, *conv_sides.PLANNED[side]}) for side, ways in conv_sides.WAYS.items()),
    ("max_pool", set(pool.MAX_WAYS)),
    ("ave_pool", set(pool.SUM_WAYS)),
    ("unpool", set(pool.UNPOOL_WAYS)),
    ("lrn", set(lrn.WAYS)),
    ("dense", set(dense.WAYS)),
    ("channel_sum", set(reduce.SUM_WAYS)),
    ("channel_dot", set(reduce.DOT_WAYS)),
]
FACTS = (2, 3, (4, 5), "NHWC")


@pytest.mark.parametrize(("operation", "ways"), OPERATIONS)
def test_rows_and_implementations_agree(operation, ways):
    assert {row.implementation for row in table(operation)} == ways


def test_every_operation_is_known_and_ends_with_xlas_own():
    assert {row.operation for row in ROWS} == {operation for operation, _ in OPERATIONS}
    for operation, _ in OPERATIONS:
        last = table(operation)[-1]
        assert (last.implementation, last.platform) == ("native", "")


def test_rows_can_be_printed():
    assert all(row.reason and "\n" not in row.reason for row in ROWS)
    assert {row.operation for row in table("conv")} == set(conv_sides.WAYS)


def test_the_platform_decides():
    assert Plan("cpu").pick("channel_sum", FACTS) == "product"
    assert Plan("gpu").pick("channel_sum", FACTS) == "native"


def test_an_override_decides():
    assert Plan("cpu", {"channel_sum": "native"}).pick("channel_sum", FACTS) == "native"
    assert Plan("gpu", {"channel_sum": "product"}).pick("channel_sum", FACTS) == "product"


def test_the_most_exact_override_decides():
    g = Conv(2, 3, 4, (5, 5), (1, 1), (1, 1), (0, 0), (1, 1), 1, "NHWC", 4)
    plan = Plan("cpu", {"conv": "native", "conv.forward": "pointwise"})
    assert plan.pick("conv.forward", g) == "pointwise"
    assert plan.pick("conv.input_gradient", g) == "native"


def test_an_override_that_cannot_is_passed_over():
    g = Conv(2, 3, 4, (5, 5), (3, 3), (1, 1), (0, 0), (1, 1), 1, "NHWC", 4)
    assert Plan("gpu", {"conv": "pointwise"}).pick("conv.forward", g) == "native"


def test_plans_do_not_change():
    names = {"conv": "native"}
    plan = Plan("cpu", names)
    names["conv"] = "split"
    assert plan.overrides == {"conv": "native"}
    with pytest.raises(TypeError):
        plan.overrides["conv"] = "split"  # type: ignore[index]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"cnov": "native"}, "no operation 'cnov' to lower; .*\nhint: did you mean 'conv'?"),
        ({"": "native"}, "no operation ''"),
        ({"conv": "nativ"}, "no implementation 'nativ' of 'conv'; .*\nhint: .*'native'?"),
        ({"lrn": "split"}, "no implementation 'split' of 'lrn'; there are "),
    ],
)
def test_unknown_names(overrides, message):
    with pytest.raises(UsageError, match=message):
        Plan("cpu", overrides)


def test_overrides_from_words():
    words = ["conv=native", " max_pool = separable"]
    assert parse_overrides(words) == {"conv": "native", "max_pool": "separable"}
    with pytest.raises(UsageError, match="a lowering is OPERATION=IMPLEMENTATION, got 'conv'"):
        parse_overrides(["conv"])
