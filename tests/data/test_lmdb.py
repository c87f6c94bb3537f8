import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryDirectory

import lmdb
import pytest

from netc.data.keyed import STRIDE
from netc.data.lmdb import LmdbSource
from netc.data.writer import write_database
from netc.errors import DataError

from .helpers import write_records

COUNT = 3 * STRIDE + 7
NOBODY = 65534


@pytest.fixture(scope="module")
def records():
    return [b"record %d " % i * (i % 40 + 1) for i in range(COUNT)]


@pytest.fixture(scope="module")
def path(records, tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("lmdb") / "db", records)


@pytest.mark.parametrize(
    "positions",
    [
        range(10),
        range(COUNT),
        [COUNT - 2, COUNT - 1, 0, 1],
        [STRIDE, STRIDE - 1, STRIDE + 1, 0],
        [5, 5, 5],
        list(range(COUNT))[::-1],
        [],
    ],
)
def test_reads_any_positions(path, records, positions):
    source = LmdbSource(path)
    assert source.read(positions) == [records[i] for i in positions]
    assert source.keys(positions) == [b"%08d" % i for i in positions]
    assert len(source) == COUNT


def test_a_position_outside_is_refused(path):
    with pytest.raises(IndexError, match=f"record {COUNT} of {COUNT}"):
        LmdbSource(path).read([COUNT])


def test_names_a_record(path):
    assert LmdbSource(path).where(17) == f"{path}, record 17, key '00000017'"


def test_the_same_files_open_twice(path, records, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    first, second = LmdbSource(path), LmdbSource(str(link))
    assert first.read([3]) == second.read([3]) == [records[3]]


def test_threads_read_at_once(path, records):
    source = LmdbSource(path)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: source.read([i, 0]), reversed(range(COUNT))))
    assert found == [[records[i], records[0]] for i in reversed(range(COUNT))]


def test_a_forked_process_reads_on(path, records):
    # In a process of its own: forking is not for one that runs threads.
    code = """
import os, sys
from netc.data.lmdb import LmdbSource
source = LmdbSource(sys.argv[1])
before = source.read([1])
child = os.fork()
if not child:
    os._exit(0 if source.read([1]) == LmdbSource(sys.argv[1]).read([1]) == before else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def broken(tmp_path, content):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "data.mdb").write_bytes(content)
    return str(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b"", "the file is empty"),
        (lambda b: b[:100], "100 bytes that are no LMDB file"),
        (lambda b: b"\x07" * 9000, "9000 bytes that are no LMDB file"),
        (lambda b: b[: len(b) // 2], r"the file is truncated: \d+ bytes of \d+\nhint: copy it"),
        (lambda b: b[:8192], "the file is truncated"),
        (
            lambda b: b[:20] + b"\x7f" + b[21:4116] + b"\x7f" + b[4117:],
            "not supported by this build.\nhint: a newer version",
        ),
    ],
)
def test_a_broken_file(path, tmp_path, change, message):
    with open(os.path.join(path, "data.mdb"), "rb") as file:
        folder = broken(tmp_path, change(file.read()))
    with pytest.raises(DataError, match=rf"broken/data.mdb: cannot open LMDB: .*{message}"):
        LmdbSource(folder)


def test_no_records(tmp_path):
    with write_database(str(tmp_path / "db")):
        pass
    with pytest.raises(DataError, match="db: the database has no records"):
        LmdbSource(str(tmp_path / "db"))


def test_a_missing_folder_suggests_its_neighbour(path):
    with pytest.raises(DataError, match=r"cannot open LMDB: No such file .*\nhint: did you mean"):
        LmdbSource(os.path.join(os.path.dirname(path), "dbb"))


def test_a_missing_folder_tells_where_paths_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=f"hint: paths are relative .* {tmp_path}"):
        LmdbSource("train_lmdb")


@pytest.mark.parametrize(
    ("file", "message"),
    [("CURRENT", "the folder holds a LevelDB"), ("other", "the folder has no file data.mdb")],
)
def test_a_folder_of_something_else(tmp_path, file, message):
    (tmp_path / file).touch()
    with pytest.raises(DataError, match=message):
        LmdbSource(str(tmp_path))


def test_a_file_instead_of_a_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file: cannot open LMDB: Not a directory"):
        LmdbSource(str(tmp_path / "file"))


def test_no_permission(path):
    # Nothing is forbidden to the superuser, so that the test puts on another's shoes; the folders
    # that pytest makes are closed to those.
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copytree(path, os.path.join(folder, "db"))
        os.chmod(os.path.join(copy, "data.mdb"), 0)
        superuser = os.geteuid() == 0
        try:
            if superuser:
                os.seteuid(NOBODY)
            with pytest.raises(DataError, match=r"data.mdb: cannot open LMDB: Permission denied"):
                LmdbSource(copy)
        finally:
            if superuser:
                os.seteuid(0)


def test_a_database_that_a_writer_holds(tmp_path):
    path = write_records(tmp_path / "db", [b"a", b"b"])
    code = """
import lmdb, sys
with lmdb.open(sys.argv[1], map_size=1 << 20) as environment:
    with environment.begin(write=True) as transaction:
        transaction.put(b"00000000", b"c")
        print(flush=True)
        sys.stdin.readline()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, path], **pipes) as writer:
        assert writer.stdout
        writer.stdout.readline()
        source = LmdbSource(path)
        assert source.read([0, 1]) == [b"a", b"b"]
        writer.communicate(b"\n")
    with pytest.raises(
        DataError, match=r"db: the database was written to .* transaction 2, 1 when"
    ):
        source.read([0])
    assert LmdbSource(path).read([0]) == [b"c"]


def test_a_database_that_somebody_else_holds_open(tmp_path):
    path = write_records(tmp_path / "db", [b"x"])
    with (
        lmdb.open(path, readonly=True, lock=False),
        pytest.raises(DataError, match="already open in this process"),
    ):
        LmdbSource(path)
