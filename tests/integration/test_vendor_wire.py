"""A connection that breaks, drips or says something else: what was certainly not taken goes again, once."""

import asyncio
import time
from pathlib import Path
from typing import Literal

import pytest

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import NEVER, Reply, Request, Vendor
from tests.integration.campaign import Bench, Messages, batch_of
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


def test_a_reply_that_never_comes_is_counted_and_the_batch_sent_again_alike(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        bench = Bench(mock, tmp_path)
        bad = Bad(*[NEVER] * 5)
        bench.produce(3000)
        async with Vendor(segment(bench.ledger, bad)) as vendor:
            with bench.watch() as watch:
                async with bench.connector(vendor, SEGMENT_TIMEOUT_S="1") as connector:
                    await until(lambda: bad.all_given, 30, "the injected faults")
                    await until(lambda: bench.ledger.duplicates >= len(bad.ids), 30, "what was taken sent again")
                    await bench.delivered(connector)
                    assert await ambiguous(connector) == await lost(connector, "deadline") == 5
                    await assert_pages_tell_no_secret(connector)
                    assert await connector.terminate() == 0
        bad.assert_sent_again_alike(vendor.received)
        bench.assert_sound(watch, connector, duplicates=bad.ids)

    asyncio.run(run())


@pytest.mark.parametrize("drip", ["all", "body"])
def test_a_reply_that_drips_is_cut_at_the_total_deadline_and_others_go_on(
    mock: MockCluster, tmp_path: Path, drip: Literal["all", "body"]
) -> None:
    async def run() -> None:
        bench = Bench(mock, tmp_path)
        bad = Bad(Reply(200, body=bytes(100), drip=drip, drip_s=0.2))
        bench.produce(3000)
        async with Vendor(segment(bench.ledger, bad)) as vendor:
            with bench.watch() as watch:
                async with bench.connector(vendor, SEGMENT_TIMEOUT_S="3") as connector:
                    await until(lambda: bad.all_given, 30, "the drip")
                    slow = bad.requests[0]
                    meanwhile = len(vendor.received)
                    await until(lambda: slow.connection not in vendor.open_connections, 30, "the connection's end")
                    cut_s, during = time.monotonic() - slow.received_s, len(vendor.received) - meanwhile
                    await until(lambda: bench.ledger.duplicates >= len(bad.ids), 30, "what was taken sent again")
                    await bench.delivered(connector)
                    assert await ambiguous(connector) == await lost(connector, "deadline") == 1
                    assert await connector.terminate() == 0
        print(f"cut after {cut_s:.2f} s of 3 s, {during} requests meanwhile")
        # The deadline began with the connection, a little before the whole request was here.
        assert 2.5 <= cut_s <= 3.0 + 1.0
        assert during >= 3
        bad.assert_sent_again_alike(vendor.received)
        bench.assert_sound(watch, connector, duplicates=bad.ids)

    asyncio.run(run())
