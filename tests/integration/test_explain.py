"""`connector explain` against a real broker: what it shows is what a run sends, and it sends nothing itself."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.doubles.vendor import Vendor
from tests.integration.events import confluent_head, encode, event, single_object_head
from tests.integration.oracle import Ledger, create_topics, segment
from tests.integration.process import Connector, named, segment_env, until

pytestmark = pytest.mark.slow

CONNECTOR = Path(sys.executable).with_name("connector")
SECRET = "a-very-secret-write-key"


async def explained(env: dict[str, str], place: str, code: int = 0) -> str:
    process = await asyncio.create_subprocess_exec(
        CONNECTOR, "explain", place, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == code, (out + err).decode()
    assert SECRET not in (out + err).decode()
    return (out + err).decode()


def produce(kafka: str, topic: str, *values: bytes | None) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    for value in values:
        producer.produce(topic, value, b"user-1", partition=0)
    assert producer.flush(30) == 0


def test_the_request_it_shows_is_the_one_that_a_run_sends_but_for_its_time_and_secrets(
    kafka: str, registry: str, tmp_path: Path
) -> None:
    async def run() -> None:
        topic = named("events")
        create_topics(kafka, topic, f"{topic}.letters.segment")
        head = confluent_head(registry, topic, "Track")
        produce(kafka, topic, encode("Track", event("Track", "user-1", "m-1", 7), head))
        async with Vendor(segment(Ledger())) as vendor:
            env = segment_env(kafka, vendor.url, topic, group=topic, SCHEMA_REGISTRY_URL=registry)
            shown = await explained(env, f"{topic}:0:0")
            assert vendor.received == []
            async with Connector(env, tmp_path):
                await until(lambda: vendor.received, 30, "a request")
            (sent,) = vendor.received
        head_text, body = shown.split(f"POST {vendor.url}/v1/batch\n")[1].strip().split("\n\n")
        assert "segment: wanted; order key user-1" in shown
        headers = dict(line.split(": ", 1) for line in head_text.splitlines())
        assert headers.pop("Authorization") == "***"
        assert headers.items() <= {name.title(): value for name, value in sent.headers.items()}.items()
        before_time, after_time = sent.body.decode().split('"sentAt":"')
        assert body.startswith(before_time + '"sentAt":"')
        assert body.endswith(after_time[after_time.index('"') :].replace(SECRET, "***"))

    asyncio.run(run())


def test_it_says_what_becomes_of_a_record_that_is_not_sent(kafka: str) -> None:
    async def run() -> None:
        topic = named("events")
        create_topics(kafka, topic)
        track = event("Track", "user-1", "m-1", 7)
        head = single_object_head("Track")
        refused = encode("Track", {**track, "sinks": {"segment": False}}, head)
        nobody = encode("Track", {**track, "user_id": None}, head)
        produce(kafka, topic, None, b"no Avro", refused, nobody)
        env = segment_env(kafka, "http://127.0.0.1:9", topic, group=topic)
        assert "skipped by every sink: tombstone" in await explained(env, f"{topic}:0:0")
        assert "a dead letter of every sink: " in await explained(env, f"{topic}:0:1")
        assert "segment: skipped, opted_out" in await explained(env, f"{topic}:0:2")
        assert "segment: a dead letter, " in await explained(env, f"{topic}:0:3")
        assert "holds offsets 0 to 3" in await explained(env, f"{topic}:0:4", code=1)
        assert "does not exist" in await explained(env, f"{topic}:99:0", code=1)
        elsewhere = {**env, "CONNECTOR_TOPICS": "others"}
        assert f"segment: does not read {topic}" in await explained(elsewhere, f"{topic}:0:3")

    asyncio.run(run())
