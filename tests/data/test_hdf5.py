import h5py
import numpy as np
import pytest

from netc.data import hdf5
from netc.errors import DataError

from .helpers import hdf5_feed


def write(path, first, count, **other):
    """A file of rows that count up from `first`, in the data sets data (N, 2) and label (N,)."""
    rows = np.arange(first, first + count)
    with h5py.File(path, "w") as file:
        for name, values in ({"data": np.stack([rows, -rows], 1), "label": rows} | other).items():
            file[name] = values
    return str(path)


@pytest.fixture
def source(tmp_path):
    """A list of three files with 5, 3 and 4 rows."""
    paths = [
        write(tmp_path / f"{i}.h5", first, count)
        for i, (first, count) in enumerate([(0, 5), (5, 3), (8, 4)])
    ]
    (tmp_path / "list.txt").write_text(f"{paths[0]}\n\n  {paths[1]} {paths[2]}\n")
    return str(tmp_path / "list.txt")


def test_batches_span_files_and_wrap(source):
    feed = hdf5_feed(source, batch=5)
    assert feed.shapes == ((5, 2), (5,)) and feed.epoch_size == 12 and feed.labels_top == 1
    for k in (3, 0, 1, 2):
        rows = np.arange(5 * k, 5 * k + 5) % 12
        data, label = feed.batch(k)
        assert data.dtype == label.dtype == np.float32
        assert np.array_equal(label, rows)
        assert np.array_equal(data, np.stack([rows, -rows], 1))


def test_a_batch_of_several_epochs(source):
    assert np.array_equal(hdf5_feed(source, batch=30).batch(1)[1], np.arange(30, 60) % 12)


def test_names_are_relative_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lists").mkdir()
    write("a.h5", 0, 4)
    (tmp_path / "lists" / "list.txt").write_text("a.h5")
    assert hdf5_feed("lists/list.txt").epoch_size == 4


def epochs(feed, count):
    size = feed.shapes[0][0]
    labels = np.concatenate([feed.batch(k)[1] for k in range(-(-12 * count // size))])
    return labels[: 12 * count].reshape(count, 12).astype(int).tolist()


def test_shuffle_visits_each_row_once_an_epoch_in_another_order(source):
    shuffled = epochs(hdf5_feed(source, data="shuffle: true"), 6)
    assert all(sorted(epoch) == list(range(12)) for epoch in shuffled)
    assert len(set(map(tuple, shuffled))) == 6
    assert epochs(hdf5_feed(source, batch=7, data="shuffle: true"), 6) == shuffled
    assert epochs(hdf5_feed(source, data="shuffle: true", seed=2), 6) != shuffled


def test_shuffle_keeps_the_rows_of_a_file_together(source):
    owner = np.repeat([0, 1, 2], [5, 3, 4])
    orders = set()
    for epoch in epochs(hdf5_feed(source, data="shuffle: true"), 12):
        changes = owner[epoch][np.flatnonzero(np.diff(owner[epoch], prepend=-1))]
        assert len(changes) == 3
        orders.add(tuple(changes.tolist()))
    assert len(orders) > 2


def test_shuffled_tops_stay_together(source):
    data, label = hdf5_feed(source, data="shuffle: true").batch(3)
    assert np.array_equal(data[:, 0], label)


@pytest.mark.parametrize("data", ["", "shuffle: true"])
def test_files_too_large_to_hold_give_the_same_rows(source, data, monkeypatch):
    held = epochs(hdf5_feed(source, batch=7, data=data), 3)
    monkeypatch.setattr(hdf5, "HELD", 0)
    feed = hdf5_feed(source, batch=7, data=data)
    monkeypatch.setattr(feed, "_load", None)
    assert epochs(feed, 3) == held


def test_describe_names_file_and_row(source):
    feed = hdf5_feed(source, batch=6)
    names = [name.rpartition("/")[2] for name in feed.describe(0)]
    assert names == [*(f"0.h5, row {i}" for i in range(5)), "1.h5, row 0"]


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int64, np.float16, np.float64])
def test_numbers_of_any_kind(tmp_path, kind):
    path = write(tmp_path / "a.h5", 0, 4, data=np.arange(4, dtype=kind))
    (tmp_path / "list.txt").write_text(path)
    assert hdf5_feed(tmp_path / "list.txt").batch(0)[0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"data": np.zeros((3, 2))}, "different numbers of rows: 'data' 3, 'label' 4"),
        ({"data": np.array([b"x"] * 4)}, "data set 'data' is |S1, neither float nor integer"),
        ({"data": np.zeros(4, bool)}, "data set 'data' is bool, neither"),
        ({"data": np.float32(1)}, "data set 'data' is a scalar"),
    ],
)
def test_data_sets_that_will_not_do(tmp_path, sets, message):
    path = write(tmp_path / "a.h5", 0, 4, **sets)
    (tmp_path / "list.txt").write_text(path)
    with pytest.raises(DataError, match=f"{path}: .*{message.replace('|', '.')}"):
        hdf5_feed(tmp_path / "list.txt")


def test_a_top_without_a_data_set(source):
    with pytest.raises(
        DataError, match="Failed to find HDF5 dataset dta\nhint: the file holds data, label"
    ):
        hdf5_feed(source, tops=("dta", "label"))


def test_rows_of_another_shape_in_a_later_file(tmp_path):
    paths = [write(tmp_path / f"{n}.h5", 0, 4, data=np.zeros((4, n))) for n in (2, 3)]
    (tmp_path / "list.txt").write_text(" ".join(paths))
    with pytest.raises(DataError, match=r"3.h5: rows of .* \(3,\), those of .*2.h5' \(2,\)"):
        hdf5_feed(tmp_path / "list.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "Must have at least 1 HDF5 filename listed"),
        ("nowhere.h5", "nowhere.h5: Failed to read HDF5 file: No such file or directory\nhint: "),
        ("list.txt", "list.txt: Failed to read HDF5 file: "),
        ("empty.h5", "the files hold no rows"),
    ],
)
def test_lists_that_will_not_do(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    write("empty.h5", 0, 0)
    (tmp_path / "list.txt").write_text(content)
    with pytest.raises(DataError, match=message):
        hdf5_feed("list.txt")


def test_an_hdf5_file_in_place_of_the_list(tmp_path):
    feed = hdf5_feed(write(tmp_path / "a.h5", 0, 4))
    assert feed.epoch_size == 4 and feed.describe(1)[3] == f"{tmp_path}/a.h5, row 3"


def test_no_list():
    with pytest.raises(DataError, match=r"nowhere.txt: Failed to open file"):
        hdf5_feed("nowhere.txt")


def test_a_file_that_changes_later(tmp_path, source):
    feed = hdf5_feed(source)
    write(tmp_path / "0.h5", 0, 7)
    with pytest.raises(DataError, match=r"0.h5: the file has changed"):
        feed.batch(0)


def test_nothing_is_transformed(source):
    with pytest.raises(DataError, match=r"HDF5Data does not transform data."):
        hdf5_feed(source, extra="transform_param { scale: 2 }")


def test_a_batch_size_is_needed(source):
    with pytest.raises(DataError, match="Positive batch size required"):
        hdf5_feed(source, batch=0)
