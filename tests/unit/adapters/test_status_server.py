"""What the status server answers, over a socket of this machine."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from connector.adapters.status_server import StatusServer
from connector.errors import SettingsError
from connector.observe.metrics import Metrics
from connector.observe.status import Check, SinkStatus
from tests.doubles.clock import ManualClock

HALTED = SinkStatus(
    name="segment",
    state="in trouble",
    partitions=3,
    in_flight=1_234,
    oldest_age_s=61.25,
    circuit="halted_setup",
    requests=0,
    letters_pending=2,
    last_error="<credentials>",
    trouble={"vendor": "mend the credentials"},
)


class Story:
    """A process that tells of itself what a test wants."""

    def __init__(self) -> None:
        self.is_alive = True
        self.told: dict[str, Check] = {"kafka.segment": Check(True)}
        self.running: list[SinkStatus] = []

    def alive(self) -> bool:
        return self.is_alive

    def checks(self) -> Mapping[str, Check]:
        return self.told

    def sinks(self) -> Sequence[SinkStatus]:
        return self.running


def asked(story: Story, path: str, registry: CollectorRegistry | None = None) -> httpx.Response:
    async def ask(base: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
            return await client.get(path)

    return served(story, ask, registry)


def served(
    story: Story, ask: Callable[[str], Awaitable[httpx.Response]], registry: CollectorRegistry | None = None
) -> httpx.Response:
    async def serve() -> httpx.Response:
        server = StatusServer("127.0.0.1", 0, story, registry or CollectorRegistry())
        await server.start()
        try:
            return await ask(f"http://127.0.0.1:{server.port}")
        finally:
            await server.stop()

    return asyncio.run(serve())


def test_metrics_are_those_of_the_given_registry() -> None:
    registry = CollectorRegistry()
    Counter("things", "Things", registry=registry).inc(3)
    reply = asked(Story(), "/metrics", registry)
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/plain")
    assert "things_total 3.0" in reply.text.splitlines()
    assert "python_info" not in reply.text


@pytest.mark.parametrize(("alive", "status"), [(True, 200), (False, 503)])
def test_a_process_is_live_until_it_says_otherwise(alive: bool, status: int) -> None:
    story = Story()
    story.is_alive = alive
    story.told = {"vendor.segment": Check(False, "not ready is not dead")}
    assert asked(story, "/livez").status_code == status


def test_a_process_is_ready_while_all_checks_hold() -> None:
    reply = asked(Story(), "/readyz")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.json() == {"ready": True, "checks": {"kafka.segment": {"ok": True, "detail": ""}}}


def test_one_check_that_fails_is_not_ready_and_says_why() -> None:
    story = Story()
    story.told["vendor.segment"] = Check(False, "mend the credentials")
    reply = asked(story, "/readyz")
    assert reply.status_code == 503
    assert reply.json() == {
        "ready": False,
        "checks": {
            "kafka.segment": {"ok": True, "detail": ""},
            "vendor.segment": {"ok": False, "detail": "mend the credentials"},
        },
    }


def test_the_page_shows_each_sink_as_it_stands() -> None:
    story = Story()
    story.told["vendor.segment"] = Check(False, "mend the <credentials>")
    story.running = [HALTED]
    reply = asked(story, "/")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/html")
    for shown in ("segment", "in trouble", "halted_setup", "1234", "61.2 s", "&lt;credentials&gt;", "Not ready"):
        assert shown in reply.text, shown
    assert "<credentials>" not in reply.text
    assert "http-equiv=refresh" in reply.text


def test_the_page_of_a_process_without_trouble_says_so() -> None:
    reply = asked(Story(), "/")
    assert "Ready" in reply.text
    assert "Not ready" not in reply.text


def test_the_page_shows_lag_and_pace_from_the_metrics() -> None:
    registry, story, clock = CollectorRegistry(), Story(), ManualClock(at_s=100.0)
    story.running = [HALTED]
    made = Metrics(registry).flow("segment", ["events"])
    made.lag("events", 0, 4_000)
    made.lag("events", 1, 1_777)
    made.resolved("events", "delivered", 1_000)

    async def look_twice() -> list[str]:
        server = StatusServer("127.0.0.1", 0, story, registry, monotonic_s=clock.monotonic_s)
        await server.start()
        pages = []
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
            for _ in range(2):
                clock.advance(5.0)
                pages.append((await client.get("/")).text)
                made.resolved("events", "delivered", 2_990)
                made.resolved("events", "skipped", 10)
        await server.stop()
        return pages

    first, second = asyncio.run(look_twice())
    assert "<td class=n>5777</td>" in first
    assert "<td class=n>200</td>" in first
    assert "<td class=n>600</td>" in second


def test_a_lag_that_nobody_has_told_yet_is_not_shown_as_none() -> None:
    story = Story()
    story.running = [HALTED]
    assert "<td class=n>?</td>" in asked(story, "/").text


def test_other_paths_are_not_found() -> None:
    assert asked(Story(), "/secrets").status_code == 404


def test_a_port_in_use_is_a_wrong_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError) as refused:
            asyncio.run(StatusServer("127.0.0.1", port, Story(), CollectorRegistry()).start())
    (problem,) = refused.value.problems
    assert (problem.variable, problem.message) == ("CONNECTOR_HTTP_PORT", f"port {port} is in use; set another")


def test_an_address_of_another_machine_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError) as refused:
        asyncio.run(StatusServer("192.0.2.1", 0, Story(), CollectorRegistry()).start())
    (problem,) = refused.value.problems
    assert (problem.variable, problem.message) == (
        "CONNECTOR_HTTP_HOST",
        "192.0.2.1 is no address of this machine",
    )


def test_a_scraper_that_stays_connected_does_not_hold_a_stop_up() -> None:
    async def scrape_and_stop() -> None:
        server = StatusServer("127.0.0.1", 0, Story(), CollectorRegistry())
        await server.start()
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{server.port}/livez")).status_code == 200
            async with asyncio.timeout(1.0):
                await server.stop()

    asyncio.run(scrape_and_stop())
