"""Caffe's solver types as optax transformations, and its learning-rate policies.

A new solver is one file and one row in SOLVERS.
"""

if __name__ != "netc.solvers":
    raise ImportError("this package is imported as netc.solvers; install netc first")

from netc.solvers.adadelta import ADADELTA
from netc.solvers.adagrad import ADAGRAD
from netc.solvers.adam import ADAM
from netc.solvers.adamw import ADAMW
from netc.solvers.base import Solver as Solver
from netc.solvers.base import get_history as get_history
from netc.solvers.base import global_norm as global_norm
from netc.solvers.base import mean as mean
from netc.solvers.base import set_history as set_history
from netc.solvers.base import transformation as transformation
from netc.solvers.lars import LARS
from netc.solvers.lion import LION
from netc.solvers.nesterov import NESTEROV
from netc.solvers.policies import POLICIES as POLICIES
from netc.solvers.rmsprop import RMSPROP
from netc.solvers.schedules import schedule as schedule
from netc.solvers.sgd import SGD

SOLVERS: dict[str, Solver] = {
    s.name: s for s in (SGD, NESTEROV, ADAGRAD, RMSPROP, ADADELTA, ADAM, ADAMW, LARS, LION)
}
