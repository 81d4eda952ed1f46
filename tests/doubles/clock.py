"""Time as a number: a clock that is set by hand, and one that follows a loop whose waits cost nothing."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from tests.simulation.loop import VirtualLoop

EPOCH_MS = 1_700_000_000_000

T = TypeVar("T")


class ManualClock:
    """Stands still until it is moved. The wall clock may be set apart from the monotonic one."""

    def __init__(self, at_s: float = 0.0, wall_ms: int = EPOCH_MS) -> None:
        self.at_s = at_s
        self.wall_ms = wall_ms

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_s(self) -> float:
        return self.at_s

    def advance(self, by_s: float) -> None:
        self.at_s += by_s
        self.wall_ms += round(by_s * 1000)


class LoopClock:
    """Reads the running loop's time; its wall clock started at `epoch_ms` when that was 0."""

    def __init__(self, epoch_ms: int = EPOCH_MS) -> None:
        self._epoch_ms = epoch_ms

    def now_ms(self) -> int:
        return self._epoch_ms + round(self.monotonic_s() * 1000)

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


def run(main: Coroutine[object, object, T]) -> T:
    """Run to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
