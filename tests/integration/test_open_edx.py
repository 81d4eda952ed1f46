"""Open edX's tracking log, as its event bus publishes it, from a real broker and registry to Segment."""

import asyncio
import io
import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import pytest
from msgspec import Struct

from tests.doubles.vendor import Vendor
from tests.integration.events import Made, register
from tests.integration.oracle import Ledger, committed, create_topics, letters, segment
from tests.integration.process import Connector, named, segment_env, until
from tests.parity.report import out_of_scope
from tests.parity.segment import VENDOR, normal_message
from tests.parity.segment_events import calls_of

pytestmark = pytest.mark.slow

CAPTURES = Path(__file__).parents[1] / "parity/captures/segment.json"
NAMESPACE = "org.openedx.analytics.tracking.event.emitted.v1"
LOG = [{"name": name, "type": "string"} for name in ("name", "timestamp", "data", "context")]
SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "CloudEvent",
        "namespace": NAMESPACE,
        "fields": [{"name": "tracking_log", "type": {"type": "record", "name": "TrackingLog", "fields": LOG}}],
    }
)


class Logged(Struct, frozen=True):
    """A captured entry, and the message its own backend made of it, None where it sent none."""

    entry: Mapping[str, Any]
    message: Mapping[str, Any] | None


def captured() -> Iterator[Logged]:
    """Take the entries that are whole, as the event bus has them, and went to the backend without a filter."""
    for capture in VENDOR.captures(msgspec.json.decode(CAPTURES.read_bytes())):
        if "SegmentBackend.send" not in capture.subject.call or out_of_scope(VENDOR, capture):
            continue
        calls = calls_of(capture.subject.input)
        batch = capture.raw["request"]["body"]["batch"] if "request" in capture.raw else [None] * len(calls)
        for call, message in zip(calls, batch, strict=True):
            entry = call["event"]
            if isinstance(entry.get("timestamp"), str) and not isinstance(entry["data"].get("blob"), Mapping):
                yield Logged(entry, message)


def record(entry: Mapping[str, Any], identifier: str, key_head: bytes, head: bytes, number: int) -> Made:
    """Publish an entry as the event bus does: its name for a key, the log as text, the event's own id in a header."""
    out = io.BytesIO(head)
    out.seek(0, io.SEEK_END)
    texts = {name: json.dumps(entry[name]) for name in ("data", "context")}
    fastavro.schemaless_writer(out, SCHEMA, {"tracking_log": {**entry, **texts}})
    key = io.BytesIO(key_head)
    key.seek(0, io.SEEK_END)
    fastavro.schemaless_writer(key, "string", entry["name"])
    headers = (("ce_id", identifier.encode()), ("ce_type", NAMESPACE.encode()))
    return Made(key.getvalue(), out.getvalue(), identifier, "TrackingLog", number, 0, headers)


def head(schema_id: int) -> bytes:
    return b"\x00" + struct.pack(">I", schema_id)


def expected(message: Mapping[str, Any], entry: Mapping[str, Any], identifier: str) -> Mapping[str, Any]:
    """The backend's own message, but for the id and the time, which are the entry's own."""
    return normal_message({**message, "messageId": identifier, "timestamp": entry["timestamp"]})


def reached(kafka: str, topic: str) -> Mapping[tuple[str, int], int]:
    """Return what is committed of partitions that hold anything."""
    return {place: offset for place, offset in committed(kafka, f"{topic}.segment", topic).items() if offset}


def test_entries_reach_segment_as_open_edx_itself_sends_them(kafka: str, registry: str, tmp_path: Path) -> None:
    async def run() -> None:
        topic, ledger = named("edx"), Ledger()
        create_topics(kafka, topic, f"{topic}.letters.segment")
        value_head = head(register(registry, f"{topic}-value", SCHEMA))
        key_head = head(register(registry, f"{topic}-key", "string"))
        logged = list(captured())
        usual = logged[0].entry
        filtered = Logged({**usual, "name": "edx.video.loaded"}, None)
        huge = Logged({**usual, "data": {"blob": "x" * 33_000}}, None)
        ids = [f"{topic}-{number}" for number in range(len(logged) + 2)]
        every = dict(zip(ids, [*logged, filtered, huge], strict=True))
        nobody = {name for name, one in every.items() if one.message is None} - set(ids[-2:])
        made = [
            record(one.entry, name, key_head, value_head, number) for number, (name, one) in enumerate(every.items())
        ]
        ledger.produce(kafka, topic, made)
        async with Vendor(segment(ledger)) as vendor:
            more = {"SCHEMA_REGISTRY_URL": registry, "SEGMENT_EVENTS_DENY": r"edx\.video\..*"}
            async with Connector(segment_env(kafka, vendor.url, topic, group=topic, **more), tmp_path) as connector:

                async def ended() -> bool:
                    return await connector.total("connector_records_resolved_total") == len(every)

                await until(ended, 30, "every entry ended")
                skipped = {
                    reason: await connector.total("connector_records_skipped_total", f'reason="{reason}"')
                    for reason in ("no_user", "filtered")
                }
                assert await connector.terminate() == 0
        assert reached(kafka, topic) == ledger.ends()
        sent = {name for name, one in every.items() if one.message is not None}
        assert len(sent) >= 25
        assert ledger.delivered == sent
        for name in sent:
            (body,) = ledger.bodies[name]
            one = every[name]
            assert one.message is not None
            assert normal_message(json.loads(body)) == expected(one.message, one.entry, name)
        assert skipped == {"no_user": len(nobody), "filtered": 1}
        (letter,) = letters(kafka, f"{topic}.letters.segment")
        assert (letter.notes["reason"], letter.value) == ("too_large", made[-1].value)

    asyncio.run(run())
