"""Rows of a disk that is full, fills up, or is read-only, under everything that a connector may keep on one."""

import asyncio
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Vendor
from tests.integration.flagship import Stage, file
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.registry import Registry, heads
from tests.integration.trial import on_mock
from tests.soak.conftest import Tell
from tests.soak.mounts import Disk, disks, on_disk
from tests.soak.stream import held, running

VISITORS = 600


def told(connector: Connector) -> list[str]:
    return [line["event"] for line in connector.lines if line["level"] in ("warning", "error")]


@disks
@pytest.mark.row("a bad disk under the schemas", bound="0 missing, one warning, none where there is room")
@pytest.mark.shows("C11")
def test_a_bad_disk_under_schemas_costs_a_warning(mock: MockCluster, tmp_path: Path, tell: Tell, disk: Disk) -> None:
    async def run() -> None:
        trial, registry = on_mock(mock), Registry()
        folder = tmp_path / "disk"
        async with Vendor(segment(trial.ledger)) as vendor, registry.server:
            kept = {"SCHEMA_REGISTRY_URL": registry.url, "CONNECTOR_SCHEMA_CACHE_DIR": str(folder / "schemas")}
            connector = Connector(trial.env(vendor, **kept), tmp_path, on_disk(folder, disk))
            with trial.watch() as watch:
                async with running(connector):
                    await trial.mixed(600, keys=100, heads=heads())
                    await trial.settled()
                    await until(connector.ready, 10, "ready")
        tell(**held(trial, watch, connector), warnings=len(told(connector)))
        assert len(told(connector)) == 1 or (disk == "fills up" and not told(connector))
        assert trial.letters() == []

    asyncio.run(run())


@disks
@pytest.mark.row("a bad disk under a feed and the visitors' store", bound="0 missing, a warning for each, all decided")
@pytest.mark.shows("C11")
def test_a_bad_disk_under_a_store_costs_what_it_kept(kafka: str, tmp_path: Path, tell: Tell, disk: Disk) -> None:
    async def run() -> None:
        async with Stage(kafka, tmp_path) as stage:
            folder = tmp_path / "disk"
            await stage.publish(file(50, 50), polled=False)
            kept = {"FLAGSHIP_VISITOR_CACHE_URL": f"sqlite:///{folder}/visitors.db", "CONNECTOR_FEED_DIR": str(folder)}
            async with stage.connector(on_disk(folder, disk), **kept) as connector:
                visitors = [f"visitor-{number}" for number in range(VISITORS)]
                for first in range(0, VISITORS, 100):
                    await stage.produce(visitors[first : first + 100])
                    await stage.settled()
                failing = await connector.failing()
                without = await connector.total("connector_lookups_failed_total")
                assert await connector.terminate() == 0
        taken = [visitor for visitor, _ in stage.taken]
        tell(visitors=VISITORS, missing=0, without_the_store=f"{without:.0f}", warnings=len(told(connector)))
        assert sorted(taken) == sorted(visitors)
        assert without > 0, "the disk was no trouble"
        assert failing.keys() <= {"lookup.flagship"}
        assert sorted(set(told(connector))) == sorted(told(connector)), "a warning for each"

    asyncio.run(run())
