"""Ends of a process, asked for and not, against a real broker: what is lost (nothing) and what is sent twice."""

import asyncio
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.invariants import above, assert_pages_tell_no_secret, repeated
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.trial import on_broker

pytestmark = pytest.mark.slow

both = pytest.mark.parametrize("protocol", ["classic", "consumer"])

MOST_REPEATED = 2000
SESSION_S = 6.0
TAKEN = Reply(200, body=b'{"success": true}')


@both
@pytest.mark.shows("C1")
def test_a_kill_with_eight_batches_on_the_wire_repeats_exactly_what_was_not_committed(
    kafka: str, tmp_path: Path, protocol: str
) -> None:
    async def run() -> None:
        own, never = on_broker(kafka, 6), asyncio.Event()
        ledger, open_ones = own.ledger, set[int]()

        def verdict(request: Request, messages: Sequence[Any]) -> Reply | None:
            # Fewer batches than the connector looks at before it tries whether less at once does as well.
            if len(ledger.accepted) < 1000:
                return Reply(200, body=TAKEN.body, delay_s=0.4)
            open_ones.add(request.number)
            return Reply(200, body=TAKEN.body, held=never)

        own.produce_next(20_000)
        async with Vendor(segment(ledger, verdict)) as vendor:
            with own.watch(letters=False) as watch:
                env = own.env(vendor, protocol, CONNECTOR_MAX_AHEAD="250")
                async with Connector(env, tmp_path) as first:
                    await until(lambda: len(open_ones) == 8, 60, "eight batches on the wire")
                    await assert_pages_tell_no_secret(first)
                    await first.kill()
                killed_s, owed = time.monotonic(), own.owed()
                vendor.script = segment(ledger)
                async with Connector(own.env(vendor, protocol), tmp_path) as second:
                    requests = len(vendor.received)
                    await until(lambda: len(vendor.received) > requests, 30, "the successor's first request")
                    resumed_s = vendor.received[requests].received_s - killed_s
                    await own.settled()
                    assert await second.terminate() == 0
        print(f"{protocol}: resumed after {resumed_s:.1f} s, {ledger.duplicates} repeated")
        assert repeated(ledger) == owed
        assert ledger.duplicates == len(owed) <= MOST_REPEATED
        assert resumed_s <= SESSION_S + 10
        own.assert_delivered(watch, first, second)

    asyncio.run(run())


@pytest.mark.shows("C2")
def test_a_kill_between_the_vendors_answer_and_its_mark_repeats_that_batch_alone(kafka: str, tmp_path: Path) -> None:
    async def run() -> None:
        own = on_broker(kafka, 6)
        ledger, victims = own.ledger, list[Connector]()

        def verdict(_request: Request, messages: Sequence[Any]) -> Reply | None:
            if len(victims) == 1:
                victims[0].signal(signal.SIGKILL)
                victims.append(victims[0])
            return TAKEN

        own.produce_next(2000)
        async with Vendor(segment(ledger, verdict)) as vendor:
            with own.watch(letters=False) as watch:
                env = own.env(vendor, CONNECTOR_MAX_IN_FLIGHT="1")
                async with Connector(env, tmp_path) as first:
                    await own.settled()
                    assert ledger.duplicates == 0
                    victims.append(first)
                    own.produce_next(1000)
                    assert await first.wait(30) == -signal.SIGKILL
                batch = ledger.accepted[2000:]
                async with Connector(env, tmp_path) as second:
                    await own.settled()
                    assert await second.terminate() == 0
        assert 1 <= len(batch) <= 50
        assert repeated(ledger) == set(batch)
        assert ledger.duplicates == len(batch)
        own.assert_delivered(watch, first, second)

    asyncio.run(run())


@both
@pytest.mark.shows("C4")
def test_sigterm_under_load_commits_what_was_sent_and_repeats_nothing(
    kafka: str, tmp_path: Path, protocol: str
) -> None:
    async def run() -> None:
        own = on_broker(kafka, 6)
        ledger = own.ledger
        own.produce_next(20_000)
        async with Vendor(segment(ledger, lambda *_: Reply(200, body=TAKEN.body, delay_s=0.2))) as vendor:
            with own.watch(letters=False) as watch:
                async with Connector(own.env(vendor, protocol), tmp_path) as first:
                    await until(lambda: len(ledger.accepted) >= 3000, 60, "some load")
                    began_s = time.monotonic()
                    assert await first.terminate() == 0
                    took_s = time.monotonic() - began_s
                sent = len(ledger.accepted)
                assert sent < 20_000
                assert own.commits() == ledger.lowest_open([])
                assert own.owed() == set()
                vendor.script = segment(ledger)
                async with Connector(own.env(vendor, protocol), tmp_path) as second:
                    await own.settled()
                    assert await second.terminate() == 0
        print(f"{protocol}: stopped within {took_s:.1f} s with {sent} sent")
        assert took_s <= 10 + 2
        assert ledger.duplicates == 0
        own.assert_delivered(watch, first, second)

    asyncio.run(run())


@pytest.mark.shows("C5")
def test_sigterm_while_the_vendor_asks_to_wait_leaves_the_rest_to_the_next_start(kafka: str, tmp_path: Path) -> None:
    async def run() -> None:
        own, refused = on_broker(kafka, 6), list[int]()
        ledger = own.ledger

        def verdict(request: Request, messages: Sequence[Any]) -> Reply | None:
            if len(ledger.accepted) < 1000:
                return None
            refused.append(request.number)
            return Reply(503, headers={"Retry-After": "600"})

        own.produce_next(1000)
        async with Vendor(segment(ledger, verdict)) as vendor:
            with own.watch(letters=False) as watch:
                async with Connector(own.env(vendor), tmp_path) as first:
                    await own.settled()
                    before = own.commits()
                    own.produce_next(5000)
                    await until(lambda: refused, 30, "the vendor's first 503")
                    began_s = time.monotonic()
                    assert await first.terminate(30) == 0
                    took_s = time.monotonic() - began_s
                assert own.commits() == before
                asked = vendor.requests
                vendor.script = segment(ledger)
                async with Connector(own.env(vendor), tmp_path) as second:
                    await second.port()
                    assert vendor.requests == asked
                    await own.settled()
                    assert await second.terminate() == 0
        print(f"stopped within {took_s:.1f} s after {len(refused)} refusals")
        assert took_s < 30
        assert ledger.duplicates == 0
        own.assert_delivered(watch, first, second)

    asyncio.run(run())


@pytest.mark.shows("C6")
@both
def test_sigterm_while_a_request_hangs_has_nothing_but_that_request_sent_again(
    kafka: str, tmp_path: Path, protocol: str
) -> None:
    async def run() -> None:
        own, never = on_broker(kafka, 6), asyncio.Event()
        ledger, hanging = own.ledger, list[str]()

        def verdict(_request: Request, messages: Sequence[Any]) -> Reply | None:
            if hanging or len(ledger.accepted) < 1000:
                return None
            hanging.extend(message["messageId"] for message in messages)
            return Reply(200, body=TAKEN.body, held=never)

        own.produce_next(5000)
        async with Vendor(segment(ledger, verdict)) as vendor:
            env = own.env(vendor, protocol, SEGMENT_TIMEOUT_S="60", CONNECTOR_DRAIN_BUDGET="1s")
            with own.watch(letters=False) as watch:
                async with Connector(env, tmp_path) as first:
                    await until(lambda: hanging, 60, "a request that hangs")
                    await until(lambda: len(ledger.accepted) > 3000, 30, "the others going on")
                    assert await first.terminate() == 0
                owed, uncommitted = own.owed(), above(ledger, own.commits())
                async with Connector(env, tmp_path) as second:
                    await own.settled()
                    left_out = await second.total("connector_records_resolved_before_total")
                    consumed = await second.total("connector_records_consumed_total")
                    assert await second.total("connector_records_resolved_total") == consumed
                    assert await second.terminate() == 0
        print(f"{protocol}: {ledger.duplicates} repeated of {len(uncommitted)} above the commits")
        assert repeated(ledger) == owed == set(hanging)
        assert ledger.duplicates == len(hanging) <= 50
        assert left_out == len(uncommitted - owed) > 0
        own.assert_delivered(watch, first, second)

    asyncio.run(run())


def test_a_kill_behind_a_parked_key_repeats_what_the_last_seconds_delivered(kafka: str, tmp_path: Path) -> None:
    async def run() -> None:
        own, stop = on_broker(kafka, 6), threading.Event()
        ledger, refused = own.ledger, list[str]()

        def verdict(_request: Request, messages: Sequence[Any]) -> Reply | None:
            ids = [message["messageId"] for message in messages]
            refused.extend([] if refused else ids[:1])
            return Reply(503) if refused[0] in ids else None

        producing = threading.Thread(target=ledger.produce, args=(kafka, own.topic, own.paced(stop)), daemon=True)
        producing.start()
        async with Vendor(segment(ledger, verdict)) as vendor:
            env = own.env(vendor, "consumer")
            with own.watch(letters=False) as watch:
                async with Connector(env, tmp_path) as first:

                    async def parked() -> bool:
                        return await first.total("connector_records_parked") >= 1

                    await until(parked, 60, "the key parked")
                    enough = len(ledger.accepted) + 3000
                    await until(lambda: len(ledger.accepted) > enough, 30, "more behind it")
                    await first.kill()
                stop.set()
                await asyncio.to_thread(producing.join, 30)
                topic, partition, offset = ledger.entries[refused[0]].place
                assert own.commits()[topic, partition] == offset
                owed, uncommitted = own.owed(), above(ledger, own.commits())
                vendor.script = segment(ledger)
                async with Connector(env, tmp_path) as second:
                    await own.settled()
                    assert await second.terminate() == 0
        behind = [{one for one in ids if own.partition(one) == partition} for ids in (owed, uncommitted)]
        print(f"{len(behind[0])} repeated of {len(behind[1])} behind the parked key, {ledger.duplicates} of all")
        assert repeated(ledger) == owed
        assert len(behind[0]) < len(behind[1]) / 3
        own.assert_delivered(watch, first, second)

    asyncio.run(run())


def test_a_drain_that_outlasts_the_session_is_committed_all_the_same(kafka: str, tmp_path: Path) -> None:
    async def run() -> None:
        own = on_broker(kafka, 6)
        ledger = own.ledger
        slow = {"SEGMENT_LINGER_S": "1s", "SEGMENT_BATCH_SIZE": "200", "CONNECTOR_DRAIN_BUDGET": "20s"}
        own.produce_next(300)
        async with Vendor(segment(ledger, lambda *_: Reply(200, body=TAKEN.body, delay_s=5.0))) as vendor:
            with own.watch(letters=False) as watch:
                env = own.env(vendor, **slow, KAFKA_SESSION_TIMEOUT_MS="3000")
                async with Connector(env, tmp_path) as connector:
                    await until(lambda: len(vendor.received) >= 8, 30, "a request of every lane")
                    began_s = time.monotonic()
                    assert await connector.terminate(30) == 0
                    took_s = time.monotonic() - began_s
                assert own.commits() == ledger.ends()
        print(f"stopped within {took_s:.1f} s with a session of 3 s")
        assert took_s > 3
        assert ledger.duplicates == 0
        own.assert_delivered(watch, connector)

    asyncio.run(run())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.shows("C7")
def test_a_second_signal_ends_the_process_at_once(
    kafka: str, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    async def run() -> None:
        own, never = on_broker(kafka, 6), asyncio.Event()
        ledger, hanging = own.ledger, list[int]()

        def verdict(request: Request, messages: Sequence[Any]) -> Reply | None:
            if len(ledger.accepted) < 1000:
                return None
            hanging.append(request.number)
            return Reply(200, body=TAKEN.body, held=never)

        own.produce_next(5000)
        async with Vendor(segment(ledger, verdict)) as vendor:
            with own.watch(letters=False) as watch:
                async with Connector(own.env(vendor), tmp_path) as first:
                    await until(lambda: len(hanging) == 8, 30, "every lane's request hanging")
                    first.signal(signal.SIGTERM)
                    await until(lambda: "stopping: draining" in first.log, 10, "the drain")
                    first.signal(number)
                    assert await first.wait(1.0) == code
                owed = own.owed()
                vendor.script = segment(ledger)
                async with Connector(own.env(vendor), tmp_path) as second:
                    await own.settled()
                    assert await second.terminate() == 0
        assert repeated(ledger) == owed
        assert ledger.duplicates <= MOST_REPEATED
        own.assert_delivered(watch, first, second)

    asyncio.run(run())
