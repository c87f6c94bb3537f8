"""The cost of an update against a copy of the bytes it works on: `python benchmarks/solvers.py`.

The bytes are those of the parameters, the gradients and the history, each once. The copy is NumPy's
and, since XLA may use other threads, XLA's. All run in this process, in turn, and the best of the
rounds counts.

--parameters N: how many, 16 million by default, in blobs like those of CaffeNet.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from netc.solvers import SOLVERS, get_history, transformation

from netc.lowering.platform import jit
from netc.schema import SolverParameter

# Weights and biases of CaffeNet's larger layers, as parts of the whole.
PARTS = (0.62, 0.275, 0.067, 0.02, 0.015, 0.0015, 0.0001, 0.0001)
FIELDS: dict[str, Any] = {"weight_decay": 5e-4, "iter_size": 1}
MOMENTUM = {"AdaGrad": 0.0, "RMSProp": 0.0}


def blobs(parameters: int, seed: int) -> dict[str, jax.Array]:
    draw = np.random.default_rng(seed)
    sizes = [max(int(parameters * part), 1) for part in PARTS]
    return {str(i): jnp.array(draw.standard_normal(n, np.float32)) for i, n in enumerate(sizes)}


def update_call(name: str, parameters: int, clip: float) -> tuple[Callable[[], Any], int]:
    """(one update, bytes of parameters, gradients and history)."""
    p = SolverParameter(type=name, momentum=MOMENTUM.get(name, 0.9), clip_gradients=clip, **FIELDS)
    weights, gradients = blobs(parameters, 0), blobs(parameters, 1)
    ones = dict.fromkeys(weights, 1.0)
    tx = transformation(SOLVERS[name], p, ones, ones)

    def step(w: Any, state: Any, g: Any, iteration: Any) -> Any:
        updates, state = tx.update(g, state, w, rate=jnp.float32(1e-4), iteration=iteration)
        return optax.apply_updates(w, updates), state

    run, carry = jit(step, donate_argnums=(0, 1)), [weights, tx.init(weights)]
    history = get_history(SOLVERS[name], carry[1])
    size = sum(x.nbytes for x in jax.tree.leaves((weights, gradients, history)))

    def call() -> None:
        carry[:] = run(*carry, gradients, jnp.int32(10))
        jax.block_until_ready(carry)

    return call, size


def copy_calls(size: int) -> dict[str, Callable[[], Any]]:
    """Copies of `size` bytes into memory that is there already."""
    source = np.ones(size // 4, np.float32)
    target = np.zeros_like(source)
    held = [jnp.array(source)]
    add = jit(lambda x: x + 1, donate_argnums=0)  # reads and writes each byte once, as a copy does

    def by_xla() -> None:
        held[0] = add(held[0])
        held[0].block_until_ready()

    return {"numpy": lambda: np.copyto(target, source), "xla": by_xla}


def best(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The best time of each in milliseconds, taken in turn after a round that is not counted."""
    times = dict.fromkeys(calls, float("inf"))
    for i in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if i:
                times[name] = min(times[name], (time.perf_counter() - began) * 1e3)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("types", nargs="*", default=list(SOLVERS))
    parser.add_argument("--parameters", type=int, default=16_000_000)
    parser.add_argument("--clip", type=float, default=-1.0, help="clip_gradients")
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    print(f"{args.parameters:,} parameters on {jax.devices()[0].device_kind}\n")
    print("| type | MB | update, ms | / copy by NumPy | / copy by XLA |\n|---|---|---|---|---|")
    for name in args.types:
        call, size = update_call(name, args.parameters, args.clip)
        times = best({"update": call, **copy_calls(size)}, args.rounds)
        ratios = " | ".join(f"{times['update'] / times[k]:.2f}" for k in ("numpy", "xla"))
        print(f"| {name} | {size / 1e6:.0f} | {times['update']:.1f} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
