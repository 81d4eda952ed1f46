"""What a judgement leads to: final deliveries to the account, the others set aside."""

from msgspec import Struct
from msgspec.structs import replace

from connector.domain.outcome import Delivered, Rejected
from connector.pipeline.aside import Aside, Asides
from connector.pipeline.batch import Batch, Delivery
from connector.pipeline.desk import Desk
from connector.pipeline.judge import Again, Judged
from connector.pipeline.split import without


class Flight(Struct, frozen=True, eq=False):
    """The request of a lane: a new batch, or one that was set aside. `riders` are parked ones that go with it."""

    batch: Batch
    aside: Aside | None
    riders: tuple[Aside, ...] = ()


def settle(desk: Desk, asides: Asides, flight: Flight, judged: Judged) -> None:
    """Account for what is final and set aside what goes again, but for epochs that have ended."""
    batch = flight.batch
    taken = []
    for delivery, outcome in judged.final:
        if isinstance(outcome, Rejected):
            desk.account.rejected(delivery, outcome, batch)
        else:
            taken.append(delivery)
    if taken:
        desk.account.delivered(batch, taken)
    if judged.split:
        desk.metrics.split(judged.split)
    if taken and len(taken) < batch.count:
        desk.metrics.partial_failure("items")
    again = []
    for one in judged.again:
        rest = without(one.batch, _stale)
        if rest is not None:
            again.append(replace(one, batch=rest))
            desk.metrics.retry(one.reason, max(0.0, one.not_before_s - desk.clock.monotonic_s()))
    if flight.aside is not None and any(_exhausted(outcome) for _, outcome in judged.final):
        again += _heir(desk, flight.aside)
    asides.replace(flight.aside, again)


def _heir(desk: Desk, aside: Aside) -> list[Again]:
    """Have the next of a parked key take the place of one that was given up: it is no stranger, and goes at once.

    It is the key that waits, not each of its records: what the last one waited counts for the next.
    """
    if not aside.followers:
        return []
    delivery, now_s = aside.followers.pop(0), desk.clock.monotonic_s()
    # A question is of no endpoint of the sink's, and all behind it are of its own.
    endpoint = desk.sink.endpoints.get(delivery.payload.endpoint, aside.batch.endpoint)
    waited_s = aside.batch.parked_for_s + now_s - (aside.batch.failing_since_s or now_s)
    batch = Batch(
        endpoint,
        ((delivery,),),
        "time",
        failing_since_s=now_s,
        suspect=True,
        parked_since_s=now_s,
        parked_for_s=waited_s,
    )
    return [Again(batch, now_s, blocks=False, reason="parked")]


def _exhausted(outcome: Delivered | Rejected) -> bool:
    return isinstance(outcome, Rejected) and outcome.reason == "exhausted"


def _stale(delivery: Delivery) -> bool:
    return not delivery.opened.holding.live
