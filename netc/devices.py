"""What JAX sees of this machine."""

from __future__ import annotations

import importlib.metadata
import platform as machine
from collections.abc import Iterator
from typing import Any

from netc.lazy import jax
from netc.lowering.platform import cache_folder, compiler_options

GIB = 2**30


def describe(device: Any) -> Iterator[tuple[str, str]]:
    """What is known of a device, as names and values."""
    yield "Device id", str(device.id)
    yield "Platform", device.platform
    yield "Name", device.device_kind
    yield "Process", str(device.process_index)
    memory = device.memory_stats() or {}
    for key, name in (
        ("bytes_limit", "Memory for JAX"),
        ("bytes_in_use", "In use"),
        ("peak_bytes_in_use", "Peak in use"),
    ):
        if key in memory:
            yield name, f"{memory[key] / GIB:.2f} GiB"


def environment() -> Iterator[tuple[str, str]]:
    """Versions, and how programs are compiled and kept."""
    platform = jax.default_backend()
    yield "Python", machine.python_version()
    for package in ("jax", "jaxlib", "optax", "numpy"):
        yield package, importlib.metadata.version(package)
    yield "Backend", f"{platform}, {jax.device_count()} devices, {jax.process_count()} processes"
    options = compiler_options(platform)
    yield "Compiler options", ", ".join(f"{k}={v!r}" for k, v in options.items()) or "none"
    yield "Compiled programs", str(cache_folder())


def use_cpus(count: int) -> None:
    """Have JAX see `count` devices, all made of the CPU; before it has looked for devices."""
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", count)
