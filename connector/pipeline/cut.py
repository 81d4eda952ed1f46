"""Which deliveries of a lane's queue travel next. Pure.

The queue is walked in order. The first delivery whose endpoint may send opens the batch, later ones of the same
endpoint and group fill it up, and none is taken whose key has an earlier one left behind.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from connector.pipeline.batch import Batch, Delivery, Filling
from connector.pipeline.setup import Setup
from connector.sinks.contract import Endpoint, Payload

LONGEST_WALK = 2000

# What the first delivery of a batch is told: go; go alone, to try whether the vendor takes anything; nothing of this
# endpoint and group goes now; nothing of this endpoint does.
Leave = Literal["go", "alone", "refused", "shut"]


def cut(
    queue: deque[Delivery],
    endpoints: Mapping[str, Endpoint],
    leave: Callable[[Endpoint, str], Leave],
    request_bytes: Callable[[Endpoint], int],
    held: Mapping[bytes, list[Delivery]],
    trigger: str,
) -> Batch | None:
    """Take one batch out of the queue; what stays keeps its order. None where nothing may be sent.

    A delivery whose key is `held` by an earlier batch joins that batch's followers.
    """
    passed, behind = list[Delivery](), set[bytes]()
    filling: Filling | None = None
    opening, refused = _Opening(endpoints, leave), 0
    while queue and len(passed) - refused < LONGEST_WALK:
        delivery = queue.popleft()
        key = delivery.key
        if held and key is not None and key in held:
            held[key].append(delivery)
            continue
        if key not in behind:
            if filling is not None:
                if filling.accepts(delivery) and filling.add(delivery):
                    continue
            elif (endpoint := opening.at(delivery.payload)) is not None:
                filling = Filling(delivery, endpoint, request_bytes(endpoint))
                if opening.alone:
                    break
                continue
        passed.append(delivery)
        if opening.hopeless or (filling is not None and filling.trigger):
            # Nothing further back can go either, and the queue may be long.
            break
        if key is not None:
            behind.add(key)
        if opening.refused and (delivery.payload.endpoint, delivery.payload.group) in opening.refused:
            refused += 1
    queue.extendleft(reversed(passed))
    return None if filling is None else filling.batch(trigger)


class _Opening:
    """Finds what may open a batch. `alone`: nothing may join it; `hopeless`: nothing of any endpoint goes now.

    `refused` has what does not go now though others of its endpoint may: the walk is not the shorter for it.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint], leave: Callable[[Endpoint, str], Leave]) -> None:
        self.alone = False
        self.hopeless = False
        self._endpoints = endpoints
        self._leave = leave
        self._shut: set[str] = set()
        self.refused: set[Setup] = set()

    def at(self, payload: Payload) -> Endpoint | None:
        """Return the endpoint of a payload that may open a batch, None where it may not."""
        setup = (payload.endpoint, payload.group)
        if payload.endpoint in self._shut or setup in self.refused:
            return None
        endpoint = self._endpoints[payload.endpoint]
        answer = self._leave(endpoint, payload.group)
        if answer == "refused":
            self.refused.add(setup)
        elif answer == "shut":
            self._shut.add(payload.endpoint)
            self.hopeless = len(self._shut) == len(self._endpoints)
        self.alone = answer == "alone"
        return endpoint if answer in ("go", "alone") else None


def in_order(queue: Iterable[Delivery], may_go: Callable[[Payload], bool]) -> Iterator[Delivery]:
    """Yield those that may go and have nothing of their key ahead that may not."""
    stuck: set[bytes | None] = set()
    for delivery in queue:
        if not may_go(delivery.payload):
            stuck.add(delivery.key)
        elif delivery.key is None or delivery.key not in stuck:
            yield delivery
