"""caffe.proto: `from netc.pycaffe.proto import caffe_pb2`."""

import sys

from netc.pycaffe import caffe_pb2 as caffe_pb2

sys.modules[f"{__name__}.caffe_pb2"] = caffe_pb2  # imported by this name too, as os.path is
