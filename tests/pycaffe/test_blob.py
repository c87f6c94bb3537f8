"""Blobs: arrays that may be held and written at any time."""

import numpy as np
import pytest

from netc.pycaffe import Blob


def test_a_new_blob_is_zero():
    blob = Blob((2, 3))
    assert blob.data.dtype == blob.diff.dtype == np.float32
    assert not blob.data.any() and not blob.diff.any()
    assert (blob.shape, blob.count) == ((2, 3), 6)


@pytest.mark.parametrize(
    "shape, legacy", [((), (1, 1, 1, 1)), ((2, 3), (2, 3, 1, 1)), ((2, 3, 4, 5), (2, 3, 4, 5))]
)
def test_legacy_axes(shape, legacy):
    blob = Blob(shape)
    assert (blob.num, blob.channels, blob.height, blob.width) == legacy


def test_more_than_four_axes_have_no_legacy_names():
    with pytest.raises(ValueError, match="a blob of 5 axes has no num, channels, height, width"):
        _ = Blob((1, 1, 1, 1, 1)).num


def test_data_and_diff_are_the_same_arrays_each_time():
    blob = Blob((3,))
    held = blob.data
    blob.data[1] = 5
    blob.diff[...] = 2
    assert held is blob.data and held.tolist() == [0, 5, 0]
    assert blob.diff.tolist() == [2, 2, 2]


def test_a_held_array_is_the_truth_for_programs():
    """Written between two reads, through a view, or through a view of a view."""
    blob = Blob((4,))
    view = blob.data[1:]
    part = view[::2]
    part[0] = 7
    assert np.asarray(blob._data.value()).tolist() == [0, 7, 0, 0]
    part[1] = 8
    assert np.asarray(blob._data.value()).tolist() == [0, 7, 0, 8]


def test_results_arrive_in_held_arrays():
    blob = Blob((2,))
    view = blob.data[:1]
    blob._data.set(np.float32([3, 4]))
    assert view.tolist() == [3] and blob.data.tolist() == [3, 4]


def test_what_nobody_holds_stays_on_the_device():
    blob = Blob((2,))
    blob.data[...] = 1
    blob._data.value()
    assert not blob._data.written
    held = blob.data
    blob._data.value()
    assert blob._data.written and held.tolist() == [1, 1]


def test_reshape_forgets_and_keeps_where_nothing_changes():
    blob = Blob((2, 3))
    blob.data[...] = 1
    blob.reshape(2, 3)
    assert blob.data.all()
    blob.reshape(3, 1)
    assert blob.shape == (3, 1) and blob.data.shape == blob.diff.shape == (3, 1)
