"""caffe.proto: `from netc.pycaffe.proto import caffe_pb2`."""

from netc import schema as caffe_pb2

__all__ = ["caffe_pb2"]
