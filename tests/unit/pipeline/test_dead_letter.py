"""Records as letters, and letters to the broker."""

import asyncio
import random
from collections.abc import Callable

from msgspec.structs import replace

from connector.domain.outcome import Rejected
from connector.domain.record import Origin, Partition, Record
from connector.pipeline.acknowledge import Failure, Holding, OpenRecord
from connector.pipeline.dead_letter import Letter, Letters, smaller, write
from connector.pipeline.guard import Guard
from tests.doubles import clock
from tests.doubles.broker import ListProducer
from tests.unit.pipeline.making import P0, silent_metrics

RECORD = Record(
    P0, 7, 1_700_000_000_123, b"\xffkey", b"\x00\x00\x00\x00\x2avalue", (("trace", b"\xfe"), ("trace", None))
)


def opened(record: Record = RECORD, *failures: Failure) -> OpenRecord:
    made = Holding(P0, 1, 0, "cluster").admit(record, 0.0)
    made.failures = failures or (Failure("", Rejected("refused", "code 7")),)
    return made


def letter_of(record: OpenRecord) -> Letter:
    return write(record, topic="letters.segment", sink="segment", record_id="id-1")


def notes(letter: Letter) -> dict[str, str]:
    return {name.removeprefix("connector."): (text or b"").decode() for name, text in letter.headers[2:]}


def test_a_letter_carries_the_record_byte_for_byte() -> None:
    letter = letter_of(opened())
    assert (letter.topic, letter.key, letter.value) == ("letters.segment", RECORD.key, RECORD.value)
    assert letter.headers[:2] == RECORD.headers


def test_a_letter_says_where_the_record_was_and_what_became_of_it() -> None:
    failures = (
        Failure("user", Rejected("refused", "code 7"), attempts=3, first_failure_ms=1_700_000_000_999),
        Failure("event", Rejected("expired"), attempts=5),
    )
    found = notes(letter_of(opened(RECORD, *failures)))
    assert {
        "sink": "segment",
        "reason": "refused",
        "detail": "code 7",
        "topic": "t",
        "partition": "0",
        "offset": "7",
        "timestamp": "1700000000123",
        "id": "id-1",
        "schema_id": "42",
        "roles": "event,user",
        "attempts": "5",
        "first_failure": "1700000000999",
        "replays": "0",
    }.items() <= found.items()


def test_a_replayed_record_keeps_its_first_place() -> None:
    origin = Origin(Partition("first", 3), 99, 5, frozenset({"user"}), 2)
    found = notes(letter_of(opened(replace(RECORD, origin=origin))))
    assert (found["topic"], found["partition"], found["offset"], found["replays"]) == ("first", "3", "99", "2")


def test_what_is_no_avro_has_no_schema_id() -> None:
    for value in (None, b"", b"{}", b"\x00"):
        assert notes(letter_of(opened(replace(RECORD, value=value))))["schema_id"] == ""


def test_a_letter_too_large_loses_its_own_headers_then_its_value_and_no_more() -> None:
    letter = letter_of(opened())
    first = smaller(letter)
    assert first is not None
    assert first.value == RECORD.value
    assert all(name.startswith("connector.") for name, _ in first.headers)
    second = smaller(first)
    assert second is not None
    assert (second.key, second.value) == (RECORD.key, None)
    assert dict(second.headers)["connector.offset"] == b"7", "the position says where the record is"
    assert smaller(second) is None


# Letters


def letters(
    producer: ListProducer, write_one: Callable[[OpenRecord], Letter] = letter_of, *, guard: bool = True
) -> Letters:
    time, chance = clock.LoopClock(), random.Random(1)
    return Letters(producer, Guard(on=guard), time, chance, silent_metrics(), write_one, WRITTEN.append)


def send(producer: ListProducer, within_s: float, record: OpenRecord | None = None, *, guard: bool = True) -> Letters:
    """Send one letter and wait; `written` tells whether the record was marked."""

    async def main() -> Letters:
        made = letters(producer, guard=guard)
        made.send(record or opened())
        await asyncio.sleep(within_s)
        return made

    WRITTEN.clear()
    return clock.run(main())


WRITTEN: list[OpenRecord] = []


def test_a_record_is_marked_after_the_brokers_acknowledgement_only() -> None:
    assert send(ListProducer(delay_s=1.0), 0.9).pending == 1
    assert WRITTEN == []
    assert send(ListProducer(delay_s=1.0), 1.1).pending == 0
    assert len(WRITTEN) == 1


def test_a_refused_letter_is_produced_again_until_it_is_taken() -> None:
    producer = ListProducer()
    producer.refuse = lambda letter: "timed_out" if producer.tried < 20 else ""
    letters = send(producer, 600.0)
    assert (len(WRITTEN), producer.tried, letters.pending, letters.failing) == (1, 20, 0, "")


def test_a_letter_that_is_never_taken_is_tried_for_ever_and_stays_pending() -> None:
    producer = ListProducer(lambda letter: "refused")
    letters = send(producer, 3600.0)
    assert WRITTEN == []
    assert (letters.pending, letters.failing) == (1, "refused")
    assert 360 <= producer.tried <= 3600, "waits of up to 10 s"


def test_a_letter_too_large_is_trimmed_until_it_fits() -> None:
    producer = ListProducer(lambda letter: "too_large" if letter.value else "")
    send(producer, 1.0)
    assert producer.tried == 3
    assert producer.noted("trimmed") == ["value"]
    assert len(WRITTEN) == 1


def test_the_letter_counts_as_sent_before_its_acknowledgement() -> None:
    record = opened()
    send(ListProducer(delay_s=1.0), 0.1, record)
    assert record.holding.highest_sent == 7


def test_letters_are_made_as_the_producer_takes_them() -> None:
    """A letter takes several times what its record is charged, and an outage may end with all that is open expired."""
    made: list[int] = []

    def write_one(record: OpenRecord) -> Letter:
        made.append(record.record.offset)
        return letter_of(record)

    async def main() -> Letters:
        producer, holding = ListProducer(delay_s=1.0), Holding(P0, 1, 0, "cluster")
        sending = letters(producer, write_one)
        for offset in range(2500):
            one = holding.admit(replace(RECORD, offset=offset), 0.0)
            one.failures = (Failure("", Rejected("expired")),)
            sending.send(one)
        counts.append((sending.pending, len(made), len(producer.letters)))
        for _ in range(3):
            await asyncio.sleep(1.1)
            counts.append((sending.pending, len(made), len(producer.letters)))
        return sending

    counts: list[tuple[int, int, int]] = []
    WRITTEN.clear()
    clock.run(main())
    assert counts == [(2500, 1000, 0), (1500, 2000, 1000), (500, 2500, 2000), (0, 2500, 2500)]
    assert made == sorted(one.record.offset for one in WRITTEN) == list(range(2500))


def test_what_waits_for_the_producer_is_forgotten_with_its_epoch() -> None:
    async def main() -> Letters:
        producer, holding = ListProducer(lambda letter: "refused"), Holding(P0, 1, 0, "cluster")
        sending = letters(producer)
        for offset in range(2500):
            one = holding.admit(replace(RECORD, offset=offset), 0.0)
            one.failures = (Failure("", Rejected("expired")),)
            sending.send(one)
        await asyncio.sleep(5.0)
        holding.live = False
        await asyncio.sleep(60.0)
        return sending

    assert clock.run(main()).pending == 0


def test_a_letter_of_an_ended_epoch_is_not_produced_again() -> None:
    record, producer = opened(), ListProducer(lambda letter: "refused")

    def refuse(letter: Letter) -> str:
        record.holding.live = False
        return "refused"

    producer.refuse = refuse
    letters = send(producer, 100.0, record)
    assert (producer.tried, letters.pending, WRITTEN) == (1, 0, [])
