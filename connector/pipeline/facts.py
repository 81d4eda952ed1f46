"""Facts that were asked for, each kept for its time and all of them within a bound. Pure."""

from itertools import islice

from connector.sinks.contract import Need

MOST_BYTES = 64 << 20
FACT_OVERHEAD_BYTES = 1024
# What JSON holds takes two to five times its bytes once it is read.
TIMES_ITS_REPLY = 5


class Facts:
    """Facts by need, the oldest forgotten first.

    Units: a fact counts as the bytes of its question, five times those of the reply it was read from, and an overhead.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.size = 0
        self._most_bytes = most_bytes
        self._known: dict[Need, tuple[object, float, int]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def known(self, need: Need, now_s: float) -> tuple[object] | None:
        """Return the fact alone in a tuple, for it may be None itself."""
        found = self._known.get(need)
        return None if found is None or found[1] <= now_s else (found[0],)

    def keep(self, need: Need, fact: object, size: int, *, now_s: float, until_s: float) -> None:
        self._forget(need)
        charged = FACT_OVERHEAD_BYTES + len(need.key) + TIMES_ITS_REPLY * size
        self._known[need] = (fact, until_s, charged)
        self.size += charged
        # One more than comes in, so that what nobody asks for again does not stay.
        for oldest in list(islice(self._known, 2)):
            if self._known[oldest][1] <= now_s:
                self._forget(oldest)
        while self.size > self._most_bytes:
            self._forget(next(iter(self._known)))

    def _forget(self, need: Need) -> None:
        _, _, charged = self._known.pop(need, (None, 0.0, 0))
        self.size -= charged
