"""caffe.NCCL: the gradients of several processes. Caffe: parallel.cpp, train.py."""

from __future__ import annotations

import secrets
from typing import Any

from netc.errors import UsageError
from netc.pycaffe import mode


def has_nccl() -> bool:
    """Whether several processes can train one net: no, several devices of one process do."""
    return False


class NCCL:
    """What adds the gradients of `solver_count` processes: of one, there is nothing to add.

    solver: whose gradients. uid: of the group of processes. Raises UsageError for more than one.
    """

    def __init__(self, solver: Any, uid: str) -> None:
        if mode.solver_count() > 1:
            raise UsageError(
                f"NCCL of {mode.solver_count()} processes: in netc, one process trains on several "
                "devices",
                hint="netc train -solver solver.prototxt -gpu 0,1",
            )
        self.solver, self.uid = solver, uid

    @staticmethod
    def new_uid() -> str:
        """A name for a group of processes."""
        return secrets.token_hex(16)

    def bcast(self) -> None:
        """Give all processes the weights of the first."""
