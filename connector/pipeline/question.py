"""A record that must be asked about before it can be translated, on its way as a delivery is: paced, retried, parked.

Nothing of the record leaves with its question, so that it may be forgotten at any time.
"""

from collections.abc import Mapping, Sequence

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.outcome import Delivered, SetupFault
from connector.pipeline.batch import Batch, Delivery
from connector.pipeline.translate import Arrival
from connector.sinks.contract import Answered, Attempt, Endpoint, Item, Lookup, Need, Payload, Verdict

_NOTHING = Payload("", b"", "")


class Question(Delivery, frozen=True, eq=False, kw_only=True):
    """What stands for a record that is not translated yet; `need` None where nobody knows yet what it needs."""

    arrival: Arrival
    need: Need | None = None
    facts: Mapping[Need, object] = {}


def question(
    arrival: Arrival, deadline_ms: int | None, need: Need | None = None, facts: Mapping[Need, object] = {}
) -> Question:
    opened = arrival.opened
    return Question(opened, _NOTHING, arrival.key, opened.since_s, deadline_ms, arrival=arrival, need=need, facts=facts)


def asked_by(batch: Batch) -> Question | None:
    """Return the question that a batch is, if it is one."""
    first = batch.bundles[0][0]
    return first if isinstance(first, Question) else None


class Inquiry:
    """One attempt at a need, as a sink renders and reads it; afterwards `fact` is what an answer held."""

    def __init__(self, lookup: Lookup, need: Need) -> None:
        self.fact: object = None
        self.size = 0
        self.need = need
        self._lookup = lookup

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        return self._lookup.request(self.need, attempt.now_ms)

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        found = self._lookup.read(self.need, reply)
        if isinstance(found, Answered):
            self.fact, self.size = found.fact, len(reply.body)
            return [Delivered()]
        return found if isinstance(found, SetupFault) else [found]
