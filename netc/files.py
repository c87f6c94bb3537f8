"""Files and folders that appear whole or not at all, whatever stops the program."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4


@contextmanager
def atomic(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """A file open for writing that takes its name only when the block ends well.

    Until then it lies beside `path` under a temporary name (its `.name`), and a file already at
    `path` stays as it was. The data, then the name, reach the disk before the block returns.
    Missing folders are made. A device or a pipe is written in place.
    mode: "w" (UTF-8), "wb", "w+" or "w+b".

    Raises OSError as `open` does.
    """
    encoding = None if "b" in mode else "utf-8"
    final = Path(os.path.realpath(path))
    if final.exists() and not final.is_file():
        with open(final, mode, encoding=encoding) as file:
            yield file
        return
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(final)
    try:
        with open(temporary, mode.replace("w", "x"), encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(final.parent)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """An empty folder to fill, which takes the name `path` only when the block ends well.

    Missing parents are made; everything in the folder reaches the disk before it is renamed.

    Raises FileExistsError when `path` exists, before and after the block; OSError as `mkdir` does.
    """
    final = Path(path)
    _refuse_existing(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(final)
    temporary.mkdir()
    try:
        yield temporary
        for folder, _, names in os.walk(temporary):
            for name in names:
                with open(os.path.join(folder, name), "rb+") as file:
                    os.fsync(file.fileno())
            _sync_folder(folder)
        _refuse_existing(final)
        os.rename(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_folder(final.parent)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise FileExistsError(f"'{path}' already exists")


def _sync_folder(path: str | os.PathLike[str]) -> None:
    """Make renames in a folder durable (Windows has no such call, and needs none)."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
