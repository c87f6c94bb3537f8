"""Files from the network: checked, and under their name only when they are whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import md5
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from netc.errors import DataError

TIMEOUT = 30  # seconds without a byte
BLOCK = 1 << 20
PART_IS_WHOLE = 416  # what a server answers when asked for what comes after the end


def fetch(url: str, path: Path, checksum: str, log: Callable[[str], None] = print) -> None:
    """Fetch a file unless it is there. What was fetched before an interruption is kept in
    `PATH.part` and not fetched again.

    checksum: MD5, in hexadecimal digits. Raises DataError, also for a file there with another sum.
    """
    if not path.exists():
        part = path.with_name(f"{path.name}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        log(f"Fetching {url}")
        try:
            _fetch(url, part)
        except (OSError, HTTPException) as e:
            reason = getattr(e, "reason", None) or e
            raise DataError(f"cannot be fetched: {reason}", url) from None
        _check(part, checksum, remove=True)
        os.replace(part, path)
    _check(path, checksum)


def _fetch(url: str, part: Path) -> None:
    """Fetch what is missing of a file."""
    have = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urlopen(request, timeout=TIMEOUT) as answer:
            have = have if answer.status == 206 else 0
            length = answer.headers["Content-Length"]
            with open(part, "r+b" if have else "wb") as file:
                file.seek(have)
                while block := answer.read(BLOCK):
                    file.write(block)
                end = file.tell()
    except HTTPError as e:
        if e.code == PART_IS_WHOLE:
            return
        raise
    if length and end < have + int(length):
        raise DataError(
            f"the connection ended at {end} of {have + int(length)} bytes",
            url,
            "the same command goes on from there",
        )


def _check(path: Path, checksum: str, remove: bool = False) -> None:
    with open(path, "rb") as file:
        digest = md5(usedforsecurity=False)
        while block := file.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != checksum:
        if remove:
            path.unlink()
        raise DataError(
            f"the MD5 sum is {digest.hexdigest()}, that of the data set's file {checksum}",
            os.fspath(path),
            None if remove else "remove the file to fetch it, or use it as it is with --from",
        )
