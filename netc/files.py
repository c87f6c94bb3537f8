"""Files and folders that appear whole or not at all, whatever stops the program."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

MARK = "making"  # the file of a partial folder that says what is being made


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
def atomic_folder(
    path: str | os.PathLike[str], replace: bool = False, resume: str | None = None
) -> Iterator[Path]:
    """A folder to fill, which takes the name `path` only when the block ends well.

    Missing parents are made; everything in the folder reaches the disk before it is renamed.
    replace: the folder takes the place of what is at `path`.
    resume: says what is being made. Work that is interrupted or killed, not one that fails, is left
    as `PATH.partial`, and given to the next block that makes the same; otherwise folders are empty.

    Raises FileExistsError when `path` exists, before and after the block; OSError as `mkdir` does.
    """
    final = Path(path)
    if not replace:
        _refuse_existing(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(final) if resume is None else _partial(final, resume)
    temporary.mkdir(exist_ok=resume is not None)
    try:
        yield temporary
        (temporary / MARK).unlink(missing_ok=True)
        for folder, _, names in os.walk(temporary):
            for name in names:
                with open(os.path.join(folder, name), "rb+") as file:
                    os.fsync(file.fileno())
            _sync_folder(folder)
        if replace and final.exists():
            old = _beside(final)
            os.rename(final, old)
            shutil.rmtree(old, ignore_errors=True)
        _refuse_existing(final)
        os.rename(temporary, final)
    except BaseException as error:
        if resume is None or isinstance(error, Exception):
            shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_folder(final.parent)


def _partial(path: Path, making: str) -> Path:
    """The folder in which `making` was begun, or an empty one."""
    folder = path.with_name(f"{path.name}.partial")
    mark = folder / MARK
    if not (mark.exists() and mark.read_text(encoding="utf-8") == making):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        mark.write_text(making, encoding="utf-8")
    return folder


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
