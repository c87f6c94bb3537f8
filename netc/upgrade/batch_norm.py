"""Learning rates of BatchNorm. Caffe: upgrade_proto.cpp, UpgradeNetBatchNorm."""

from __future__ import annotations

from netc.prototxt import Parsed, SourceMap
from netc.schema import NetParameter


def batch_norm(net: NetParameter, source: SourceMap) -> Parsed:
    """A BatchNorm layer with a `param` for each of its three blobs learns none of them.

    Old files give learning rates to these statistics, which are not learnt.
    """
    old = [i for i, y in enumerate(net.layer) if y.type == "BatchNorm" and len(y.param) == 3]
    if not old:
        return Parsed(net, source)
    upgraded = NetParameter()
    upgraded.CopyFrom(net)
    for i in old:
        for param in upgraded.layer[i].param:
            param.lr_mult = param.decay_mult = 0
    return Parsed(upgraded, source)
