"""List the devices JAX sees, and with which versions and options programs are compiled.

netc device_query -gpu 0
"""

from __future__ import annotations

import argparse

from netc.cli.common import device_ids, flag
from netc.devices import describe, environment
from netc.lazy import jax
from netc.summary.text import aligned_pairs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `netc device_query`."""
    flag(parser, "gpu", "a device id, several separated by commas, or all (default)", default="all")


def run(args: argparse.Namespace) -> int:
    """Print the devices."""
    devices = jax.devices()
    blocks = [list(describe(devices[i])) for i in device_ids(args.gpu, len(devices))]
    print("\n\n".join(aligned_pairs(block) for block in (*blocks, list(environment()))))
    return 0
