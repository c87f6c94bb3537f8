"""Files from the network: checked, and under their name only when they are whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
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

    checksum: MD5 or SHA1, in hexadecimal digits.
    Raises DataError, also for a file there with another sum.
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
    name = {32: "md5", 40: "sha1"}[len(checksum)]
    digest = digest_of(path, name)
    if digest != checksum:
        if remove:
            path.unlink()
        raise DataError(
            f"the {name.upper()} sum is {digest}, that of the published file {checksum}",
            os.fspath(path),
            None if remove else "remove the file to fetch it, or use it as it is with --from",
        )


def digest_of(path: Path, name: str) -> str:
    """The sum of a file, in hexadecimal digits. name: "md5" or "sha1"."""
    with open(path, "rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(name, usedforsecurity=False)
        ).hexdigest()
