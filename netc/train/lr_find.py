"""The learning-rate range test: a short run whose rate rises from harmless to harmful.

L. N. Smith, Cyclical Learning Rates for Training Neural Networks (2017), section 3.3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netc.chart import Chart, Curve
from netc.errors import UsageError
from netc.load import Loaded
from netc.schema import SolverParameter
from netc.train.health import diagnosis
from netc.train.probe import SCHEDULE, TESTS, without
from netc.train.session import Session
from netc.train.step import GOOD

ROWS = 20
FALL = 0.9  # a loss that stays above this part of the first has learnt nothing


class Sweep(NamedTuple):
    """What was seen, iteration by iteration: rates, losses, and the losses smoothed.

    diverged: whether the loss grew too large for the run to go on.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    diverged: bool

    @property
    def lowest(self) -> int:
        """Where the smoothed loss is lowest."""
        return int(np.argmin(self.smoothed))

    @property
    def steepest(self) -> int | None:
        """Where the smoothed loss falls fastest over the logarithm of the rate; None: it does not.

        What comes after the lowest point does not count.
        """
        falling = self.smoothed[: self.lowest + 1]
        if len(falling) < 3 or falling[-1] > FALL * falling[0]:
            return None
        return int(np.argmin(np.gradient(falling)))


def rising(
    solver: Loaded[SolverParameter], low: float, high: float, iterations: int
) -> Loaded[SolverParameter]:
    """The solver with rates from `low` to `high` in equal factors, and without tests.

    Raises UsageError for a range that is none.
    """
    if not 0 < low < high:
        raise UsageError(f"--from must be above 0 and below --to, got {low:g} and {high:g}")
    if iterations < 10:
        raise UsageError(f"-iterations must be at least 10, got {iterations}")
    gamma = (high / low) ** (1 / (iterations - 1))
    fields = {"lr_policy": "exp", "base_lr": low, "gamma": gamma, "max_iter": iterations}
    return without(solver, (*TESTS, *SCHEDULE), **fields)


def sweep(session: Session, smoothing: float, limit: float) -> Sweep:
    """Run a session of a solver made by `rising` until it ends or diverges.

    smoothing: s_k = smoothing s_(k-1) + (1 - smoothing) loss_k, divided by 1 - smoothing^k, in
        [0, 1). limit: it has diverged when s_k exceeds so many times the lowest before.
    Raises UsageError, and RunError when the very first loss is not finite.
    """
    if not 0 <= smoothing < 1 or limit <= 1:
        raise UsageError(
            f"--smoothing must be in [0, 1) and --stop above 1, got {smoothing:g} and {limit:g}"
        )
    rates, losses, smoothed = [], [], []
    mean, diverged = 0.0, False
    while not diverged and session.iteration < session.p.max_iter:
        metrics = session.step()
        if diverged := int(metrics.bad) != GOOD:
            if not losses:
                raise diagnosis(session, 0)
            break
        rates.append(float(metrics.rate))
        losses.append(float(metrics.loss))
        mean = smoothing * mean + (1 - smoothing) * losses[-1]
        smoothed.append(mean / (1 - smoothing ** len(losses)))
        diverged = smoothed[-1] > limit * min(smoothed)
    return Sweep(np.array(rates), np.array(losses), np.array(smoothed), diverged)


def chart(found: Sweep) -> Chart:
    """The smoothed loss over the rate, cut off at twice the first so that the fall can be seen."""
    loss = np.minimum(found.smoothed, 2 * found.smoothed[0])
    return Chart("smoothed loss", "learning rate", (Curve(found.rates, loss),), log_x=True)


def table(found: Sweep) -> str:
    """At most ROWS iterations, evenly spread, the first and the last among them."""
    count = len(found.rates)
    shown = np.unique(np.linspace(0, count - 1, min(count, ROWS)).round().astype(int))
    rows = zip(shown, found.rates[shown], found.losses[shown], found.smoothed[shown], strict=True)
    lines = [f"{it:>10}  {rate:<10.3g}  {loss:<10.4g}  {mean:.4g}" for it, rate, loss, mean in rows]
    return "\n".join([f"{'iteration':>10}  {'rate':<10}  {'loss':<10}  smoothed", *lines])


def advice(found: Sweep) -> str:
    """What base_lr to take, or why none can be told."""
    low, high = found.rates[0], found.rates[-1]
    if found.steepest is None:
        end = "diverges" if found.diverged else "does not diverge"
        return (
            f"The loss does not fall anywhere from {low:.3g} to {high:.3g}, where it {end}: "
            "try another range, and netc overfit to see whether the net can learn"
        )
    best = found.rates[found.lowest]
    lines = [
        f"base_lr: {found.rates[found.steepest]:.2g}",
        f"  the loss falls fastest there, and is lowest at {best:.2g}"
        + (f"; it diverges at {high:.2g}" if found.diverged else ""),
    ]
    if not found.diverged:
        lines.append(f"  it did not diverge up to {high:.2g}: a higher --to may show a higher rate")
    return "\n".join(lines)
