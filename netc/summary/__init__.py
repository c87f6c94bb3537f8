"""What a net is made of and what it costs: shapes, parameters, operations, memory."""

from netc.summary.compiled import Compiled as Compiled
from netc.summary.compiled import compiled as compiled
from netc.summary.layers import Summary as Summary
from netc.summary.layers import summarize as summarize
