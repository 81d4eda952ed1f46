"""Twenty-one defects on purpose: the simulation is worth what it notices.

Each is put in from outside. Most stand between a flow and what is around it (`Twist`): a sink, a producer, an owner or
a member of the group that does one thing wrong. Where the defect is one of a stage that only the flow itself makes,
a subclass of that stage takes its name in the module that makes it (`parts`), and the real code does the rest.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from msgspec import Struct, structs
from msgspec.structs import replace

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.outcome import Delivered
from connector.domain.record import Partition
from connector.pipeline.acknowledge import Ledger, OpenRecord
from connector.pipeline.ahead import Ahead
from connector.pipeline.aside import Asides
from connector.pipeline.commit import Commits
from connector.pipeline.consume import Assignment, Mark, Orders, OutOfRange, Owner, Polled
from connector.pipeline.dead_letter import Letter
from connector.pipeline.feed import Feeds
from connector.pipeline.guard import Guard
from connector.pipeline.known import NOTHING, Known
from connector.pipeline.lookup import Lookups
from connector.pipeline.riding import Tried, apart
from connector.pipeline.settle import Flight
from connector.pipeline.setup import Refusal, Refusals, Setup
from connector.pipeline.start import Choice, choose_start
from connector.sinks.contract import Attempt, Endpoint, Feed, Item, Need, Payload, Renewal, Save, Verdict
from tests.simulation.draw import draw
from tests.simulation.letters import LetterProducer
from tests.simulation.member import Member
from tests.simulation.replica import Twist
from tests.simulation.sink import SimulatedSink
from tests.simulation.world import Result, run

LATER_S = 2.0
ANY = ("", "")


class Mutation(Struct, frozen=True):
    """One defect, and the invariants that it breaks."""

    name: str
    breaks: frozenset[str]
    twist: Twist = Twist()
    parts: Mapping[str, object] = {}


class OnePast(Member):
    """Commits one offset too far."""

    async def poll(self, orders: Orders) -> Polled:
        return await super().poll(
            replace(orders, store={at: Mark(mark.offset + 1) for at, mark in orders.store.items()})
        )


class Skipping(Member):
    """Goes on from the log's begin when it is out of range, though nobody said so."""

    def _strayed(self) -> list[OutOfRange]:
        for stuck in super()._strayed():
            self._standing.discard(stuck.partition)
            self._positions[stuck.partition] = self._broker.topics.firsts[stuck.partition]
        return []


def trusting(*what: Any, log: str = "", **more: Any) -> Choice:
    """Takes an offset for one of the topic that is there, whichever log it was committed for."""
    return choose_start(*what, **more)


class StoringLate(Member):
    """Commits what it drained once more when the partition is another's, by the call that Kafka does not fence."""

    async def _give_up(self, partitions: Collection[Partition]) -> None:
        held = [(self._tenures[one], self._notes[one]) for one in partitions if one in self._tenures]
        stored = dict(self._stored)
        await super()._give_up(partitions)
        for tenure, note in held:
            if tenure.partition in stored:
                late = (self.host.name, tenure, stored[tenure.partition], note)
                self._broker.after(LATER_S, self._broker.commit_unfenced, *late)


class Unfenced:
    """An owner that is told of no revoke and no loss: it goes on with partitions of others."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    async def assigned(self, assignment: Assignment) -> None:
        await self._owner.assigned(assignment)

    async def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Mark]:
        return {}

    async def lost(self, partitions: Collection[Partition]) -> None:
        """Say nothing."""


class Hasty:
    """A producer that reports each letter as written before the broker has said so."""

    def __init__(self, producer: LetterProducer) -> None:
        self._producer = producer

    def produce(self, letter: Letter) -> "asyncio.Future[None]":
        self._producer.produce(letter).add_done_callback(lambda future: future.cancelled() or future.exception())
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def close(self) -> None:
        await self._producer.close()


class Dropping(SimulatedSink, frozen=True):
    """Takes a 401 for an end of the matter."""

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        if reply.status == 401:
            return [Delivered()] * len(items)
        return super().read(endpoint, items, reply, attempt)


class Swapping(SimulatedSink, frozen=True):
    """Renders the items of a request back to front."""

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        return super().request(endpoint, items if endpoint.itemised else items[::-1], attempt)


class Renaming(SimulatedSink, frozen=True):
    """Gives each payload another id when it is sent again."""

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        if attempt.number > 1:
            items = [Item(tuple(_renamed(one, attempt.number) for one in item.members)) for item in items]
        return super().request(endpoint, items, attempt)


def _renamed(payload: Payload, number: int) -> Payload:
    return replace(payload, body=payload.body.replace(payload.id.encode(), f"{payload.id}-{number}".encode()))


class ForgettingParked(Asides):
    """Holds nothing back behind a parked record's key."""

    def _hold(self) -> None:
        waiting = (aside for aside in self if aside.batch.parked_since_s is None)
        self.held = {key: aside.followers for aside in waiting for key in aside.keys}


class LosingTails(Asides):
    """Of a batch that was halved only the first half is sent again."""

    def replace(self, old: Any, again: Any) -> None:
        super().replace(old, list(again)[:1])


class CountingLate(Ledger):
    """Lets a completion of an ended epoch count for the one that the partition has now."""

    def resolve(self, opened: OpenRecord) -> bool:
        present = self.holdings.get(opened.record.partition)
        if not opened.holding.live and present is not None:
            same = [one for one in present.open.values() if one.record.offset == opened.record.offset]
            for one in same:
                present.resolve(one)
            return bool(same)
        return super().resolve(opened)


class Deaf(Feeds):
    """Takes no value of a feed for a reason to send nothing."""

    def _adopt(self, feed: Feed, renewal: Renewal) -> None:
        super()._adopt(feed, replace(renewal, halt=None))


class KeepingFirst(Feeds):
    """Stays on the first value of each feed."""

    def _adopt(self, feed: Feed, renewal: Renewal) -> None:
        super()._adopt(feed, self._last.get(feed.name, renewal))


def mistaking(tried: Tried, flight: Flight) -> Iterator[Tried]:
    """Take the verdict on a request's first item for that on each that rides along."""
    own, *others = apart(tried, flight)
    yield own
    for one in others:
        verdict = own.attempted.verdict
        first = verdict[:1] if isinstance(verdict, Sequence) else verdict
        yield replace(one, attempted=replace(one.attempted, verdict=first))


class Forgetful(Lookups):
    """Keeps nothing of what a translation found out."""

    async def save(self, saves: Sequence[Save]) -> None:
        """Say nothing to the store."""


class AskingAlways(Lookups):
    """Asks again what it was told."""

    def learn(self, need: Need, fact: object, size: int) -> None:
        """Remember nothing."""


class KnowingTooMuch(Known):
    """Takes the offset after each range that was resolved before for one of it."""

    def __init__(self, told: Ahead = NOTHING, *, start: int = -1, cluster_id: str = "") -> None:
        wider = tuple((first, after + 1) for first, after in told.ranges)
        super().__init__(replace(told, ranges=wider), start=start, cluster_id=cluster_id)


class CountingExpired(Guard):
    """Takes every letter for a verdict on content."""

    def admits(self, reason: str) -> bool:
        return super().admits("refused")


class NeverLate(Commits):
    """Takes every commit for done."""

    def late(self) -> dict[Partition, int]:
        return {}


class OneForAll(Refusals):
    """Lets any endpoint and group of the quota speak for all of them."""

    def get(self, setup: Setup) -> Refusal | None:
        return super().get(ANY)

    def fault(self, now_s: float, setup: Setup, reason: str, *, suspect: bool, probe: Refusal | None) -> int:
        return super().fault(now_s, ANY, reason, suspect=suspect, probe=probe)

    def answered(self, setup: Setup, *, suspect: bool, probe: Refusal | None) -> bool:
        return super().answered(ANY, suspect=suspect, probe=probe)


def _sink(kind: type[SimulatedSink]) -> Twist:
    return Twist(sink=lambda right: kind(**structs.asdict(right)))


MUTATIONS = (
    Mutation("commit one past", frozenset({"I2"}), Twist(member=OnePast)),
    Mutation("no fence on revoke", frozenset({"handover", "I4"}), Twist(owner=Unfenced)),
    Mutation("acknowledge before the dead letter's ack", frozenset({"I2", "I4"}), Twist(producer=Hasty)),
    Mutation("drop on 401", frozenset({"I2", "I3"}), _sink(Dropping)),
    Mutation("swap two records of a key", frozenset({"I3"}), _sink(Swapping)),
    Mutation("new ids on a second attempt", frozenset({"I4"}), _sink(Renaming)),
    Mutation("forget a parked key", frozenset({"I3"}), parts={"connector.pipeline.lane.Asides": ForgettingParked}),
    Mutation(
        "count a late completion", frozenset({"I2", "I8"}), parts={"connector.pipeline.flow.Ledger": CountingLate}
    ),
    Mutation(
        "lose the tail of a halved batch",
        frozenset({"I3", "I5"}),
        parts={"connector.pipeline.lane.Asides": LosingTails},
    ),
    Mutation("skip on out of range", frozenset({"I2", "I3", "I4"}), Twist(member=Skipping)),
    Mutation("guard counts expired", frozenset({"I5"}), parts={"connector.pipeline.flow.Guard": CountingExpired}),
    Mutation(
        "confirm with another group",
        frozenset({"I1", "set-up"}),
        parts={"connector.pipeline.gate.Refusals": OneForAll},
    ),
    Mutation(
        "send with a token that was replaced",
        frozenset({"feed"}),
        parts={"connector.pipeline.desk.Feeds": KeepingFirst},
    ),
    Mutation("send though the switch is off", frozenset({"feed"}), parts={"connector.pipeline.desk.Feeds": Deaf}),
    Mutation(
        "mistake who rides along",
        frozenset({"I1", "I2", "I3", "I8"}),
        parts={"connector.pipeline.lane.apart": mistaking},
    ),
    Mutation("tell the store nothing", frozenset({"store"}), parts={"connector.pipeline.desk.Lookups": Forgetful}),
    Mutation("forget every answer", frozenset({"lookup"}), parts={"connector.pipeline.desk.Lookups": AskingAlways}),
    Mutation(
        "skip one offset too many", frozenset({"I2", "I3"}), parts={"connector.pipeline.known.Known": KnowingTooMuch}
    ),
    Mutation(
        "read a topic made anew by an old offset",
        frozenset({"I1", "I2", "I3", "I5"}),
        parts={"tests.simulation.broker.choose_start": trusting},
    ),
    Mutation("store after a revoke", frozenset({"I2"}), Twist(member=StoringLate)),
    Mutation(
        "read on while nothing is committed", frozenset({"span"}), parts={"connector.pipeline.flow.Commits": NeverLate}
    ),
)


def first_caught(mutation: Mutation, seeds: Sequence[int]) -> Result | None:
    """Run seeds with the defect in place until one breaks an invariant; None where none does."""
    with ExitStack() as stack:
        for name, part in mutation.parts.items():
            stack.enter_context(patch(name, part))
        for seed in seeds:
            result = run(draw(seed), twist=mutation.twist)
            if result.violations:
                return result
    return None
