"""How fast a quota may be used: an allowance that refills at a rate the vendor's own words teach. Pure.

The rate begins at what the settings allow and never exceeds it. A 429 cuts it, and cuts deep where the last cut was
moments ago; it grows back slowly, more slowly after a complaint about growth, and not at all near the vendor's limit.
"""

BURST_S = 0.1
CUT, DEEP_CUT = 0.9, 0.5
# Several requests in flight meet the same limit, which is one lesson.
ONE_LESSON_S = 1.0
LATELY_S = 5.0
GROWTH_PER_S, GENTLE_GROWTH_PER_S = 0.01, 0.002
GENTLE_FOR_S = 60.0
LEAST = 0.01
NEAR = 0.9


class Pace:
    """Units: `most_per_s` and costs are requests or items, as the quota counts."""

    def __init__(self, most_per_s: float, now_s: float) -> None:
        self.rate_per_s = most_per_s
        self._most_per_s = most_per_s
        self._allowance = self._burst
        self._counted_s = now_s
        self._cut_s = float("-inf")
        self._gentle_until_s = now_s
        self._near = False

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next request may start."""
        self._refill(now_s)
        return 0.0 if self._allowance >= 1.0 else (1.0 - self._allowance) / self.rate_per_s

    def spend(self, now_s: float, cost: int) -> None:
        """Use some of the allowance; a cost above what is left is paid off by waiting later."""
        self._refill(now_s)
        self._allowance -= cost

    def limited(self, now_s: float, *, gently: bool) -> None:
        """The vendor asked for less; `gently`: it was the growth that was too much."""
        self._refill(now_s)
        if gently:
            self._gentle_until_s = now_s + GENTLE_FOR_S
        since_s = now_s - self._cut_s
        if since_s >= ONE_LESSON_S:
            self._cut_s = now_s
            factor = CUT if since_s >= LATELY_S else DEEP_CUT
            self.rate_per_s = max(LEAST * self._most_per_s, factor * self.rate_per_s)

    def used(self, now_s: float, share: float) -> None:
        """The vendor told how much of its limit is in use."""
        self._refill(now_s)
        self._near = share >= NEAR

    @property
    def _burst(self) -> float:
        return max(1.0, self.rate_per_s * BURST_S)

    def _refill(self, now_s: float) -> None:
        passed_s, self._counted_s = now_s - self._counted_s, now_s
        self._allowance = min(self._burst, self._allowance + passed_s * self.rate_per_s)
        if self.rate_per_s < self._most_per_s and not self._near:
            growth = GENTLE_GROWTH_PER_S if now_s < self._gentle_until_s else GROWTH_PER_S
            self.rate_per_s = min(self._most_per_s, self.rate_per_s + passed_s * growth * self._most_per_s)
