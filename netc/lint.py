"""Nets that run and probably do not do what their author meant.

A rule is a row: a code, when it applies, a function that finds the places, the reason it matters
(its docstring) and what to do. Rules on connections need no shapes, so `netc check` runs them
without JAX.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from netc.data.sources import BACKENDS
from netc.errors import NetcError, Span
from netc.graph.ir import Graph, Node
from netc.layers.base import TRAIN, dims
from netc.layers.inputs import FEEDS
from netc.schema import DataParameter, EltwiseParameter, LayerParameter, PoolingParameter
