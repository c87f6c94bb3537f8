"""What scripts want to be called for around layers and iterations. Caffe: net.hpp, solver.hpp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from netc.pycaffe.nccl import NCCL

Hook = Callable[[int], None]  # takes the index of a layer


@dataclass
class Hooks:
    """Functions of a net, called with the index of each layer, in the order they were given in."""

    before_forward: list[Hook] = field(default_factory=list)
    after_forward: list[Hook] = field(default_factory=list)
    before_backward: list[Hook] = field(default_factory=list)
    after_backward: list[Hook] = field(default_factory=list)

    def call(self, when: str, layer: int) -> None:
        """Call those of `when`, a name above."""
        for hook in getattr(self, when):
            hook(layer)

    def __bool__(self) -> bool:
        return self.around("forward") or self.around("backward")

    def around(self, way: str) -> bool:
        """Whether there are any around layers on this way, "forward" or "backward"."""
        return bool(getattr(self, f"before_{way}") or getattr(self, f"after_{way}"))


class Hooked:
    """The methods of a net that take hooks."""

    _hooks: Hooks

    def before_forward(self, f: Hook) -> None:
        """Call f(layer index) before each layer of a forward pass."""
        self._hooks.before_forward.append(f)

    def after_forward(self, f: Hook) -> None:
        """Call f(layer index) after each layer of a forward pass."""
        self._hooks.after_forward.append(f)

    def before_backward(self, f: Hook) -> None:
        """Call f(layer index) before each layer on the way back."""
        self._hooks.before_backward.append(f)

    def after_backward(self, f: Hook | NCCL) -> None:
        """Call f(layer index) after each layer on the way back; an NCCL has nothing to do."""
        if not isinstance(f, NCCL):
            self._hooks.after_backward.append(f)
