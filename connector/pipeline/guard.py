"""The dead-letter guard: stops a sink that refuses most of what it is given. Pure."""

from collections import deque
from itertools import repeat

FEWEST = 50
WINDOW = 200
NOT_ABOUT_CONTENT = frozenset({"expired", "too_old", "exhausted", "ambiguous", "panic"})


class Guard:
    """The last verdicts on content, and whether one more letter may be written.

    A deploy that breaks every translation looks like this; an outage that ends with expired records does not.
    """

    def __init__(self, *, on: bool) -> None:
        self.on = on
        self.tripped = False
        self._verdicts: deque[bool] = deque(maxlen=WINDOW)
        self._refused = 0

    def accepted(self, count: int) -> None:
        """Note records that the vendor took."""
        if not self._refused:
            self._verdicts.extend(repeat(False, min(count, WINDOW)))
            return
        for _ in range(min(count, WINDOW)):
            self._note(refused=False)

    def admits(self, reason: str) -> bool:
        """Ask for one more letter; once refused, all later ones are."""
        if not self.on or reason in NOT_ABOUT_CONTENT:
            return not self.tripped
        if self._refused >= FEWEST and 2 * self._refused >= len(self._verdicts):
            self.tripped = True
        if not self.tripped:
            self._note(refused=True)
        return not self.tripped

    def _note(self, *, refused: bool) -> None:
        verdicts = self._verdicts
        if len(verdicts) == WINDOW:
            self._refused -= verdicts[0]
        verdicts.append(refused)
        self._refused += refused
