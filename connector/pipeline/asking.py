"""The questions of a lane: records the vendor must be asked about, and those that wait behind their keys."""

from collections import deque
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from connector.pipeline.aside import Asides
from connector.pipeline.batch import Batch, Delivery
from connector.pipeline.desk import Desk
from connector.pipeline.feed import HOLD_S
from connector.pipeline.judge import Again, Judged
from connector.pipeline.lookup import Unanswered
from connector.pipeline.question import Inquiry, Question, asked_by, question
from connector.pipeline.settle import Flight
from connector.pipeline.translate import Arrival, expires_ms, translate
from connector.pipeline.turn import Turn

# A lane looks past so many questions that may not be asked yet for records that need none.
MOST_WAITING = 20
# A drain does not wait for a question that failed so often: nothing of its record was sent.
MOST_TRIES_IN_DRAIN = 2


class Asking:
    """Questions are set aside from the start: each is sent again and again until it is answered or given up.

    What is answered is translated into the lane's queue; what waited behind it goes back to the head of the inbox.
    """

    def __init__(self, desk: Desk, inbox: deque[Arrival], queue: deque[Delivery], wake: Callable[[], None]) -> None:
        self.asides = Asides(self._free)
        self.turn = Turn(desk, deque(), self.asides, wake)
        self._desk = desk
        self._inbox = inbox
        self._queue = queue

    def takes_more(self) -> bool:
        """Whether records should be translated now; not while a question may be asked, or too many wait for that."""
        if not len(self.asides):
            return True
        waiting = sum(1 for aside in self.asides if not aside.batch.parked)
        return waiting < MOST_WAITING and not self.turn.ready()

    def holds(self, arrival: Arrival) -> bool:
        """Put a record behind a question of its key, if there is one."""
        behind = self.asides.held.get(arrival.key) if arrival.key is not None else None
        if behind is None:
            return False
        behind.append(question(arrival, self._deadline_ms(arrival)))
        return True

    async def translate(self, arrival: Arrival) -> float:
        """Translate a record, or have its question asked; return seconds to wait where it cannot be made yet."""
        left = await translate(self._desk, arrival, self._queue, {})
        if not isinstance(left, Unanswered):
            return left
        asked = question(arrival, self._deadline_ms(arrival), left.need)
        self.asides.replace(None, (self._again(Batch(left.endpoint, ((asked,),), "time")),))
        return 0.0

    def next(self) -> tuple[Flight | None, float]:
        """Choose a question to ask now, else say how long to wait; a feed that halts all leaves none to ask."""
        if self._desk.feeds.halt is None:
            return self.turn.next()
        self._recall()
        return None, HOLD_S

    async def answered(self, flight: Flight, asked: Question, inquiry: Inquiry) -> None:
        """Go on with the fact; what follows from it starts anew, whatever the answer had cost."""
        self._desk.lookups.learn(inquiry.need, inquiry.fact, inquiry.size)
        known = replace(asked, facts={**asked.facts, inquiry.need: inquiry.fact})
        anew = Batch(flight.batch.endpoint, flight.batch.bundles, flight.batch.trigger)
        await self.go_on(Flight(anew, flight.aside), known)

    async def go_on(self, flight: Flight, asked: Question) -> None:
        """Translate the record of a question with the facts there are, or ask for what is missing still."""
        left = await translate(self._desk, asked.arrival, self._queue, asked.facts)
        again: Sequence[Again] = ()
        if isinstance(left, Unanswered):
            asked = replace(asked, need=left.need)
            again = (self._again(replace(flight.batch, endpoint=left.endpoint, bundles=((asked,),))),)
        self.asides.replace(flight.aside, again)
        if not isinstance(left, Unanswered) and left:
            self._inbox.appendleft(asked.arrival)

    def _recall(self) -> None:
        """Put every record back into the inbox: what a feed says now decides over those not translated yet."""
        for aside in list(self.asides):
            self.asides.replace(aside, ())
            self._free(aside.batch.deliveries())

    def _again(self, batch: Batch) -> Again:
        return Again(batch, self._desk.clock.monotonic_s(), blocks=False, reason="")

    def _deadline_ms(self, arrival: Arrival) -> int | None:
        return expires_ms(arrival.opened, self._desk.options.max_age_s)

    def _free(self, freed: Sequence[Delivery]) -> None:
        self._inbox.extendleft(one.arrival for one in reversed(freed) if isinstance(one, Question))


def alone(judged: Judged) -> Judged:
    """Have a question stop no other: while others are answered, what fails alone in its request is to blame itself."""
    return replace(judged, again=tuple(replace(one, blocks=False) for one in judged.again))


def hopeful(batch: Batch) -> bool:
    """Whether a drain should wait for a batch: for one that delivers, and for a question that did not keep failing."""
    return batch.failures < MOST_TRIES_IN_DRAIN or asked_by(batch) is None
