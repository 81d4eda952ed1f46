"""Notifications over a real broker: after the channel they need, once each, and letters for what was refused."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka import Producer

from connector.sandbox.faults import chosen, parse_faults
from connector.sandbox.server import Sandbox, Script
from connector.sandbox.suprsend import Suprsend
from connector.sandbox.vendor import Item
from tests.integration.events import AVRO, Made, encode, single_object_head
from tests.integration.oracle import Ledger, committed, create_topics, letters, origin_of
from tests.integration.process import Connector, named, until

pytestmark = pytest.mark.slow

USERS, ROUNDS, SEED, BAD = 50, 3, 7, 0.04
FAULTS = f"bad={BAD}, latency=1ms..15ms, status=503@0.03, reset=after@0.04"
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n%%EOF\n"
STEPS = ("Identify", "Workflow", "Track", "ProfileEdit", "PushRegistration", "Commerce", "described", "path")


def fields(step: str, user: str) -> tuple[str, dict[str, Any]]:
    """Return the kind of a step and what it says."""
    match step:
        case "Identify":
            return step, {"traits": {"plan": "pro"}, "identities": {"email": f"{user}@example.com"}}
        case "Workflow":
            return step, {"slug": "order-shipped", "recipients": [user], "data": {"order": 7}}
        case "Track":
            return step, {"name": "ordered", "attachments": [{"file_name": "bill.pdf", "data": PDF}]}
        case "ProfileEdit":
            return step, {"operations": [{"op": "increment", "properties": {"orders": 1}}]}
        case "PushRegistration":
            return step, {"token": f"token-of-{user}", "platform": "ios", "bundle_id": "com.example"}
        case "Commerce":
            return step, {"product_action": {"action": "purchase", "order_id": "o7", "total": 9.5}}
        case "described":
            said = {"name": "Reminder", "template": "reminder", "category": "system", "delay": "2d3h"}
            return "Workflow", said | {"recipients": [{"user_id": user, "email": [f"{user}@example.com"]}]}
    return "Track", {"name": "ordered", "attachments": [{"url": "/etc/passwd"}]}


def records(first: int, rounds: int) -> Iterator[Made]:
    """Make every step of every user in turn, under ids that the vendor takes as they are."""
    number = first
    for turn in range(rounds):
        for step in STEPS:
            for which in range(USERS if step != "path" else USERS // 10):
                user, identifier = f"user-{which}", str(UUID(int=number))
                kind, said = fields(step, user)
                event = {"message_id": identifier, "user_id": user, **said}
                value = encode(kind, event, single_object_head(kind))
                yield Made(user.encode(), value, identifier, step, number, turn * len(STEPS) + STEPS.index(step))
                number += 1


def produce_late(bootstrap: str, topic: str, made: Made) -> None:
    """Produce a record with a time of 25 hours ago."""
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(topic, made.value, made.key, timestamp=int((time.time() - 25 * 3600) * 1000))
    assert producer.flush(30) == 0


def test_each_notification_comes_once_after_its_channel_and_letters_are_just_what_was_refused(
    kafka: str, tmp_path: Path
) -> None:
    topic, ledger = named("events"), Ledger()
    group, letters_topic = f"{topic}.suprsend", f"{topic}.letters.suprsend"
    create_topics(kafka, topic, letters_topic)
    before = list(records(0, 1))
    later = list(records(len(before), ROUNDS))

    def took(_vendor: str, items: Sequence[Item]) -> None:
        ledger.accept([{"messageId": item.id, **json.loads(item.body)} for item in items])

    async def run() -> None:
        # Of long ago: a group that is new starts at the end.
        await asyncio.to_thread(Ledger().produce, kafka, topic, before)
        server = Sandbox([Suprsend()], Script(parse_faults(FAULTS), SEED), took)
        await server.start()
        env = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "CONNECTOR_SINKS": "suprsend",
            "CONNECTOR_TOPICS": topic,
            "CONNECTOR_GROUP_ID": topic,
            "CONNECTOR_SCHEMA_DIR": str(AVRO),
            "CONNECTOR_DEAD_LETTER_PREFIX": f"{topic}.letters",
            "SUPRSEND_LINGER_S": "0.05",
            **server.environ(),
        }
        try:
            async with Connector(env, tmp_path) as connector:
                await until(connector.ready, 30, "ready")
                await asyncio.to_thread(produce_late, kafka, topic, before[0])
                await asyncio.to_thread(ledger.produce, kafka, topic, later)
                await until(lambda: resolved(connector), 90, "every record resolved")
                assert await connector.terminate() == 0
        finally:
            await server.stop()
        assert server.books["suprsend"].refused.keys() <= {"bad_item"}
        assert server.books["suprsend"].rejected.keys() <= {"bad_item", "repeated_key"}

    async def resolved(connector: Connector) -> bool:
        return await connector.total("connector_records_resolved_total") == len(later) + 1

    asyncio.run(run())
    refused = chosen(SEED, BAD)
    expected = {
        one.id: "attachment_path" if one.kind == "path" else "refused"
        for one in later
        if one.kind == "path" or refused(one.id)
    }
    found = letters(kafka, letters_topic)
    reasons = {entry.made.id: one.notes["reason"] for one in found if (entry := ledger.entry_at(origin_of(one)))}
    assert reasons == expected
    assert len(found) == len(expected) + 1 > ROUNDS * USERS // 10
    assert [one.notes["reason"] for one in found if ledger.entry_at(origin_of(one)) is None] == ["expired"]
    assert ledger.delivered == {one.id for one in later} - expected.keys()
    assert (ledger.out_of_order(), ledger.changed()) == ([], [])
    # An edit of a user has no key to tell a second delivery by.
    twice = {identifier for identifier in ledger.accepted if ledger.accepted.count(identifier) > 1}
    assert {one.kind for one in later if one.id in twice} <= {"Identify", "ProfileEdit", "PushRegistration"}
    ends = ledger.ends()
    assert {at: end for at, end in committed(kafka, group, topic).items() if at in ends} == ends
    attached = next(one.id for one in later if one.kind == "Track" and one.id in ledger.delivered)
    (body,) = map(json.loads, ledger.bodies[attached])
    assert body["properties"]["$attachments"][0]["contentType"] == "application/pdf"
