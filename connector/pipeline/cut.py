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

    A delivery whose key is `held` by an earlier batch joins that batch's followers. `leave` is asked once for each
    endpoint and group.
    """
    passed: list[Delivery] = []
    behind: set[bytes] = set()
    filling: Filling | None = None
    shut: set[str] = set()
    refused: set[Setup] = set()
    while queue and len(passed) < LONGEST_WALK:
        delivery = queue.popleft()
        key = delivery.key
        if held and key is not None and key in held:
            held[key].append(delivery)
            continue
        if key not in behind:
            if filling is None:
                setup = (delivery.payload.endpoint, delivery.payload.group)
                if setup[0] not in shut and setup not in refused:
                    endpoint = endpoints[setup[0]]
                    answer = leave(endpoint, setup[1])
                    if answer in ("go", "alone"):
                        filling = Filling(delivery, endpoint, request_bytes(endpoint))
                        if answer == "alone":
                            break
                        continue
                    if answer == "refused":
                        refused.add(setup)
                    else:
                        shut.add(endpoint.name)
                        if len(shut) == len(endpoints):
                            # Nothing further back can go either, and the queue may be long.
                            queue.appendleft(delivery)
                            break
            elif filling.accepts(delivery):
                if filling.add(delivery):
                    continue
                queue.appendleft(delivery)
                break
        passed.append(delivery)
        if key is not None:
            behind.add(key)
    queue.extendleft(reversed(passed))
    return filling.batch(trigger) if filling else None


def in_order(queue: Iterable[Delivery], may_go: Callable[[Payload], bool]) -> Iterator[Delivery]:
    """Yield those that may go and have nothing of their key ahead that may not."""
    stuck: set[bytes | None] = set()
    for delivery in queue:
        if not may_go(delivery.payload):
            stuck.add(delivery.key)
        elif delivery.key is None or delivery.key not in stuck:
            yield delivery
