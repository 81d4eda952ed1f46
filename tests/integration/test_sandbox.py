"""The sandbox over real sockets: every fault as a client meets it, and what the server tells of itself."""

import asyncio
import functools
import gzip
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import pytest
import uvloop

from connector.sandbox.faults import parse_faults
from connector.sandbox.mparticle import Mparticle
from connector.sandbox.segment import Segment
from connector.sandbox.server import FAULT_HEADER, Sandbox, Script
from connector.sandbox.suprsend import API_KEY, Suprsend

pytestmark = pytest.mark.slow

JSON = {"Content-Type": "application/json"}


def batch(*ids: str) -> bytes:
    messages = [{"type": "track", "userId": "u", "event": "Ordered", "messageId": ident} for ident in ids]
    return msgspec.json.encode({"batch": messages, "writeKey": "key"})


def in_loop(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """Run a test in a loop of its own."""

    @functools.wraps(test)
    def run(*args: object, **named: object) -> None:
        uvloop.run(test(*args, **named))

    return run


@asynccontextmanager
async def serving(script: str = "", kept: int = 100) -> AsyncIterator[tuple[Sandbox, aiohttp.ClientSession]]:
    sandbox = Sandbox([Segment()], Script(parse_faults(script)), kept=kept)
    await sandbox.start()
    try:
        async with aiohttp.ClientSession(sandbox.address, timeout=aiohttp.ClientTimeout(5)) as session:
            yield sandbox, session
    finally:
        await sandbox.stop()


async def post(session: aiohttp.ClientSession, *ids: str, fault: str | None = None) -> aiohttp.ClientResponse:
    headers = JSON if fault is None else {**JSON, FAULT_HEADER: fault}
    async with session.post("/segment/v1/batch", data=batch(*ids), headers=headers) as response:
        await response.read()
        return response


@in_loop
async def test_what_was_taken_is_counted_and_shown_newest_first() -> None:
    async with serving() as (_, session):
        await post(session, "a", "b")
        await post(session, "b")
        stats = await (await session.get("/stats")).json()
        assert stats["segment"]["requests"] == 2
        assert (stats["segment"]["accepted"], stats["segment"]["duplicates"]) == (3, 1)
        assert stats["segment"]["statuses"] == {"200": 2}
        received = await (await session.get("/received?vendor=segment&limit=2")).json()
        assert [(item["id"], item["body"]["event"]) for item in received["items"]] == [("b", "Ordered")] * 2
        assert (await session.get("/received?vendor=none")).status == 400


@in_loop
async def test_a_compressed_body_is_inflated() -> None:
    async with serving() as (sandbox, session):
        headers = {**JSON, "Content-Encoding": "gzip"}
        async with session.post("/segment/v1/batch", data=gzip.compress(batch("a")), headers=headers) as response:
            assert response.status == 200
        assert sandbox.books["segment"].accepted == 1


@pytest.mark.parametrize(("fault", "taken"), [("reset=head", 0), ("reset=before", 0), ("reset=after", 1), ("half", 1)])
@in_loop
async def test_a_connection_that_ends_without_a_whole_reply(fault: str, taken: int) -> None:
    async with serving() as (sandbox, session):
        with pytest.raises(aiohttp.ClientError):
            await post(session, "a", fault=fault)
        assert sandbox.books["segment"].accepted == taken
        assert sandbox.books["segment"].statuses == {"none": 1}


@in_loop
async def test_a_request_left_hanging_was_taken() -> None:
    async with serving() as (sandbox, session):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await post(session, "a", fault="hang")
        assert sandbox.books["segment"].accepted == 1


@pytest.mark.parametrize(
    ("fault", "status", "taken"), [("status=503", 503, 0), ("limited=7s", 429, 0), ("bad=1", 400, 0), ("", 200, 1)]
)
@in_loop
async def test_a_reply_by_script(fault: str, status: int, taken: int) -> None:
    async with serving("status=500") as (sandbox, session):
        response = await post(session, "a", fault=fault)
        assert response.status == status
        assert response.headers.get("Retry-After") == ("7" if status == 429 else None)
        assert sandbox.books["segment"].accepted == taken


@in_loop
async def test_the_servers_own_script_holds_where_the_header_says_nothing() -> None:
    async with serving("status=500") as (_, session):
        assert (await post(session, "a")).status == 500
        assert (await post(session, "a", fault="nonsense")).status == 400


@in_loop
async def test_a_late_and_a_dripping_reply_take_their_time() -> None:
    async with serving() as (_, session):
        for fault, least_s in (("latency=150ms", 0.15), ("drip=10ms", 0.16)):
            began_s = time.monotonic()
            assert (await post(session, "a", fault=fault)).status == 200
            assert time.monotonic() - began_s >= least_s


@pytest.mark.parametrize(("quota", "taken"), [("quota=2/60s", 2), ("quota=5/60s/items", 2), ("quota=6/60s/items", 3)])
@in_loop
async def test_beyond_its_quota_a_vendor_says_429_and_when_to_come_back(quota: str, taken: int) -> None:
    async with serving(quota) as (sandbox, session):
        replies = [await post(session, f"a{number}", f"b{number}") for number in range(4)]
        assert [reply.status for reply in replies] == [200] * taken + [429] * (4 - taken)
        assert 58 <= int(replies[-1].headers["Retry-After"]) <= 60
        assert sandbox.books["segment"].accepted == 2 * taken


@in_loop
async def test_a_vendor_may_count_its_quota_in_batches_and_tell_how_much_of_it_is_used() -> None:
    sandbox = Sandbox([Mparticle()], Script(parse_faults("quota=4/60s/items")), kept=1)
    await sandbox.start()
    first_run = {"data": {}, "event_type": "first_run"}
    body = msgspec.json.encode([{"events": [first_run] * 9}, {"events": [first_run]}])
    headers = {**JSON, "Authorization": "Basic azpz"}
    try:
        async with aiohttp.ClientSession(sandbox.address) as session:
            replies = [await session.post("/mparticle/v2/bulkevents", data=body, headers=headers) for _ in range(3)]
    finally:
        await sandbox.stop()
    assert [reply.status for reply in replies] == [202, 202, 429]
    assert [reply.headers.get("X-mp-rate-limit-percentage-used") for reply in replies] == ["50", "100", None]
    assert replies[2].headers["X-mp-rate-limit-exceeded"] == '"workspace"'


@in_loop
async def test_what_a_quota_refused_is_new_to_the_vendor_when_it_comes_again() -> None:
    sandbox = Sandbox([Suprsend()], Script())
    await sandbox.start()
    trigger = {"workflow": "order-shipped", "recipients": ["u1"], "data": {}, "$idempotency_key": "k1"}
    body = msgspec.json.encode([trigger, {**trigger, "$idempotency_key": "k2"}])
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {API_KEY}"}
    try:
        async with aiohttp.ClientSession(sandbox.address, headers=headers) as session:
            for fault, status in (("quota=1/60s/items", 429), ("", 207), ("", 207)):
                reply = await session.post("/suprsend/trigger/", data=body, headers={FAULT_HEADER: fault})
                assert reply.status == status
    finally:
        await sandbox.stop()
    books = sandbox.books["suprsend"]
    assert (books.accepted, books.rejected) == (2, {"repeated_key": 2})


@in_loop
async def test_memory_is_bounded_by_what_is_kept() -> None:
    async with serving(kept=3) as (sandbox, session):
        await post(session, *map(str, range(50)))
        received = await (await session.get("/received")).json()
        assert [item["id"] for item in received["items"]] == ["49", "48", "47"]
        assert sandbox.books["segment"].accepted == 50
