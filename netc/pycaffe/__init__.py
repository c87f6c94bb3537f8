"""pycaffe's interface: `import netc.pycaffe as caffe`."""

from netc.pycaffe import io as io
from netc.pycaffe import proto as proto
from netc.pycaffe._caffe import *  # noqa: F403  # nets, solvers, and the settings of the process
from netc.pycaffe._caffe import __version__ as __version__
from netc.pycaffe.classifier import Classifier as Classifier
from netc.pycaffe.detector import Detector as Detector
from netc.pycaffe.net_spec import NetSpec as NetSpec
from netc.pycaffe.net_spec import layers as layers
from netc.pycaffe.net_spec import params as params
from netc.pycaffe.net_spec import to_proto as to_proto
from netc.schema import TEST as TEST
from netc.schema import TRAIN as TRAIN
