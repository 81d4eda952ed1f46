"""Stages 3 and 4, lane: the one queue of a hash of keys. Translates, batches, and has one request in flight.

Order per key holds by construction: a key has one lane, a lane one request, and nothing of a key overtakes what is
still owed for it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from connector.domain.outcome import Refresh, Rejected, SetupFault
from connector.pipeline.acknowledge import OpenRecord
from connector.pipeline.aside import Aside, Asides
from connector.pipeline.batch import Batch, Delivery
from connector.pipeline.cut import cut
from connector.pipeline.deliver import Attempted
from connector.pipeline.desk import Desk
from connector.pipeline.gate import Permit
from connector.pipeline.judge import Again, Judged, Now, convicted, judge
from connector.pipeline.split import first_and_rest, without
from connector.pipeline.translate import Arrival, translate
from connector.sinks.contract import Endpoint

T = TypeVar("T")

FOREVER = float("inf")
MOST_PROBED = 10


class Flight(Struct, frozen=True, eq=False):
    """The request that is on the wire: a new batch, or one that was set aside."""

    batch: Batch
    aside: Aside | None


class Lane:
    """A queue and the task that serves it.

    `draining`: nothing waits for company any more.
    """

    def __init__(self, number: int, desk: Desk) -> None:
        self.number = number
        self.draining = False
        self.flight: Flight | None = None
        self._desk = desk
        self._inbox: deque[Arrival] = deque()
        self._queue: deque[Delivery] = deque()
        self._asides = Asides()
        self._translating: Arrival | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._woken = False

    def offer(self, arrival: Arrival) -> None:
        """Take a record in; `wake` tells the lane."""
        self._inbox.append(arrival)

    def wake(self) -> None:
        self._woken = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def run(self) -> None:
        """Serve the queue until cancelled."""
        while True:
            self._woken = False
            held_up_s = await self._translate()
            flight, wait_s = self._next()
            if flight is not None:
                await self._send(flight)
            elif not self._woken:
                await self._sleep(min(wait_s, held_up_s))

    # What is to be sent next

    async def _translate(self) -> float:
        """Translate ahead of the batches, in order; return how long to wait where the next record must be held."""
        if not self._inbox or len(self._queue) >= self._desk.ahead:
            return FOREVER
        began_s = self._desk.clock.monotonic_s()
        try:
            return await self._translate_ahead()
        finally:
            self._desk.metrics.translated(self._desk.clock.monotonic_s() - began_s)

    async def _translate_ahead(self) -> float:
        while self._inbox and len(self._queue) < self._desk.ahead:
            arrival = self._translating = self._inbox.popleft()
            wait_s = await translate(self._desk, arrival, self._queue)
            self._translating = None
            if wait_s:
                self._inbox.appendleft(arrival)
                return wait_s
        return FOREVER

    def _next(self) -> tuple[Flight | None, float]:
        """Choose what to send now, else say how long to wait."""
        desk, now_s = self._desk, self._desk.clock.monotonic_s()
        if desk.stopped:
            return None, FOREVER
        flight, wait_s = self._next_aside(now_s)
        if self._queue and (flight is None or self._stale_probe(flight)):
            linger_s = 0.0 if flight else self._linger_s(now_s)
            if linger_s > 0.0:
                return None, min(wait_s, linger_s)
            new, gate_s = self._next_new(now_s)
            flight, wait_s = new or flight, min(wait_s, gate_s)
        if flight is None:
            return None, wait_s
        batch = self._timely(flight)
        return (Flight(batch, flight.aside), 0.0) if batch is not None else (None, 0.0)

    def _next_aside(self, now_s: float) -> tuple[Flight | None, float]:
        """Choose among what was set aside the first that may go; as a probe the least tried one."""
        wait_s, probes = FOREVER, list[Aside]()
        for aside in self._asides.in_turn(self._probed()):
            batch = aside.batch
            gate = self._desk.gate(batch.endpoint)
            if batch.accusation and batch.accusation in gate.circuit.guilty:
                self._settle(Flight(batch, aside), convicted(batch, self._now(now_s, healthy=True), self._desk.policy))
                return None, 0.0
            due_s = aside.not_before_s - now_s
            if due_s <= 0.0:
                due_s = gate.wait_s(now_s, self, suspect=batch.faults > 0)
                if due_s <= 0.0:
                    if gate.circuit.state == "closed":
                        return Flight(batch, aside), 0.0
                    probes.append(aside)
                    continue
                gate.await_turn(self, self.wake)
            wait_s = min(wait_s, due_s)
        if not probes:
            return None, wait_s
        least = min(probes, key=lambda aside: aside.batch.tried)
        parts = first_and_rest(least.batch)
        if len(parts) == 1:
            return Flight(least.batch, least), 0.0
        apart = [Again(part, least.not_before_s, least.blocks, "split") for part in parts]
        self._asides.replace(least, apart, self._queue)
        return None, 0.0

    def _probed(self) -> list[str]:
        """Quotas that are open or halted: their probes are singles, of content that was tried as little as possible.

        What failed may be the reason why it fails; a probe of something else tells.
        """
        return [quota for quota, gate in self._desk.gates.items() if gate.circuit.state != "closed"]

    def _stale_probe(self, flight: Flight) -> bool:
        """Whether something that was not tried yet would make a better probe."""
        probe = self._desk.gate(flight.batch.endpoint).circuit.state != "closed"
        return probe and flight.batch.tried > 0 and len(self._asides) < MOST_PROBED

    def _next_new(self, now_s: float) -> tuple[Flight | None, float]:
        probed = self._probed()
        blocked = self._asides.blocked(probed)
        wait_s = FOREVER

        def may_send(endpoint: Endpoint) -> bool:
            nonlocal wait_s
            if endpoint.quota in blocked:
                return False
            gate = self._desk.gate(endpoint)
            due_s = gate.wait_s(now_s, self)
            if due_s > 0.0:
                wait_s = min(wait_s, due_s)
                gate.await_turn(self, self.wake)
            return due_s <= 0.0

        desk = self._desk
        batch = cut(
            self._queue,
            desk.sink.endpoints,
            may_send,
            desk.request_bytes,
            self._asides.held,
            "revoke" if self.draining else "time",
            lambda endpoint: endpoint.quota in probed,
        )
        return (None if batch is None else Flight(batch, None)), wait_s

    def _linger_s(self, now_s: float) -> float:
        """How long the first delivery of the queue may still wait for company."""
        first = self._queue[0]
        limits = self._desk.sink.endpoints[first.payload.endpoint].limits
        if self.draining or len(self._queue) >= limits.items or len(self._queue) >= self._desk.ahead:
            return 0.0
        if sum(len(delivery.payload.body) for delivery in self._queue) >= limits.request_bytes:
            return 0.0
        return first.since_s + limits.linger_s - now_s

    def _timely(self, flight: Flight) -> Batch | None:
        """Give up deliveries that are too old to be sent; return what is left of the batch."""
        now_ms, batch = self._desk.clock.now_ms(), flight.batch
        late = [one for one in batch.deliveries() if one.deadline_ms is not None and one.deadline_ms < now_ms]
        if not late:
            return batch
        for delivery in late:
            bound_ms = delivery.payload.not_after_ms
            reason = "too_old" if bound_ms is not None and bound_ms < now_ms else "expired"
            self._desk.account.rejected(delivery, Rejected(reason), batch)
        gone = frozenset(late)
        rest = without(batch, gone.__contains__)
        if flight.aside is not None:
            kept = [] if rest is None else [Again(rest, flight.aside.not_before_s, flight.aside.blocks, "")]
            self._asides.replace(flight.aside, kept, self._queue)
            return None
        return rest

    # One attempt and what follows

    async def _send(self, flight: Flight) -> None:
        desk = self._desk
        batch = replace(flight.batch, sends=flight.batch.sends + 1)
        gate = desk.gate(batch.endpoint)
        if gate.circuit.halted:
            desk.before_probe()
        cost = len(batch.bundles) if batch.endpoint.cost == "item" else 1
        permit = gate.take(desk.clock.monotonic_s(), self, cost, suspect=batch.faults > 0)
        for delivery in batch.deliveries():
            opened = delivery.opened
            if opened.record.offset > opened.holding.highest_sent:
                opened.holding.highest_sent = opened.record.offset
        desk.metrics.batch(batch.trigger, batch.count, batch.size)
        self.flight = Flight(batch, flight.aside)
        try:
            attempted = await desk.sender.attempt(desk.sink, batch, desk.feeds.values)
            batch = replace(batch, status=attempted.status)
            desk.heard(batch, attempted, permit)
            await self._follow(Flight(batch, flight.aside), attempted, permit)
        except asyncio.CancelledError:
            gate.abandoned(permit)
            raise
        finally:
            self.flight = None

    async def _follow(self, flight: Flight, attempted: Attempted, permit: Permit) -> None:
        desk, batch, verdict = self._desk, flight.batch, attempted.verdict
        now_s = desk.clock.monotonic_s()
        if isinstance(verdict, Refresh):
            if not batch.refreshed:
                permit.gate.abandoned(permit)
                await desk.feeds.renew(verdict.feed)
                again = Again(replace(batch, refreshed=True), now_s, blocks=True, reason=verdict.reason)
                self._settle(flight, Judged((), (again,)))
                return
            verdict = SetupFault(verdict.reason)
        if isinstance(verdict, SetupFault):
            number = desk.accused(permit, verdict)
            faulty = replace(batch, accusation=number, faults=batch.faults + 1, refreshed=False)
            self._settle(flight, Judged((), (Again(faulty, now_s, blocks=False, reason="setup"),)))
            return
        if attempted.all_delivered and flight.aside is None and len(verdict) == len(batch.bundles):
            desk.account.delivered(batch, batch.deliveries())
            return
        since_s = now_s if batch.failing_since_s is None else batch.failing_since_s
        gate = permit.gate
        healthy = gate.circuit.state == "closed" if batch.suspect else gate.healthy_since(since_s)
        now = self._now(now_s, healthy=healthy)
        self._settle(flight, judge(batch, verdict, now, desk.policy))

    def _now(self, now_s: float, *, healthy: bool) -> Now:
        return Now(now_s, self._desk.clock.now_ms(), healthy, self._desk.chance)

    def _settle(self, flight: Flight, judged: Judged) -> None:
        """Account for what is final and set aside what goes again, but for epochs that have ended."""
        desk, batch = self._desk, flight.batch
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
        self._asides.replace(flight.aside, again, self._queue)

    async def _sleep(self, wait_s: float) -> None:
        if wait_s <= 0.0:
            return
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = None if wait_s == FOREVER else loop.call_later(wait_s, self.wake)
        try:
            await self._waiting
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()

    # Revokes

    def drop(self, gone: Callable[[OpenRecord], bool]) -> None:
        """Forget what of these records is not on the wire."""

        def left(delivery: Delivery) -> bool:
            return gone(delivery.opened)

        # In place: a translation that waits for a fact will append to this very queue.
        _keep(self._inbox, lambda arrival: not gone(arrival.opened))
        _keep(self._queue, lambda delivery: not left(delivery))
        self._asides.drop(left, self._queue, self.flight.aside if self.flight else None)

    def can_send(self, until_s: float, concerns: Callable[[OpenRecord], bool]) -> bool:
        """Whether any of the records it concerns, waiting here or on the wire, may still come to an end by then."""
        if self.flight is not None and _any(concerns, self.flight.batch.deliveries()):
            return True
        if self._translating is not None and concerns(self._translating.opened):
            return True
        if self._desk.stopped:
            return False
        now_s, gates = self._desk.clock.monotonic_s(), self._desk.gates
        for aside in self._asides:
            due_s = max(aside.not_before_s, gates[aside.batch.endpoint.quota].earliest_s(now_s))
            if due_s <= until_s and _any(concerns, aside.deliveries()):
                return True
        open_now = {quota for quota, gate in gates.items() if gate.earliest_s(now_s) <= until_s}
        if open_now and any(concerns(arrival.opened) for arrival in self._inbox):
            return True
        endpoints, free = self._desk.sink.endpoints, open_now - self._asides.blocked()
        return any(concerns(one.opened) for one in self._queue if endpoints[one.payload.endpoint].quota in free)

    def give_up(self, aside: Aside) -> None:
        """End a parked batch; its key goes on."""
        if self.flight is None or self.flight.aside is not aside:
            verdict = Rejected("exhausted", "parked")
            final = tuple((delivery, verdict) for delivery in aside.batch.deliveries())
            self._settle(Flight(aside.batch, aside), Judged(final))
            self.wake()

    @property
    def parked(self) -> Iterator[Aside]:
        """Singles that wait with their key, oldest first."""
        return (aside for aside in self._asides if aside.batch.parked_since_s is not None)


def _keep(queue: deque[T], wanted: Callable[[T], bool]) -> None:
    kept = [one for one in queue if wanted(one)]
    queue.clear()
    queue.extend(kept)


def _any(concerns: Callable[[OpenRecord], bool], deliveries: Iterable[Delivery]) -> bool:
    return any(concerns(delivery.opened) for delivery in deliveries)


def _stale(delivery: Delivery) -> bool:
    return not delivery.opened.holding.live
