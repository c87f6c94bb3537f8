"""Iterations in which a script takes part: its hooks, callbacks, Python layers and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from netc.compile import Arrays
from netc.errors import UsageError
from netc.load import Loaded
from netc.pycaffe.nccl import NCCL
from netc.schema import SolverParameter
from netc.train.loop import Loop
from netc.train.nets import check_solver
from netc.train.session import Session
from netc.train.step import Metrics

# Fields that the loop reads when it needs them; of all others, programs are made.
READ = (
    *("base_lr", "display", "debug_info", "weights", "test_initialization", "test_interval"),
    *("test_compute_loss", "snapshot", "snapshot_prefix", "snapshot_format"),
    *("snapshot_after_train", "keep_last"),
)


class Stepping(Session):
    """A session whose solver may be changed between iterations, or made by hand.

    by_hand: makes an iteration, in place of the compiled one; loss_by_hand: one more forward pass.
    """

    by_hand: Callable[[], Metrics] | None = None
    loss_by_hand: Callable[[], float] | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._compiled = _essence(self.p)

    def heed(self) -> None:
        """Take over what a script has written into the solver's message. Raises SolverError."""
        base_lr = jnp.float32(self.p.base_lr)
        self.put(scales={**self.carry.scales, "base_lr": base_lr})
        if (now := _essence(self.p)) != self._compiled:
            check_solver(Loaded(self.p, self.solver.source))
            self.renew()
            self._compiled = now

    def step(self) -> Metrics:
        """Make one iteration."""
        return self.by_hand() if self.by_hand else super().step()

    def next_loss(self) -> float:
        """The loss of one more forward pass."""
        return self.loss_by_hand() if self.loss_by_hand else super().next_loss()


def _essence(p: SolverParameter) -> bytes:
    """The part of the message that programs are made of."""
    message = SolverParameter()
    message.CopyFrom(p)
    for field in READ:
        message.ClearField(field)
    return message.SerializeToString(deterministic=True)


class KeepingLoop(Loop):
    """A loop that keeps what its last iteration began with: the blobs and the pass."""

    began: tuple[Arrays, int] | None = None

    def one(self) -> None:
        """One iteration."""
        self.began = self.session.blobs(), self.session.batches.k
        super().one()


class Callbacks:
    """Functions to call in every iteration: before its passes, and when their gradients are there.

    Caffe: solver.hpp, Callback.
    """

    def __init__(self) -> None:
        self.on_start: list[Callable[[], Any]] = []
        self.on_gradients_ready: list[Callable[[], Any]] = []

    def __bool__(self) -> bool:
        return bool(self.on_start)

    def add(self, on_start: Any, on_gradients_ready: Any) -> None:
        """Two functions, or an NCCL, which has nothing to do. Raises UsageError."""
        if isinstance(on_start, NCCL):
            return
        if not (callable(on_start) and callable(on_gradients_ready)):
            raise UsageError("add_callback takes two functions, on_start and on_gradients_ready")
        self.on_start.append(on_start)
        self.on_gradients_ready.append(on_gradients_ready)


def runs_python(session: Session) -> bool:
    """Whether the training net has Python layers that work on the host, sources apart."""
    layers = (n.set_up for n in session.train.graph.nodes)
    return any(layer.host is not None and layer.external is None for layer in layers)
