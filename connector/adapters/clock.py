"""The system's own clock. Not pure."""

import time


class SystemClock:
    """Wall time for vendors and record ages, monotonic time for every wait."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()
