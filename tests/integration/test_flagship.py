"""Flagship on a real broker: a file that changes in mid-stream, panic, and visitors remembered over a crash."""

import asyncio
import time
from pathlib import Path

import pytest

from connector.sandbox.flagship import ENV_ID
from connector.sandbox.vendor import Answer
from tests.integration.flagship import Moody, Stage, file
from tests.integration.process import until
from tests.services.redis import Redis

pytestmark = pytest.mark.slow


def test_decisions_follow_a_file_that_changes_in_mid_stream_and_panic_stops_everything(
    kafka: str, tmp_path: Path
) -> None:
    async def run() -> None:
        async with Stage(kafka, tmp_path) as stage:
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
        assert (tmp_path / "feeds" / f"bucketing-{ENV_ID}.feed").exists()

    asyncio.run(run())


@pytest.mark.parametrize("store", ["sqlite", "redis"])
def test_a_visitor_keeps_their_variation_over_a_crash_and_another_file(
    kafka: str, tmp_path: Path, store: str, request: pytest.FixtureRequest
) -> None:
    server: Redis | None = request.getfixturevalue("redis") if store == "redis" else None
    url = server.url if server else f"sqlite:///{tmp_path}/kept/visitors.db"

    async def run() -> None:
        async with Stage(kafka, tmp_path) as stage:
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

    asyncio.run(run())


API = {"FLAGSHIP_MODE": "api", "CONNECTOR_PARK": "1s"}


def test_a_visitor_whom_the_api_fails_stops_nobody_else_and_nothing_is_lost_over_a_crash_among_questions_that_hang(
    kafka: str, tmp_path: Path
) -> None:
    async def run() -> None:
        vendor = Moody()
        vendor.moods = {"visitor-3": Answer(500), "visitor-5": Answer(400)}
        async with Stage(kafka, tmp_path, vendor, f"flagship/v2/{ENV_ID}/campaigns/:hang@0.03") as stage:
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

    asyncio.run(run())


def test_questions_wait_as_the_api_asks_and_for_a_key_that_is_mended_while_hits_go_on_and_panic_ends_them(
    kafka: str, tmp_path: Path
) -> None:
    async def run() -> None:
        vendor = Moody()
        async with Stage(kafka, tmp_path, vendor) as stage:
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

    asyncio.run(run())


def test_a_large_file_is_read_whole_and_one_over_its_limit_is_an_error_of_readiness_that_names_it(
    kafka: str, tmp_path: Path
) -> None:
    async def run() -> None:
        async with Stage(kafka, tmp_path) as stage:
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

    asyncio.run(run())
