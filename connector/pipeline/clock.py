"""The time, as an argument."""

from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Wall clock, milliseconds since the epoch: for vendors and record ages."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never step: for every wait. The event loop's own time."""
        ...
