"""OpenCV 4 reads Caffe's files with code of its own: what netc writes, it runs to the same numbers.

OpenCV 5 has no importer of Caffe nets. To run this, put opencv-python-headless<5 beside netc.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from netc.compile import Program, compile_net
from netc.load import read_net
from netc.lowering.plan import Plan
from netc.lowering.platform import jit
from netc.phase import net_state
from netc.prototxt import to_text
from netc.schema import Phase
from netc.train.timing import noise
from netc.transfer import by_layer
from netc.weights import write_weights

from ..examples.conftest import EXAMPLES
from ..examples.zoo import ZOO

UNKNOWN = {"captioner"}  # OpenCV has no Embed

pytestmark = pytest.mark.skipif(
    not hasattr(cv2.dnn, "readNetFromCaffe"), reason=f"OpenCV {cv2.__version__} reads no Caffe nets"
)


def random_blobs(program: Program) -> dict[str, np.ndarray]:
    """Matrices that keep sizes about as they are, and positive vectors, as variances must be."""
    draw = np.random.default_rng(0)
    blobs = {}
    for p in program.graph.params:
        fan = math.prod(p.spec.shape[1:])
        plain = draw.uniform(0.5, 1.5, p.spec.shape)
        normal = draw.normal(0, math.sqrt(2 / fan), p.spec.shape)
        blobs[p.key] = (normal if len(p.spec.shape) > 1 else plain).astype(np.float32)
    return blobs


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in ZOO if n not in UNKNOWN])
def test_opencv_gives_the_same_outputs(name, tmp_path):
    net = read_net(EXAMPLES / name / "deploy.prototxt")
    for layer in net.message.layer:
        for shape in layer.input_param.shape:
            shape.dim[0] = 1
    program = compile_net(net, net_state(Phase.TEST), Plan("cpu"))
    graph, stored, inputs = program.graph, random_blobs(program), noise(program)
    (*_, before, last) = graph.nodes
    kept = [*before.tops, *last.tops]  # the scores, too: softmax hides how far they are apart
    run = jit(lambda blobs, inputs: program.apply(blobs, blobs, None, inputs, keep=kept)[0])
    ours = run(stored, inputs)

    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text(to_text(net.message))
    write_weights(caffemodel, net.message, by_layer(graph, stored))
    reader = cv2.dnn.readNetFromCaffe(str(prototxt), str(caffemodel))
    for value, array in inputs.items():
        reader.setInput(np.array(array), value)
    for value, theirs in zip(kept, reader.forward([before.name, last.name]), strict=True):
        mine = np.array(ours[value])
        np.testing.assert_allclose(theirs, mine, rtol=0, atol=1e-4 * np.abs(mine).max())
