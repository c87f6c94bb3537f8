"""Old files to the current format: one pure function per step, in Caffe's order.

A step takes a message with its source map and returns both, new if it changed anything, so that an
error in an upgraded file still points at the line its author wrote. Caffe: upgrade_proto.cpp.
"""

from netc.upgrade.chain import upgrade_net as upgrade_net
from netc.upgrade.chain import upgrade_solver as upgrade_solver
from netc.upgrade.solver import SOLVER_TYPES as SOLVER_TYPES
from netc.upgrade.v1 import current_type as current_type
from netc.upgrade.v1 import type_of as type_of
