"""Records that are no event, records that are skipped, and schemas that change under way."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Vendor
from tests.integration.invariants import assert_sound
from tests.integration.oracle import Ledger, Watch, committed, letters, origin_of, segment
from tests.integration.poison import cases, good, schema_folder
from tests.integration.process import Connector, named, segment_env, until

pytestmark = pytest.mark.slow


def test_every_poison_becomes_one_letter_byte_for_byte_and_its_neighbours_are_delivered(
    mock: MockCluster, tmp_path: Path
) -> None:
    async def run() -> None:
        topic, ledger, poison = mock.create_topic(named("events")), Ledger(), cases()
        letters_topic, group = mock.create_topic(f"{topic}.letters.segment"), f"{topic}.segment"
        records = []
        for number, case in enumerate(poison):
            records += [case.made(2 * number), good(f"good-{number}", 2 * number + 1)]
        ledger.produce(mock.bootstrap, topic, records, partition=0)
        more = {"CONNECTOR_SCHEMA_DIR": str(schema_folder(tmp_path, poison)), "CONNECTOR_SCHEMA_GRACE": "0s"}
        async with Vendor(segment(ledger)) as vendor:
            env = segment_env(mock.bootstrap, vendor.url, topic, group=topic, **more)
            with Watch(mock.bootstrap, group, topic, ledger, letters_topic) as watch:
                async with Connector(env, tmp_path) as connector:
                    await until(lambda: committed(mock.bootstrap, group, topic, 4) == ledger.ends(), 60, "all done")
                    dead = await connector.total("connector_records_resolved_total", 'outcome="dead_lettered"')
                    alive = await connector.total("connector_records_resolved_total", 'outcome="delivered"')
                    assert (dead, alive) == (len([1 for case in poison if case.reason]), len(ledger.delivered))
                    assert await connector.terminate() == 0
        found = letters(mock.bootstrap, letters_topic)
        assert_sound(ledger, watch, connector, letters=found)
        assert ledger.duplicates == 0
        of = {ledger.entries[case.name].place: case for case in poison}
        reasons = {of[origin_of(letter)].name: letter.notes["reason"] for letter in found}
        assert reasons == {case.name: case.reason for case in poison if case.reason}
        assert len(found) == len(reasons)
        for letter in found:
            case = of[origin_of(letter)]
            assert (letter.key, letter.value, letter.pairs) == (case.key, case.head + case.value, case.headers)
        for case in poison:
            if not case.reason:
                (body,) = ledger.bodies[case.name]
                assert case.expected.items() <= json.loads(body).items()
        assert "Traceback" not in connector.log

    asyncio.run(run())
