"""caffe._caffe: what is in C++ there. Its vectors are lists here."""

from netc import layers as _layers
from netc.layers.caffe_layer import Blobs as _Blobs
from netc.layers.caffe_layer import Layer as Layer
from netc.pycaffe.blob import Blob as Blob
from netc.pycaffe.mode import init_log as init_log
from netc.pycaffe.mode import log as log
from netc.pycaffe.mode import set_device as set_device
from netc.pycaffe.mode import set_mode_cpu as set_mode_cpu
from netc.pycaffe.mode import set_mode_gpu as set_mode_gpu
from netc.pycaffe.mode import set_multiprocess as set_multiprocess
from netc.pycaffe.mode import set_random_seed as set_random_seed
from netc.pycaffe.mode import set_solver_count as set_solver_count
from netc.pycaffe.mode import set_solver_rank as set_solver_rank
from netc.pycaffe.mode import solver_count as solver_count
from netc.pycaffe.mode import solver_rank as solver_rank
from netc.pycaffe.nccl import NCCL as NCCL
from netc.pycaffe.nccl import has_nccl as has_nccl
from netc.pycaffe.net import Net as Net
from netc.pycaffe.solver import AdaDeltaSolver as AdaDeltaSolver
from netc.pycaffe.solver import AdaGradSolver as AdaGradSolver
from netc.pycaffe.solver import AdamSolver as AdamSolver
from netc.pycaffe.solver import NesterovSolver as NesterovSolver
from netc.pycaffe.solver import RMSPropSolver as RMSPropSolver
from netc.pycaffe.solver import SGDSolver as SGDSolver
from netc.pycaffe.solver import Solver as Solver
from netc.pycaffe.solver import get_solver as get_solver
from netc.pycaffe.timer import Timer as Timer

BlobVec = _Blobs
RawBlobVec = LayerVec = NetVec = StringVec = IntVec = DtypeVec = BoolVec = list
__version__ = "1.0.0"


def layer_type_list() -> list[str]:
    """The names of the layer types, sorted."""
    return sorted(_layers.LAYERS)
