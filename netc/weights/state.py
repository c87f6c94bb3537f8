"""`.solverstate`: where a solver stopped, binary (SolverState) or HDF5.

Fields: iter 1, learned_net 2, history 3, current_step 4. HDF5 has the same as datasets, the
history as a group of "0", "1", ... Caffe: sgd_solver.cpp, Snapshot and Restore.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from netc.errors import WeightsError
from netc.files import atomic
from netc.weights import hdf5
from netc.weights.blob import blob_pieces, blob_size, read_blob
from netc.weights.kinds import Kind, kind_of, map_file, writing, wrong_kind
from netc.weights.wire import LENGTH, VARINT, Field, Message, header, tag, varint

ITER, LEARNED_NET, HISTORY, CURRENT_STEP = 1, 2, 3, 4


class SolverStateFile(NamedTuple):
    """What a state file holds.

    iter: the number of iterations done.
    learned_net: path of the weights, as it was when written; "" when none is named.
    history: the solver's arrays, one per learnable blob, then the second set of those solvers
        that have one.
    current_step: the number of steps that the multistep policy has taken.
    """

    iter: int
    learned_net: str
    history: tuple[Any, ...]
    current_step: int = 0


def read_state(path: str | os.PathLike[str]) -> SolverStateFile:
    """The state in a file, binary or HDF5; arrays are float32 and read-only.

    Raises WeightsError for a file that is missing, damaged, or of another kind.
    """
    view = map_file(path)
    kind = kind_of(view)
    if kind is Kind.HDF5:
        return _read_hdf5(path)
    if kind is not Kind.STATE:
        raise wrong_kind(path, kind, Kind.STATE)
    return parse_state(view, os.fspath(path))


def parse_state(buffer: bytes | memoryview, path: str) -> SolverStateFile:
    """The state in the bytes of a SolverState; `path` is for messages."""
    numbers, learned_net, history = {ITER: 0, CURRENT_STEP: 0}, "", []
    message = Message.whole(buffer, path)
    for field in message:
        if field.number in numbers and field.kind == VARINT:
            numbers[field.number] = message.integers(field)[0]
        elif field.number == LEARNED_NET and field.kind == LENGTH:
            learned_net = message.text(field)
        elif field.number == HISTORY and field.kind == LENGTH:
            history.append(_blob(message, field, len(history)))
    return SolverStateFile(numbers[ITER], learned_net, tuple(history), numbers[CURRENT_STEP])


def _blob(message: Message, field: Field, index: int) -> np.ndarray:
    try:
        return read_blob(message.inside(field)).data
    except WeightsError as error:
        error.add_note(f"in history blob {index}")
        raise


def write_state(path: str | os.PathLike[str], state: SolverStateFile) -> None:
    """Write a state as Caffe would, atomically; a name that ends in .h5 makes it HDF5.

    Raises WeightsError when the file cannot be written.
    """
    if os.fspath(path).endswith(".h5"):
        _write_hdf5(path, state)
        return
    name = state.learned_net.encode()
    with writing(path), atomic(path) as file:
        file.write(tag(ITER, VARINT) + varint(state.iter))
        file.write(header(LEARNED_NET, len(name)) + name)
        for array in state.history:
            file.write(header(HISTORY, blob_size(array.shape)))
            for piece in blob_pieces(array):
                file.write(piece)
        file.write(tag(CURRENT_STEP, VARINT) + varint(state.current_step))


def _read_hdf5(path: str | os.PathLike[str]) -> SolverStateFile:
    with hdf5.opened(path) as file:
        history = file.get("history")
        if "iter" not in file or not hdf5.is_group(history):
            found = Kind.WEIGHTS if hdf5.is_group(file.get("data")) else hdf5.contents(file)
            raise wrong_kind(path, found, Kind.STATE)
        return SolverStateFile(
            _integer(file["iter"]),
            _string(file["learned_net"]) if "learned_net" in file else "",
            tuple(_history(history, os.fspath(path))),
            _integer(file["current_step"]) if "current_step" in file else 0,
        )


def _history(group: Any, path: str) -> Sequence[np.ndarray]:
    missing = [i for i in range(len(group)) if str(i) not in group]
    if missing:
        raise WeightsError(f"/history has {len(group)} members but no '{missing[0]}'", where=path)
    return [hdf5.load(group[str(i)], path) for i in range(len(group))]


def _integer(dataset: Any) -> int:
    return int(np.asarray(dataset[()]).reshape(-1)[0])


def _string(dataset: Any) -> str:
    value = dataset[()]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _write_hdf5(path: str | os.PathLike[str], state: SolverStateFile) -> None:
    name = state.learned_net.encode()
    with hdf5.created(path) as file:
        file["iter"] = np.array([state.iter], np.int32)
        # Caffe: reads up to a final zero byte, which must be in the file.
        file["learned_net"] = np.array(name, dtype=f"S{len(name) + 1}")
        file["current_step"] = np.array([state.current_step], np.int32)
        history = file.create_group("history")
        for i, array in enumerate(state.history):
            hdf5.store(history, str(i), array)
