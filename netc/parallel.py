"""Several devices that train one net together. Caffe: parallel.cpp.

Each device runs the whole iteration on batches of its own. Gradients are averaged before the
update, which all devices make alike; whatever else comes out is that of the first one, the root.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from netc.errors import DataError
from netc.layers.base import dims
from netc.lowering import platform
from netc.lowering.reduce import DEVICES

SAME = PartitionSpec()  # all devices hold the whole array
OWN = PartitionSpec(DEVICES)  # each holds an array of its own: they are parts of one along axis 0


@dataclass(frozen=True)
class Replicas:
    """The devices of a run, the root first; none for the one that JAX chooses.

    With fewer than two, every method gives what it is given.
    """

    devices: tuple[Any, ...] = ()

    @property
    def count(self) -> int:
        return len(self.devices) or 1

    @cached_property
    def _mesh(self) -> Mesh:
        return Mesh(np.array(self.devices), (DEVICES,))

    def deal(self, k: int, arrays: Any) -> Any:
        """The arrays of pass k on the device that makes it; on a single one, where JAX wants."""
        if self.count == 1:
            return jax.device_put(arrays)
        return jax.device_put(arrays, self.devices[k % self.count])

    def even(self, parts: Sequence[dict[str, Any]], boxes: Container[str]) -> list[dict[str, Any]]:
        """The inputs of each device with as many rows of boxes, (1, 1, G, 8): rows of -1 are none.

        boxes: the names of those that are boxes.
        """
        most = {k: max(part[k].shape[2] for part in parts) for k in parts[0] if k in boxes}

        def padded(name: str, x: Any) -> Any:
            short = most[name] - x.shape[2] if name in most else 0
            rows = [(0, 0), (0, 0), (0, short), (0, 0)]
            return jnp.pad(x, rows, constant_values=-1) if short else x

        return [{name: padded(name, x) for name, x in part.items()} for part in parts]

    def join(self, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The inputs of each device as arrays of which each has its own. Raises DataError."""
        if self.count == 1:
            return parts[0]
        sharding = NamedSharding(self._mesh, OWN)
        joined = {}
        for name, *arrays in ((name, *(part[name] for part in parts)) for name in parts[0]):
            shapes = [x.shape for x in arrays]
            if len(set(shapes)) > 1:
                raise DataError(
                    f"batches of {' and '.join(map(dims, dict.fromkeys(shapes)))} for '{name}' "
                    f"at once: on {self.count} devices they must be of one size",
                    hint="set crop_size, or new_height and new_width",
                )
            whole = self.count * shapes[0][0], *shapes[0][1:]
            joined[name] = jax.make_array_from_single_device_arrays(whole, sharding, arrays)
        return joined

    def put(self, tree: Any, specs: Any) -> Any:
        """The arrays where `specs`, a tree or a prefix of one, says."""
        if self.count == 1:
            return tree
        return jax.device_put(tree, self._shardings(specs))

    def at_root(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """What the root holds of arrays that are on all devices."""
        if self.count == 1:
            return arrays
        return {k: x.addressable_data(0) for k, x in arrays.items()}

    def jit(self, f: Callable[..., Any], takes: Any, gives: Any, **options: Any) -> Any:
        """Compile f, which every device runs on what it holds.

        takes, gives: where its arguments and results are.
        """
        if self.count > 1:
            # Layers know nothing of devices, so what differs between them is not checked.
            f = jax.shard_map(f, mesh=self._mesh, in_specs=takes, out_specs=gives, check_vma=False)
        return platform.jit(f, **options)

    # Inside of what is compiled:

    def number(self, k: Any) -> Any:
        """Which pass of all devices is the k-th of this one: k n + i on device i of n."""
        return k if self.count == 1 else k * self.count + lax.axis_index(DEVICES)

    def mean(self, tree: Any) -> Any:
        """The mean over the devices."""
        return tree if self.count == 1 else lax.pmean(tree, DEVICES)

    def of_root(self, tree: Any) -> Any:
        """What the root has."""
        if self.count == 1:
            return tree
        root = lax.axis_index(DEVICES) == 0
        shown = jax.tree.map(lambda x: jnp.where(root, x, jnp.zeros_like(x)), tree)
        return lax.psum(shown, DEVICES)

    def _shardings(self, specs: Any) -> Any:
        return jax.tree.map(
            lambda spec: NamedSharding(self._mesh, spec),
            specs,
            is_leaf=lambda x: isinstance(x, PartitionSpec),
        )


ALONE = Replicas()
