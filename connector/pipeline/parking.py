"""Parked records: singles that keep failing while the vendor is healthy wait with their key, up to a bound."""

from collections import Counter
from collections.abc import Sequence

from connector.domain.record import Partition
from connector.pipeline.acknowledge import OpenRecord
from connector.pipeline.aside import Aside
from connector.pipeline.judge import FAILURES_TO_SUSPECT
from connector.pipeline.lane import Lane
from connector.pipeline.throttle import Throttle

MOST_OF_BUDGET = 0.1
MOST_OF_PARTITION = 0.5


def relieve(lanes: Sequence[Lane], throttle: Throttle, partitions: int) -> int:
    """Hurry those to their end that must leave for what is parked to fit its bounds; return how many are parked.

    They may hold a tenth of the budget, and of a partition half its share and half its span: over the whole of either
    it would stand still for all. None leaves but by failures of its own: those that have them all, or nearly, go first,
    of these the longest parked.
    """
    parked = [(lane, aside) for lane in lanes for aside in lane.parked]
    parked.sort(key=lambda one: (-min(one[1].batch.failures, FAILURES_TO_SUSPECT), one[1].batch.parked_since_s or 0.0))
    sizes: Counter[Partition] = Counter()
    for _, aside in parked:
        sizes[_first(aside).record.partition] += aside.charged
    for lane, aside in parked:
        first = _first(aside)
        crowds = (
            sizes.total() > MOST_OF_BUDGET * throttle.budget_bytes
            or sizes[first.record.partition] > MOST_OF_PARTITION * throttle.share_bytes(partitions)
            or first.holding.highest_seen - first.record.offset > MOST_OF_PARTITION * throttle.most_span
        )
        if crowds:
            sizes[first.record.partition] -= aside.charged
        lane.hurry(aside, on=crowds)
    return len(parked)


def _first(aside: Aside) -> OpenRecord:
    return aside.batch.deliveries()[0].opened
