"""The ways of writing a net, by their flags."""

from __future__ import annotations

from pathlib import Path

from netc.errors import UsageError
from netc.export.caffe import write_caffe
from netc.export.net import Net
from netc.export.onnx import write_onnx
from netc.export.source import write_source
from netc.export.stablehlo import write_stablehlo
from netc.load import PathLike
from netc.transfer import by_layer, file_message
from netc.weights import write_weights


def write_safetensors(net: Net, path: PathLike) -> str:
    """Write the weights as arrays LAYER/INDEX; a report. Raises UsageError and WeightsError."""
    if Path(path).suffix != ".safetensors":
        raise UsageError(f"{path}: the name of such a file ends in .safetensors")
    write_weights(path, file_message(net.graph), by_layer(net.graph, net.stored))
    return f"{path}: {len(net.stored)} blobs"


WRITERS = {
    "onnx": write_onnx,
    "jax-source": write_source,
    "stablehlo": write_stablehlo,
    "safetensors": write_safetensors,
    "caffe": write_caffe,
}
