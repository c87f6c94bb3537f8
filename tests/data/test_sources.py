import pytest

from netc.data.sources import open_source
from netc.errors import DataError
from netc.schema import DataParameter

from .helpers import write_records


def test_opens_an_lmdb(tmp_path):
    source = open_source(DataParameter.LMDB, write_records(tmp_path / "db", [b"a", b"b"]))
    assert len(source) == 2 and source.read([1]) == [b"b"]


def test_an_lmdb_under_the_default_backend_gets_a_hint(tmp_path):
    path = write_records(tmp_path / "db", [b"a"])
    with pytest.raises(DataError, match=r"LEVELDB cannot be read(.|\n)*write `backend: LMDB`"):
        open_source(DataParameter.LEVELDB, path)


def test_a_leveldb_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"this build reads LMDB(.|\n)*netc convert_imageset"):
        open_source(DataParameter.LEVELDB, str(tmp_path))
