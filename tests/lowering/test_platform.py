import ctypes
import os
import stat
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from netc.lowering import platform


def test_options_are_probed(monkeypatch):
    monkeypatch.setattr(platform, "CPU_OPTIONS", {"xla_no_such_option": "", "xla_cpu_fast": "x"})
    assert platform.compiler_options("cpu") == {}
    assert platform.compiler_options("gpu") == {}


def test_accepted_options_are_kept(monkeypatch):
    monkeypatch.setattr(platform, "CPU_OPTIONS", {"xla_cpu_enable_fast_math": False})
    assert platform.compiler_options("cpu") == {"xla_cpu_enable_fast_math": False}


def test_jit_passes_options_on():
    f = platform.jit(lambda x, n: x * n, static_argnums=1, compiler_options={})
    assert f(3, 2) == 6
    assert platform.jit(lambda x: x + 1, platform="cpu")(1) == 2


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"XDG_CACHE_HOME": "/a"}, "/a/netc/xla"),
        ({"XDG_CACHE_HOME": "/a", "NETC_CACHE": "/b"}, "/b/xla"),
        ({"NETC_CACHE": "/b", "JAX_COMPILATION_CACHE_DIR": "/c"}, "/c"),
        ({"HOME": "/home/someone"}, "/home/someone/.cache/netc/xla"),
    ],
)
def test_cache_folder(monkeypatch, variables, folder):
    for name in ("XDG_CACHE_HOME", "NETC_CACHE", "JAX_COMPILATION_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert platform.cache_folder() == Path(folder)


CHILD = """
import jax, jax.numpy as jnp
from netc.lowering.platform import jit, persistent_cache
persistent_cache()
print(jit(lambda x: jnp.sin(x) * 2)(1.0))
"""


def test_programs_are_kept_on_disk(tmp_path):
    environment = {**os.environ, "NETC_CACHE": str(tmp_path / "new")}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    for _ in range(2):
        subprocess.run([sys.executable, "-W", "error", "-c", CHILD], env=environment, check=True)
    folder = tmp_path / "new" / "xla"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [p for p in folder.rglob("*") if p.is_file()]


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path):
    (tmp_path / "file").write_text("")
    before = jax.config.jax_compilation_cache_dir
    with pytest.warns(UserWarning, match="compiled programs are not kept: .*file"):
        platform.persistent_cache(str(tmp_path / "file" / "xla"))
    assert jax.config.jax_compilation_cache_dir == before


HUNGRY = """
import resource, sys
import numpy as np
from netc.lowering.platform import keep_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "keep":
    keep_memory()
np.ones(1 << 24)
before = faults()
np.ones(1 << 24)
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator is meant")
def test_kept_memory_is_not_faulted_in_again():
    command = [sys.executable, "-c", HUNGRY]
    kept, plain = (
        int(subprocess.run([*command, how], check=True, capture_output=True).stdout)
        for how in ("keep", "plain")
    )
    if not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
        pytest.skip("not glibc")
    assert kept < 50 <= plain
