"""Which partitions stand still because too much of them is open. Pure."""

from collections.abc import Collection, Mapping

from connector.domain.record import Partition
from connector.pipeline.acknowledge import Holding

LEAST_SHARE_BYTES = 1 << 20
MOST_POLLED = 500


def most_polled(max_ahead: int) -> int:
    """Return how many records one poll may bring, so that a span never exceeds its bound."""
    return max(1, min(MOST_POLLED, max_ahead // 2))


class Throttle:
    """Pauses a partition over its share of the budget or its span; resumes it at half of either.

    Where commits are late a span counts from what is committed: that is where a crash would go back to.
    A pause throws away what the client had prefetched, so the two bounds lie apart.
    """

    def __init__(self, budget_bytes: int, max_ahead: int) -> None:
        self.paused: set[Partition] = set()
        self.budget_bytes = budget_bytes
        self.most_span = max(1, max_ahead - most_polled(max_ahead))

    def share_bytes(self, assigned: int) -> int:
        """One partition's share of the budget."""
        return max(LEAST_SHARE_BYTES, self.budget_bytes // max(1, assigned))

    def orders(
        self,
        holdings: Mapping[Partition, Holding],
        standing: Collection[Partition],
        late: Mapping[Partition, int],
        *,
        everything: bool,
    ) -> tuple[set[Partition], set[Partition]]:
        """Return what to pause and what to resume.

        Shape: `standing` waits for another reason; `late` is what is committed where commits are; `everything` stops
               all.
        """
        share = self.share_bytes(len(holdings))
        wanted: set[Partition] = set()
        for partition, holding in holdings.items():
            slack = 2 if partition in self.paused else 1
            end = holding.highest_seen + 1
            span = max(holding.span, end - late.get(partition, end))
            over = holding.size * slack > share or span * slack > self.most_span
            if everything or over or partition in standing:
                wanted.add(partition)
        pause = wanted - self.paused
        resume = (self.paused & holdings.keys()) - wanted
        self.paused = wanted
        return pause, resume

    def forget(self, partitions: Collection[Partition]) -> None:
        self.paused.difference_update(partitions)
