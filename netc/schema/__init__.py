"""Caffe's schema: `from netc.schema import NetParameter, TRAIN`."""

from netc.schema.comments import comment_of as comment_of
from netc.schema.fields import is_repeated as is_repeated
from netc.schema.forks import fork_names as fork_names
from netc.schema.forks import fork_of as fork_of
from netc.schema.messages import *  # noqa: F403  # the names are those of proto/caffe.proto
