"""Records that are no event, records that are skipped, and schemas that change under way."""

import asyncio
import io
import json
import struct
from pathlib import Path
from typing import Any

import fastavro
import pytest
from msgspec import Struct

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Vendor
from tests.integration.events import Made, mixed, register
from tests.integration.oracle import segment
from tests.integration.poison import cases, good, schema_folder
from tests.integration.process import Connector
from tests.integration.trial import assert_same_bytes, on_broker, on_mock

pytestmark = pytest.mark.slow


@pytest.mark.shows("D1")
def test_every_poison_becomes_one_letter_byte_for_byte_and_its_neighbours_are_delivered(
    mock: MockCluster, tmp_path: Path
) -> None:
    async def run() -> None:
        trial, poison = on_mock(mock), cases()
        ledger, refused = trial.ledger, {case.name: case.reason for case in poison if case.reason}
        records = []
        for number, case in enumerate(poison):
            records += [case.made(2 * number), good(f"good-{number}", 2 * number + 1)]
        await trial.produce(records, partition=0)
        more = {"CONNECTOR_SCHEMA_DIR": str(schema_folder(tmp_path)), "CONNECTOR_SCHEMA_GRACE": "0s"}
        async with Vendor(segment(ledger)) as vendor:
            with trial.watch() as watch:
                async with Connector(trial.env(vendor, **more), tmp_path) as connector:
                    await trial.settled()
                    dead = await connector.total("connector_records_resolved_total", 'outcome="dead_lettered"')
                    alive = await connector.total("connector_records_resolved_total", 'outcome="delivered"')
                    assert (dead, alive) == (len(refused), len(records) - len(refused))
                    assert await connector.terminate() == 0
        trial.assert_sound(watch, connector)
        assert ledger.duplicates == 0
        found = trial.letters_of()
        assert {name: same[0].notes["reason"] for name, same in found.items()} == refused
        for name, same in found.items():
            assert_same_bytes(ledger.entries[name].made, same[0])
        for case in poison:
            if not case.reason:
                (body,) = ledger.bodies[case.name]
                assert case.expected.items() <= json.loads(body).items()

    asyncio.run(run())


@pytest.mark.shows("D2")
def test_tombstones_are_passed_over_and_counted(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        trial = on_mock(mock)
        events = list(mixed(40, keys=5, name=trial.topic))
        tombs = [Made(one.key, None, f"tomb-{one.id}", "", one.number, one.sequence) for one in events[::4]]
        trial.ledger.skipped |= {tomb.id for tomb in tombs}
        # Also the last of the partition, whose offset nothing else moves.
        await trial.produce([*events[:20], *tombs[:5], *events[20:], *tombs[5:]], partition=1)
        async with Vendor(segment(trial.ledger)) as vendor:
            with trial.watch() as watch:
                async with Connector(trial.env(vendor), tmp_path) as connector:
                    await trial.settled()
                    assert await connector.total("connector_records_skipped_total", 'reason="tombstone"') == 10
                    assert await connector.total("connector_records_resolved_total") == 50
                    assert await connector.terminate() == 0
        trial.assert_sound(watch, connector)
        assert (trial.ledger.duplicates, trial.letters()) == (0, [])

    asyncio.run(run())


class Version(Struct, frozen=True):
    """One version of a producer's schema, a value written with it, and the message it must become."""

    schema: dict[str, Any]
    value: dict[str, Any]
    message: dict[str, Any]


def version(fields: list[tuple[str, Any]], properties: list[tuple[str, Any]], values: Any, message: Any) -> Version:
    inner = {"type": "record", "name": "Details", "fields": [{"name": name, "type": t} for name, t in properties]}
    outer: list[dict[str, Any]] = [
        {"name": name, **(kind if isinstance(kind, dict) else {"type": kind})} for name, kind in fields
    ]
    schema = {
        "type": "record",
        "name": "connector.events.Track",
        "fields": [*outer, {"name": "message_id", "type": "string"}, {"name": "properties", "type": inner}],
    }
    return Version(schema, values, message)


MAYBE, TURNED = ["null", "string"], ["string", "null"]
VERSIONS = (
    version(
        [("name", "string"), ("user_id", MAYBE)],
        [("amount", "int"), ("plan", "string")],
        {"name": "Paid", "user_id": "u", "properties": {"amount": 7, "plan": "pro"}},
        {"event": "Paid", "userId": "u", "properties": {"amount": 7, "plan": "pro"}},
    ),
    version(  # added with a default
        [("name", "string"), ("user_id", MAYBE), ("anonymous_id", {"type": MAYBE, "default": None})],
        [("amount", "int"), ("plan", "string"), ("coupon", MAYBE)],
        {
            "name": "Paid",
            "user_id": "u",
            "anonymous_id": "a",
            "properties": {"amount": 7, "plan": "pro", "coupon": "x"},
        },
        {
            "event": "Paid",
            "userId": "u",
            "anonymousId": "a",
            "properties": {"amount": 7, "plan": "pro", "coupon": "x"},
        },
    ),
    version(  # removed
        [("name", "string"), ("user_id", MAYBE)],
        [("amount", "int")],
        {"name": "Paid", "user_id": "u", "properties": {"amount": 7}},
        {"event": "Paid", "userId": "u", "properties": {"amount": 7}},
    ),
    version(  # renamed, with the old names as aliases
        [("who", {"type": MAYBE, "aliases": ["user_id"]}), ("action", {"type": "string", "aliases": ["name"]})],
        [("amount", "int")],
        {"who": "u", "action": "Paid", "properties": {"amount": 7}},
        {"event": "Paid", "userId": "u", "properties": {"amount": 7}},
    ),
    version(  # widened
        [("name", "string"), ("user_id", MAYBE)],
        [("amount", "double"), ("count", "long")],
        {"name": "Paid", "user_id": "u", "properties": {"amount": 7.25, "count": 9_007_199_254_740_993}},
        {"event": "Paid", "userId": "u", "properties": {"amount": 7.25, "count": 9_007_199_254_740_993}},
    ),
    version(  # a union in another order
        [("name", "string"), ("user_id", TURNED)],
        [("amount", ["string", "int"])],
        {"name": "Paid", "user_id": "u", "properties": {"amount": 7}},
        {"event": "Paid", "userId": "u", "properties": {"amount": 7}},
    ),
)


def written(of: Version, schema_id: int, identifier: str, number: int) -> Made:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, of.schema, {**of.value, "message_id": identifier})
    key = f"key-{number % 5}".encode()
    return Made(key, b"\x00" + struct.pack(">I", schema_id) + out.getvalue(), identifier, "Track", number, number)


@pytest.mark.shows("D3")
def test_a_schema_that_evolves_under_way_is_asked_for_once_a_version_and_read_as_written(
    kafka: str, registry: str, tmp_path: Path
) -> None:
    async def run() -> None:
        trial = on_broker(kafka)
        first, *later = (
            (of, register(registry, f"{trial.topic}-{number}", of.schema)) for number, of in enumerate(VERSIONS)
        )
        assert len({first[1], *(schema_id for _, schema_id in later)}) == len(VERSIONS)
        golden: dict[str, dict[str, Any]] = {}

        def made(turns: list[tuple[Version, int]], count: int) -> list[Made]:
            records = []
            for number in range(len(golden), len(golden) + count):
                of, schema_id = turns[number % len(turns)]
                identifier = f"{trial.topic}-{number}"
                golden[identifier] = of.message
                records.append(written(of, schema_id, identifier, number))
            return records

        await trial.produce(made([first], 40))
        async with Vendor(segment(trial.ledger)) as vendor:
            with trial.watch() as watch:
                async with Connector(trial.env(vendor, SCHEMA_REGISTRY_URL=registry), tmp_path) as connector:
                    await trial.delivered(golden)
                    await trial.produce(made([first, *later], 120))
                    await trial.settled()
                    assert await connector.total("connector_schema_fetches_total", 'outcome="fetched"') == len(VERSIONS)
                    assert await connector.total("connector_schema_fetches_total") == len(VERSIONS)
                    assert await connector.terminate() == 0
        trial.assert_sound(watch, connector)
        assert (trial.ledger.duplicates, trial.letters()) == (0, [])
        for identifier, message in golden.items():
            (body,) = trial.ledger.bodies[identifier]
            sent = json.loads(body)
            assert {name: sent[name] for name in message} == message

    asyncio.run(run())
