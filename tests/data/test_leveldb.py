import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import plyvel
import pytest

from netc.data.keyed import STRIDE
from netc.data.leveldb import PREFIX, LevelDbSource
from netc.errors import DataError

from .helpers import write_leveldb

COUNT = 2 * STRIDE + 5


@pytest.fixture(scope="module")
def records():
    return [b"record %d " % i * (i % 40 + 1) for i in range(COUNT)]


@pytest.fixture(scope="module")
def path(records, tmp_path_factory):
    return write_leveldb(tmp_path_factory.mktemp("leveldb") / "db", records)


def content(path):
    return {p.name: p.read_bytes() for p in Path(path).iterdir()}


@pytest.mark.parametrize(
    "positions", [range(COUNT), [COUNT - 1, 0], [STRIDE + 1, STRIDE - 1, 5, 5], []]
)
def test_reads_any_positions(path, records, positions):
    source = LevelDbSource(path)
    assert source.read(positions) == [records[i] for i in positions]
    assert source.keys(positions) == [b"%08d" % i for i in positions]
    assert len(source) == COUNT


def test_reading_changes_nothing_and_leaves_nothing(path, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = content(path)
    source = LevelDbSource(path)
    source.read(range(COUNT))
    assert os.listdir(tmp_path)
    del source
    assert content(path) == before and not os.listdir(tmp_path)


def test_a_database_that_another_program_holds_open(path, records, tmp_path):
    shutil.copytree(path, tmp_path / "db")
    with closing(plyvel.DB(str(tmp_path / "db"))):
        first, second = (LevelDbSource(str(tmp_path / "db")) for _ in range(2))
        assert first.read([COUNT - 1]) == second.read([COUNT - 1]) == records[-1:]


def test_threads_read_at_once(path, records):
    source = LevelDbSource(path)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: source.read([i, 0]), reversed(range(COUNT))))
    assert found == [[records[i], records[0]] for i in reversed(range(COUNT))]


def test_a_forked_process_reads_on(path):
    # In a process of its own: forking is not for one that runs threads.
    code = """
import os, sys
from netc.data.leveldb import LevelDbSource
source = LevelDbSource(sys.argv[1])
before = source.read([1])
child = os.fork()
if not child:
    same = source.read([1]) == before
    del source
    os._exit(0 if same else 1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(code or source.read([1]) != before)
"""
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("change", [cut, Path.unlink])
@pytest.mark.parametrize("kind", ["*.ldb", "MANIFEST*", "CURRENT"])
def test_a_broken_file(path, tmp_path, kind, change):
    shutil.copytree(path, tmp_path / "db")
    change(next((tmp_path / "db").glob(kind)))
    with pytest.raises(DataError, match=r"db: Failed to open leveldb: ") as caught:
        LevelDbSource(str(tmp_path / "db")).read(range(COUNT))
    assert PREFIX not in str(caught.value)


def test_no_records(tmp_path):
    plyvel.DB(str(tmp_path / "db"), create_if_missing=True).close()
    with pytest.raises(DataError, match="db: the database has no records"):
        LevelDbSource(str(tmp_path / "db"))


def test_a_missing_folder_suggests_its_neighbour(path):
    message = r"Failed to open leveldb: No such file .*\nhint: did you mean"
    with pytest.raises(DataError, match=message):
        LevelDbSource(os.path.join(os.path.dirname(path), "dbb"))


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(DataError, match="the folder has no file CURRENT"):
        LevelDbSource(str(tmp_path))


def test_nowhere_to_put_the_links(path, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"db: Failed to open leveldb: .*nowhere"):
        LevelDbSource(path)


def test_without_plyvel(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plyvel", None)
    with pytest.raises(DataError, match=r'not installed\nhint: pip install "netc\[leveldb\]"'):
        LevelDbSource(path)
