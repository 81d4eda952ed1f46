"""`connector check` against a real broker, a registry and a vendor: it finds what is missing, and delivers nothing."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doubles.vendor import Reply, Vendor
from tests.integration.oracle import create_topics
from tests.integration.process import named, segment_env

pytestmark = pytest.mark.slow

CONNECTOR = Path(sys.executable).with_name("connector")
NOBODY = "http://127.0.0.1:9"


async def checked(env: dict[str, str], code: int) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        CONNECTOR, "check", env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == code, (out + err).decode()
    assert env["SEGMENT_WRITE_KEY"] not in (out + err).decode()
    return out.decode().splitlines()


def test_where_everything_is_there_it_says_so_and_sends_the_vendor_no_event(kafka: str, registry: str) -> None:
    async def run() -> None:
        topic = named("events")
        create_topics(kafka, topic, f"{topic}.letters.segment")
        async with Vendor(lambda request: Reply(status=404)) as vendor:
            env = segment_env(kafka, vendor.url, topic, group=topic, SCHEMA_REGISTRY_URL=registry)
            lines = await checked({**env, "CONNECTOR_TOPICS": f"{topic},^{topic}$"}, 0)
            assert [(one.method, one.path, one.body) for one in vendor.received] == [("HEAD", "/", b"")]
            assert "authorization" not in vendor.received[0].headers
        assert {line[:4] for line in lines[:-1]} == {"ok  "}
        said = "\n".join(lines)
        for subject in (f"topic {topic}", f"dead-letter topic {topic}.letters.segment", "schema registry", vendor.url):
            assert subject in said
        assert lines[-1] == "everything is there"

    asyncio.run(run())


def test_a_write_key_that_the_vendor_does_not_know_is_found_without_an_event(kafka: str) -> None:
    async def run() -> None:
        topic = named("events")
        create_topics(kafka, topic, f"{topic}.letters.segment")
        known = {"/v1/projects/a-very-secret-write-key/settings": Reply(200, body=b"{}")}
        async with Vendor(lambda request: known.get(request.path, Reply(404))) as vendor:
            env = segment_env(kafka, vendor.url, topic, group=topic) | {"SEGMENT_CDN_HOST": vendor.url}
            assert "ok    segment: write key" in await checked(env, 0)
            known.clear()
            lines = await checked(env, 1)
            assert {one.method for one in vendor.received} == {"GET", "HEAD"}
        assert [line for line in lines if line.startswith("FAIL")] == [
            "FAIL  segment: write key: not known to the vendor (status 404); mend SEGMENT_WRITE_KEY"
        ]

    asyncio.run(run())


def test_what_is_missing_is_named_with_what_to_do(kafka: str) -> None:
    async def run() -> None:
        topic = named("events")
        env = segment_env(kafka, NOBODY, f"{topic},^{topic}.none", group=topic, SCHEMA_REGISTRY_URL=NOBODY)
        lines = await checked(env, 1)
        failing = [line for line in lines if line.startswith("FAIL")]
        assert failing[:2] == [
            f"FAIL  topic {topic}: does not exist; create it",
            f"FAIL  topics ^{topic}.none: none is there",
        ]
        assert failing[2].startswith("FAIL  dead-letter topic ")
        assert failing[3].startswith("FAIL  schema registry: the registry cannot be reached")
        assert failing[4:] == [f"FAIL  segment: {NOBODY}: cannot be reached: request not sent: connect"]
        assert lines[-1] == "5 wrong"

    asyncio.run(run())


def test_a_kafka_that_does_not_answer_is_one_finding() -> None:
    async def run() -> None:
        async with Vendor(lambda request: Reply()) as vendor:
            env = segment_env("127.0.0.1:9", vendor.url, "events", group="g")
            lines = await checked(env, 1)
        assert [line for line in lines if line.startswith("FAIL")] == [
            "FAIL  kafka: gives no list of topics (_transport); topics were not looked at"
        ]

    asyncio.run(run())
