"""Whole training steps, netc against PyTorch: `python benchmarks/nets.py [NAME ...] [--rounds N]`.

The nets are those of examples/ at the batch sizes below; a step is forward, backward and an
SGD update with momentum. Both run in this process, in turn, and the best of the rounds counts.
Without PyTorch only netc's figures are printed. `--compile` measures the time to compile instead,
cold and from the persistent cache; `--frozen` what freezing layers saves of CaffeNet's step.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from netc.compile import Program, compile_net
from netc.load import read_net
from netc.lowering.plan import Plan
from netc.lowering.platform import jit, persistent_cache
from netc.opening import stand_in
from netc.overrides import freeze_net
from netc.phase import net_state
from netc.schema import Phase, SolverParameter
from netc.summary import summarize
from netc.summary.text import operations
from netc.train.step import make_step, start
from netc.train.timing import noise

EXAMPLES = Path(__file__).parent.parent / "examples"
NETS = {
    "lenet": (64, 1, 28, 28),
    "cifar10_quick": (100, 3, 32, 32),
    "caffenet": (16, 3, 227, 227),
    "googlenet": (8, 3, 224, 224),
    "squeezenet": (8, 3, 227, 227),
}
FROZEN = {"nothing": (), "conv1 to conv5": ("conv.",), "all but fc8": ("conv.,fc[67]",)}
SOLVER = SolverParameter(
    base_lr=1e-4, lr_policy="fixed", momentum=0.9, weight_decay=5e-4, max_iter=1000
)


def program(name: str, freeze: Sequence[str] = ()) -> Program:
    """The training net of an example on data of its shape. freeze: as `netc train --freeze`."""
    net = stand_in(read_net(EXAMPLES / name / "train_val.prototxt"), {"data": NETS[name]})
    net = freeze_net(net, freeze)
    return compile_net(net, net_state(Phase.TRAIN), Plan(jax.default_backend()))


def netc_calls(p: Program) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """(forward, step), each ending when its result is there."""
    blobs, state = jax.tree.map(jnp.array, p.init(0))
    inputs, key = noise(p), jax.random.key(0)
    forward = jit(lambda b, x: p.loss(p.apply(b, state, key, x)[0]))
    step = make_step(p, SOLVER)
    own = jax.tree.map(jnp.array, blobs)
    carry = [start(p, SOLVER, {k: own[k] for k in p.graph.trainable}, state)]
    frozen = {k: v for k, v in own.items() if k not in p.graph.trainable}

    def run() -> Any:
        carry[0], metrics = step(carry[0], frozen, (inputs,), key)
        return metrics.loss.block_until_ready()

    return lambda: forward(blobs, inputs).block_until_ready(), run


def torch_calls(p: Program, channels_last: bool) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The same net in PyTorch, built from the graph."""
    import torch
    from torch_net import TorchNet

    net = TorchNet(p)
    inputs = {k: torch.from_numpy(np.array(v)) for k, v in noise(p).items()}
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
        inputs = {
            k: v.to(memory_format=torch.channels_last) if v.ndim == 4 else v
            for k, v in inputs.items()
        }
    sgd = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)

    def forward() -> Any:
        with torch.no_grad():
            return float(net(inputs))

    def step() -> Any:
        sgd.zero_grad(set_to_none=True)
        loss = net(inputs)
        loss.backward()
        sgd.step()
        return float(loss.detach())

    return forward, step


def best(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The best time of each, in milliseconds, taken in turn after a round that is not counted."""
    times: dict[str, float] = {}
    for i in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if i:
                spent = (time.perf_counter() - began) * 1e3
                times[name] = min(times.get(name, spent), spent)
    return times


def compare(names: list[str], rounds: int) -> None:
    try:
        import torch

        torch.set_num_threads(max(torch.get_num_threads(), 1))
        others = {"torch": False, "torch channels_last": True}
    except ImportError:
        others = {}
    print("| net | batch | what | ms | " + "".join(f"{o}, ms | netc / {o} | " for o in others))
    print("|---|---|---|---|" + "---|---|" * len(others))
    for name in names:
        p = program(name)
        calls = {"netc": netc_calls(p)}
        calls |= {o: torch_calls(p, last) for o, last in others.items()}
        for i, what in enumerate(("forward", "step")):
            times = best({k: c[i] for k, c in calls.items()}, rounds)
            row = f"| {name} | {NETS[name][0]} | {what} | {times['netc']:.1f} | "
            print(
                row
                + "".join(f"{times[o]:.1f} | {times['netc'] / times[o]:.2f} | " for o in others),
                flush=True,
            )


def frozen_steps(rounds: int) -> None:
    """CaffeNet's step with some layers frozen, against the step of the whole."""
    programs = {what: program("caffenet", freeze) for what, freeze in FROZEN.items()}
    times = best({what: netc_calls(p)[1] for what, p in programs.items()}, rounds)
    print("| frozen | operations | ms | / nothing frozen |\n|---|---|---|---|")
    for what, p in programs.items():
        summary = summarize(p.graph)
        count = operations(summary.total("forward") + summary.total("backward"))
        print(f"| {what} | {count} | {times[what]:.1f} | {times[what] / times['nothing']:.2f} |")


def compile_once(name: str) -> None:
    """Print the seconds from a parsed net to a compiled training step."""
    persistent_cache()
    p = program(name)
    blobs, state = p.init(0)
    step = make_step(p, SOLVER)
    carry = start(p, SOLVER, {k: blobs[k] for k in p.graph.trainable}, state)
    frozen = {k: v for k, v in blobs.items() if k not in p.graph.trainable}
    inputs, key = noise(p), jax.random.key(0)
    began = time.perf_counter()
    step.lower(carry, frozen, (inputs,), key).compile()  # type: ignore[attr-defined]
    print(f"{time.perf_counter() - began:.2f}")


def compile_times(names: list[str]) -> None:
    print("| net | cold, s | from the cache, s |\n|---|---|---|")
    for name in names:
        with tempfile.TemporaryDirectory() as cache:
            command = [sys.executable, __file__, name, "--compile-once"]
            environment = {**__import__("os").environ, "NETC_CACHE": cache}
            told = [
                subprocess.run(command, env=environment, check=True, capture_output=True).stdout
                for _ in range(2)
            ]
        print(f"| {name} | {float(told[0]):.1f} | {float(told[1]):.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NETS))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument("--compile-once", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.compile_once:
        compile_once(args.names[0])
    elif args.compile:
        compile_times(args.names)
    elif args.frozen:
        frozen_steps(args.rounds)
    else:
        compare(args.names, args.rounds)


if __name__ == "__main__":
    main()
