"""A row of one version after another: what a commit says beside its offset may be of a form that nobody here knows."""

import asyncio
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.doubles.vendor import Reply, Vendor
from tests.integration.campaign import TAKEN
from tests.integration.oracle import segment
from tests.integration.process import until
from tests.integration.trial import Trial, on_broker
from tests.soak.conftest import Tell
from tests.soak.stream import MOST_UNCOMMITTED, held, replica, running

PARTITIONS = 6
# A first version that knew no notes, notes of a later one, what was cut short, and another program's.
NOTES = ("", "n=6;a9.0.deadbeef.AAAA", "n=6;a1.", "N=6;{}", "é" * 200)


@pytest.mark.shows("L10")
@pytest.mark.row(
    "killed, and the next start finds notes of other versions", bound="0 missing, duplicates within a window each"
)
def test_notes_of_other_versions_lose_nothing(kafka: str, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial = on_broker(kafka, PARTITIONS)
        await trial.mixed(12_000, keys=500)
        slow = segment(trial.ledger, lambda *_: Reply(200, body=TAKEN.body, delay_s=0.3))
        ended = []
        ignored = 0.0
        async with Vendor(slow) as vendor:
            with trial.watch() as watch:
                for note in NOTES:
                    connector = replica(trial, vendor, tmp_path)
                    await connector.start()
                    before = sum(trial.commits().values())
                    await until(lambda before=before: sum(trial.commits().values()) > before + 400, 60, "commits")
                    ignored += await connector.total("connector_commit_notes_ignored_total", 'reason="format"')
                    await connector.kill()
                    ended.append(connector)
                    await until(lambda note=note: renoted(trial, note), 30, "the group empty")
                vendor.script = segment(trial.ledger)
                last = replica(trial, vendor, tmp_path)
                async with running(last):
                    await trial.settled(90)
                    ignored += await last.total("connector_commit_notes_ignored_total")
        figures = held(trial, watch, *ended, last, most_duplicates=len(NOTES) * MOST_UNCOMMITTED)
        tell(**figures, ignored=f"{ignored:.0f}")
        assert ignored > 0

    asyncio.run(run())


async def renoted(trial: Trial, note: str) -> bool:
    """Commit what is committed with another note; refused while the killed member counts."""

    def work() -> bool:
        writer = Consumer({"bootstrap.servers": trial.bootstrap, "group.id": trial.group})
        try:
            commits = [
                TopicPartition(topic, number, offset, metadata=note)
                for (topic, number), offset in trial.commits().items()
                if offset
            ]
            writer.commit(offsets=commits, asynchronous=False)
            return True
        except Exception as refused:  # noqa: BLE001  the client's own type; what it says is asserted
            assert "UNKNOWN_MEMBER_ID" in str(refused) or "REBALANCE" in str(refused), refused
            return False
        finally:
            writer.close()

    return await asyncio.to_thread(work)
