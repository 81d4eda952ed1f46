"""Which deliveries of a lane's queue travel next. Pure.

The queue is walked in order. The first delivery whose endpoint may send opens the batch, later ones of the same
endpoint and group fill it up, and none is taken whose key has an earlier one left behind.
"""

from collections import deque
from collections.abc import Callable, Mapping

from connector.pipeline.batch import Batch, Delivery, Filling
from connector.sinks.contract import Endpoint

LONGEST_WALK = 2000


def cut(
    queue: deque[Delivery],
    endpoints: Mapping[str, Endpoint],
    may_send: Callable[[Endpoint], bool],
    request_bytes: Callable[[Endpoint], int],
    held: Mapping[bytes, list[Delivery]],
    trigger: str,
    alone: Callable[[Endpoint], bool],
) -> Batch | None:
    """Take one batch out of the queue; what stays keeps its order. None where nothing may be sent.

    A delivery whose key is `held` by an earlier batch joins that batch's followers. Where it must go `alone`, to try
    whether the vendor takes anything, nothing joins it.
    """
    passed: list[Delivery] = []
    behind: set[bytes] = set()
    filling: Filling | None = None
    closed: set[str] = set()
    while queue and len(passed) < LONGEST_WALK:
        delivery = queue.popleft()
        key = delivery.key
        if held and key is not None and key in held:
            held[key].append(delivery)
            continue
        if key not in behind:
            if filling is None:
                endpoint = endpoints[delivery.payload.endpoint]
                if endpoint.name not in closed and may_send(endpoint):
                    filling = Filling(delivery, endpoint, request_bytes(endpoint))
                    if alone(endpoint):
                        break
                    continue
                closed.add(endpoint.name)
                if len(closed) == len(endpoints):
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
