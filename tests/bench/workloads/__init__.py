"""What each sink is measured with: one module per sink, named as the sink is, that offers `WORKLOAD`."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from msgspec import Struct


class Arrived(Struct, frozen=True):
    """One event as the vendor took it. `sequence` grows over its key."""

    key: str
    sequence: int
    produced_ms: int


class Workload(Struct, frozen=True):
    """One sink's events, and how they look to its vendor.

    Shape: `event(number, key, sequence, now_ms)` is of the kind's own schema; `arrived(body)` reads one item as the
    sandbox hands it on; `settings` are the sink's beside those that lead to the sandbox. `most_of_floor` is the target.
    """

    kind: str
    event: Callable[[int, str, int, int], dict[str, Any]]
    arrived: Callable[[bytes], Arrived]
    most_of_floor: float
    settings: Mapping[str, str] = {}


def workload(sink: str) -> Workload:
    found: Workload = import_module(f"tests.bench.workloads.{sink}").WORKLOAD
    return found
