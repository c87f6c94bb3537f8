"""caffe.pycaffe: nets and solvers, as scripts import them from there."""

from netc.pycaffe import io as io
from netc.pycaffe._caffe import *  # noqa: F403  # as in Caffe
