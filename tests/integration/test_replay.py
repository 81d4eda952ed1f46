"""`connector replay` as its users run it: letters back to the sink that failed, once, and to nobody else."""

import asyncio
import json
import re
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.doubles.kafka import PARTITIONS, MockCluster
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.events import Made, mixed
from tests.integration.oracle import Ledger, committed, create_topics, letters, segment
from tests.integration.process import RUN, Connector, named, segment_env, until

pytestmark = pytest.mark.slow

TIMESTAMP_MS = 1_790_000_000_000
Verdict = Callable[[Request, Sequence[Mapping[str, Any]]], Reply | None]


class Scene:
    """A topic of letters, a vendor's books and the environment to replay by."""

    def __init__(self, bootstrap: str, vendor: Vendor, topic: str, **more: str) -> None:
        self.bootstrap = bootstrap
        self.vendor = vendor
        self.letters = f"{topic}.letters.segment"
        self.topic = topic
        env = segment_env(bootstrap, vendor.url, topic, group=topic, **more)
        if more.get("KAFKA_GROUP_PROTOCOL") == "consumer":
            # It joins at once; its timeouts are the broker's.
            del env["KAFKA_SESSION_TIMEOUT_MS"], env["KAFKA_HEARTBEAT_INTERVAL_MS"]
        self.env = {"PATH": "/usr/bin:/bin", "COLUMNS": "200", **env}

    def put(self, made: Iterable[Made], **notes: str) -> int:
        """Produce letters as a flow writes them; return how many."""
        producer, count = Producer({"bootstrap.servers": self.bootstrap}), 0
        for one in made:
            told = {
                "sink": "segment",
                "reason": "bad_request",
                "topic": self.topic,
                "partition": "0",
                "offset": str(one.number),
                "timestamp": str(TIMESTAMP_MS + one.number),
                "replays": "0",
                **notes,
            }
            headers = [(f"connector.{name}", text.encode()) for name, text in told.items()]
            producer.produce(self.letters, one.value, one.key, headers=headers)
            count += 1
        assert producer.flush(30) == 0
        return count

    async def start(self, *options: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            RUN[0],
            "replay",
            "--sink",
            "segment",
            *options,
            env=self.env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *options: str, code: int = 0) -> str:
        """Replay to the end and return what it says."""
        process = await self.start(*options)
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == code, (out + err).decode()
        return out.decode()


def on(mock: MockCluster, verdict: Verdict, test: Callable[[Scene, Ledger], Any], **more: str) -> None:
    """Run a test on a topic of its own with a vendor that answers by `verdict`."""

    async def run() -> None:
        topic, ledger = mock.create_topic(named("events")), Ledger()
        mock.create_topic(f"{topic}.letters.segment")
        async with Vendor(segment(ledger, verdict)) as vendor:
            await test(Scene(mock.bootstrap, vendor, topic, **{"KAFKA_GROUP_PROTOCOL": "consumer", **more}), ledger)

    asyncio.run(run())


def taken(_request: Request, _messages: Sequence[Mapping[str, Any]]) -> Reply | None:
    return None


def slowly(_request: Request, _messages: Sequence[Mapping[str, Any]]) -> Reply | None:
    return Reply(200, body=b"{}", delay_s=0.1)


def refused(_request: Request, _messages: Sequence[Mapping[str, Any]]) -> Reply | None:
    return Reply(400, body=b"{}")


def test_letters_of_a_flow_are_delivered_once_the_sink_takes_them(mock: MockCluster, tmp_path: Path) -> None:
    willing = False

    async def test(scene: Scene, ledger: Ledger) -> None:
        nonlocal willing
        ledger.produce(scene.bootstrap, scene.topic, mixed(120, keys=10, name=scene.topic))
        async with Connector(scene.env, tmp_path) as connector:
            await until(lambda: not ledger.missing(letters(scene.bootstrap, scene.letters)), 60, "all in letters")
            assert await connector.terminate() == 0
        willing = True
        kept = committed(scene.bootstrap, f"{scene.topic}.segment", scene.topic, PARTITIONS)
        said = await scene.run()
        assert said.endswith("replayed: 120 delivered, 0 dead-lettered again\n")
        assert (ledger.missing(), ledger.duplicates, ledger.changed()) == (set(), 0, [])
        assert committed(scene.bootstrap, f"{scene.topic}.segment", scene.topic, PARTITIONS) == kept
        before = len(scene.vendor.received)
        assert "no letters" in await scene.run()
        assert len(scene.vendor.received) == before

    def verdict(_request: Request, _messages: Sequence[Mapping[str, Any]]) -> Reply | None:
        return None if willing else Reply(400)

    on(mock, verdict, test, CONNECTOR_GUARD="off")


@pytest.mark.shows("Q5")
def test_a_dry_run_sends_nothing_and_commits_nothing(mock: MockCluster) -> None:
    async def test(scene: Scene, ledger: Ledger) -> None:
        scene.put(mixed(30, keys=5, name="a"))
        scene.put(mixed(7, keys=5, name="b"), reason="expired", topic="others")
        scene.put(mixed(3, keys=5, name="c"), replays="3")
        scene.put(mixed(2, keys=5, name="d"), trimmed="value")
        said = await scene.run("--dry-run")
        rows = [re.split(r"\s*│\s*", line)[1:-1] for line in said.splitlines() if line.startswith("│")]
        assert rows == [
            ["bad_request", scene.topic, "30", "0", "3", "2"],
            ["expired", "others", "7", "0", "0", "0"],
        ]
        assert "37 letters would be replayed; left out: 3 loop_guard, 2 trimmed" in said
        assert await scene.run("--dry-run") == said
        assert scene.vendor.received == []
        assert (await scene.run()).startswith("replayed: 37 delivered, 0 dead-lettered again; left out: 3 loop_guard")
        assert len(ledger.delivered) == 37

    on(mock, taken, test)


@pytest.mark.shows("Q5")
def test_a_replay_that_was_killed_goes_on_where_it_stopped(mock: MockCluster) -> None:
    async def test(scene: Scene, ledger: Ledger) -> None:
        made = list(mixed(600, keys=40, name="k"))
        scene.put(made)
        process = await scene.start("--rate", "200")
        await until(lambda: len(ledger.delivered) >= 300, 30, "half of them delivered")
        process.kill()
        await process.communicate()
        assert len(ledger.delivered) < 600
        half = len(ledger.accepted)
        said = await scene.run()
        assert ledger.delivered == {one.id for one in made}
        # Commits are a second apart, so at most about that second's records come twice; not everything.
        assert ledger.duplicates < half
        assert int(said.split("replayed: ")[1].split()[0]) < 600
        assert ledger.changed() == []

    # With this protocol the tests may say how soon a dead member's partitions are free.
    on(mock, slowly, test, KAFKA_GROUP_PROTOCOL="classic")


def test_a_replay_that_was_asked_to_stop_drains_and_sends_nothing_twice(mock: MockCluster) -> None:
    async def test(scene: Scene, ledger: Ledger) -> None:
        made = list(mixed(600, keys=40, name="t"))
        scene.put(made)
        process = await scene.start("--rate", "200")
        await until(lambda: len(ledger.delivered) >= 200, 30, "some of them delivered")
        process.send_signal(signal.SIGTERM)
        out, _ = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0
        assert b"the same command goes on from here" in out
        assert len(ledger.delivered) < 600
        await scene.run("--rate", "1000")
        assert (ledger.delivered, ledger.duplicates) == ({one.id for one in made}, 0)

    on(mock, slowly, test)


@pytest.mark.shows("Q5")
def test_letters_that_fail_again_are_replayed_three_times_and_no_more(mock: MockCluster) -> None:
    async def test(scene: Scene, _ledger: Ledger) -> None:
        scene.put(mixed(5, keys=5, name="f"))
        for replays in (1, 2, 3):
            said = await scene.run()
            assert said.endswith("replayed: 0 delivered, 5 dead-lettered again\n")
            found = [one for one in letters(scene.bootstrap, scene.letters) if one.notes["replays"] == str(replays)]
            assert len(found) == 5
            assert {(one.notes["topic"], one.notes["offset"]) for one in found} == {
                (scene.topic, str(number)) for number in range(5)
            }
        sent = len(scene.vendor.received)
        assert "0 delivered, 0 dead-lettered again; left out: 5 loop_guard" in await scene.run()
        assert len(scene.vendor.received) == sent
        assert len(letters(scene.bootstrap, scene.letters)) == 20

    on(mock, refused, test)


def test_a_sink_that_refuses_most_letters_ends_the_replay_and_keeps_the_others(mock: MockCluster) -> None:
    async def test(scene: Scene, _ledger: Ledger) -> None:
        scene.put(mixed(300, keys=100, name="g"))
        said = await scene.run(code=1)
        assert "replayed: 0 delivered, 50 dead-lettered again" in said
        assert "the same command goes on from here" in said
        assert len(letters(scene.bootstrap, scene.letters)) == 350

    on(mock, refused, test)


def test_only_the_letters_that_the_filters_name_are_sent(mock: MockCluster) -> None:
    async def test(scene: Scene, ledger: Ledger) -> None:
        scene.put(mixed(10, keys=5, name="x"), reason="expired")
        scene.put(mixed(10, keys=5, name="y"), reason="no_name")
        scene.put(mixed(10, keys=5, name="z"), reason="expired", topic="others")
        scene.put(mixed(10, keys=5, name="w"), reason="expired", sink="elsewhere")
        said = await scene.run("--reason", "expired", "--topic", scene.topic)
        assert said.endswith("replayed: 10 delivered, 0 dead-lettered again; left out: 30 filtered\n")
        assert ledger.delivered == {f"x-{number}" for number in range(10)}
        # Another ask is another group: it starts from the first letter.
        await scene.run("--reason", "no_name", "--reason", "expired", "--until", "2026-09-21T14:13:20.005Z")
        assert ledger.delivered - {f"x-{n}" for n in range(10)} == {f"{s}-{n}" for s in "yz" for n in range(5)}
        assert ledger.duplicates == 5

    on(mock, taken, test)


def test_a_rate_is_not_exceeded(mock: MockCluster) -> None:
    async def test(scene: Scene, ledger: Ledger) -> None:
        scene.put(mixed(60, keys=60, name="r"))
        await scene.run("--rate", "20")
        assert len(ledger.delivered) == 60
        sizes = [len(json.loads(one.body)["batch"]) for one in scene.vendor.received]
        first_s = scene.vendor.received[0].received_s
        for sent, request in zip(accumulate(sizes), scene.vendor.received, strict=True):
            # A fifth of a second's worth goes at once, and a batch lingers for 50 ms.
            assert sent <= 20 * (request.received_s - first_s + 0.5) + 4
        assert scene.vendor.received[-1].received_s - first_s >= 2.5

    on(mock, taken, test)


def test_a_replay_on_a_real_broker_ends_by_itself(kafka: str) -> None:
    async def run() -> None:
        topic, ledger = named("events"), Ledger()
        create_topics(kafka, topic, f"{topic}.letters.segment")
        async with Vendor(segment(ledger, taken)) as vendor:
            scene = Scene(kafka, vendor, topic)
            made = list(mixed(2000, keys=100, name=topic))
            scene.put(made)
            began_s = time.monotonic()
            assert "replayed: 2000 delivered" in await scene.run()
            assert time.monotonic() - began_s < 45
            assert (ledger.delivered, ledger.duplicates) == ({one.id for one in made}, 0)
            assert "no letters" in await scene.run()

    asyncio.run(run())
