"""The settings that pycaffe keeps for a process: device and seed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import jax

from netc.errors import UsageError
from netc.lowering.plan import Plan


@dataclass
class _Settings:
    platform: str | None = None
    device: int = 0
    seed: int | None = None


_settings = _Settings()


def set_mode_cpu() -> None:
    """Run on the CPU from now on."""
    _settings.platform = "cpu"
    jax.config.update("jax_default_device", jax.devices("cpu")[0])


def set_mode_gpu() -> None:
    """Run on the accelerator from now on. Raises UsageError if JAX sees none."""
    platform = jax.default_backend()
    if platform == "cpu":
        raise UsageError(
            "set_mode_gpu: JAX sees no accelerator, only the CPU", hint="install netc[gpu]"
        )
    _settings.platform = platform
    jax.config.update("jax_default_device", jax.devices(platform)[_settings.device])


def set_device(device: int) -> None:
    """Choose the accelerator that set_mode_gpu uses."""
    _settings.device = device
    if _settings.platform not in (None, "cpu"):
        set_mode_gpu()


def set_random_seed(seed: int) -> None:
    """Seed what nets made from now on draw."""
    _settings.seed = seed


def seed() -> int:
    """The seed for a new net: as set, or from the system."""
    return secrets.randbits(31) if _settings.seed is None else _settings.seed


def plan() -> Plan:
    """How operations run on the chosen device."""
    return Plan(_settings.platform or jax.default_backend())
