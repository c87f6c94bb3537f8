"""Which implementation of an operation runs: the table asked, the user's overrides heeded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from netc.errors import UsageError, did_you_mean
from netc.lowering.table import ROWS, Row


def table(operation: str = "") -> tuple[Row, ...]:
    """The rows of an operation, or of all operations that start with that word, in order."""
    return tuple(r for r in ROWS if _covers(operation, r.operation))


def _covers(name: str, operation: str) -> bool:
    """`conv` covers `conv.forward`; an empty name covers everything."""
    return not name or operation == name or operation.startswith(name + ".")


@dataclass(frozen=True)
class Plan:
    """The platform a program is built for, and implementations forced by name.

    overrides: operation -> implementation. `{"conv": "native"}` forces `conv.forward` and its
    gradients; the most exact name wins. An implementation that cannot compute the case at hand
    is passed over, and the table decides.
    Raises UsageError for names that are not in the table.
    """

    platform: str
    overrides: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for operation, implementation in self.overrides.items():
            rows = table(operation) if operation else ()
            if not rows:
                names = {r.operation for r in ROWS} | {r.operation.split(".")[0] for r in ROWS}
                raise UsageError(
                    f"no operation '{operation}' to lower; there are {', '.join(sorted(names))}",
                    hint=did_you_mean(operation, names),
                )
            known = dict.fromkeys(r.implementation for r in rows)
            if implementation not in known:
                raise UsageError(
                    f"no implementation '{implementation}' of '{operation}'; "
                    f"there are {', '.join(known)}",
                    hint=did_you_mean(implementation, known),
                )
        object.__setattr__(self, "overrides", MappingProxyType(dict(self.overrides)))

    def pick(self, operation: str, facts: Any) -> str:
        """The name of the implementation of `operation` for these facts."""
        forced = [name for name in self.overrides if _covers(name, operation)]
        if forced:
            name = self.overrides[max(forced, key=len)]
            for row in table(operation):
                if row.implementation == name and row.able(facts):
                    return name
        for row in table(operation):
            if row.platform in ("", self.platform) and row.able(facts) and row.better(facts):
                return row.implementation
        raise LookupError(f"the table has no row for {operation} on {self.platform}: {facts}")


def parse_overrides(words: Iterable[str]) -> dict[str, str]:
    """`["conv=native"]` as a mapping; UsageError for a word without `=`."""
    pairs = {}
    for word in words:
        operation, equals, implementation = word.partition("=")
        if not equals:
            raise UsageError(f"a lowering is OPERATION=IMPLEMENTATION, got '{word}'")
        pairs[operation.strip()] = implementation.strip()
    return pairs
