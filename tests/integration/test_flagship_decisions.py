"""Decisions told to others on a real broker and registry: nothing missing after a crash, nothing hidden at a start."""

import asyncio
import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import fastavro
import pytest

from tests.integration.events import register
from tests.integration.flagship import Moody, Stage, file
from tests.integration.oracle import create_topics, letters
from tests.integration.process import until

pytestmark = pytest.mark.slow

CONNECTOR = Path(sys.executable).with_name("connector")
SMALL = {"CONNECTOR_MAX_IN_FLIGHT": "2", "FLAGSHIP_BATCH_SIZE": "5", "CONNECTOR_MAX_AHEAD": "40"}


def schema_by(registry: str, number: int) -> Any:
    with urlopen(f"{registry}/schemas/ids/{number}", timeout=5) as reply:
        return json.loads(json.load(reply)["schema"])


def told(kafka: str, registry: str, topic: str) -> list[tuple[bytes, dict[str, Any]]]:
    """Read the topic as another service would: by the schema whose id each record names."""
    found = []
    for one in letters(kafka, topic):
        value = one.value or b""
        schema = fastavro.parse_schema(schema_by(registry, int.from_bytes(value[1:5], "big")))
        assert value[0] == 0
        read = fastavro.schemaless_reader(BytesIO(value[5:]), schema, None)
        assert isinstance(read, dict)
        found.append((one.key or b"", read))
    return found


def demand(registry: str, subject: str, compatibility: str) -> None:
    """Have the registry compare what is registered under a subject with what is there."""
    body = json.dumps({"compatibility": compatibility}).encode()
    head = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    urlopen(Request(f"{registry}/config/{subject}", body, head, method="PUT"), timeout=5).close()


async def said(stage: Stage, *words: str, code: int = 0, **more: str) -> str:
    env = stage.connector(**more).env
    process = await asyncio.create_subprocess_exec(
        CONNECTOR, *words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == code, out.decode()
    return out.decode()


@pytest.mark.parametrize("mode", ["bucketing", "api"])
def test_every_decision_is_told_once_at_least_over_a_crash_and_before_its_offset_passes(
    kafka: str, registry: str, tmp_path: Path, mode: str
) -> None:
    async def run() -> None:
        async with Stage(kafka, tmp_path, Moody()) as stage:
            topic = f"{stage.topic}.decided"
            create_topics(kafka, topic, partitions=2)
            more = {"FLAGSHIP_DECISIONS_TOPIC": topic, "SCHEMA_REGISTRY_URL": registry, "FLAGSHIP_MODE": mode}
            await stage.publish(file(100, 0), polled=False)
            visitors = [f"visitor-{number}" for number in range(150)]
            async with stage.connector(**more, **SMALL) as first:
                await stage.produce(visitors)
                await until(lambda: len(stage.taken) >= 40, 60, "some visitors decided")
                await first.kill()
            before = len(await asyncio.to_thread(told, kafka, registry, topic))
            assert 0 < before < 150
            async with stage.connector(**more) as second:
                await stage.settled()
                assert await second.total("connector_records_written_total", 'outcome="ok"') >= 150 - before
                assert await second.terminate() == 0
            found = await asyncio.to_thread(told, kafka, registry, topic)
            assert {value["visitor_id"] for _, value in found} == set(visitors)
            for key, value in found:
                assert key.decode() == value["visitor_id"]
                assert value["decided_by"] == mode
                assert json.loads(value["flags_json"]) == {"checkout": "short"}
                (campaign,) = value["campaigns"]
                assert (campaign["campaign_id"], campaign["variation_id"]) == ("checkout", "cb")
            shown = await said(stage, "explain", f"{stage.topic}:0:0", **more)
            if mode == "bucketing":
                assert f"a record to topic {topic}, key visitor-" in shown
                assert '"visitor_id": "visitor-' in shown
            else:
                assert "flagship: asks for its decision first" in shown
                assert "/campaigns/?exposeAllKeys=true" in shown
                assert '"visitorId":"visitor-' in shown
                assert "sandbox-api-key" not in shown
                assert "dead letter" not in shown

    asyncio.run(run())


def test_a_topic_or_a_schema_that_cannot_be_used_shows_before_anything_is_lost(
    kafka: str, registry: str, tmp_path: Path
) -> None:
    async def run() -> None:
        async with Stage(kafka, tmp_path) as stage:
            topic = f"{stage.topic}.decided"
            more = {"FLAGSHIP_DECISIONS_TOPIC": topic, "SCHEMA_REGISTRY_URL": registry}
            register(registry, f"{topic}-value", {"type": "int"})
            demand(registry, f"{topic}-value", "BACKWARD")
            assert f"FAIL  flagship: topic {topic}: does not exist; create it" in await said(
                stage, "check", code=1, **more
            )
            missing = await said(stage, "check", code=2, FLAGSHIP_DECISIONS_TOPIC=topic)
            assert "SCHEMA_REGISTRY_URL" in missing
            async with stage.connector(**more) as connector:

                async def named(text: str) -> bool:
                    return text in (await connector.failing()).get("topics.flagship", "")

                await until(lambda: named(f"topic {topic} does not exist"), 30, "readiness names the topic")
                await asyncio.to_thread(create_topics, kafka, topic)
                await until(lambda: named("the registry answered 409"), 30, "readiness names the refusal")
                await stage.produce(["visitor"])
                await until(
                    lambda: ("visitor", "cb") in stage.taken or ("visitor", "cc") in stage.taken, 30, "activated"
                )
                assert await stage.reasons() == {}
                await asyncio.to_thread(demand, registry, f"{topic}-value", "NONE")
                await stage.settled(90)
                ((key, _),) = await asyncio.to_thread(told, kafka, registry, topic)
                assert key == b"visitor"
                assert await connector.terminate() == 0

    asyncio.run(run())
