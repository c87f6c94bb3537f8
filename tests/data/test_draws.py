import numpy as np

from netc.data.draws import below, draws, permutation


def test_a_row_depends_on_its_index_alone():
    rows = draws(7, "data", 0, 10)
    assert np.array_equal(draws(7, "data", 6, 4), rows[6:])


def test_seed_and_name_change_the_draws():
    rows = draws(7, "data", 0, 10)
    assert not np.array_equal(draws(8, "data", 0, 10), rows)
    assert not np.array_equal(draws(7, "other", 0, 10), rows)


def test_the_stream_never_changes():
    assert draws(1, "data", 0, 1).tolist() == [
        [9318224377218682200, 16891784047532477040, 5594758328109706180, 4291574432876641556],
    ]
    assert draws(-1, "data", 3, 1).shape == (1, 4)


def test_below_covers_the_range_evenly():
    drawn = below(draws(1, "data", 0, 6000).ravel(), 6)
    assert np.abs(np.bincount(drawn, minlength=6) / 4000 - 1).max() < 0.1
    assert drawn.max() == 5


def test_below_takes_a_limit_per_column():
    assert np.array_equal(below(draws(1, "x", 0, 5)[:, :2], np.array([1, 1])), np.zeros((5, 2)))


def test_permutation_differs_by_epoch_and_repeats():
    first, second = (permutation(3, "rows", epoch, 50) for epoch in (0, 1))
    assert sorted(first) == list(range(50)) and first.tolist() != second.tolist()
    assert np.array_equal(permutation(3, "rows", 0, 50), first)
