"""A whole flow: offsets, revokes, letters, halts, in virtual time."""

import asyncio

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from connector.domain.events import Event
from connector.errors import SchemaMissing
from connector.pipeline.options import Options
from connector.sinks.contract import Scene, Translation
from tests.doubles.http import Answer, Sent
from tests.simulation.loop import VirtualLoop
from tests.unit.pipeline.making import EVENT, LIMITS, P0, P1, PlainSink
from tests.unit.pipeline.rig import Rig, play, records, seconds

OPTIONS = Options(letters_topic="letters", lanes=4)


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_everything_is_delivered_skipped_or_a_letter_and_the_offset_reaches_the_end() -> None:
    names = ["a", "skip", "bad", "!", "b"]
    rig = play(lambda: Rig(records(names)), seconds(5.0))
    assert sorted(rig.http.bodies) == [b"a", b"b"]
    assert sorted(rig.producer.noted("reason")) == ["malformed", "no_name"]
    assert rig.stored[P0] == 5


def test_the_offset_never_passes_a_record_that_is_open() -> None:
    """`slow` is taken after 60 s; all others at once."""
    names = ["a", "b", "slow", "c", "d"]

    def script(sent: Sent) -> Answer:
        return Answer(500 if b"slow" in sent.bodies and sent.at_s < 60.0 else 200)

    stored_early: list[int] = []

    async def until(rig: Rig) -> None:
        await asyncio.sleep(50.0)
        stored_early.append(rig.stored[P0])
        await asyncio.sleep(100.0)

    rig = play(lambda: Rig(records(names), script, options=replace(OPTIONS, lanes=16)), until)
    assert stored_early[0] <= 2
    assert rig.stored[P0] == 5
    offsets = [offset for _, offset in rig.consumer.history]
    assert offsets == sorted(offsets)


def test_what_is_resolved_is_in_flight_no_longer_whatever_waits_before_it() -> None:
    """Consumed is resolved and in flight: `slow` alone is never taken."""

    async def until(rig: Rig) -> None:
        await asyncio.sleep(30.0)
        assert rig.stored[P0] == 1
        assert rig.flow.status().in_flight == 1

    script = lambda sent: Answer(500 if b"slow" in sent.bodies else 200)  # noqa: E731
    play(lambda: Rig(records(["a", "slow", "b", "c", "d"]), script, options=replace(OPTIONS, lanes=16)), until)


def test_the_offset_moves_after_the_letter_is_acknowledged() -> None:
    moments: list[tuple[int, int]] = []

    async def until(rig: Rig) -> None:
        rig.producer.refuse = lambda letter: "timed_out" if now_s() < 60.0 else ""
        await asyncio.sleep(50.0)
        moments.append((rig.stored.get(P0, 0), len(rig.producer.letters)))
        assert rig.flow.trouble()["dead_letters"]
        await asyncio.sleep(60.0)
        moments.append((rig.stored[P0], len(rig.producer.letters)))

    play(lambda: Rig(records(["bad"])), until)
    assert moments == [(0, 0), (1, 1)]


def test_a_translator_that_refuses_everything_is_halted_at_fifty_letters() -> None:
    async def until(rig: Rig) -> None:
        await asyncio.sleep(60.0)
        assert "guard" in rig.flow.trouble()
        assert rig.consumer.paused == {P0}

    rig = play(lambda: Rig(records([f"bad{number}" for number in range(1000)])), until)
    assert len(rig.producer.letters) == 50
    written = set(map(int, rig.producer.noted("offset")))
    assert rig.stored[P0] == next(offset for offset in range(1000) if offset not in written)


def test_hours_of_outage_that_end_with_everything_expired_do_not_halt() -> None:
    options = replace(OPTIONS, max_age_s=3600.0)
    script = lambda sent: Answer(503 if sent.at_s < 5 * 3600.0 else 200)  # noqa: E731
    rig = play(
        lambda: Rig(records([f"e{number}" for number in range(300)]), script, options=options), seconds(6 * 3600.0)
    )
    assert rig.producer.noted("reason") == ["expired"] * 300
    assert rig.stored[P0] == 300
    assert not rig.flow.account.letters.guard.tripped


def test_k_bad_of_a_hundred_in_a_flow_are_exactly_the_letters() -> None:
    names = [f"e{number}" for number in range(100)]
    bad = {b"e3", b"e50", b"e99"}
    script = lambda sent: Answer(400 if bad & set(sent.bodies) else 200)  # noqa: E731
    rig = play(lambda: Rig(records(names), script, options=replace(OPTIONS, lanes=1)), seconds(60.0))
    assert {letter.value for letter in rig.producer.letters} == bad
    assert len(rig.http.sent) <= 49, "2 k (ceil(log2 n) + 1) + 1"
    assert rig.stored[P0] == 100


def test_no_more_is_read_than_keeps_every_lane_busy() -> None:
    """Four lanes send at most 4,000 of these records a second, and 10,000 a second can be read."""
    names = [f"e{number}" for number in range(10_000)]
    most = 0

    async def until(rig: Rig) -> None:
        nonlocal most
        while rig.stored.get(P0, 0) < len(names):
            most = max(most, sum(lane.waiting for lane in rig.flow.lanes))
            await asyncio.sleep(0.01)
        assert now_s() < 5.0

    play(lambda: Rig(records(names)), until)
    assert most < 3_000, "half of the 6,000 that would wait after a second of reading on"


def test_a_topic_that_cannot_be_read_is_named_until_it_brings_a_record_or_is_assigned_anew() -> None:
    told: list[str] = []

    async def until(rig: Rig) -> None:
        async def told_of_after(seconds: float) -> None:
            await asyncio.sleep(seconds)
            told.append(rig.flow.trouble().get("partitions", ""))

        rig.consumer.unreadable = {P0.topic: "topic_authorization_failed"}
        await told_of_after(30.0)
        rig.consumer.add(records(["a", "b"])[1:])
        await told_of_after(5.0)
        rig.consumer.unreadable = {P0.topic: "unknown_topic_or_part"}
        await told_of_after(30.0)
        await rig.consumer.assign(P1, 0, [])
        await told_of_after(5.0)

    play(lambda: Rig(records(["a"])), until)
    named = "topics cannot be read: {} ({}); create them, or give this user the rights"
    denied, absent = "topic_authorization_failed", "unknown_topic_or_part"
    assert told == [named.format(P0.topic, denied), "", named.format(P0.topic, absent), ""]


# Retry-After


def test_no_lane_starts_a_request_before_the_time_asked_for() -> None:
    script = lambda sent: Answer(429, headers={"retry-after": "5"}) if sent.at_s < 1.0 else Answer()  # noqa: E731
    sink = PlainSink({"event": replace(EVENT, limits=replace(LIMITS, items=1))})
    rig = play(lambda: Rig(records([f"e{number}" for number in range(40)]), script, sink=sink), seconds(60.0))
    first = rig.http.sent[0].at_s
    starts = [sent.at_s for sent in rig.http.sent]
    early = [at_s for at_s in starts if at_s < 1.0]
    assert len(early) <= 4
    assert min(at_s for at_s in starts if at_s > 1.0) >= first + 0.1 + 5.0
    assert rig.stored[P0] == 40
    assert rig.producer.letters == []


def test_an_outage_is_probed_twice_a_minute_and_fills_no_letters() -> None:
    script = lambda sent: Answer(503 if sent.at_s < 3600.0 else 200)  # noqa: E731
    rig = play(lambda: Rig(records([f"e{number}" for number in range(400)]), script), seconds(3600.0 + 120.0))
    hour = [sent.at_s for sent in rig.http.sent if 300.0 <= sent.at_s < 3600.0]
    assert len(hour) <= 2 * 55 + 1
    assert rig.producer.letters == []
    assert rig.stored[P0] == 400


# Set-up faults


def test_refused_credentials_halt_the_sink_without_a_letter_until_they_are_mended() -> None:
    good = PlainSink(token="new")
    script = lambda sent: Answer(200 if sent.headers["token"] == "new" else 401)  # noqa: E731
    trouble: list[str] = []

    def reload() -> PlainSink:
        return good if now_s() > 300.0 else PlainSink()

    async def until(rig: Rig) -> None:
        await asyncio.sleep(200.0)
        trouble.extend(rig.flow.trouble())
        assert rig.stored.get(P0, 0) == 0
        await asyncio.sleep(300.0)

    rig = play(lambda: Rig(records([f"e{number}" for number in range(50)]), script, reload=reload), until)
    assert trouble == ["vendor"]
    assert rig.producer.letters == []
    assert rig.stored[P0] == 50
    late = [sent.at_s for sent in rig.http.sent if 120.0 < sent.at_s < 300.0]
    assert len(late) <= 4, "probes come once a minute by then"


def test_a_403_for_one_items_content_costs_that_item_alone() -> None:
    """Each second another record arrives, so that there is other content to ask with."""

    def script(sent: Sent) -> Answer:
        return Answer(403 if b"e77" in sent.bodies else 200)

    async def until(rig: Rig) -> None:
        for offset, one in enumerate(records([f"e{number}" for number in range(100, 400)]), start=100):
            rig.consumer.add([replace(one, offset=offset)])
            await asyncio.sleep(1.0)

    rig = play(lambda: Rig(records([f"e{number}" for number in range(100)]), script), until)
    assert [letter.value for letter in rig.producer.letters] == [b"e77"]
    assert rig.producer.noted("reason") == ["refused"]
    assert rig.stored[P0] == 400


def test_a_lone_record_whose_set_up_is_refused_waits_and_the_log_says_once_what_to_mend() -> None:
    """There is no other content to ask with, so nobody knows whether it is its own fault: it is never a letter."""
    script = lambda sent: Answer(401 if sent.at_s < 600.0 else 200)  # noqa: E731
    trouble: list[str] = []

    async def until(rig: Rig) -> None:
        await asyncio.sleep(500.0)
        trouble.append(rig.flow.trouble()["vendor"])
        await asyncio.sleep(200.0)

    with capture_logs() as lines:
        rig = play(lambda: Rig(records(["a"]), script), until)
    assert trouble == ["refuses our set-up (event: credentials); mend the credentials, the address or the proxy"]
    errors = [line for line in lines if line["log_level"] == "error"]
    assert [(line["endpoint"], line["asked_with"]) for line in errors] == [("event", "the same content alone")]
    assert "mend these credentials" in errors[0]["fix"]
    assert rig.producer.letters == []
    assert rig.stored[P0] == 1


def test_a_redirect_is_no_address_to_go_to() -> None:
    script = lambda sent: Answer(302, headers={"location": "https://elsewhere.example/"})  # noqa: E731
    rig = play(lambda: Rig(records(["a", "b"]), script), seconds(60.0))
    assert {sent.to for sent in rig.http.sent} == {"event"}
    assert rig.producer.letters == []
    assert rig.stored.get(P0, 0) == 0


# Faults of our own


def test_a_question_to_the_registry_that_ends_in_a_fault_ends_the_flow() -> None:
    """Its partition would stand still for good, and nothing would say so."""

    def ask(schema: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        play(lambda: Rig(records(["?7:a"]), ask=ask), seconds(60.0))


# Rebalances


def test_a_revoke_settles_what_is_on_the_wire_and_leaves_the_rest_to_the_next_owner() -> None:
    sink = PlainSink({"event": replace(EVENT, limits=replace(LIMITS, items=5))})
    taken: list[bytes] = []

    async def until(rig: Rig) -> None:
        await asyncio.sleep(1.0)
        assert await rig.consumer.revoke(P0) < 3.0, "the drain sends no more than it must"
        taken.extend(rig.http.bodies)
        await asyncio.sleep(30.0)

    script = lambda sent: Answer(delay_s=0.5)  # noqa: E731
    names = [f"e{number}" for number in range(400)]
    rig = play(lambda: Rig(records(names), script, sink=sink), until)
    assert len(taken) < 400
    assert {name.encode() for name in names[: rig.stored[P0]]} == set(taken), "nothing is sent twice"
    assert rig.http.bodies == taken, "and nothing after the revoke"


def test_what_was_consumed_is_resolved_in_flight_or_abandoned() -> None:
    """Of a revoked partition too: what was sent of it is resolved or not, and what was not is the next owner's."""
    sums: list[tuple[int, int]] = []

    async def until(rig: Rig) -> None:
        def add_up() -> None:
            names = ("records_resolved_total", "records_in_flight", "rebalance_abandoned_records_total")
            sums.append((rig.total("records_consumed_total"), sum(rig.total(name) for name in names)))

        await asyncio.sleep(2.0)
        await rig.consumer.revoke(P0)
        await asyncio.sleep(2.0)
        add_up()
        await rig.consumer.lose(P1)
        await asyncio.sleep(2.0)
        add_up()

    sink = PlainSink({"event": replace(EVENT, limits=replace(LIMITS, items=5))})
    log = [*records([f"a{n}" for n in range(400)]), *records([f"b{n}" for n in range(400)], partition=P1)]
    script = lambda sent: Answer(200 if sent.at_s < 1.0 else 503, delay_s=0.5)  # noqa: E731
    rig = play(lambda: Rig(log, script, sink=sink), until)
    assert sums == [(800, 800), (800, 800)]
    assert 0 < rig.total("records_resolved_total") < 800


def test_partitions_that_stay_go_on_during_a_revoke() -> None:
    async def until(rig: Rig) -> None:
        await asyncio.sleep(0.3)
        await rig.consumer.revoke(P0)
        await asyncio.sleep(10.0)

    log = records([f"a{n}" for n in range(50)]) + records([f"b{n}" for n in range(50)], partition=P1)
    rig = play(lambda: Rig(log, lambda sent: Answer(delay_s=0.5)), until)
    assert rig.stored[P1] == 50


def test_a_hanging_vendor_holds_a_revoke_no_longer_than_the_budget_and_its_late_reply_marks_nothing() -> None:
    async def until(rig: Rig) -> None:
        await asyncio.sleep(1.0)
        assert await rig.consumer.revoke(P0) <= 11.0
        await rig.consumer.assign(P0, 0, [])
        await asyncio.sleep(60.0)
        assert rig.flow.ledger.holdings[P0].committable == 0

    rig = play(lambda: Rig(records(["a"]), lambda sent: Answer(delay_s=30.0)), until)
    assert rig.stored.get(P0, 0) == 0


def test_a_partition_that_comes_back_at_once_starts_anew() -> None:
    async def until(rig: Rig) -> None:
        await asyncio.sleep(0.3)
        log = records([f"e{number}" for number in range(20)])
        await rig.consumer.lose(P0)
        await rig.consumer.assign(P0, 0, log)
        await asyncio.sleep(30.0)

    names = [f"e{number}" for number in range(20)]
    rig = play(lambda: Rig(records(names), lambda sent: Answer(delay_s=1.0)), until)
    assert rig.stored[P0] == 20
    assert set(rig.http.bodies) == {name.encode() for name in names}


def test_a_revoke_in_the_middle_of_a_stop_does_not_have_the_rest_wait_for_company() -> None:
    """`b` may go once `a` of its key is answered, and would wait for company for longer than the drain may take."""
    endpoints = {
        "event": replace(EVENT, limits=replace(LIMITS, items=1)),
        "late": replace(EVENT, name="late", limits=replace(LIMITS, linger_s=30.0)),
    }
    sink = PlainSink(endpoints, goes_to=lambda name, endpoint: (name == "b") == (endpoint == "late"))
    log = records(["a", "b", "c"], keys=["k", "k", "other"])
    revoked: list[float] = []

    async def until(rig: Rig) -> None:
        async def revoke() -> None:
            await asyncio.sleep(1.0)
            revoked.append(await rig.consumer.revoke(P1))

        await asyncio.sleep(0.5)
        revoking.append(asyncio.ensure_future(revoke()))

    revoking: list[asyncio.Future[None]] = []
    script = lambda sent: Answer(delay_s=2.0)  # noqa: E731
    rig = play(lambda: Rig(log, script, sink=sink, starts={P0: 0, P1: 0}), until)
    assert revoked[0] < 0.1
    assert rig.stored[P0] == 3
    assert rig.triggers() == {"count": 2, "shutdown": 1}


def test_a_revoke_that_ends_late_leaves_the_next_assignment_alone() -> None:
    """As after a loop that stood still: Kafka waited no longer for the drain and gave the partition back."""

    async def until(rig: Rig) -> None:
        await asyncio.sleep(1.0)
        revoking = asyncio.ensure_future(rig.flow.revoked([P0]))
        await asyncio.sleep(0.1)
        await rig.consumer.assign(P0, 0, records(["a", "b"]))
        await revoking
        await asyncio.sleep(60.0)

    script = lambda sent: Answer(delay_s=30.0 if sent.at_s < 1.0 else 0.1)  # noqa: E731
    rig = play(lambda: Rig(records(["a", "b"]), script), until)
    assert rig.stored[P0] == 2


def test_a_stop_ends_within_the_budget_though_the_vendor_asks_to_wait() -> None:
    ended: list[float] = []

    async def until(rig: Rig) -> None:
        await asyncio.sleep(2.0)
        ended.append(now_s())

    script = lambda sent: Answer(503, headers={"retry-after": "600"})  # noqa: E731
    rig = play(lambda: Rig(records(["a", "b"]), script), until)
    assert rig.stored.get(P0, 0) == 0
    assert all(sent.at_s < ended[0] for sent in rig.http.sent)


# From one owner to the next


def test_behind_a_parked_key_nothing_is_sent_again_by_the_next_owner() -> None:
    """`slow` is never taken; everything else is. The partition is lost without a word while it is parked."""
    names = [f"e{number}" for number in range(400)]
    names[1] = "slow"
    log = records(names)

    async def until(rig: Rig) -> None:
        await asyncio.sleep(300.0)
        assert rig.stored[P0] == 1
        await rig.consumer.lose(P0)
        await rig.consumer.assign(P0, 1, log[1:])
        await asyncio.sleep(60.0)

    script = lambda sent: Answer(500 if b"slow" in sent.bodies else 200)  # noqa: E731
    rig = play(lambda: Rig(log, script, options=replace(OPTIONS, lanes=16)), until)
    taken = [body for sent in rig.http.sent if b"slow" not in sent.bodies for body in sent.bodies]
    assert sorted(taken) == sorted(name.encode() for name in names if name != "slow")


def test_a_drain_that_ends_with_a_request_open_leaves_that_one_alone_to_be_sent_again() -> None:
    """`hang` gets no answer; its batch is all that the next owner has to send."""
    names = [f"e{number}" for number in range(200)]
    names[0] = "hang"
    log = records(names)
    again: list[bytes] = []

    async def until(rig: Rig) -> None:
        await asyncio.sleep(5.0)
        await rig.consumer.revoke(P0)
        before = len(rig.http.bodies)
        await rig.consumer.assign(P0, rig.stored[P0], log)
        await asyncio.sleep(5.0)
        again.extend(rig.http.bodies[before:])

    script = lambda sent: Answer(delay_s=1000.0 if b"hang" in sent.bodies else 0.1)  # noqa: E731
    sink = PlainSink({"event": replace(EVENT, limits=replace(LIMITS, items=10), timeout_s=2000.0)})
    rig = play(lambda: Rig(log, script, sink=sink, options=replace(OPTIONS, drain_s=2.0)), until)
    assert rig.stored[P0] == 0
    hanging = next(sent.bodies for sent in rig.http.sent if b"hang" in sent.bodies)
    assert not set(again) & {name.encode() for name in names} - set(hanging)


@pytest.mark.parametrize("text", ["AQAAAXKnr2I=", "a9.of.a.later.version", "a1.0.00000000.eJw="])
def test_what_another_program_or_version_committed_is_ignored_with_one_warning(text: str) -> None:
    async def until(rig: Rig) -> None:
        rig.consumer.ahead[P0] = text
        await asyncio.sleep(5.0)

    with capture_logs() as logs:
        rig = play(lambda: Rig(records(["a", "b", "c"])), until)
    assert sorted(rig.http.bodies) == [b"a", b"b", b"c"]
    assert [(one["log_level"], one.get("reason")) for one in logs if one["log_level"] != "info"] == [
        ("warning", "format")
    ]


# Schemas


def test_a_record_of_an_unknown_schema_makes_its_partition_wait_in_order() -> None:
    def ask(schema: int) -> None:
        if now_s() < 20.0:
            raise SchemaMissing("not yet")

    log = records(["a", "?7:b", "c"], keys=["k", "k", "k"]) + records(["d"], partition=P1)
    rig = play(lambda: Rig(log, ask=ask), seconds(60.0))
    assert [body for body in rig.http.bodies if body != b"d"] == [b"a", b"b", b"c"]
    assert next(sent.at_s for sent in rig.http.sent if b"d" in sent.bodies) < 1.0
    assert (rig.stored[P0], rig.stored[P1]) == (3, 1)


def test_a_schema_that_is_really_absent_is_a_letter_after_the_grace() -> None:
    letters: list[int] = []

    def ask(schema: int) -> None:
        raise SchemaMissing("never")

    async def until(rig: Rig) -> None:
        await asyncio.sleep(55.0)
        letters.append(len(rig.producer.letters))
        await asyncio.sleep(25.0)

    rig = play(lambda: Rig(records(["?7:b", "c"]), ask=ask), until)
    assert letters == [0]
    assert rig.producer.noted("reason") == ["schema_not_found"]
    assert rig.stored[P0] == 2


class CostlySink(PlainSink, frozen=True):
    """Each translation takes 20 ms of CPU."""

    def translate(self, event: Event, scene: Scene) -> Translation:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.spend(0.02)
        return super().translate(event, scene)


@pytest.mark.parametrize("size", [1, 120_000])
def test_a_costly_translation_leaves_the_loop_to_others_often(size: int) -> None:
    gaps_s: list[float] = []

    async def until(rig: Rig) -> None:
        loop = asyncio.get_running_loop()
        while rig.stored.get(P0, 0) < len(names):
            began_s = loop.time()
            await asyncio.sleep(0.01)
            gaps_s.append(loop.time() - began_s)

    names = [f"n{number}" + "x" * size for number in range(800 if size == 1 else 200)]
    limits = replace(LIMITS, request_bytes=500_000, item_bytes=200_000)
    sink = CostlySink({"event": replace(EVENT, limits=limits)})
    play(lambda: Rig(records(names, keys=[name[:5] for name in names]), sink=sink), until)
    assert max(gaps_s) < 0.5
