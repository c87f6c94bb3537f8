"""What `verify` found, as a Markdown table and as data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from netc.layers.base import dims
from netc.train.report_files import aligned_table
from netc.verify import Difference, Row

HEAD = ("layer", "type", "top", "shape", "largest difference", "relative", "in the net", "")


def beyond(found: Difference | None, tolerance: float) -> bool:
    """Whether a difference, where there is one, is more than the tolerated part."""
    return found is not None and not found.relative <= tolerance


def departs(row: Row, tolerance: float) -> bool:
    """Whether a layer computes something else from what was recorded of its bottoms."""
    return row.shape != row.recorded or (not row.drawn and beyond(row.alone, tolerance))


def agrees(rows: Sequence[Row], tolerance: float) -> bool:
    """Whether no layer departs, nor the net as a whole."""
    return not any(departs(r, tolerance) or beyond(r.whole, tolerance) for r in rows)


def text(rows: Sequence[Row], tolerance: float) -> str:
    """The table, and in words whether the net agrees or where it departs first."""
    return "\n".join(
        [aligned_table(HEAD, [_cells(r, tolerance) for r in rows]), "", *_verdict(rows, tolerance)]
    )


def _cells(row: Row, tolerance: float) -> tuple[str, ...]:
    shape, told = dims(row.shape), ""
    if row.shape != row.recorded:
        shape, told = f"{shape}, recorded {dims(row.recorded)}", "DEPARTS"
    elif row.drawn:
        told = "draws"
    elif departs(row, tolerance):
        told = "DEPARTS"
    elif beyond(row.whole, tolerance):
        told = "drifts"
    alone = (f"{row.alone.largest:.2g}", f"{row.alone.relative:.2g}") if row.alone else ("-", "-")
    whole = f"{row.whole.relative:.2g}" if row.whole else "-"
    return row.layer, row.type, row.top, shape, *alone, whole, told


def _verdict(rows: Sequence[Row], tolerance: float) -> list[str]:
    wrong = [r for r in rows if departs(r, tolerance)]
    adrift = [r for r in rows if beyond(r.whole, tolerance)]
    if wrong:
        first = wrong[0]
        place = f", {first.where}" if first.where else ""
        by = f"by {first.alone.relative:.2g} of its largest value" if first.alone else "in shape"
        return [
            f"The first layer that departs by itself is '{first.layer}' ({first.type}{place}): "
            f"its top '{first.top}' differs {by}.",
            f"{len(wrong)} of {len(rows)} tops depart by more than {tolerance:g}.",
        ]
    if adrift:
        return [
            f"No layer departs by itself, but their differences add up to more than {tolerance:g} "
            f"from '{adrift[0].layer}' on.",
        ]
    return [f"{len(rows)} tops agree within {tolerance:g} of their largest values."]


def data(rows: Sequence[Row], tolerance: float) -> dict[str, Any]:
    """The same for other programs."""
    return {
        "tolerance": tolerance,
        "agrees": agrees(rows, tolerance),
        "tops": [
            {
                **row._asdict(),
                "where": str(row.where) if row.where else None,
                "alone": _numbers(row.alone),
                "whole": _numbers(row.whole),
                "departs": departs(row, tolerance),
            }
            for row in rows
        ],
    }


def _numbers(found: Difference | None) -> dict[str, float | None] | None:
    """JSON has no infinity: it becomes null."""
    return found and {k: x if math.isfinite(x) else None for k, x in found._asdict().items()}
