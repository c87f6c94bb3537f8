"""What is told of devices and of the environment."""

from types import SimpleNamespace

import jax

from netc.devices import describe, environment


def test_a_device_without_statistics():
    (first, *_) = jax.devices()
    assert dict(describe(first)) == {
        "Device id": "0",
        "Platform": "cpu",
        "Name": first.device_kind,
        "Process": "0",
    }


def test_memory_is_told_where_it_is_known():
    device = SimpleNamespace(
        id=1,
        platform="gpu",
        device_kind="Big",
        process_index=0,
        memory_stats=lambda: {"bytes_limit": 3 * 2**30, "bytes_in_use": 2**29},
    )
    told = dict(describe(device))
    assert (told["Memory for JAX"], told["In use"]) == ("3.00 GiB", "0.50 GiB")
    assert "Peak in use" not in told


def test_versions_options_and_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    told = dict(environment())
    assert told["jax"] == jax.__version__
    assert told["Compiled programs"] == str(tmp_path)
    assert told["Backend"].startswith("cpu, ")
    assert told["Compiler options"]
