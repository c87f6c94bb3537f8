import numpy as np
import pytest

from netc.data.digits import labels_of, load_digits, split_digits, spread, write_digits
from netc.errors import DataError, UsageError

from .helpers import data_feed

FIRST = [5, 0, 5, 9, 0, 8, 1, 2, 2, 1, 9, 1]


def test_the_digits():
    images, labels = load_digits()
    assert images.shape == (1797, 8, 8) and images.dtype == np.uint8 and images.max() == 16
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_split_is_fixed_and_complete():
    train, test = split_digits()["train"], split_digits()["test"]
    assert (len(train.labels), len(test.labels)) == (1437, 360)
    assert train.labels[:12].tolist() == FIRST
    together = np.concatenate([train.images, test.images]).reshape(1797, -1)
    assert sorted(map(tuple, together)) == sorted(
        map(tuple, load_digits().images.reshape(1797, -1))
    )
    assert np.bincount(test.labels, minlength=10).min() > 20


def test_values_spread_over_a_byte():
    assert spread(np.array([0, 1, 8, 16], np.uint8)).tolist() == [0, 15, 127, 255]


def test_write_digits(tmp_path):
    log = []
    write_digits(str(tmp_path), log=log.append)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["digits_test_lmdb", "digits_train_lmdb"]
    feed = data_feed(tmp_path / "digits_train_lmdb", batch=12)
    data, labels = feed.batch(0)
    assert feed.epoch_size == 1437 and data.shape == (12, 1, 28, 28) and data.max() == 255
    assert labels.tolist() == FIRST
    assert log[0].endswith("digits_train_lmdb: 1437 digits of 28 x 28")


def test_existing_databases_are_kept(tmp_path):
    (tmp_path / "digits_test_lmdb").mkdir()
    with pytest.raises(DataError, match="digits_test_lmdb: the database exists already"):
        write_digits(str(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["digits_test_lmdb"]


def test_some_labels_are_numbered_from_0(tmp_path):
    log = []
    write_digits(str(tmp_path), "0,5-9", log.append)
    feed = data_feed(tmp_path / "digits_0,5-9_train_lmdb", batch=7)
    renumbered = {0: 0, 5: 1, 6: 2, 7: 3, 8: 4, 9: 5}
    assert feed.batch(0)[1].tolist() == [renumbered[d] for d in FIRST if d in renumbered]
    assert log[1].endswith("digits_0,5-9_test_lmdb: 222 digits of 28 x 28")


@pytest.mark.parametrize(
    ("text", "labels"), [("3", (3,)), ("0-4", (0, 1, 2, 3, 4)), ("8,1-2,2-3", (1, 2, 3, 8))]
)
def test_labels(text, labels):
    assert labels_of(text) == labels


@pytest.mark.parametrize("text", ["", "a", "10", "4-0", "-3", "0-", "1,,2", "0-4-5", "²"])
def test_labels_that_are_none(tmp_path, text):
    with pytest.raises(UsageError, match=f"such as 0-4 or 1,3,7-9, not '{text}'"):
        write_digits(str(tmp_path), text)
    assert not any(tmp_path.iterdir())
