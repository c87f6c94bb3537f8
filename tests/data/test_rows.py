"""Rows put into HDF5 files."""

import resource

import h5py
import numpy as np
import pytest

from netc.data.rows import SLACK, write_pass, write_rows
from netc.errors import DataError

LARGE = np.zeros((1, 1 << 20), np.float32)


@pytest.fixture
def full_disk():
    """No file may hold much more than two of these arrays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SLACK + 5 * LARGE.nbytes // 2, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_passes_before(full_disk, tmp_path):
    path = str(tmp_path / "out.h5")
    write_pass(path, 0, {"data": LARGE})
    for _ in range(2):
        with pytest.raises(DataError, match=r"out.h5: Failed to open HDF5 file: File too large"):
            write_pass(path, 1, {"data": LARGE})
        with h5py.File(path) as file:
            assert file["data"].shape == LARGE.shape and file["pass"][()].tolist() == [0]
    assert [p.name for p in tmp_path.iterdir()] == ["out.h5"]


def test_a_full_disk_leaves_no_part_of_a_file(full_disk, tmp_path):
    with (
        pytest.raises(DataError, match="File too large"),
        write_rows(str(tmp_path / "f.h5")) as put,
    ):
        for _ in range(3):
            put({"data": LARGE})
    assert not list(tmp_path.iterdir())
