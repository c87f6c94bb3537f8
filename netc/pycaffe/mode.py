"""The settings that pycaffe keeps for a process: device, seed, log, and its rank among others."""

from __future__ import annotations

import logging
import os
import secrets
from dataclasses import dataclass

import jax

from netc.errors import UsageError
from netc.lowering.plan import Plan
from netc.train.log import to_stderr


@dataclass
class _Settings:
    platform: str | None = None
    device: int = 0
    seed: int | None = None
    solver_count: int = 1
    solver_rank: int = 0
    multiprocess: bool = False


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


def init_log(level: int | None = None, stderr: bool = True) -> None:
    """Show the log on stderr in glog's form.

    level: the least to show, 0 INFO to 3 FATAL; as GLOG_minloglevel says by default.
    """
    if level is not None:
        os.environ["GLOG_minloglevel"] = str(level)  # noqa: SIM112, glog spells it so
    if stderr:
        to_stderr()


def log(text: str) -> None:
    """A line of the log, from where this is called."""
    logging.getLogger("netc.pycaffe").info("%s", text, stacklevel=2)


def solver_count() -> int:
    """How many processes train one net, each on a device of its own: 1 but for scripts' wishes."""
    return _settings.solver_count


def set_solver_count(count: int) -> None:
    """Say how many processes train one net. Only `NCCL` heeds it."""
    _settings.solver_count = int(count)


def solver_rank() -> int:
    """Which of `solver_count` processes this is."""
    return _settings.solver_rank


def set_solver_rank(rank: int) -> None:
    """Say which of `solver_count` processes this is."""
    _settings.solver_rank = int(rank)


def set_multiprocess(flag: bool) -> None:
    """Say that the other solvers are in processes of their own."""
    _settings.multiprocess = bool(flag)
