"""What this backend's compiler needs to be told, and where its work is kept."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

# YNNPACK fusions make grouped convolutions 2.5 to 7 times slower and have crashed on some shapes.
CPU_OPTIONS: dict[str, str | bool] = {"xla_cpu_experimental_ynn_fusion_type": ""}


@functools.cache
def _accepted(platform: str, name: str, value: str | bool) -> bool:
    """Whether this jaxlib takes a compiler option, found out by compiling an addition."""
    import jax

    with jax.default_device(jax.local_devices(backend=platform)[0]):
        try:
            jax.jit(lambda x: x + x, compiler_options={name: value}).lower(1.0).compile()
        except jax.errors.JaxRuntimeError:
            return False
    return True


def compiler_options(platform: str) -> dict[str, str | bool]:
    """The options every program on `platform` is compiled with; those refused are left out."""
    options = CPU_OPTIONS if platform == "cpu" else {}
    return {k: v for k, v in options.items() if _accepted(platform, k, v)}


def jit(f: Callable[..., Any], *, platform: str | None = None, **options: Any) -> Any:
    """`jax.jit` with the platform's compiler options; the default backend's if none is named.

    JAX takes compiler options at the outermost `jit` only: wrap whole programs, not their parts.
    """
    import jax

    own = options.pop("compiler_options", None) or {}
    ours = compiler_options(platform or jax.default_backend())
    return jax.jit(f, compiler_options={**ours, **own}, **options)


def keep_memory() -> None:
    """Let this process keep the memory it frees, instead of handing large blocks back.

    XLA's CPU programs take and free their working memory on every call. The C library returns
    blocks above 32 MB to the system each time, and every page of the next call is a fault: a
    pass over 200 MB took 5 times longer. The price is fragmentation: up to 1.7 times the resident
    memory. Does nothing where the C library is not glibc.
    """
    import ctypes

    trim_threshold, mmap_max, arena_max = -1, -4, -8
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, -1)
    mallopt(arena_max, 1)  # blocks beyond 64 MB live in the main arena only


def cache_folder() -> Path:
    """Where compiled programs are kept: $JAX_COMPILATION_CACHE_DIR, $NETC_CACHE/xla, or the
    user's cache folder."""
    if named := os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return Path(named)
    if ours := os.environ.get("NETC_CACHE"):
        return Path(ours) / "xla"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "netc" / "xla"


def persistent_cache(folder: str | None = None) -> None:
    """Keep compiled programs on disk, so that the second start of a net compiles nothing.

    The folder is for this user only. One that cannot be written costs a warning, nothing else.
    """
    import jax

    path = Path(folder) if folder else cache_folder()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(f"no permission to write into {path}")
    except OSError as e:
        warnings.warn(f"compiled programs are not kept: {e}", stacklevel=2)
        return
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
