"""The rows of docs/deviations.md that a net's text calls up by itself.

Those that depend on how layers are connected are lint rules, N101 and up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netc.schema import EltwiseParameter, LayerParameter, MultiBoxLossParameter

Test = Callable[[LayerParameter], bool]
ROWS: dict[str, tuple[str, Test]] = {
    "`Eltwise` PROD with `stable_prod_grad: false`": (
        "Eltwise",
        lambda y: (
            y.eltwise_param.operation == EltwiseParameter.PROD
            and not y.eltwise_param.stable_prod_grad
        ),
    ),
    "`Clip` without a `clip_param`": ("Clip", lambda y: not y.HasField("clip_param")),
    "`rand_skip` of the Data layer": ("Data", lambda y: y.data_param.rand_skip > 0),
    "`HDF5Data` with `shuffle: true`": ("HDF5Data", lambda y: y.hdf5_data_param.shuffle),
    "`HDF5Output`": ("HDF5Output", lambda y: True),
    "`ContrastiveLoss` with `legacy_version` on GPU": (
        "ContrastiveLoss",
        lambda y: y.contrastive_loss_param.legacy_version,
    ),
    "`MultiBoxLoss` with a LOGISTIC confidence loss": (
        "MultiBoxLoss",
        lambda y: y.multibox_loss_param.conf_loss_type == MultiBoxLossParameter.LOGISTIC,
    ),
    "`LSTM` and `RNN` with `expose_hidden`": (
        "LSTM RNN",
        lambda y: y.recurrent_param.expose_hidden,
    ),
    "Testing during training with `use_global_stats: false` in TEST": (
        "BatchNorm",
        lambda y: (
            y.batch_norm_param.HasField("use_global_stats")
            and not y.batch_norm_param.use_global_stats
        ),
    ),
    "Two tops on SoftmaxWithLoss and no `loss_weight`": (
        "SoftmaxWithLoss",
        lambda y: len(y.top) == 2 and not y.loss_weight,
    ),
}


def rows(layer: LayerParameter) -> Iterator[str]:
    """The first cells of the rows that are about this layer."""
    for row, (types, test) in ROWS.items():
        if layer.type in types.split() and test(layer):
            yield row
