import h5py
import numpy as np
import pytest

from netc.cli import main
from netc.data.copying import copy
from netc.data.datum import encode_raw, parse, pixels
from netc.data.sources import find_source
from netc.errors import DataError, UsageError
from netc.schema import Datum

from .helpers import images, write_images, write_records


def everything(path):
    source = find_source(path)
    places = range(len(source))
    return source.keys(places), source.read(places)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images("db", images(300))
    return tmp_path


def quiet(*arguments, **options):
    return copy(*arguments, log=lambda text: None, **options)


def test_databases_are_copied_to_the_byte(folder):
    assert quiet("db", "a_leveldb") == quiet("a_leveldb", "b") == 300
    assert (folder / "a_leveldb" / "CURRENT").exists() and (folder / "b" / "data.mdb").exists()
    assert everything("db") == everything("a_leveldb") == everything("b")


def test_through_hdf5_and_back(folder):
    assert quiet("db", "a.h5") == 300
    with h5py.File("a.h5") as file:
        assert file["data"].dtype == np.uint8 and np.array_equal(file["data"], images(300))
        assert file["label"].dtype == np.float32 and file["label"][:].tolist() == [*range(300)]
    (folder / "list.txt").write_text("a.h5 a.h5")
    assert quiet("a.h5", "b") == 300 and quiet("list.txt", "c", "leveldb") == 600
    assert everything("b") == everything("db")
    assert everything("c")[1] == everything("db")[1] * 2


def test_floats_and_several_labels(folder):
    rows = np.random.RandomState(0).standard_normal((3, 2)).astype(np.float32)
    records = [
        Datum(channels=2, height=1, width=1, float_data=row, label=1, labels=[1, 0.5])
        for row in rows
    ]
    write_records("floats", [record.SerializeToString() for record in records])
    quiet("floats", "floats.hdf5")
    with h5py.File("floats.hdf5") as file:
        assert np.array_equal(file["data"][:, :, 0, 0], rows)
        assert file["label"][:].tolist() == [[1, 0.5]] * 3
    quiet("floats.hdf5", "back")
    assert everything("back") == everything("floats")


def test_rows_without_channels_or_labels(folder):
    with h5py.File("rows.h5", "w") as file:
        file["data"] = np.arange(6.0).reshape(3, 2)
    quiet("rows.h5", "rows")
    found = [parse(record) for record in everything("rows")[1]]
    assert [(d.label, pixels(d).ravel().tolist()) for d in found] == [
        (0, [0, 1]), (0, [2, 3]), (0, [4, 5]),
    ]  # fmt: skip


def test_mistakes_leave_nothing(folder):
    write_records("mixed", [encode_raw(np.zeros((1, n, 1), np.uint8), 0) for n in (1, 2)])
    with h5py.File("odd.h5", "w") as file:
        file["data"], file["label"] = np.zeros((3, 2)), np.zeros(2)
    with h5py.File("deep.h5", "w") as file:
        file["data"] = np.zeros((1, 1, 1, 1, 1))
    before = sorted(folder.iterdir())
    for arguments, error, message in (
        (
            ("mixed", "x.h5"),
            DataError,
            r"mixed, record 1, .*: the image is 1 x 2 x 1 of uint8, tha",
        ),
        (("odd.h5", "x"), DataError, "odd.h5: 'data' has 3 rows, 'label' 2"),
        (("deep.h5", "x"), DataError, "deep.h5: a Datum has 3 axes, a row of 'data' 1 x 1 x 1 x 1"),
        (("odd.h5", "x.h5"), UsageError, "both are HDF5: copy the file as it is"),
        (("db", "x", "lmbd"), UsageError, "Unknown db backend lmbd .*\nhint: did you mean 'lmdb'"),
        (("nowhere", "x"), DataError, "nowhere: there is no such file or folder"),
        (("db", "odd.h5"), DataError, "odd.h5: the database exists already"),
    ):
        with pytest.raises(error, match=message):
            quiet(*arguments)
    assert sorted(folder.iterdir()) == before


def test_the_command(folder, capsys):
    assert main(["data", "--copy", "db", "to", "-backend", "leveldb"]) == 0
    assert capsys.readouterr().out == "to: 300 records\n"
    assert main(["data", "--copy", "db", "to"]) == 1
    assert main(["data", "--copy", "db", "to", "-force"]) == 0
    assert (folder / "to" / "data.mdb").exists()
