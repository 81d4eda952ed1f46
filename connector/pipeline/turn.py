"""Whose turn it is in a lane: a batch that was set aside, or a new one cut from the queue; else how long to wait."""

from collections import deque
from collections.abc import Callable, Collection, Iterator

from connector.domain.outcome import Rejected
from connector.pipeline.aside import Aside, Asides
from connector.pipeline.batch import Batch, Delivery, full
from connector.pipeline.cut import Leave, cut, in_order
from connector.pipeline.desk import Desk
from connector.pipeline.feed import HOLD_S
from connector.pipeline.judge import Again, Now, convicted
from connector.pipeline.riding import riders
from connector.pipeline.settle import Flight, settle
from connector.pipeline.setup import Setup
from connector.pipeline.split import first_and_rest, without
from connector.sinks.contract import Endpoint, Payload

FOREVER = float("inf")
MOST_PROBED = 10


class Turn:
    """Chooses for one lane. `draining`: nothing waits for company any more; `wake` has the lane look again."""

    def __init__(self, desk: Desk, queue: deque[Delivery], asides: Asides, wake: Callable[[], None]) -> None:
        self.draining = False
        self._desk = desk
        self._queue = queue
        self._asides = asides
        self._wake = wake
        self._parked_last = False
        self._room = desk.ahead

    def next(self) -> tuple[Flight | None, float]:
        """Choose what to send now, else say how long to wait."""
        desk, now_s = self._desk, self._desk.clock.monotonic_s()
        if desk.stopped:
            return None, FOREVER
        if desk.feeds.halt is not None and desk.feeds.halt.hold:
            return None, HOLD_S
        flight, wait_s = self._next_aside(now_s)
        stale = flight if flight is not None and self._stale_probe(flight) else None
        if self._queue and (flight is None or stale or self._yields(flight)):
            linger_s = 0.0 if flight else self._linger_s()
            if linger_s > 0.0:
                return None, min(wait_s, linger_s)
            new, gate_s = self._next_new(now_s, stale)
            flight, wait_s = new or flight, min(wait_s, gate_s)
        if flight is None:
            return None, wait_s
        batch = self._timely(flight)
        self._parked_last = flight.batch.parked
        return (None, 0.0) if batch is None else (Flight(batch, flight.aside, self._riders(batch, flight.aside)), 0.0)

    def ready(self) -> bool:
        """Whether something that was set aside may go at once."""
        now_s = self._desk.clock.monotonic_s()
        waiting = self._asides.in_turn(self._probes)
        return any(aside.not_before_s <= now_s and self._due_s(now_s, aside.batch) <= 0.0 for aside in waiting)

    def _due_s(self, now_s: float, batch: Batch) -> float:
        """Seconds until a batch may go, for all that its gate knows."""
        gate = self._desk.gate(batch.endpoint)
        trial_s = gate.trial_wait_s(now_s, self, batch.setup, suspect=batch.faults > 0)
        return max(trial_s, gate.wait_s(now_s, self))

    def sound(self, quotas: Collection[str]) -> Iterator[Delivery]:
        """Those of the queue that their quota and set-up let go, with nothing of their key ahead that may not."""
        desk = self._desk

        def may_go(payload: Payload) -> bool:
            endpoint = desk.sink.endpoints[payload.endpoint]
            return endpoint.quota in quotas and not desk.gate(endpoint).halted((payload.endpoint, payload.group))

        return in_order(self._queue, may_go)

    def has_room(self) -> bool:
        """Whether the queue holds too little; what waits in it for a refused set-up is as good as not there."""
        queued, ahead, gates = len(self._queue), self._desk.ahead, self._desk.gates
        if queued < ahead:
            self._room = ahead
        elif queued >= self._room and any(gate.refusals for gate in gates.values()):
            self._room = ahead + queued - sum(1 for _ in self.sound(gates))
        return queued < self._room

    def _next_aside(self, now_s: float) -> tuple[Flight | None, float]:
        """Choose among what was set aside the first that may go, a parked one last; as a probe the least tried one."""
        wait_s, probes, parked = FOREVER, list[Aside](), list[Aside]()
        for aside in self._asides.in_turn(self._probes):
            batch = aside.batch
            gate = self._desk.gate(batch.endpoint)
            if batch.accusation and batch.accusation in gate.refusals.guilty:
                now = Now(now_s, self._desk.clock.now_ms(), True, self._desk.chance)
                judged = convicted(batch, now, self._desk.policy)
                settle(self._desk, self._asides, Flight(batch, aside), judged)
                return None, 0.0
            due_s = aside.not_before_s - now_s
            if due_s <= 0.0:
                due_s = self._due_s(now_s, batch)
                if due_s <= 0.0:
                    if gate.probes(batch.setup):
                        probes.append(aside)
                    elif batch.parked:
                        parked.append(aside)
                    else:
                        return Flight(batch, aside), 0.0
                    continue
                gate.await_turn(self, self._wake)
            wait_s = min(wait_s, due_s)
        if not probes:
            longest = min(parked, key=lambda aside: aside.batch.failing_since_s or 0.0, default=None)
            return (None, wait_s) if longest is None else (Flight(longest.batch, longest), 0.0)
        least = min(probes, key=lambda aside: aside.batch.tried)
        parts = first_and_rest(least.batch)
        if len(parts) == 1:
            return Flight(least.batch, least), 0.0
        apart = [Again(part, least.not_before_s, least.blocks, "split") for part in parts]
        self._asides.replace(least, apart)
        return None, 0.0

    def _probes(self, batch: Batch) -> bool:
        """Whether it would be a probe: a single, of content that was tried as little as possible.

        What failed may be the reason why it fails; a probe of something else tells.
        """
        return self._desk.gate(batch.endpoint).probes(batch.setup)

    def _stale_probe(self, flight: Flight) -> bool:
        """Whether something that was not tried yet would make a better probe."""
        return flight.batch.tried > 0 and len(self._asides) < MOST_PROBED and self._probes(flight.batch)

    def _yields(self, flight: Flight) -> bool:
        """Whether it is another parked one, so that what is new has its turn between the two."""
        return self._parked_last and flight.batch.parked and self._linger_s() <= 0.0

    def _riders(self, batch: Batch, own: Aside | None) -> tuple[Aside, ...]:
        """Choose parked ones that go with a batch, where its reply judges each item."""
        desk, endpoint = self._desk, batch.endpoint
        if not endpoint.itemised or not len(self._asides) or desk.gate(endpoint).probes(batch.setup):
            return ()
        now_ms = desk.clock.now_ms()
        waiting = [
            aside
            for aside in self._asides.in_turn()
            if aside is not own and not any(_before(one.deadline_ms, now_ms) for one in aside.batch.deliveries())
        ]
        return riders(batch, waiting, desk.clock.monotonic_s(), desk.request_bytes(endpoint))

    def _next_new(self, now_s: float, stale: Flight | None) -> tuple[Flight | None, float]:
        """Cut a batch from the queue; where a probe is `stale`, one that tries the same."""
        desk, wait_s = self._desk, FOREVER
        blocked = self._asides.blocked(self._probes)

        def leave(endpoint: Endpoint, group: str) -> Leave:
            nonlocal wait_s
            setup = (endpoint.name, group)
            if stale is not None and not self._tries_the_same(stale.batch, endpoint, setup):
                return "refused"
            if endpoint.quota in blocked:
                return "shut"
            gate = desk.gate(endpoint)
            quota_s, trial_s = gate.wait_s(now_s, self), gate.trial_wait_s(now_s, self, setup)
            if max(quota_s, trial_s) > 0.0:
                wait_s = min(wait_s, max(quota_s, trial_s))
                gate.await_turn(self, self._wake)
                return "shut" if quota_s > 0.0 else "refused"
            return "alone" if gate.probes(setup) else "go"

        trigger = ("shutdown" if desk.leaving else "revoke") if self.draining else "time"
        batch = cut(self._queue, desk.sink.endpoints, leave, desk.request_bytes, self._asides.held, trigger)
        return (None if batch is None else Flight(batch, None)), wait_s

    def _tries_the_same(self, batch: Batch, endpoint: Endpoint, setup: Setup) -> bool:
        """Whether a request there would tell as much as a probe of this batch: of its set-up, or of its quota."""
        if self._desk.gate(batch.endpoint).refusals.get(batch.setup) is not None:
            return setup == batch.setup
        return endpoint.quota == batch.endpoint.quota

    def _linger_s(self) -> float:
        """How long the first delivery of the queue may still wait for company."""
        first = self._queue[0]
        limits = self._desk.sink.endpoints[first.payload.endpoint].limits
        if self.draining or len(self._queue) >= full(limits):
            return 0.0
        if sum([len(delivery.payload.body) for delivery in self._queue]) >= limits.request_bytes:
            return 0.0
        return first.since_s + limits.linger_s - self._desk.clock.monotonic_s()

    def _timely(self, flight: Flight) -> Batch | None:
        """Give up deliveries that are too old to be sent, all while sending is halted; return what is left."""
        now_ms, batch, halt = self._desk.clock.now_ms(), flight.batch, self._desk.feeds.halt
        late = [one for one in batch.deliveries() if halt or _before(one.deadline_ms, now_ms)]
        if not late:
            return batch
        for delivery in late:
            reason = "too_old" if _before(delivery.payload.not_after_ms, now_ms) else "expired"
            self._desk.account.rejected(delivery, Rejected(halt.reason if halt else reason), batch)
        gone = frozenset(late)
        rest = without(batch, gone.__contains__)
        if flight.aside is not None:
            kept = [] if rest is None else [Again(rest, flight.aside.not_before_s, flight.aside.blocks, "")]
            self._asides.replace(flight.aside, kept)
            return None
        return rest


def _before(deadline_ms: int | None, now_ms: int) -> bool:
    return deadline_ms is not None and deadline_ms < now_ms
