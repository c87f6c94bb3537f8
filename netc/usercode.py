"""Code of the user's that netc runs: where it went wrong, and how that comes out of a program."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from netc.errors import NetcError

_stopped: list[NetcError] = []


def whereabouts(error: BaseException, file: str | None) -> tuple[str, str]:
    """What happened, as "file:line: Type: words", and the traceback from `file` on.

    The line is the innermost one of `file`; without one there, the innermost of all.
    """
    if isinstance(error, SyntaxError) and error.filename:
        place, rest = f"{error.filename}:{error.lineno}", None
    else:
        frames = list(traceback.walk_tb(error.__traceback__))
        own = [(f, n) for f, n in frames if f.f_code.co_filename == file]
        frame, line = (own or frames)[-1]
        place, rest = f"{frame.f_code.co_filename}:{line}", _from(error.__traceback__, file)
    what = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    text = "".join(traceback.format_exception(type(error), error, rest, chain=False))
    return f"{place}: {what}", text.rstrip()


def _from(at: TracebackType | None, file: str | None) -> TracebackType | None:
    """The traceback without the frames before the first of `file`."""
    first = at
    while at is not None and at.tb_frame.f_code.co_filename != file:
        at = at.tb_next
    return at or first


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
