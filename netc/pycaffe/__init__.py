"""pycaffe's interface: `import netc.pycaffe as caffe`."""

from netc.layers import LAYERS
from netc.layers.caffe_layer import Layer as Layer
from netc.pycaffe import io as io
from netc.pycaffe import proto as proto
from netc.pycaffe.blob import Blob as Blob
from netc.pycaffe.classifier import Classifier as Classifier
from netc.pycaffe.detector import Detector as Detector
from netc.pycaffe.mode import set_device as set_device
from netc.pycaffe.mode import set_mode_cpu as set_mode_cpu
from netc.pycaffe.mode import set_mode_gpu as set_mode_gpu
from netc.pycaffe.mode import set_random_seed as set_random_seed
from netc.pycaffe.net import Net as Net
from netc.pycaffe.net_spec import NetSpec as NetSpec
from netc.pycaffe.net_spec import layers as layers
from netc.pycaffe.net_spec import params as params
from netc.pycaffe.net_spec import to_proto as to_proto
from netc.pycaffe.solver import AdaDeltaSolver as AdaDeltaSolver
from netc.pycaffe.solver import AdaGradSolver as AdaGradSolver
from netc.pycaffe.solver import AdamSolver as AdamSolver
from netc.pycaffe.solver import NesterovSolver as NesterovSolver
from netc.pycaffe.solver import RMSPropSolver as RMSPropSolver
from netc.pycaffe.solver import SGDSolver as SGDSolver
from netc.pycaffe.solver import get_solver as get_solver
from netc.schema import TEST as TEST
from netc.schema import TRAIN as TRAIN

__version__ = "1.0.0"


def layer_type_list() -> list[str]:
    """The names of the layer types, sorted."""
    return sorted(LAYERS)
