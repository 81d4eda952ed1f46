"""How fast a quota may be used: the rate that the settings allow, and what the vendor's own words teach. Pure.

Where the vendor asks for less, the rate that it took lately is the new ceiling. It is neared again within a while, and
then passed ever faster where nobody objects; the more often the same one is met, the longer that while. Near the limit
that a vendor tells of, the rate stays as it is.
"""

from collections import deque

from msgspec import Struct
from msgspec.structs import replace

BURST_S = 0.1
FEWEST = 5
REMEMBERED = 4096
REMEMBERED_S = 5.0
TELLING_S = 1.0
A_LITTLE = 0.95
A_LOT = 0.5
SAME = 0.9
MORE = 1.05
NEAR = 0.9
KEPT_UNITS = 400
KEPT_LEAST_S = 4.0
KEPT_MOST_S = 60.0
KEPT_PER_WAIT = 20
DOUBLINGS = 4.0
MOST_PER_S = 1e5


class Ceiling(Struct, frozen=True):
    """From `low` at first back to `high`, in `kept_s`. Units: cost a second."""

    low: float
    high: float
    since_s: float
    kept_s: float

    def at(self, now_s: float) -> float:
        """The rate allowed now: quickly away from what is low, slowly near what was too much, then doubling."""
        age = max(0.0, now_s - self.since_s) / self.kept_s
        if age <= 1.0:
            return self.high - (self.high - self.low) * float((1.0 - age) ** 3)
        return self.high * float(2.0 ** min(64.0, DOUBLINGS * (age - 1.0)))


class Pace:
    """An allowance that refills at the rate of the settings or the learned one, whichever is less.

    Units: costs are requests or items, as the quota counts. What is `_taken` is noted by time without waits.
    """

    def __init__(self, most_per_s: float | None, now_s: float) -> None:
        self._most_per_s = float("inf") if most_per_s is None else most_per_s
        self._ceiling: Ceiling | None = None
        self._before: Ceiling | None = None
        self._near_since_s: float | None = None
        self._allowance = _burst(self._most_per_s)
        self._counted_s = now_s
        self._taken: deque[tuple[float, int]] = deque(maxlen=REMEMBERED)
        self._met_s = self._open_from_s = now_s
        self._waited_s = 0.0

    def rate_per_s(self, now_s: float) -> float:
        """Cost a second, infinite for no bound."""
        if self._ceiling is None:
            return self._most_per_s
        learned = self._ceiling.at(now_s if self._near_since_s is None else self._near_since_s)
        if learned > MOST_PER_S:
            self._ceiling = None
        return min(learned, self._most_per_s)

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next request may start."""
        rate = self._refill(now_s)
        return 0.0 if self._allowance >= 1.0 or rate == float("inf") else (1.0 - self._allowance) / rate

    def spend(self, now_s: float, cost: int) -> None:
        """Use some of the allowance; a cost above what is left is paid off by waiting later."""
        if self._refill(now_s) != float("inf"):
            self._allowance -= cost

    def accepted(self, cost: int, started_s: float, now_s: float) -> None:
        """Note what the vendor took."""
        if started_s >= self._met_s:
            taken, at_s = self._taken, self._open_s(now_s)
            taken.append((at_s, cost))
            while taken[0][0] < at_s - REMEMBERED_S:
                taken.popleft()

    def interrupted(self, now_s: float, until_s: float) -> None:
        """Note a wait that was asked for; it is no part of the time in which so much was taken."""
        if until_s > self._open_from_s:
            self._waited_s += until_s - max(now_s, self._open_from_s)
            self._open_from_s = until_s

    def limited(self, started_s: float, now_s: float, asked_s: float, *, gently: bool) -> None:
        """Slow down to what was taken since the last time; where that is too little to tell, the rate is not to blame.

        What was taken within a moment may have been a burst that the vendor allows, and is far from a rate. `gently`:
        it was the growth that was too much.
        """
        enough = len(self._taken) >= FEWEST
        high, telling = self._measured()
        high = min(high, self.rate_per_s(now_s))
        self.interrupted(now_s, now_s + asked_s)
        if started_s < self._met_s or not enough or high == float("inf"):
            return
        # Met again at once: what was taken before was a burst, and that this is the rate is plain by now.
        again = self._ceiling is not None and now_s - self._met_s < TELLING_S
        if not again:
            self._before = self._ceiling
        self._met_s = now_s
        self._near_since_s = None
        self._taken.clear()
        kept_s, before = max(KEPT_LEAST_S, KEPT_UNITS / high), self._before
        if gently:
            kept_s = KEPT_MOST_S
        elif before is not None and (telling or again) and before.high * SAME <= high <= before.high * MORE:
            kept_s = max(kept_s, 2 * before.kept_s)
        kept_s = max(min(KEPT_MOST_S, kept_s), KEPT_PER_WAIT * asked_s)
        self._ceiling = Ceiling(high * (A_LITTLE if telling or again else A_LOT), high, now_s + asked_s, kept_s)
        self._allowance = min(self._allowance, 0.0)

    def used(self, now_s: float, share: float) -> None:
        """The vendor told how much of its limit is in use."""
        if share >= NEAR and self._near_since_s is None:
            self._near_since_s = now_s
        elif share < NEAR and self._near_since_s is not None:
            if self._ceiling is not None:
                held_s = now_s - max(self._near_since_s, self._ceiling.since_s)
                self._ceiling = replace(self._ceiling, since_s=self._ceiling.since_s + max(0.0, held_s))
            self._near_since_s = None

    def _measured(self) -> tuple[float, bool]:
        """Return the rate at which the last ones were taken, and whether that was for long enough to tell."""
        if not self._taken:
            return float("inf"), False
        first_s, last_s = self._taken[0][0], self._taken[-1][0]
        if last_s <= first_s:
            return float("inf"), False
        cost = sum(cost for at_s, cost in self._taken if at_s > first_s)
        return cost / (last_s - first_s), last_s - first_s >= TELLING_S

    def _open_s(self, now_s: float) -> float:
        """The time without the waits that were asked for."""
        return max(now_s, self._open_from_s) - self._waited_s

    def _refill(self, now_s: float) -> float:
        rate = self.rate_per_s(now_s)
        passed_s = max(0.0, now_s - self._counted_s)
        self._allowance = min(_burst(rate), self._allowance + passed_s * min(rate, MOST_PER_S))
        self._counted_s = now_s
        return rate


def _burst(rate_per_s: float) -> float:
    return max(1.0, min(rate_per_s, MOST_PER_S) * BURST_S)
