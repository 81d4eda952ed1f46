"""Flagship on a real broker: a file that changes in mid-stream, panic, and visitors remembered over a crash."""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from connector.sandbox.faults import parse_faults
from connector.sandbox.flagship import ENV_ID, FILE, Flagship
from connector.sandbox.server import Sandbox, Script
from connector.sandbox.vendor import Answer, Call, Item, Route
from tests.integration.events import AVRO, Made, encode, single_object_head
from tests.integration.oracle import Ledger, committed, create_topics, letters
from tests.integration.process import Connector, named, until
from tests.services.redis import Redis

pytestmark = pytest.mark.slow

PARTITIONS = 2


def file(short: int, long: int, *, panic: bool = False) -> dict[str, Any]:
    """Return the sandbox's file with other shares of its two variations, cb and cc."""
    made: dict[str, Any] = json.loads(json.dumps({**FILE, "panic": panic}))
    for variation, share in zip(made["campaigns"][0]["variationGroups"][0]["variations"], (short, long), strict=True):
        variation["allocation"] = share
    return made


class Stage:
    """A topic, the vendor, and what it took in order: activations as visitor and variation, hits as label."""

    def __init__(self, kafka: str, folder: Path, vendor: Flagship | None = None, faults: str = "") -> None:
        self.kafka = kafka
        self.folder = folder
        self.topic = named("flagship")
        self.letters_topic = f"{self.topic}.letters.flagship"
        create_topics(kafka, self.topic, self.letters_topic, partitions=PARTITIONS)
        self.ledger = Ledger()
        self.taken: list[tuple[str, str]] = []
        self.sandbox = Sandbox([vendor or Flagship()], Script(parse_faults(faults)), self._took)
        self._made = 0

    def _took(self, vendor: str, items: Iterable[Item]) -> None:
        for item in items:
            body = json.loads(item.body)
            self.taken.append((body["vid"], item.label))

    def connector(self, **more: str) -> Connector:
        env = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "KAFKA_SESSION_TIMEOUT_MS": "3000",
            "KAFKA_HEARTBEAT_INTERVAL_MS": "300",
            "CONNECTOR_SINKS": "flagship",
            "CONNECTOR_TOPICS": self.topic,
            "CONNECTOR_GROUP_ID": self.topic,
            "CONNECTOR_SCHEMA_DIR": str(AVRO),
            "CONNECTOR_DEAD_LETTER_PREFIX": f"{self.topic}.letters",
            "FLAGSHIP_POLLING_INTERVAL": "1s",
            "FLAGSHIP_LINGER_S": "0.05",
            **self.sandbox.environ(),
            **more,
        }
        return Connector(env, self.folder)

    async def produce(self, visitors: Iterable[str], kind: str = "Exposure") -> None:
        """Have each visitor meet the flag, or do something."""
        records = []
        for visitor in visitors:
            name = {"flag": "checkout"} if kind == "Exposure" else {"name": "did"}
            identifier = f"{self.topic}-{self._made}"
            event = {"message_id": identifier, "user_id": visitor, "timestamp": time.time_ns() // 1_000_000, **name}
            value = encode(kind, event, single_object_head(kind))
            records.append(Made(visitor.encode(), value, identifier, kind, self._made, self._made))
            self._made += 1
        await asyncio.to_thread(self.ledger.produce, self.kafka, self.topic, records)

    async def settled(self, within_s: float = 60.0, *, letters_too: bool = False) -> None:
        """Wait until everything that was produced is committed, and no letter was written unless some may be."""

        async def all_committed() -> bool:
            found = await asyncio.to_thread(committed, self.kafka, f"{self.topic}.flagship", self.topic, PARTITIONS)
            return all(found[at] == end for at, end in self.ledger.ends().items())

        await until(all_committed, within_s, "every offset committed")
        assert letters_too or await self.reasons() == {}

    async def reasons(self) -> dict[str, str]:
        """Return why visitors' records became letters."""
        found = await asyncio.to_thread(letters, self.kafka, self.letters_topic)
        return {(one.key or b"").decode(): one.notes["reason"] for one in found}

    async def publish(self, made: dict[str, Any], *, polled: bool = True) -> None:
        """Replace the file; wait until the connector has it."""
        books = self.sandbox.books["flagship"]
        served = books.statuses["200"]
        url = f"{self.sandbox.address}/flagship/{ENV_ID}/bucketing.json"
        request = Request(url, json.dumps(made).encode(), {"Content-Type": "application/json"}, method="PUT")
        await asyncio.to_thread(lambda: urlopen(request, timeout=5).close())
        if polled:
            # Of activations alone, which are answered 204: a 200 is the file.
            await until(lambda: books.statuses["200"] > served, 10, "the new file polled")


def test_decisions_follow_a_file_that_changes_in_mid_stream_and_panic_stops_everything(
    kafka: str, tmp_path: Path
) -> None:
    async def run() -> None:
        stage = Stage(kafka, tmp_path)
        await stage.sandbox.start()
        try:
            await stage.publish(file(100, 0), polled=False)
            visitors = [f"visitor-{number}" for number in range(100)]
            async with stage.connector(CONNECTOR_FEED_DIR=str(tmp_path / "feeds")) as connector:
                await stage.produce(visitors)
                await stage.settled()
                assert sorted(stage.taken) == sorted((visitor, "cb") for visitor in visitors)

                stage.taken.clear()
                await stage.publish(file(0, 100))
                await stage.produce(visitors)
                await stage.settled()
                assert sorted(stage.taken) == sorted((visitor, "cc") for visitor in visitors)

                stage.taken.clear()
                await stage.publish(file(0, 100, panic=True))
                await stage.produce(visitors)
                await stage.produce(visitors, "Track")
                await stage.settled()
                assert stage.taken == []
                assert await connector.total("connector_records_skipped_total", 'reason="panic"') == 200

                await stage.publish(file(100, 0))
                await stage.produce(visitors)
                await stage.settled()
                assert sorted(stage.taken) == sorted((visitor, "cb") for visitor in visitors)
                assert await connector.terminate() == 0
            await stage.sandbox.stop()
            assert (tmp_path / "feeds" / f"bucketing-{ENV_ID}.feed").exists()
        finally:
            await stage.sandbox.stop()

    asyncio.run(run())


@pytest.mark.parametrize("store", ["sqlite", "redis"])
def test_a_visitor_keeps_their_variation_over_a_crash_and_another_file(
    kafka: str, tmp_path: Path, store: str, request: pytest.FixtureRequest
) -> None:
    server: Redis | None = request.getfixturevalue("redis") if store == "redis" else None
    url = server.url if server else f"sqlite:///{tmp_path}/kept/visitors.db"

    async def run() -> None:
        stage = Stage(kafka, tmp_path)
        await stage.sandbox.start()
        try:
            visitors = [f"visitor-{number}" for number in range(200)]
            await stage.publish(file(50, 50), polled=False)
            # A request at a time and few items in it, so that the crash comes in the middle.
            slow = {"CONNECTOR_MAX_IN_FLIGHT": "2", "FLAGSHIP_BATCH_SIZE": "5", "CONNECTOR_MAX_AHEAD": "40"}
            async with stage.connector(FLAGSHIP_VISITOR_CACHE_URL=url, **slow) as first:
                await stage.produce(visitors)
                await until(lambda: len(stage.taken) >= 60, 60, "some visitors decided")
                await first.kill()
            before = dict(stage.taken)
            assert set(before.values()) == {"cb", "cc"}
            assert len(before) < 200

            await stage.publish(file(0, 100), polled=False)
            async with stage.connector(FLAGSHIP_VISITOR_CACHE_URL=url) as second:
                await stage.produce(visitors)
                await stage.settled()
                if server is not None:
                    server.stop()
                    await stage.produce(visitors[:20])
                    await stage.settled()
                    assert await second.total("connector_lookups_failed_total") >= 20
                assert await second.terminate() == 0
            met = {(visitor, variation) for visitor, variation in stage.taken[: len(stage.taken) - 20 * bool(server)]}
            assert {visitor for visitor, _ in met} == set(visitors)
            assert len(met) == len(visitors), "no visitor met two variations"
            assert all((visitor, variation) in met for visitor, variation in before.items())
        finally:
            await stage.sandbox.stop()

    asyncio.run(run())


class Moody(Flagship):
    """Answers questions about some visitors, or about all (""), in a way of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.moods: dict[str, Answer] = {}
        self.asked_s: list[tuple[float, str]] = []

    @property
    def routes(self) -> Mapping[str, Route]:
        return {**super().routes, "POST /v2/{env}/campaigns/": self._moody}

    def _moody(self, call: Call) -> Answer:
        visitor = json.loads(call.body)["visitorId"]
        if visitor == NOBODY:
            return self._campaigns(call)
        self.asked_s.append((time.monotonic(), visitor))
        return self.moods.get(visitor) or self.moods.get("") or self._campaigns(call)


NOBODY = "kafka-vendor-connector"
API = {"FLAGSHIP_MODE": "api", "CONNECTOR_PARK": "1s"}


def test_a_visitor_whom_the_api_fails_stops_nobody_else_and_nothing_is_lost_over_a_crash_among_questions_that_hang(
    kafka: str, tmp_path: Path
) -> None:
    async def run() -> None:
        vendor = Moody()
        vendor.moods = {"visitor-3": Answer(500), "visitor-5": Answer(400)}
        stage = Stage(kafka, tmp_path, vendor, f"flagship/v2/{ENV_ID}/campaigns/:hang@0.03")
        await stage.sandbox.start()
        try:
            await stage.publish(file(100, 0), polled=False)
            visitors = [f"visitor-{number}" for number in range(150)]
            async with stage.connector(**API, CONNECTOR_MAX_AHEAD="100", FLAGSHIP_BATCH_SIZE="5") as first:
                await stage.produce(visitors)
                await until(lambda: len(stage.taken) >= 40, 60, "some visitors decided")
                await first.kill()
            assert len(stage.taken) < 148
            late = 0
            async with stage.connector(**API) as second:
                # Others must be answered meanwhile, or nobody could tell that the API fails one visitor alone.
                while len(await stage.reasons()) < 2:
                    late += 1
                    assert late < 200, await second.failing()
                    await stage.produce([f"late-{late}"])
                    await asyncio.sleep(0.2)
                await stage.settled(letters_too=True)
                assert await second.terminate() == 0
            assert await stage.reasons() == {"visitor-3": "exhausted", "visitor-5": "refused"}
            decided = {*visitors, *(f"late-{number + 1}" for number in range(late))} - {"visitor-3", "visitor-5"}
            assert set(stage.taken) == {(visitor, "cb") for visitor in decided}
        finally:
            await stage.sandbox.stop()

    asyncio.run(run())


def test_questions_wait_as_the_api_asks_and_for_a_key_that_is_mended_while_hits_go_on_and_panic_ends_them(
    kafka: str, tmp_path: Path
) -> None:
    async def run() -> None:
        vendor = Moody()
        stage = Stage(kafka, tmp_path, vendor)
        await stage.sandbox.start()
        try:
            await stage.publish(file(100, 0), polled=False)
            async with stage.connector(**API) as connector:
                vendor.moods[""] = Answer(429, headers={"Retry-After": "3"})
                await stage.produce(["limited-0", "limited-1", "limited-2"])
                await until(lambda: vendor.asked_s, 20, "a question")
                began_s = time.monotonic()
                await asyncio.sleep(0.5)
                vendor.moods.clear()
                await stage.produce(["hitting"], "Track")
                await until(lambda: ("hitting", "EVENT") in stage.taken, 2, "a hit while questions wait")
                await stage.settled()
                assert [at_s for at_s, _ in vendor.asked_s if began_s + 0.5 < at_s < began_s + 2.5] == []

                vendor.moods[""] = Answer(401)
                await stage.produce([f"refused-{number}" for number in range(5)])
                await stage.produce(["hitting-2"], "Track")
                await until(lambda: ("hitting-2", "EVENT") in stage.taken, 5, "a hit while the key is refused")

                async def refused() -> bool:
                    return "vendor.flagship" in await connector.failing()

                await until(refused, 20, "readiness says so")
                vendor.moods.clear()
                await stage.settled()
                met = {visitor for visitor, label in stage.taken if label == "cb"}
                assert met == {f"limited-{n}" for n in range(3)} | {f"refused-{n}" for n in range(5)}

                stage.taken.clear()
                await stage.publish(file(100, 0, panic=True), polled=False)
                await stage.produce([f"panic-{number}" for number in range(20)])
                await stage.settled()
                await stage.produce(["panic-20"])
                await stage.settled()
                assert await connector.total("connector_records_skipped_total", 'reason="panic"') == 21
                assert stage.taken == []
                assert await connector.terminate() == 0
        finally:
            await stage.sandbox.stop()

    asyncio.run(run())


def test_a_large_file_is_read_whole_and_one_over_its_limit_is_an_error_of_readiness_that_names_it(
    kafka: str, tmp_path: Path
) -> None:
    async def run() -> None:
        stage = Stage(kafka, tmp_path)
        await stage.sandbox.start()
        try:
            large = file(100, 0)
            large["campaigns"][0]["name"] = "n" * 3_000_000
            await stage.publish(large, polled=False)
            async with stage.connector(FLAGSHIP_FILE_LIMIT="2MiB") as small:

                async def named() -> bool:
                    return "FLAGSHIP_FILE_LIMIT" in (await small.failing()).get("feed.flagship", "")

                await until(named, 20, "readiness names the setting")
                assert await small.terminate() == 0
            async with stage.connector() as connector:
                await stage.produce(["visitor"])
                await stage.settled()
                assert stage.taken == [("visitor", "cb")]
                assert await connector.terminate() == 0
        finally:
            await stage.sandbox.stop()

    asyncio.run(run())
