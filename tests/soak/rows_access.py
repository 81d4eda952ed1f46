"""Rows of what the connector may do in Kafka: rights and credentials that are taken away under way, and given back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from tests.doubles.vendor import Vendor
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.trial import Trial
from tests.services.kafka import Kafka
from tests.services.process import free_ports
from tests.soak.conftest import Tell
from tests.soak.stream import MOST_UNCOMMITTED, held, more, on_cluster, replica, running, steady

USER, PASSWORD = "reader", "a-very-secret-password"
AWAY_S = 60


class Secured:
    """A broker that asks who the connector is and what it may do."""

    def __init__(self, folder: Path) -> None:
        self.port = free_ports(1)[0]
        self.kafka = Kafka(folder, secure_port=self.port)

    def let_in(self) -> None:
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
        self._alter(UserScramCredentialUpsertion(USER, scram, PASSWORD.encode()))

    def shut_out(self) -> None:
        self._alter(UserScramCredentialDeletion(USER, ScramMechanism.SCRAM_SHA_256))

    def _alter(self, change: UserScramCredentialUpsertion | UserScramCredentialDeletion) -> None:
        for future in self.kafka.admin.alter_user_scram_credentials([change]).values():
            future.result(30)

    def allow(self, trial: Trial) -> None:
        """Give what the README says a connector needs."""
        read, write, describe = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE
        topic, group = ResourceType.TOPIC, ResourceType.GROUP
        rights = [(topic, trial.topic, read), (group, trial.group, read), (topic, trial.letters_topic, write)]
        rights += [(topic, trial.topic, describe), (topic, trial.letters_topic, describe)]
        for future in self.kafka.admin.create_acls([_binding(*right) for right in rights]).values():
            future.result(30)

    def forbid(self, trial: Trial) -> None:
        """Take the right to read the topic."""
        asked = (USER_PRINCIPAL, "*", AclOperation.ANY, AclPermissionType.ANY)
        filters = [AclBindingFilter(ResourceType.TOPIC, trial.topic, ResourcePatternType.LITERAL, *asked)]
        for future in self.kafka.admin.delete_acls(filters).values():
            assert future.result(30)

    def replica(self, trial: Trial, vendor: Vendor, folder: Path) -> Connector:
        return replica(
            trial,
            vendor,
            folder,
            KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{self.port}",
            KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT",
            KAFKA_SASL_MECHANISM="SCRAM-SHA-256",
            KAFKA_SASL_USERNAME=USER,
            KAFKA_SASL_PASSWORD=PASSWORD,
            KAFKA_TOPIC_METADATA_REFRESH_INTERVAL_MS="5000",
        )


USER_PRINCIPAL = f"User:{USER}"


def _binding(kind: ResourceType, name: str, operation: AclOperation) -> AclBinding:
    return AclBinding(kind, name, ResourcePatternType.LITERAL, USER_PRINCIPAL, "*", operation, AclPermissionType.ALLOW)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    found = Secured(tmp_path_factory.mktemp("secured"))
    try:
        found.kafka.start()
        yield found
    finally:
        found.kafka.stop()


@pytest.mark.parametrize("what", ["right", "user"])
@pytest.mark.row(
    f"the right to read, or the user, is removed and comes back after {AWAY_S} s",
    bound="not ready, then on by itself, 0 missing",
)
@pytest.mark.shows("K15")
def test_what_is_taken_away_and_given_back_is_waited_for(
    secured: Secured, tmp_path: Path, tell: Tell, what: str
) -> None:
    async def run() -> None:
        trial = on_cluster(secured.kafka)
        secured.let_in()
        secured.allow(trial)
        async with Vendor(segment(trial.ledger)) as vendor:
            connector = secured.replica(trial, vendor, tmp_path)
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial, 200):
                        await more(trial.ledger, 500, "a steady flow")
                        if what == "right":
                            await asyncio.to_thread(secured.forbid, trial)
                        else:
                            await asyncio.to_thread(secured.shut_out)
                        gone_s = asyncio.get_running_loop().time()
                        await until(lambda: _unready(connector), AWAY_S, "not ready")
                        failing = await connector.failing()
                        # How long it is away is the fault.
                        await asyncio.sleep(gone_s + AWAY_S - asyncio.get_running_loop().time())
                        assert await _unready(connector)
                        if what == "right":
                            await asyncio.to_thread(secured.allow, trial)
                        else:
                            await asyncio.to_thread(secured.let_in)
                        back_s = asyncio.get_running_loop().time()
                        await more(trial.ledger, 500, "a flow again")
                        took_s = asyncio.get_running_loop().time() - back_s
                    await trial.settled(60)
                    await until(connector.ready, 30, "ready again")
        assert PASSWORD not in connector.log
        tell(
            **held(trial, watch, connector, most_duplicates=MOST_UNCOMMITTED),
            failing="+".join(failing),
            on_after_s=f"{took_s:.0f}",
        )

    asyncio.run(run())


async def _unready(connector: Connector) -> bool:
    return not await connector.ready()
