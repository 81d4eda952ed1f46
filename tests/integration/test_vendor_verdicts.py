"""A vendor that refuses: the records it refuses become letters, no others do, and nothing else is held up or lost."""

import asyncio
from base64 import b64encode
from collections.abc import Collection, Sequence
from itertools import pairwise
from math import ceil, log2
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.campaign import LANES, Campaign, Messages, Rounds, batch_of
from tests.integration.events import Made, encode, event, single_object_head
from tests.integration.invariants import assert_no_secret, assert_pages_tell_no_secret
from tests.integration.oracle import segment
from tests.integration.process import Connector, until

pytestmark = pytest.mark.slow

ONE_BATCH = {"CONNECTOR_MAX_IN_FLIGHT": "1", "SEGMENT_BATCH_SIZE": "100", "SEGMENT_LINGER_S": "2"}
REFUSED = Reply(400, body=b'{"error": "one of these is malformed"}')


class Refusing:
    """Answers a batch that holds one of these with a 400 that does not say which."""

    def __init__(self, ids: Collection[str]) -> None:
        self.ids = ids

    def __call__(self, request: Request, messages: Messages) -> Reply | None:
        return REFUSED if any(message["messageId"] in self.ids for message in messages) else None


async def resolved(connector: Connector, outcome: str) -> float:
    return await connector.total("connector_records_resolved_total", f'outcome="{outcome}"')


@pytest.mark.parametrize("bad", [1, 3])
@pytest.mark.shows("V12")
def test_a_refused_batch_is_halved_until_just_the_bad_records_are_letters(
    mock: MockCluster, tmp_path: Path, bad: int
) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        campaign.produce(100)
        poison = sorted(campaign.ledger.entries)[7 :: 100 // bad][:bad]
        async with Vendor(segment(campaign.ledger, Refusing(poison))) as vendor:
            with campaign.watch(letters=True) as watch:
                async with campaign.connector(vendor, **ONE_BATCH) as connector:
                    await until(lambda: len(campaign.ledger.delivered) == 100 - bad, 30, "the good ones delivered")
                    await until(lambda: told(connector), 30, "the bad ones made letters")
                    await campaign.stop(connector)
        letters = campaign.letters()
        assert sorted(map(campaign.id_of, letters)) == sorted(poison)
        assert {letter.notes["reason"] for letter in letters} == {"refused"}
        first = vendor.received[0].body.count(b'"messageId"')
        print(f"{bad} bad of {first} in the first batch: {len(vendor.received)} requests")
        assert first == 100
        assert len(vendor.received) <= 2 * bad * (ceil(log2(100)) + 1) + 1
        campaign.assert_sound(watch, connector, letters=letters)

    async def told(connector: Connector) -> bool:
        return await resolved(connector, "dead_lettered") == bad

    asyncio.run(run())


@pytest.mark.shows("V12")
def test_a_vendor_that_refuses_everything_halts_at_50_letters_and_loses_nothing(
    mock: MockCluster, tmp_path: Path
) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        campaign.produce(100)
        poison = set(campaign.ledger.entries)
        async with Vendor(segment(campaign.ledger, Refusing(poison))) as vendor:
            with campaign.watch(letters=True) as watch:
                async with campaign.connector(vendor, **ONE_BATCH) as first:
                    await until(lambda: stopped(first), 60, "the guard")
                    assert await first.total("connector_dead_letter_guard_tripped") == 1
                    await until(lambda: written(first), 30, "the letters written")
                    sent = len(vendor.received)
                    await campaign.stop(first)
                halted = campaign.letters()
                assert len(halted) == len(set(map(campaign.id_of, halted))) == 50
                assert sum(campaign.commits().values()) <= 50
                assert len(vendor.received) == sent <= 2 * 100 * (ceil(log2(100)) + 1) + 1
                campaign.produce(200)
                async with campaign.connector(vendor, CONNECTOR_GUARD="off", **ONE_BATCH) as second:
                    await until(lambda: len(campaign.ledger.delivered) == 200, 60, "the good ones delivered")
                    await until(lambda: campaign.owes_nothing(), 60, "every offset committed")
                    await campaign.stop(second)
        letters = campaign.letters()
        assert set(map(campaign.id_of, letters)) == poison
        # Letters above the first open offset of their partition are written once more.
        assert len(letters) <= 150
        campaign.assert_sound(watch, first, second, letters=letters)

    async def written(connector: Connector) -> bool:
        return await resolved(connector, "dead_lettered") == 50

    async def stopped(connector: Connector) -> bool:
        return "guard.segment" in await connector.failing()

    asyncio.run(run())


def large(campaign: Campaign, count: int, size: int) -> list[Made]:
    """Records whose messages are a little larger than so many bytes."""
    made = []
    for number in range(count):
        identifier, user = f"{campaign.topic}-large-{number}", f"large-{number}"
        value = event("Track", user, identifier, number) | {"properties": {"pad": "x" * size}}
        body = encode("Track", value, single_object_head("Track"))
        made.append(Made(user.encode(), body, identifier, "Track", number, 0))
    return made


def at_most(size: int, request: Request) -> Reply | None:
    return Reply(413) if len(request.body) > size else None


@pytest.mark.shows("V13")
def test_a_413_is_halved_by_bytes_and_a_single_over_it_is_a_letter(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        campaign.produce(500)
        over = large(campaign, 3, 20_000)
        campaign.add(over)
        async with Vendor(segment(campaign.ledger, lambda request, _: at_most(20_000, request))) as vendor:
            with campaign.watch(letters=True) as watch:
                async with campaign.connector(vendor) as connector:
                    await until(lambda: len(campaign.ledger.delivered) == 500, 30, "what fits delivered")
                    await until(lambda: told(connector), 30, "what does not made letters")
                    await campaign.stop(connector)
        letters = campaign.letters()
        assert sorted(map(campaign.id_of, letters)) == [made.id for made in over]
        assert {letter.notes["reason"] for letter in letters} == {"too_large"}
        campaign.assert_sound(watch, connector, letters=letters)

    async def told(connector: Connector) -> bool:
        return await resolved(connector, "dead_lettered") == 3

    asyncio.run(run())


@pytest.mark.shows("V13")
def test_a_size_learned_from_a_413_shapes_later_batches(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        campaign.add(large(campaign, 400, 8_000))
        refused: list[int] = []

        def verdict(request: Request, messages: Messages) -> Reply | None:
            reply = at_most(150_000, request)
            if reply is not None:
                refused.append(len(request.body))
            return reply

        async with Vendor(segment(campaign.ledger, verdict)) as vendor:
            with campaign.watch() as watch:
                async with campaign.connector(vendor, CONNECTOR_MAX_IN_FLIGHT="1", SEGMENT_LINGER_S="2") as connector:
                    await campaign.delivered(connector)
                    await campaign.stop(connector)
        sizes = [len(one.body) for one in vendor.received]
        print(f"refused at {refused}, {len(sizes)} requests")
        # 50 messages of 8 KB are refused, and so are their halves, of 25; what is cut after that fits.
        assert len(refused) == 3
        assert max(sizes[sizes.index(refused[-1]) + 1 :]) <= 150_000
        campaign.assert_sound(watch, connector)

    asyncio.run(run())


OLD, NEW = "an-old-write-key-that-expired", "a-very-secret-write-key"


def knows(key: str, request: Request) -> bool:
    return request.headers["authorization"] == f"Basic {b64encode(f'{key}:'.encode()).decode()}"


@pytest.mark.shows("V15")
def test_after_a_401_only_a_confirmation_and_probes_are_sent_until_the_key_file_is_mended(
    mock: MockCluster, tmp_path: Path
) -> None:
    async def run() -> None:
        campaign, key_file = Campaign(mock, tmp_path), tmp_path / "key"
        key_file.write_text(OLD)
        campaign.produce(2000)
        rounds = Rounds([{}], 401)

        def verdict(request: Request, messages: Messages) -> Reply | None:
            return None if knows(NEW, request) else rounds.reply(request.number) or Reply(401)

        async with Vendor(segment(campaign.ledger, verdict)) as vendor:
            with campaign.watch(letters=True) as watch:
                connector = campaign.connector(vendor, SEGMENT_WRITE_KEY_FILE=str(key_file))
                del connector.env["SEGMENT_WRITE_KEY"]
                async with connector:
                    # The first 8, the confirmation and one probe.
                    await until(lambda: len(vendor.received) == LANES + 2, 40, "the first probe")
                    assert "credentials" in (await connector.failing())["vendor.segment"]
                    assert not await connector.ready()
                    await assert_pages_tell_no_secret(connector)
                    assert OLD not in (await connector.get("/metrics"))[1] + (await connector.get("/"))[1]
                    assert campaign.ledger.delivered == set()
                    key_file.write_text(NEW)
                    await campaign.delivered(connector)
                    await until(connector.ready, 15, "ready again")
                    assert await resolved(connector, "dead_lettered") == 0
                    await campaign.stop(connector)
        assert_probed(vendor.received, rounds.answered_s[0])
        assert_no_secret([connector.log.replace(OLD, NEW).encode()])
        campaign.assert_sound(watch, connector)

    asyncio.run(run())


def assert_probed(received: Sequence[Request], answered_s: float) -> None:
    """Assert that after the answer there was one request of other content, then one at a time, ever further apart."""
    turned = next(at for at, one in enumerate(received) if knows(NEW, one))
    confirmation, *probes = received[LANES : turned + 1]
    print(f"probes after {[round(one.received_s - answered_s, 2) for one in (confirmation, *probes)]} s")
    assert confirmation.received_s >= answered_s
    accused = {batch_of(one) for one in received[:LANES]}
    assert batch_of(confirmation) not in accused
    assert len(probes) >= 2
    moments = [confirmation.received_s] + [one.received_s for one in probes]
    gaps = [after - before for before, after in pairwise(moments)]
    assert min(gaps) >= 1.0
    assert gaps[1] >= 2.0


@pytest.mark.shows("V15")
def test_a_403_for_the_content_of_one_record_makes_a_letter_of_it_alone(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        campaign.produce(1000)
        (blocked,) = (made for made in campaign.ledger.entries if made.endswith("-321"))
        refusals: list[int] = []

        def firewall(request: Request, messages: Messages) -> Reply | None:
            if all(message["messageId"] != blocked for message in messages):
                return None
            refusals.append(len(messages))
            return Reply(403, {"Content-Type": "text/html"}, b"<html>Request blocked</html>")

        async with Vendor(segment(campaign.ledger, firewall)) as vendor:
            with campaign.watch(letters=True) as watch:
                async with campaign.connector(vendor) as connector:
                    # Only other content tells a rule about one record from a wrong key, so there must be some.
                    trickle = asyncio.create_task(others(campaign))
                    await until(lambda: told(connector), 60, "the blocked one made a letter")
                    trickle.cancel()
                    await asyncio.wait([trickle])
                    await until(lambda: campaign.ledger.missing() == {blocked}, 60, "the others delivered")
                    await until(connector.ready, 15, "ready")
                    await campaign.stop(connector)
        letters = campaign.letters()
        print(f"refused batches of {refusals}")
        assert list(map(campaign.id_of, letters)) == [blocked]
        assert letters[0].notes["reason"] == "refused"
        campaign.assert_sound(watch, connector, letters=letters)

    async def told(connector: Connector) -> bool:
        return await resolved(connector, "dead_lettered") == 1

    async def others(campaign: Campaign) -> None:
        while True:
            await asyncio.sleep(0.2)
            campaign.produce(20)

    asyncio.run(run())
