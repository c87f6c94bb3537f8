"""Rows put into HDF5 files."""

import h5py
import numpy as np
import pytest

from netc.data.rows import SLACK, write_pass, write_rows
from netc.errors import DataError

LARGE = np.zeros((1, 1 << 20), np.float32)


LIMIT = SLACK + 5 * LARGE.nbytes // 2


def test_a_full_disk_leaves_the_passes_before(limit_files, tmp_path):
    limit_files(LIMIT)
    path = str(tmp_path / "out.h5")
    write_pass(path, 0, {"data": LARGE})
    for _ in range(2):
        with pytest.raises(DataError, match=r"out.h5: Failed to open HDF5 file: File too large"):
            write_pass(path, 1, {"data": LARGE})
        with h5py.File(path) as file:
            assert file["data"].shape == LARGE.shape and file["pass"][()].tolist() == [0]
    assert [p.name for p in tmp_path.iterdir()] == ["out.h5"]


def test_a_full_disk_leaves_no_part_of_a_file(limit_files, tmp_path):
    limit_files(LIMIT)
    with (
        pytest.raises(DataError, match="File too large"),
        write_rows(str(tmp_path / "f.h5")) as put,
    ):
        for _ in range(3):
            put({"data": LARGE})
    assert not list(tmp_path.iterdir())
