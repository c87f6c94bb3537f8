"""`netc test`: the outputs of a net in phase TEST, batch by batch and on average.

Caffe: caffe.cpp, test.
"""

from __future__ import annotations

import logging

import jax
import numpy as np

from netc.compile import Arrays, Program, compile_file
from netc.errors import UsageError
from netc.lowering.plan import Plan, parse_overrides
from netc.schema import Phase
from netc.train.batches import Batches
from netc.train.log import log_match, loss_suffix, number
from netc.train.precision import VERSION, evaluated, mean_precision
from netc.train.report_files import Report
from netc.train.sinks import sink
from netc.train.step import make_test
from netc.transfer import by_key, targets
from netc.weights import read_weights
from netc.weights.match import EXACT, Rules, match

log = logging.getLogger(__name__)


def score(
    model: str,
    weights: str,
    iterations: int,
    platform: str,
    level: int = 0,
    stages: tuple[str, ...] = (),
    lowering: tuple[str, ...] = (),
    report_to: str | None = None,
    names: str | None = None,
    rules: Rules = EXACT,
) -> int:
    """Run `iterations` batches and log every output and the means; the exit status.

    report_to: a folder for a report on the classes, which is printed too. names: a file of theirs.
    """
    if iterations < 1:
        raise UsageError(f"-iterations must be at least 1, got {iterations}")
    plan = Plan(platform, parse_overrides(lowering))
    program = compile_file(model, Phase.TEST, plan, level, stages)
    graph = program.graph
    if names and not report_to:
        raise UsageError("-names goes with -report")
    report = Report(graph, report_to, names) if report_to else None
    blobs, carried = loaded(program, weights, rules)
    log.info("Running for %d iterations.", iterations)
    run = make_test(program, report.values if report else ())
    key, sums = jax.random.key(0), {}
    found: dict[str, list[np.ndarray]] = {v: [] for v in evaluated(graph)}
    batches = Batches(program)
    for k in range(iterations):
        outputs, memory = run(blobs, carried, key, k, next(batches))
        values, carried = jax.device_get(outputs), carried | memory
        sink(graph, k, values)
        if report:
            report.add(values)
        for name, rows in found.items():
            rows.append(values[name])
        for name in sorted({"", *graph.outputs} - found.keys()):
            value = values[name]
            sums[name] = sums.get(name, 0) + np.asarray(value, np.float64)
            if name:
                for x in np.ravel(value):
                    log.info("Batch %d, %s = %s", k, graph.blobs[name], number(float(x)))
    batches.close()
    log.info("Loss: %s", number(float(sums.pop("")) / iterations))
    for name, total in sums.items():
        weight = graph.weights.get(name, 0.0)
        for x in np.ravel(total) / iterations:
            suffix = loss_suffix(float(x), weight)
            log.info("%s = %s%s", graph.blobs[name], number(float(x)), suffix)
    for name, rows in found.items():
        precision = float(mean_precision(rows, VERSION))
        log.info("%s = %s", graph.blobs[name], number(precision))
    if report:
        print(report.write(model, weights, iterations), end="")
    return 0


def loaded(program: Program, weights: str, rules: Rules = EXACT) -> tuple[Arrays, Arrays]:
    """The blobs and the carried state of a net, from a file where that has them, on the device.

    Raises WeightsError.
    """
    matched = match(targets(program.graph), read_weights(weights), rules)
    if any(row.status != "loaded" for row in matched.rows):
        log_match(matched)
    return jax.device_put(program.init(0, by_key(program.graph, matched)))
