import pytest

from netc.data.sources import open_source
from netc.errors import DataError
from netc.schema import DataParameter

from .helpers import write_leveldb, write_records


def test_opens_an_lmdb(tmp_path):
    source = open_source(DataParameter.LMDB, write_records(tmp_path / "db", [b"a", b"b"]))
    assert len(source) == 2 and source.read([1]) == [b"b"]


def test_an_lmdb_under_the_default_backend_gets_a_hint(tmp_path):
    path = write_records(tmp_path / "db", [b"a"])
    with pytest.raises(DataError, match=r"folder holds an LMDB\nhint: write `backend: LMDB`"):
        open_source(DataParameter.LEVELDB, path)


def test_a_leveldb_under_another_backend_gets_a_hint(tmp_path):
    path = write_leveldb(tmp_path / "db", [b"a"])
    with pytest.raises(DataError, match=r"folder holds a LevelDB\nhint: write `backend: LEVELDB`"):
        open_source(DataParameter.LMDB, path)


def test_no_source():
    with pytest.raises(DataError, match=r"^Failed to open database: no source is given$"):
        open_source(DataParameter.LMDB, "")


def test_a_backend_of_a_fork(tmp_path):
    message = r"^\S*: Unknown database backend: DATUMFILE \(known: LEVELDB, LMDB\)$"
    with pytest.raises(DataError, match=message):
        open_source(DataParameter.DATUMFILE, str(tmp_path))
