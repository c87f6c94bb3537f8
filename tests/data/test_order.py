from netc.data.order import Order


def test_places_follow_each_other_and_wrap():
    assert Order(5, False, 0, 1, "data").at(3, 9) == [3, 4, 0, 1, 2, 3, 4, 0, 1]


def test_shuffled_rounds_visit_all_places_in_orders_of_their_own():
    places = Order(50, True, 0, 1, "data").at(0, 150)
    rounds = [places[i : i + 50] for i in (0, 50, 100)]
    assert all(sorted(r) == list(range(50)) for r in rounds)
    assert len({tuple(r) for r in rounds}) == 3
    assert Order(50, True, 0, 1, "data").at(30, 60) == places[30:90]
    assert (
        Order(50, True, 0, 2, "data").at(0, 50) != rounds[0] != Order(50, True, 0, 1, "x").at(0, 50)
    )


def test_the_start_is_drawn_from_the_first_places():
    starts = {tuple(Order(10, False, 3, seed, "data").at(0, 2)) for seed in range(40)}
    assert starts == {(0, 1), (1, 2), (2, 3)}


def test_rounds_turn():
    order = Order(5, True, 0, 1, "data")
    assert [order.turns(first, 2) for first in range(0, 10, 2)] == [True, False, True, False, False]
