"""Code of the user's that netc runs: where it went wrong, and how that comes out of a program."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from netc.errors import NetcError

INSIDE_JAX = os.path.join("jax", "_src", "")
_stopped: list[NetcError] = []


def whereabouts(error: BaseException, file: str | None) -> tuple[str, str]:
    """What happened, as "file:line: Type: words", and the traceback from `file` on, without JAX's.

    The line is the innermost one of `file`; without one there, the innermost of all.
    """
    told = f"{type(error).__name__}: {error}".strip()
    what = told.splitlines()[0]
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {what}", f"    {(error.text or '').strip()}"
    own = [i for i, f in enumerate(frames) if f.filename == file]
    place = frames[own[-1] if own else -1]
    shown = [f for f in frames[own[0] if own else 0 :] if INSIDE_JAX not in f.filename]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(shown), told]
    return f"{place.filename}:{place.lineno}: {what}", "".join(lines)


def stop(error: NetcError) -> NetcError:
    """Keep the error that stops a running program: XLA passes on no more than its text."""
    _stopped.append(error)
    _quieten()
    return error


@contextmanager
def naming_user_code() -> Iterator[None]:
    """Inside the block, a program that user code stopped raises the error of that code."""
    _stopped.clear()
    try:
        yield
    except NetcError:
        raise
    except Exception:
        if _stopped:
            raise _stopped[0] from None
        raise


def _quieten() -> None:
    """JAX logs what it catches; ours is raised in full by `naming_user_code`."""
    logger = logging.getLogger("jax._src.callback")
    if _is_foreign not in logger.filters:
        logger.addFilter(_is_foreign)


def _is_foreign(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], NetcError))
