"""Rows of a topic that is deleted and made anew, idle or while its records flow: no old offset is read on from."""

import asyncio
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from tests.doubles.vendor import Reply, Vendor
from tests.integration.campaign import TAKEN
from tests.integration.events import mixed
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.trial import Trial, on_broker
from tests.services.kafka import Kafka
from tests.soak.conftest import Tell
from tests.soak.stream import replica, running

PARTITIONS = 2


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
@pytest.mark.parametrize(
    ("fresh", "told", "loaded", "grown"),
    [
        pytest.param(400, "halt", False, 0, id="idle, then shorter, halting"),
        pytest.param(400, "halt", True, 0, id="under load, then shorter, halting"),
        pytest.param(400, "halt", True, 6000, id="under load, then shorter, halting until it is longer"),
        pytest.param(6000, "halt", False, 0, id="idle, then longer, halting"),
        pytest.param(6000, "earliest", False, 0, id="idle, then longer, told to go on"),
        pytest.param(6000, "earliest", True, 0, id="under load, then longer, told to go on"),
    ],
)
@pytest.mark.row(
    "a topic deleted and made anew", bound="the new records delivered, or their partition halts and says so"
)
@pytest.mark.shows("K14")
def test_a_topic_made_anew_is_not_read_by_its_old_offsets(
    kafka_cluster: Kafka, tmp_path: Path, tell: Tell, protocol: str, fresh: int, told: str, loaded: bool, grown: int
) -> None:
    async def run() -> None:
        trial = on_broker(kafka_cluster.bootstrap, PARTITIONS)
        source = mixed(20_000, keys=50, name=trial.topic)
        await trial.produce(islice(source, 4000))
        script = segment(trial.ledger, lambda *_: Reply(200, body=TAKEN.body, delay_s=0.5) if loaded else None)
        async with Vendor(script) as vendor:
            env = {"KAFKA_TOPIC_METADATA_REFRESH_INTERVAL_MS": "2000", "CONNECTOR_ON_OUT_OF_RANGE": told}
            connector = replica(trial, vendor, tmp_path, protocol=protocol, **env)
            async with running(connector):
                if loaded:
                    await until(lambda: sum(trial.commits().values()) >= 500, 60, "some of it committed")
                else:
                    await trial.settled(60)
                old, reached = set(trial.ledger.entries), trial.commits()
                kafka_cluster.delete_topic(trial.topic)
                trial.ledger.forget(old)
                await until(lambda: made_anew(kafka_cluster, trial.topic), 30, "the topic made anew")
                vendor.script = segment(trial.ledger)
                await trial.produce(islice(source, fresh))

                async def delivered_or_told() -> bool:
                    alarm = told == "halt" and f"{trial.topic}[" in (await connector.failing()).get(
                        "partitions.segment", ""
                    )
                    return alarm or not trial.ledger.missing()

                await until(delivered_or_told, 60, "the new records, or an alarm")
                await trial.produce(islice(source, grown))
                halted = await go_on(trial, vendor, connector, tmp_path, protocol) if trial.ledger.missing() else False
        taken = Counter(one for one in trial.ledger.accepted if one in trial.ledger.entries)
        repeated = [trial.ledger.entries[one].place for one, times in taken.items() if times > 1]
        tell(records=fresh + grown, missing=0, duplicates=len(repeated), halted_first=halted)
        # Until it is noticed the new log is read on from where the old one was left.
        assert all(offset >= reached[topic, number] for topic, number, offset in repeated)

    asyncio.run(run())


async def go_on(trial: Trial, vendor: Vendor, connector: Connector, folder: Path, protocol: str) -> bool:
    """End a connector that says which partition it halted, and run one that was told to read from its start."""
    failing = await connector.failing()
    assert f"{trial.topic}[" in failing["partitions.segment"]
    assert await connector.terminate() == 0
    again = replica(trial, vendor, folder, protocol=protocol, CONNECTOR_ON_OUT_OF_RANGE="earliest")
    async with running(again):
        await until(lambda: not trial.ledger.missing(), 60, "the new records, once told to go on")
    return True


def made_anew(kafka: Kafka, topic: str) -> bool:
    """Make a topic, once the broker has done with the old one."""
    try:
        kafka.create_topic(topic, PARTITIONS)
    except Exception as refused:  # noqa: BLE001  the client raises its own type through a future
        assert "exists" in str(refused).lower() or "marked for deletion" in str(refused).lower(), refused
        return False
    return True
