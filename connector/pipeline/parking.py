"""Parked records: singles that keep failing while the vendor is healthy wait with their key, up to a bound."""

from collections.abc import Sequence

from connector.pipeline.lane import Lane

MOST_OF_BUDGET = 0.1


def relieve(lanes: Sequence[Lane], budget_bytes: int) -> int:
    """Give up the longest parked until what is parked fits its share of the budget; return how many are left."""
    parked = [(aside.batch.parked_since_s or 0.0, lane, aside) for lane in lanes for aside in lane.parked]
    parked.sort(key=lambda entry: entry[0])
    size = sum(aside.charged for _, _, aside in parked)
    left = len(parked)
    for _, lane, aside in parked:
        if size <= MOST_OF_BUDGET * budget_bytes:
            break
        size -= aside.charged
        left -= 1
        lane.give_up(aside)
    return left
