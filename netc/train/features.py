"""`netc extract_features`: the values of blobs, example by example, into databases.

Caffe: extract_features.cpp.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import jax
import numpy as np

from netc.compile import compile_file
from netc.data.rows import write_rows
from netc.data.writer import refuse_existing, write_database
from netc.errors import DataError, GraphError, UsageError, did_you_mean
from netc.files import atomic
from netc.graph.ir import Graph
from netc.layers.base import dims
from netc.lowering.plan import Plan
from netc.schema import Datum, Phase
from netc.train.batches import Batches
from netc.train.score import loaded
from netc.train.sinks import sink
from netc.train.step import make_test

log = logging.getLogger(__name__)
PROGRESS = 1000
Put = Callable[[np.ndarray], None]


def extract_features(
    weights: str,
    model: str,
    blobs: Sequence[str],
    outputs: Sequence[str],
    batches: int,
    kind: str,
    platform: str,
) -> None:
    """Run a net in phase TEST and write each named blob to the output of the same place.

    kind: "lmdb" or "leveldb" for one Datum of floats per example, with keys of ten digits; "hdf5"
    or "npz" for one array per blob, under its name.

    Raises UsageError, GraphError for a blob that is not there, WeightsError and DataError.
    """
    if len(blobs) != len(outputs):
        raise UsageError(
            "the number of blob names and dataset names must be equal: "
            f"{len(blobs)} blobs ({', '.join(blobs)}), {len(outputs)} names ({', '.join(outputs)})"
        )
    if kind not in OUTPUTS:
        hint = did_you_mean(kind, OUTPUTS)
        raise UsageError(f"Unknown db backend {kind} (known: {', '.join(OUTPUTS)})", hint=hint)
    if batches < 1:
        raise UsageError(f"NUM_MINI_BATCHES must be at least 1, got {batches}")
    if twice := [path for path in outputs if outputs.count(path) > 1]:
        raise UsageError(f"two blobs cannot go to the same name '{twice[0]}'")
    for path in outputs:
        refuse_existing(path)
    program = compile_file(model, Phase.TEST, Plan(platform))
    graph = program.graph
    values = [_value(graph, blob, model) for blob in blobs]
    params, carried = loaded(program, weights)
    run, key = make_test(program, values), jax.random.key(0)
    log.error("Extracting Features")
    feed = Batches(program)
    counts = [0] * len(blobs)
    with ExitStack() as stack:
        puts = [
            stack.enter_context(OUTPUTS[kind](path, blob))
            for path, blob in zip(outputs, blobs, strict=True)
        ]
        stack.callback(feed.close)
        for k in range(batches):
            made, memory = run(params, carried, key, k, next(feed))
            carried = carried | memory
            sink(graph, k, made)
            for i, (value, put) in enumerate(zip(values, puts, strict=True)):
                rows = np.asarray(made[value])
                rows = rows[None] if rows.ndim == 0 else rows
                put(rows)
                before, counts[i] = counts[i], counts[i] + len(rows)
                if before // PROGRESS != counts[i] // PROGRESS or k == batches - 1:
                    log.error(
                        "Extracted features of %d query images for feature blob %s",
                        counts[i],
                        blobs[i],
                    )
    log.error("Successfully extracted the features!")


def _value(graph: Graph, blob: str, model: str) -> str:
    if blob not in graph.last_values:
        raise GraphError(
            f"Unknown feature blob name {blob} in the network {model}",
            hint=did_you_mean(blob, graph.last_values),
        )
    return graph.last_values[blob]


@contextmanager
def _to_database(path: str, blob: str, backend: str) -> Iterator[Put]:
    with write_database(path, backend) as writer:

        def put(rows: np.ndarray) -> None:
            if rows.ndim > 4:
                raise DataError(
                    f"a Datum has 3 axes; blob '{blob}' is {dims(rows.shape)}",
                    path,
                    "hdf5 and npz take blobs of any number of axes",
                )
            channels, height, width = (*rows.shape[1:], 1, 1, 1)[:3]
            for row in rows:
                datum = Datum(
                    channels=channels, height=height, width=width, float_data=row.ravel().tolist()
                )
                writer.put(b"%010d" % writer.count, datum.SerializeToString())

        yield put


@contextmanager
def _to_hdf5(path: str, blob: str) -> Iterator[Put]:
    with write_rows(path) as put:
        yield lambda rows: put({blob: rows})


@contextmanager
def _to_npz(path: str, blob: str) -> Iterator[Put]:
    parts: list[np.ndarray] = []
    yield parts.append
    arrays: Any = {blob: np.concatenate(parts)}
    try:
        with atomic(path) as file:
            np.savez(file, **arrays)
    except OSError as e:
        raise DataError(f"the file cannot be written: {e.strerror or e}", path) from None


OUTPUTS: dict[str, Callable[[str, str], AbstractContextManager[Put]]] = {
    "lmdb": lambda path, blob: _to_database(path, blob, "lmdb"),
    "leveldb": lambda path, blob: _to_database(path, blob, "leveldb"),
    "hdf5": _to_hdf5,
    "npz": _to_npz,
}
