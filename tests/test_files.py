"""Whole or not at all: what is left on the disk after success, failure and interruption."""

import os
import stat

import pytest

from netc.files import atomic, atomic_folder


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize(
    ("mode", "content"), [("w", "größe\n"), ("wb", b"\0\1"), ("w+", "a"), ("w+b", b"b")]
)
def test_writes_and_leaves_nothing_else(tmp_path, mode, content):
    path = tmp_path / "made" / "x.bin"
    with atomic(path, mode) as file:
        file.write(content)
        assert not path.exists()
        assert os.path.dirname(file.name) == str(path.parent)
    expected = content if isinstance(content, bytes) else content.encode()
    assert path.read_bytes() == expected
    assert names(path.parent) == ["x.bin"]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_keeps_the_old_file(tmp_path, stop):
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(stop), atomic(path, "w") as file:
        file.write("new")
        raise stop
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_replaces_and_follows_a_link(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)
    with atomic(link, "w") as file:
        file.write("new")
    assert link.is_symlink() and real.read_text() == "new"


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic(tmp_path / "x") as file:
            file.write(b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_a_device_is_written_in_place():
    with atomic(os.devnull) as file:
        file.write(b"gone")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_the_data_are_synced_before_the_name(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, real=real, name=name: (calls.append(name), real(*a))[1]
        )
    with atomic(tmp_path / "x") as file:
        file.write(b"1")
    assert calls == ["fsync", "replace", "fsync"]


def test_a_folder_in_the_way_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError), atomic(tmp_path):
        pass


def test_folder_appears_whole(tmp_path):
    path = tmp_path / "made" / "db"
    with atomic_folder(path) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "data").write_text("1")
        assert not path.exists()
    assert (path / "sub" / "data").read_text() == "1"
    assert names(path.parent) == ["db"]


def test_folder_failure_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "db") as folder:
        (folder / "data").write_text("1")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_folder_refuses_an_existing_name(tmp_path):
    (tmp_path / "db").mkdir()
    with pytest.raises(FileExistsError, match="db' already exists"), atomic_folder(tmp_path / "db"):
        pytest.fail("the block ran")


def test_folder_refuses_a_name_taken_meanwhile(tmp_path):
    with pytest.raises(FileExistsError, match="already exists"), atomic_folder(tmp_path / "db"):
        (tmp_path / "db").mkdir()
    assert names(tmp_path) == ["db"]
