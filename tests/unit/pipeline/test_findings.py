"""Defects found by reading the engine: each test states what the design asks and fails until it holds."""

import asyncio
import random
from collections import deque

import mmh3
from msgspec import Struct
from msgspec.structs import replace

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.outcome import Outcome, Retryable, SetupFault
from connector.errors import FeedFailed, SchemaMissing
from connector.pipeline.acknowledge import OpenRecord
from connector.pipeline.batch import Filling
from connector.pipeline.gate import Gate
from connector.pipeline.judge import judge
from connector.pipeline.options import Options
from connector.pipeline.schema_wait import SchemaWait
from connector.sinks.contract import Answered, Endpoint, Limits, Need, Renewal
from tests.doubles import clock
from tests.doubles.http import Answer, Sent
from tests.unit.pipeline.making import (
    EVENT,
    LIMITS,
    P0,
    P1,
    POLICY,
    SETUP,
    PlainSink,
    TextDecoder,
    batch_of,
    delivery,
    now,
    opened,
)
from tests.unit.pipeline.rig import Rig, play, records, seconds

OPTIONS = Options(letters_topic="letters", lanes=4)


class TokenFeed(Struct, frozen=True):
    """A token; `GET` asks for it, the reply's body is the new one."""

    name: str = "token"
    secret: str = "old"

    def request(self, last: Renewal | None, now_ms: int, nonce: bytes) -> HttpRequest:
        return HttpRequest("GET", "https://vendor.example/token", {"secret": self.secret})

    def read(self, reply: HttpResponse, last: Renewal | None, now_ms: int) -> Renewal:
        if reply.status != 200:
            raise FeedFailed(f"status {reply.status}")
        return Renewal(reply.body.decode(), 3600.0)


class SlowLookup(Struct, frozen=True):
    name: str = "profile"
    ttl_s: float = 60.0
    endpoint: Endpoint = replace(EVENT, name="profile", quota="profiles")

    def request(self, need: Need, now_ms: int) -> HttpRequest:
        return HttpRequest("GET", "https://vendor.example/profile")

    def read(self, need: Need, reply: HttpResponse) -> Answered | Outcome | SetupFault:
        return Answered(reply.body) if reply.status == 200 else Retryable("server_error")


def _keys_of_one_lane(lanes: int, count: int) -> list[str]:
    names = (f"k{number}" for number in range(10_000))
    return [name for name in names if mmh3.hash(name.encode(), signed=False) % lanes == 0][:count]


# Crashes and stand-stills


def test_a_partition_may_be_lost_while_a_feed_is_renewed_for_a_batch_that_was_set_aside() -> None:
    """lane.py: the aside is not `flying` during the renewal, is replaced by `drop`, and `replace` finds it no more."""
    key = _keys_of_one_lane(4, 2)
    asked = 0

    def script(sent: Sent) -> Answer:
        nonlocal asked
        if sent.to == "token":
            return Answer(body=b"t", delay_s=5.0 if sent.at_s > 0.1 else 0.01)
        asked += 1
        return {1: Answer(500), 2: Answer(401)}.get(asked, Answer())

    async def until(rig: Rig) -> None:
        await asyncio.sleep(2.0)
        await rig.consumer.lose(P1)
        await asyncio.sleep(30.0)

    log = records(["a"], keys=key[:1], partition=P0) + records(["b"], keys=key[1:], partition=P1)
    rig = play(lambda: Rig(log, script, sink=PlainSink(feeds=(TokenFeed(),))), until)
    assert rig.stored[P0] == 1


def test_a_token_is_renewed_again_after_a_renewal_failed() -> None:
    """lane.py `_follow`: `refreshed` stays set on the batch, so each probe ends in a set-up fault without a renewal."""
    renewals = 0

    def script(sent: Sent) -> Answer:
        nonlocal renewals
        if sent.to == "token":
            renewals += 1
            return Answer(503) if renewals == 2 else Answer(body=b"t")
        return Answer(401) if renewals < 3 else Answer()

    rig = play(lambda: Rig(records(["a"]), script, sink=PlainSink(feeds=(TokenFeed(),))), seconds(300.0))
    assert rig.stored[P0] == 1


class HangingOnce(TextDecoder):
    async def learn(self, schema: int) -> None:
        self.asked.append(schema)
        if len(self.asked) == 1:
            await asyncio.Event().wait()


def test_a_schema_is_asked_for_when_its_partition_comes_back_at_once() -> None:
    """schema_wait.py `hold`: a task that was just cancelled still stands in `_tasks`, so none is started."""

    async def main() -> list[int]:
        known: list[OpenRecord] = []
        waits = SchemaWait(HangingOnce(), clock.LoopClock(), random.Random(1), 60.0, known.extend, known.append)
        first = opened(0)
        waits.hold(first, 7)
        await asyncio.sleep(0.1)
        waits.forget([P0])
        waits.hold(first, 7)
        await asyncio.sleep(60.0)
        return [one.record.offset for one in known]

    assert clock.run(main()) == [0]


def test_all_records_of_a_schema_denied_twice_are_let_go_together() -> None:
    """schema_wait.py `_give_up`: one record per look-up; with back-off a partition moves by 8 records a minute."""

    def deny(schema: int) -> None:
        raise SchemaMissing(f"schema {schema}")

    log = records([f"?7:e{number}" for number in range(20)])
    old = [replace(one, timestamp_ms=one.timestamp_ms - 120_000) for one in log]
    rig = play(lambda: Rig(old, ask=deny), seconds(20.0))
    assert len(rig.producer.letters) == 20


def test_a_poison_item_does_not_stop_a_flow_of_one_lane() -> None:
    """judge.py `_retry`: with one lane nothing else can succeed meanwhile, so the batch is never taken apart."""

    def script(sent: Sent) -> Answer:
        return Answer(500) if b"poison" in sent.bodies else Answer()

    names = [f"e{number}" for number in range(9)] + ["poison"] + [f"f{number}" for number in range(10)]
    options = replace(OPTIONS, lanes=1)
    rig = play(lambda: Rig(records(names), script, options=options), seconds(3600.0))
    assert set(rig.http.bodies) == {name.encode() for name in names}
    assert rig.stored[P0] == 20


def test_a_defect_in_needs_costs_its_record_only() -> None:
    """translate.py: `needs` stands outside of the try that guards `translate`."""

    def needed(name: str) -> tuple[Need, ...]:
        raise ZeroDivisionError

    rig = play(lambda: Rig(records(["a", "b"]), sink=PlainSink(lookups=(SlowLookup(),), needed=needed)), seconds(5.0))
    assert rig.producer.noted("reason") == ["translator_fault"] * 2


# Waits


def test_the_wait_grows_under_repeated_429() -> None:
    """judge.py `_retry`: 429 does not count as a failure, and the back-off is drawn from the failures alone."""
    longest_s = 0.0
    for seed in range(50):
        batch = batch_of(1)
        for _ in range(8):
            judged = judge(batch, [Retryable("rate_limited", limited=True)], now(seed=seed), POLICY)
            batch = judged.again[0].batch
        longest_s = max(longest_s, judged.again[0].not_before_s)
    assert longest_s > 20.0, "the eighth wait is drawn up to 60 s"


def test_a_vendor_cannot_ask_for_more_than_a_quarter_of_an_hour() -> None:
    """judge.py `_retry`: what a vendor asks in a way of its own is capped for the gate, not for the batch."""
    judged = judge(batch_of(1), [Retryable("rate_limited", retry_after_s=1e9)], now(), POLICY)
    assert judged.again[0].not_before_s <= 900.0


def test_a_429_ends_a_probe_of_a_halted_sink_too() -> None:
    """circuit.py `limited`: while halted the next probe is not scheduled, so lanes probe without a pause."""
    gate = Gate(["event"], most=4, rate_per_s=None, now_s=0.0)
    number = gate.setup_fault(gate.take(0.0, "a", SETUP, 1), 0.0, "credentials")
    assert number
    assert gate.setup_fault(gate.take(0.0, "b", SETUP, 1), 0.0, "credentials") == 0
    due_s = gate.trial_wait_s(0.0, "c", SETUP)
    assert due_s > 0.0
    gate.limited(gate.take(due_s, "c", SETUP, 1), due_s)
    assert gate.trial_wait_s(due_s, "d", SETUP) > 0.0


def test_a_confirmation_that_is_not_answered_is_repeated_as_a_probe() -> None:
    """circuit.py `wait_s`: while content is accused others may start at once, however often the vendor is silent."""
    gate = Gate(["event"], most=4, rate_per_s=None, now_s=0.0)
    assert gate.setup_fault(gate.take(0.0, "a", SETUP, 1), 0.0, "credentials")
    assert gate.trial_wait_s(0.0, "b", SETUP) == 0.0, "one immediate request with other content"
    gate.failed(gate.take(0.0, "b", SETUP, 1), 0.0)
    assert gate.trial_wait_s(0.0, "c", SETUP) > 0.0


def test_an_outage_does_not_count_as_time_of_failing_alone() -> None:
    """judge.py `_retry`: `PARK_S` of failures while the vendor is healthy; the clock runs through an outage."""
    single = batch_of(1)
    for second in (0.0, 1.0, 2.0, 3.0, 4.0):
        single = judge(single, [Retryable("server_error")], now(second, healthy=True), POLICY).again[0].batch
    assert single.parked_since_s == 4.0
    for second in range(10, 3600, 60):
        single = judge(single, [Retryable("server_error")], now(second, healthy=False), POLICY).again[0].batch
    judged = judge(single, [Retryable("server_error")], now(3601.0, healthy=True), POLICY)
    assert judged.final == (), "of its hour of failures a few seconds were while the vendor was healthy"


def test_good_records_of_a_poisoned_batch_are_delivered_within_65_s_of_its_suspicion() -> None:
    """judge.py `_retry`: halves wait the back-off of the whole batch's failures, at each level of the splitting."""
    lanes = _keys_of_one_lane(4, 64)
    names = [f"e{number}" for number in range(64)]
    names[20] = "poison"
    taken: dict[bytes, float] = {}

    def script(sent: Sent) -> Answer:
        if b"poison" in sent.bodies:
            return Answer(500)
        taken.update(dict.fromkeys(sent.bodies, sent.at_s))
        return Answer()

    async def until(rig: Rig) -> None:
        offset = 0
        while len(set(rig.http.bodies) & {b"poison"}) == 0 or rig.http.sent[-1].at_s < 600.0:
            rig.consumer.add([replace(one, offset=offset) for one in records([f"x{offset}"], partition=P1)])
            offset += 1
            await asyncio.sleep(1.0)

    play(lambda: Rig(records(names, keys=lanes), script, starts={P0: 0, P1: 0}), until)
    worst_s = max(taken.get(name.encode(), float("inf")) for name in names if name != "poison")
    assert worst_s < 16.0 + 65.0, "five failures take at most 0.5 + 1 + 2 + 4 + 8 s"


# Drain


def test_a_drain_waits_for_a_look_up_that_is_under_way() -> None:
    """lane.py `can_send`: a record under translation is in no queue, so the drain ends and what follows is resent."""
    asking = _keys_of_one_lane(4, 1)[0]
    other = next(f"o{n}" for n in range(99) if mmh3.hash(f"o{n}".encode(), signed=False) % 4 == 1)

    def script(sent: Sent) -> Answer:
        return Answer(delay_s=2.0) if sent.to == "profile" else Answer()

    def needed(name: str) -> tuple[Need, ...]:
        return (Need("profile", "u"),) if name == "asks" else ()

    log = records(["asks", "b"], keys=[asking, other])
    rig = play(lambda: Rig(log, script, sink=PlainSink(lookups=(SlowLookup(),), needed=needed)), seconds(1.0))
    assert rig.stored[P0] == 2, "both would be resent by the next owner, one of them for the second time"


def test_a_revoke_gives_up_at_once_what_cannot_be_sent_though_other_partitions_are_busy() -> None:
    """drain.py `_hopeful`: any lane's work keeps the drain waiting, also that of partitions that stay."""

    def script(sent: Sent) -> Answer:
        return Answer(500, headers={"retry-after": "600"}) if sent.to == "user" else Answer(delay_s=1.0)

    async def until(rig: Rig) -> None:
        await asyncio.sleep(5.0)
        assert await rig.consumer.revoke(P0) < 2.0

    log = records(["stuck"], partition=P0) + records([f"e{n}" for n in range(3000)], partition=P1)
    endpoints = {
        "event": replace(EVENT, limits=replace(LIMITS, items=10)),
        "user": replace(EVENT, name="user", quota="users"),
    }
    sink = PlainSink(endpoints, goes_to=lambda name, endpoint: (name == "stuck") == (endpoint == "user"))
    play(lambda: Rig(log, script, sink=sink), until)


# Limits


def test_a_413_teaches_a_smaller_request_also_where_one_item_may_fill_it() -> None:
    """desk.py `_learn`: never below `item_bytes`, which may be as much as the request."""
    endpoint = Endpoint("event", Limits(items=100, request_bytes=1000, item_bytes=1000))
    assert _halved_sizes(endpoint, 1000, 400)[-1] <= 400


def test_a_learned_limit_never_grows_again() -> None:
    """desk.py `_learn`: a large batch that was on the wire at the same time sets the limit back up."""
    endpoint = Endpoint("event", Limits(items=100, request_bytes=1000, item_bytes=10))
    learned = _halved_sizes(endpoint, 1000, 40)
    assert learned == sorted(learned, reverse=True)


def _halved_sizes(endpoint: Endpoint, most: int, vendor: int) -> list[int]:
    """Return the learned size after each reply of a vendor that takes `vendor` bytes."""
    learned: list[int] = []

    def script(sent: Sent) -> Answer:
        size = sum(map(len, sent.bodies)) + len(sent.bodies) + 1
        return Answer(413 if size > vendor else 200, delay_s=0.1 * len(sent.bodies))

    async def until(rig: Rig) -> None:
        for _ in range(600):
            learned.append(rig.flow.desk.request_bytes(endpoint))
            await asyncio.sleep(0.1)

    names = [f"event-{number:03}" for number in range(400)]
    play(lambda: Rig(records(names), script, sink=PlainSink(endpoints={"event": endpoint})), until)
    return learned


def test_a_merge_never_overtakes_an_unmerged_payload_of_its_key() -> None:
    """batch.py `Filling.add`: a payload without a head leaves the earlier bundle of its key open for merging."""
    endpoint = replace(EVENT, limits=replace(LIMITS, members=10))
    one, two, three = (delivery(b"k", merge=head, body=b"%d" % n) for n, head in enumerate((b"h", None, b"h")))
    filling = Filling(one, endpoint, LIMITS.request_bytes)
    assert filling.add(two)
    assert filling.add(three)
    assert [d.payload.body for d in filling.batch("").deliveries()] == [b"0", b"1", b"2"]


# Pace


def test_a_rate_limited_vendor_is_hardly_asked_too_often() -> None:
    """V4: gate.py has no adaptive limit; 429 without Retry-After holds back one lane at a time."""
    tokens, seen_s, replies = 20.0, 0.0, deque[tuple[float, int]]()

    def script(sent: Sent) -> Answer:
        nonlocal tokens, seen_s
        tokens = min(20.0, tokens + (sent.at_s - seen_s) * 100.0)
        seen_s = sent.at_s
        status = 200 if tokens >= 1.0 else 429
        tokens -= status == 200
        replies.append((sent.at_s, status))
        return Answer(status, delay_s=0.05)

    endpoint = replace(EVENT, limits=replace(LIMITS, items=1, linger_s=0.0))
    log = records([f"e{number}" for number in range(10_000)])
    options = replace(OPTIONS, lanes=16)
    play(lambda: Rig(log, script, options=options, sink=PlainSink(endpoints={"event": endpoint})), seconds(90.0))
    late = [status for at_s, status in replies if 60.0 < at_s < 90.0]
    assert late.count(429) / len(late) <= 0.01
    assert late.count(200) / 30.0 >= 90.0


def test_a_record_that_always_fails_does_not_stop_its_partition_for_ever() -> None:
    """judge.py `_retry`: once MAX_AHEAD lies between it and the newest record its partition is paused, nothing else is
    sent, nothing else succeeds, so the vendor never counts as healthy again and the record is never given up."""

    def script(sent: Sent) -> Answer:
        return Answer(body=bytes(ord("l") if body == b"never" else ord("o") for body in sent.bodies))

    names = ["never"] + [f"e{number}" for number in range(300)]
    sink = PlainSink({"event": replace(EVENT, itemised=True)})

    async def until(rig: Rig) -> None:
        for offset, one in enumerate(records(names)):
            rig.consumer.add([replace(one, offset=offset)])
            await asyncio.sleep(0.2)
        await asyncio.sleep(3600.0)

    rig = play(
        lambda: Rig([], script, options=replace(OPTIONS, max_ahead=200, park_s=60.0), sink=sink, starts={P0: 0}), until
    )
    assert rig.producer.noted("reason") == ["exhausted"]
    assert rig.stored[P0] == 301


def test_a_key_that_always_fails_waits_once_and_not_for_each_of_its_records() -> None:
    """settle.py: ten records of a key took ten times PARK_S to be given up, so an hour of them stopped the intake."""

    def script(sent: Sent) -> Answer:
        return Answer(body=bytes(ord("l") if body.startswith(b"never") else ord("o") for body in sent.bodies))

    names = [f"never{number}" if number % 10 == 0 else f"e{number}" for number in range(100)]
    keys = ["bad" if number % 10 == 0 else f"k{number}" for number in range(100)]
    sink = PlainSink({"event": replace(EVENT, itemised=True)})

    async def until(rig: Rig) -> None:
        for offset in range(100, 1_000):
            rig.consumer.add([replace(records(["good"])[0], offset=offset, key=b"k%d" % offset)])
            await asyncio.sleep(0.3)

    log = records(names, keys=keys)
    rig = play(lambda: Rig(log, script, options=replace(OPTIONS, park_s=60.0), sink=sink), until)
    assert rig.producer.noted("reason") == ["exhausted"] * 10
    assert rig.producer.noted("offset") == [str(number) for number in range(0, 100, 10)]


def test_a_record_that_always_fails_does_not_hold_up_the_only_lane() -> None:
    """judge.py `_retry`: with one lane nothing else was sent until ten failures, up to a minute apart, had opened the
    circuit (simulation, seed 5200)."""

    def script(sent: Sent) -> Answer:
        return Answer(body=bytes(ord("l") if body == b"never" else ord("o") for body in sent.bodies))

    names = ["never", "a", "b", "c"]
    sink = PlainSink({"event": replace(EVENT, itemised=True, limits=replace(LIMITS, items=1))})
    options = replace(OPTIONS, lanes=1, park_s=0.0)
    rig = play(lambda: Rig(records(names), script, options=options, sink=sink), seconds(60.0))
    assert {b"a", b"b", b"c"} <= set(rig.http.bodies)


# Set-up


def test_new_credentials_reach_the_feeds_too() -> None:
    """desk.py `reload`: the sink is made anew, while `Feeds` and `Lookups` keep those of the old one."""
    seen: list[str] = []

    def script(sent: Sent) -> Answer:
        if sent.to == "token":
            seen.append(sent.headers["secret"])
            return Answer(body=b"good") if sent.headers["secret"] == "new" else Answer(401)
        return Answer() if "new" in seen else Answer(401)

    sink, mended = PlainSink(feeds=(TokenFeed(),)), PlainSink(feeds=(TokenFeed(secret="new"),))
    rig = play(lambda: Rig(records(["a"]), script, sink=sink, reload=lambda: mended), seconds(300.0))
    assert "new" in seen
    assert rig.stored[P0] == 1


def test_a_letter_names_the_status() -> None:
    """dead_letter.py `write`: the design lists the status among a letter's headers."""
    rig = play(lambda: Rig(records(["a"]), lambda sent: Answer(400)), seconds(5.0))
    assert rig.producer.noted("status") == ["400"]
