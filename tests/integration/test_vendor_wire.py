"""A connection that breaks, drips or says something else: what was certainly not taken goes again, once."""

import asyncio
import gzip
import time
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import NEVER, Reply, Request, Vendor
from tests.integration.campaign import TAKEN, Campaign, Messages, batch_of
from tests.integration.invariants import assert_pages_tell_no_secret
from tests.integration.oracle import segment
from tests.integration.process import Connector, until

pytestmark = pytest.mark.slow

EVERY = 7  # which request is answered badly, of those that come for the first time


class Bad:
    """Answers every seventh new batch by one of these replies in turn; `ids` are the messages in those batches."""

    def __init__(self, *replies: Reply) -> None:
        self.requests: list[Request] = []
        self.ids: list[str] = []
        self.news = 0
        self._replies = replies

    def __call__(self, request: Request, messages: Messages) -> Reply | None:
        if "x-retry-count" in request.headers:
            return None
        self.news += 1
        if self.news % EVERY or self.all_given:
            return None
        reply = self._replies[len(self.requests)]
        self.requests.append(request)
        self.ids += [message["messageId"] for message in messages]
        return reply

    @property
    def all_given(self) -> bool:
        return len(self.requests) == len(self._replies)

    def assert_sent_again_alike(self, received: list[Request]) -> None:
        """Assert that each bad one's next request has the same messages, byte for byte."""
        again = {batch_of(one) for one in received if one.headers.get("x-retry-count") == "1"}
        assert {batch_of(one) for one in self.requests} == again


async def ambiguous(connector: Connector) -> float:
    return await connector.total("connector_http_requests_total", 'outcome="ambiguous"')


async def lost(connector: Connector, *kinds: str) -> float:
    return sum([await connector.total("connector_http_errors_total", f'kind="{kind}"') for kind in kinds])


@pytest.mark.shows("V8")
def test_a_reply_that_never_comes_is_counted_and_the_batch_sent_again_alike(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        bad = Bad(*[NEVER] * 5)
        campaign.produce(3000)
        async with Vendor(segment(campaign.ledger, bad)) as vendor:
            with campaign.watch() as watch:
                async with campaign.connector(vendor, SEGMENT_TIMEOUT_S="1") as connector:
                    await until(lambda: bad.all_given, 30, "the injected faults")
                    await until(lambda: campaign.ledger.duplicates >= len(bad.ids), 30, "what was taken sent again")
                    await campaign.delivered(connector)
                    assert await ambiguous(connector) == await lost(connector, "deadline") == 5
                    await campaign.stop(connector)
        bad.assert_sent_again_alike(vendor.received)
        campaign.assert_sound(watch, connector, duplicates=bad.ids)

    asyncio.run(run())


@pytest.mark.parametrize("drip", ["all", "body"])
@pytest.mark.shows("V9")
def test_a_reply_that_drips_is_cut_at_the_total_deadline_and_others_go_on(
    mock: MockCluster, tmp_path: Path, drip: Literal["all", "body"]
) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        bad = Bad(Reply(200, body=bytes(100), drip=drip, drip_s=0.2))
        campaign.produce(3000)
        async with Vendor(segment(campaign.ledger, bad)) as vendor:
            with campaign.watch() as watch:
                async with campaign.connector(vendor, SEGMENT_TIMEOUT_S="3") as connector:
                    await until(lambda: bad.all_given, 30, "the drip")
                    slow = bad.requests[0]
                    meanwhile = len(vendor.received)
                    await until(lambda: slow.connection not in vendor.open_connections, 30, "the connection's end")
                    cut_s, during = time.monotonic() - slow.received_s, len(vendor.received) - meanwhile
                    await until(lambda: campaign.ledger.duplicates >= len(bad.ids), 30, "what was taken sent again")
                    await campaign.delivered(connector)
                    assert await ambiguous(connector) == await lost(connector, "deadline") == 1
                    await campaign.stop(connector)
        print(f"cut after {cut_s:.2f} s of 3 s, {during} requests meanwhile")
        # The deadline began with the connection, a little before the whole request was here.
        assert 2.5 <= cut_s <= 3.0 + 1.0
        assert during >= 3
        bad.assert_sent_again_alike(vendor.received)
        campaign.assert_sound(watch, connector, duplicates=bad.ids)

    asyncio.run(run())


@pytest.mark.shows("V10")
def test_a_connection_refused_or_reset_at_once_costs_nothing_but_a_retry(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        campaign.produce(2000)
        async with Vendor(segment(campaign.ledger), greet=lambda connection: connection > 6) as vendor:
            with campaign.watch() as watch:
                async with campaign.connector(vendor) as connector:
                    await campaign.delivered(connector)
                    assert vendor.connections >= 7
                    assert await ambiguous(connector) == 0
                    await campaign.stop(connector)
        campaign.assert_sound(watch, connector)

    asyncio.run(run())


@pytest.mark.shows("V10")
def test_a_reset_within_the_request_is_ambiguous_though_nothing_was_taken(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        campaign, cuts = Campaign(mock, tmp_path), list[int]()

        def cut(head: Request) -> int | None:
            if head.number % EVERY or len(cuts) == 5 or "x-retry-count" in head.headers:
                return None
            cuts.append(head.number)
            return 100

        campaign.produce(3000)
        async with Vendor(segment(campaign.ledger), cut=cut) as vendor:
            with campaign.watch() as watch:
                async with campaign.connector(vendor) as connector:
                    await campaign.delivered(connector)
                    assert await ambiguous(connector) == await lost(connector, "reset") == len(cuts) == 5
                    await campaign.stop(connector)
        campaign.assert_sound(watch, connector)

    asyncio.run(run())


@pytest.mark.shows("V10")
def test_a_reset_within_the_reply_is_ambiguous_and_sent_again_alike(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        whole = Reply(200, {"Content-Type": "application/json"}, TAKEN.body)
        bad = Bad(*(replace(whole, cut_at=at, then="reset") for at in (0, 12, 30, 80, 90)))
        campaign.produce(3000)
        async with Vendor(segment(campaign.ledger, bad)) as vendor:
            with campaign.watch() as watch:
                async with campaign.connector(vendor) as connector:
                    await until(lambda: bad.all_given, 30, "the injected faults")
                    await until(lambda: campaign.ledger.duplicates >= len(bad.ids), 30, "what was taken sent again")
                    await campaign.delivered(connector)
                    assert await ambiguous(connector) == await lost(connector, "reset", "protocol") == 5
                    await campaign.stop(connector)
        bad.assert_sent_again_alike(vendor.received)
        campaign.assert_sound(watch, connector, duplicates=bad.ids)

    asyncio.run(run())


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.shows("V10")
def test_the_end_of_idle_connections_is_not_noticed(
    mock: MockCluster, tmp_path: Path, how: Literal["close", "reset"]
) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        campaign.produce(1000)
        async with Vendor(segment(campaign.ledger)) as vendor:
            with campaign.watch() as watch:
                async with campaign.connector(vendor) as connector:
                    await campaign.delivered(connector)
                    for _ in range(3):
                        vendor.drop_idle(how)
                        await asyncio.to_thread(campaign.produce, 500)
                        await campaign.delivered(connector)
                    assert await connector.total("connector_retries_total") == 0
                    assert await connector.total("connector_http_errors_total") == 0
                    await campaign.stop(connector)
        campaign.assert_sound(watch, connector)

    asyncio.run(run())


BOMB = gzip.compress(bytes(200 << 20))
ODD = (
    Reply(200, {"Content-Type": "text/html"}, b"<html><body>Service temporarily unavailable</body></html>"),
    Reply(200, {"Content-Type": "application/json"}, b'{"success": tru'),
    Reply(200, {"Content-Type": "application/json"}, b'[null, 1e999, "\xff"]'),
    Reply(200, {"Content-Type": "image/png"}, b"\x89PNG\r\n\x1a\n\x00"),
    Reply(200, {"Content-Type": "application/json"}, b"x" * (1 << 20), times=50),
    Reply(200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, BOMB),
    Reply(202, {}, b""),
    Reply(204, {"Content-Length": "0"}, b""),
    Reply(207, {"Content-Type": "application/json"}, b'[{"status": 400}]'),
)


@pytest.mark.shows("V14")
def test_any_2xx_is_success_to_segment_and_of_its_body_little_is_read(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        campaign, bad = Campaign(mock, tmp_path), Bad(*ODD)
        campaign.produce(5000)
        async with Vendor(segment(campaign.ledger, bad)) as vendor:
            with campaign.watch() as watch:
                async with campaign.connector(vendor) as connector:
                    await until(lambda: vendor.received, 30, "the first request")
                    before = peak_bytes(connector)
                    await campaign.delivered(connector)
                    assert bad.all_given
                    grown = peak_bytes(connector) - before
                    assert await ambiguous(connector) == 0
                    await campaign.stop(connector)
        print(f"memory grew by {grown >> 20} MiB")
        assert grown < 40 << 20
        assert "Traceback" not in connector.log
        campaign.assert_sound(watch, connector)

    asyncio.run(run())


@pytest.mark.shows("V14")
def test_a_200_that_ends_early_or_cannot_be_unpacked_is_ambiguous(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        short = Reply(200, {"Content-Length": "500"}, TAKEN.body, then="close")
        garbled = Reply(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b\x08\x00 not gzip at all")
        chunk = Reply(200, {"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\nzz\r\n", then="close")
        bad = Bad(short, garbled, chunk, Reply(raw=b"SSH-2.0-OpenSSH_9.6\r\n", then="close"))
        campaign.produce(3000)
        async with Vendor(segment(campaign.ledger, bad)) as vendor:
            with campaign.watch() as watch:
                async with campaign.connector(vendor) as connector:
                    await until(lambda: bad.all_given, 30, "the injected faults")
                    await until(lambda: campaign.ledger.duplicates >= len(bad.ids), 30, "what was taken sent again")
                    await campaign.delivered(connector)
                    assert await ambiguous(connector) == await lost(connector, "reset", "protocol") == 4
                    await campaign.stop(connector)
        assert "Traceback" not in connector.log
        bad.assert_sent_again_alike(vendor.received)
        campaign.assert_sound(watch, connector, duplicates=bad.ids)

    asyncio.run(run())


def peak_bytes(connector: Connector) -> int:
    """The most memory the process had at any time."""
    status = Path(f"/proc/{connector.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("status", [301, 302, 307])
@pytest.mark.shows("V16")
def test_a_redirect_is_a_set_up_fault_and_the_other_host_hears_nothing(
    mock: MockCluster, tmp_path: Path, status: int
) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        campaign.produce(1000)
        async with Vendor(lambda request: TAKEN) as other:
            away = Reply(status, {"Location": f"{other.url}/v1/batch"})
            async with Vendor(segment(campaign.ledger, lambda *_: away)) as vendor:
                with campaign.watch() as watch:
                    async with campaign.connector(vendor) as connector:
                        await until(lambda: halted(connector), 30, "the sink halted")
                        assert "redirect" in (await connector.failing())["vendor.segment"]
                        await assert_pages_tell_no_secret(connector)
                        assert campaign.ledger.delivered == set()
                        vendor.script = segment(campaign.ledger)
                        await campaign.delivered(connector)
                        await until(connector.ready, 15, "ready again")
                        await campaign.stop(connector)
            assert (other.connections, other.received) == (0, [])
        campaign.assert_sound(watch, connector)

    async def halted(connector: Connector) -> bool:
        return "vendor.segment" in await connector.failing()

    asyncio.run(run())
