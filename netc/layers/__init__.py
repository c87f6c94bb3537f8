"""The layer types of Caffe, one function each, in families."""

from netc.layers import (  # noqa: F401
    accuracy,
    affine,
    bn,
    conv,
    crf,
    dense,
    distance,
    face,
    flow,
    flow_augment,
    flow_files,
    inputs,
    loss,
    margins,
    multibox,
    neuron,
    norm,
    ohem,
    pool,
    proposal,
    python,
    recurrent,
    resample,
    rois,
    segment,
    select,
    shape,
    softmax,
    spatial,
    ssd,
    video,
    weak,
    yolo,
)
from netc.layers.base import LAYERS as LAYERS
from netc.layers.base import BlobSpec as BlobSpec
from netc.layers.base import Layer as Layer
from netc.layers.base import LayerDef as LayerDef
from netc.layers.base import register as register
from netc.layers.base import stateless as stateless
from netc.layers.base import stochastic as stochastic
