"""Stages 3 and 4, lane: the one queue of a hash of keys. Translates, batches, and has one request in flight.

Order per key holds by construction: a key has one lane, a lane one request, and nothing of a key overtakes what is
still owed for it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

from msgspec.structs import replace

from connector.domain.events import Event
from connector.domain.outcome import Refresh, SetupFault
from connector.pipeline.acknowledge import OpenRecord
from connector.pipeline.aside import Aside, Asides
from connector.pipeline.asking import Asking, alone, hopeful
from connector.pipeline.batch import Delivery
from connector.pipeline.circuit import SILENCE_TO_OPEN_S
from connector.pipeline.deliver import Exchange
from connector.pipeline.desk import Desk
from connector.pipeline.judge import Again, Judged, Now, judge
from connector.pipeline.question import Inquiry, Question, asked_by
from connector.pipeline.riding import Tried, apart, joined
from connector.pipeline.settle import Flight, settle
from connector.pipeline.translate import Arrival, translate_now
from connector.pipeline.turn import FOREVER, Turn
from connector.sinks.contract import Need

T = TypeVar("T")


class Lane:
    """A queue and the task that serves it."""

    def __init__(self, number: int, desk: Desk) -> None:
        self.number = number
        self.flight: Flight | None = None
        self._desk = desk
        self._inbox: deque[Arrival] = deque()
        self._queue: deque[Delivery] = deque()
        self._asides = Asides(lambda freed: self._queue.extendleft(reversed(freed)))
        self._turn = Turn(desk, self._queue, self._asides, self.wake)
        self._asking = Asking(desk, self._inbox, self._queue, self.wake)
        self._translating: Arrival | None = None
        self._held_up = False
        self._drains = 0
        self._waiting: asyncio.Future[None] | None = None
        self._woken = False
        self._parked_last = False

    def take(self, arrivals: Sequence[tuple[Arrival, Event]], until_s: float) -> None:
        """Take records in and translate them at once, until that time; it does not wake the lane.

        Those that must ask or wait, and all behind them, stay without their events.
        """
        desk, inbox = self._desk, self._inbox
        now_s, ask = desk.clock.monotonic_s, bool(desk.lookups)
        for arrival, event in arrivals:
            if inbox or ask or now_s() > until_s or translate_now(desk, arrival, event, self._queue):
                inbox.append(arrival)

    @property
    def waiting(self) -> int:
        """Records and deliveries in the queue."""
        return len(self._inbox) + len(self._queue)

    def wake(self) -> None:
        self._woken = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def run(self) -> None:
        """Serve the queue until cancelled."""
        while True:
            self._woken = False
            held_up_s = await self._translate()
            flight, wait_s = self._turn.next()
            if len(self._asking.asides) and (flight is None or (flight.batch.parked and self._parked_last)):
                question, asks_s = self._asking.next()
                wait_s = min(wait_s, asks_s)
                flight = question if flight is None or (question and not question.batch.parked) else flight
            if flight is not None:
                self._parked_last = flight.batch.parked
                await self._send(flight)
            elif not self._woken:
                await self._sleep(min(wait_s, held_up_s))

    async def _translate(self) -> float:
        """Translate what waits, ahead of the batches; return how long to wait where the next record must be held."""
        if not self._inbox or not self._turn.has_room():
            return FOREVER
        began_s = self._desk.clock.monotonic_s()
        try:
            return await self._translate_ahead()
        finally:
            self._desk.metrics.translated(self._desk.clock.monotonic_s() - began_s)

    async def _translate_ahead(self) -> float:
        desk = self._desk
        while self._inbox and self._turn.has_room() and self._asking.takes_more():
            if desk.clock.monotonic_s() > desk.rest_s:
                await desk.rest()
                continue
            arrival = self._inbox.popleft()
            if self._asking.holds(arrival):
                continue
            self._translating = arrival
            wait_s = await self._asking.translate(arrival)
            self._translating, self._held_up = None, wait_s > 0.0
            if wait_s:
                self._inbox.appendleft(arrival)
                return wait_s
        return FOREVER

    # One attempt and what follows

    async def _send(self, flight: Flight) -> None:
        asked = asked_by(flight.batch)
        self.flight = flight
        if self._desk.gate(flight.batch.endpoint).halted(flight.batch.setup):
            self._desk.reload()
        try:
            if asked is None:
                await self._deliver(flight)
            elif asked.need is None or self._desk.lookups.knows(asked.need):
                await self._asking.go_on(flight, asked)
            else:
                await self._ask(flight, asked, asked.need)
        finally:
            self.flight = None

    async def _deliver(self, flight: Flight) -> None:
        whole, desk = joined(flight), self._desk
        batch = whole.batch
        for delivery in batch.deliveries():
            opened = delivery.opened
            if opened.record.offset > opened.holding.highest_sent:
                opened.holding.highest_sent = opened.record.offset
        desk.metrics.batch(batch.trigger, batch.count, batch.size)
        for tried in apart(await self._attempt(desk.sink, whole, self._turn), flight):
            if tried.attempted.all_delivered and tried.flight.aside is None:
                desk.account.delivered(tried.flight.batch, tried.flight.batch.deliveries())
            else:
                await self._follow(tried, self._asides)

    async def _ask(self, flight: Flight, asked: Question, need: Need) -> None:
        inquiry = Inquiry(self._desk.lookups.asked[need.lookup], need)
        tried = await self._attempt(inquiry, flight, self._asking.turn)
        if tried.attempted.all_delivered:
            await self._asking.answered(flight, asked, inquiry)
        else:
            await self._follow(tried, self._asking.asides)

    async def _attempt(self, exchange: Exchange, flight: Flight, turn: Turn) -> Tried:
        desk = self._desk
        batch = replace(flight.batch, sends=flight.batch.sends + 1)
        gate, feeds = desk.gate(batch.endpoint), desk.feeds.values
        cost = len(batch.bundles) if batch.endpoint.cost == "item" else 1
        permit = gate.take(desk.clock.monotonic_s(), turn, batch.setup, cost, suspect=batch.faults > 0)
        self.flight = replace(flight, batch=batch)
        try:
            attempted = await desk.sender.attempt(exchange, batch, feeds)
        except asyncio.CancelledError:
            gate.abandoned(permit)
            raise
        # The batch as it was: its size is known by now.
        desk.heard(flight.batch, attempted, permit)
        return Tried(Flight(replace(batch, status=attempted.status), flight.aside), attempted, permit, feeds)

    async def _follow(self, tried: Tried, asides: Asides) -> None:
        """Do what a reply that did not settle everything asks for."""
        desk, flight, permit, verdict = self._desk, tried.flight, tried.permit, tried.attempted.verdict
        batch, now_s = flight.batch, self._desk.clock.monotonic_s()
        if isinstance(verdict, Refresh):
            if not batch.refreshed:
                permit.gate.abandoned(permit)
                await desk.feeds.renew(verdict.feed, tried.feeds[verdict.feed])
                again = Again(replace(batch, refreshed=True), now_s, blocks=True, reason=verdict.reason)
                settle(desk, asides, flight, Judged((), (again,)))
                return
            verdict = SetupFault(verdict.reason)
        if isinstance(verdict, SetupFault):
            number = desk.accused(permit, verdict)
            faulty = replace(batch, accusation=number, faults=batch.faults + 1, refreshed=False)
            settle(desk, asides, flight, Judged((), (Again(faulty, now_s, blocks=False, reason="setup"),)))
            return
        since_s = now_s if batch.failing_since_s is None else batch.failing_since_s
        gate = permit.gate
        healthy = not gate.probes(batch.setup) if batch.suspect else gate.healthy_since(since_s)
        now = Now(now_s, desk.clock.now_ms(), healthy, desk.chance)
        judged = judge(batch, verdict, now, desk.policy)
        if asked_by(batch) is not None and gate.healthy_since(now_s - SILENCE_TO_OPEN_S):
            judged = alone(judged)
        settle(desk, asides, flight, judged)

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

    def drain(self, *, on: bool) -> None:
        """Have nothing wait for company, or end that; a revoke may come in the middle of a stop."""
        self._drains += 1 if on else -1
        self._turn.draining = self._asking.turn.draining = self._drains > 0
        self.wake()

    def drop(self, gone: Callable[[OpenRecord], bool]) -> None:
        """Forget what of these records is not on the wire."""

        def left(delivery: Delivery) -> bool:
            return gone(delivery.opened)

        # In place: a translation that waits for a store will append to this very queue.
        _keep(self._inbox, lambda arrival: not gone(arrival.opened))
        _keep(self._queue, lambda delivery: not left(delivery))
        flying = () if self.flight is None else (self.flight.aside, *self.flight.riders)
        self._asides.drop(left, flying)
        self._asking.asides.drop(left, flying)

    def can_send(self, until_s: float, concerns: Callable[[OpenRecord], bool]) -> bool:
        """Whether any of the records it concerns, waiting here or on the wire, may still come to an end by then."""
        if self.flight is not None and hopeful(self.flight.batch) and _any(concerns, self.flight.batch.deliveries()):
            return True
        if self._translating is not None and concerns(self._translating.opened):
            return True
        halt = self._desk.feeds.halt
        if self._desk.stopped or (halt is not None and halt.hold):
            return False
        desk, now_s = self._desk, self._desk.clock.monotonic_s()
        for aside in chain(self._asides, self._asking.asides):
            batch, gate = aside.batch, desk.gate(aside.batch.endpoint)
            due_s = max(aside.not_before_s, gate.earliest_s(now_s))
            can_go = due_s <= until_s and hopeful(batch) and not gate.halted(batch.setup)
            if can_go and _any(concerns, aside.deliveries()):
                return True
        open_now = {quota: gate for quota, gate in desk.gates.items() if gate.earliest_s(now_s) <= until_s}
        # Only its translation tells of what set-up a record is.
        sound = not all(any(gate.refusals.halts()) for gate in open_now.values())
        if sound and not self._held_up and any(concerns(arrival.opened) for arrival in self._inbox):
            return True
        return any(concerns(one.opened) for one in self._turn.sound(open_now.keys() - self._asides.blocked()))

    def hurry(self, aside: Aside, *, on: bool) -> None:
        """Have a parked batch come to its end by tries without a wait, or end that."""
        if aside.batch.crowds != on:
            aside.batch = replace(aside.batch, crowds=on)
            if on:
                aside.not_before_s = self._desk.clock.monotonic_s()
                self.wake()

    @property
    def parked(self) -> Iterator[Aside]:
        """Singles that wait with their key, oldest first."""
        both = chain(self._asides, self._asking.asides)
        return (aside for aside in both if aside.batch.parked)


def _keep(queue: deque[T], wanted: Callable[[T], bool]) -> None:
    kept = [one for one in queue if wanted(one)]
    queue.clear()
    queue.extend(kept)


def _any(concerns: Callable[[OpenRecord], bool], deliveries: Iterable[Delivery]) -> bool:
    return any(concerns(delivery.opened) for delivery in deliveries)
