"""Finishing what is in flight, once, for a revoke or the end."""

import asyncio
from collections.abc import Callable, Collection, Sequence

from connector.pipeline.acknowledge import Holding, OpenRecord
from connector.pipeline.clock import Clock
from connector.pipeline.dead_letter import Letters
from connector.pipeline.lane import Lane

LOOK_S = 0.01


def trim(holdings: Collection[Holding], lanes: Sequence[Lane]) -> None:
    """Drop what lies above each partition's highest sent offset: the next owner starts there, nothing is sent twice."""
    for holding in holdings:
        holding.drop_above(holding.highest_sent)
    for lane in lanes:
        lane.drop(dropped)


async def drain(
    holdings: Collection[Holding], lanes: Sequence[Lane], letters: Letters, clock: Clock, until_s: Callable[[], float]
) -> bool:
    """Send and settle the rest without linger until nothing is open; False where some of it had to be left.

    What cannot be sent before `until_s()` is given up at once.
    """
    trim(holdings, lanes)
    for lane in lanes:
        lane.drain(on=True)
    try:
        while any(holding.open for holding in holdings):
            if clock.monotonic_s() >= until_s() or not (letters.pending or _hopeful(lanes, holdings, until_s())):
                return False
            await asyncio.sleep(LOOK_S)
    finally:
        for lane in lanes:
            lane.drain(on=False)
    return True


def dropped(opened: OpenRecord) -> bool:
    return opened.done or not opened.holding.live


def _hopeful(lanes: Sequence[Lane], holdings: Collection[Holding], until_s: float) -> bool:
    concerned = {holding.epoch for holding in holdings}
    return any(lane.can_send(until_s, lambda opened: opened.holding.epoch in concerned) for lane in lanes)
