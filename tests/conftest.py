"""Services that the whole test session shares: `mock`, `kafka`, `kafka_cluster`, `registry`."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster
from tests.services.jars import MissingError, kafka_jars, registry_jar
from tests.services.kafka import Kafka
from tests.services.redis import Redis, redis_server
from tests.services.registry import Registry


def pytest_configure() -> None:
    """End on SIGTERM as on Ctrl-C: the services this session started are stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def mock() -> MockCluster:
    """Return librdkafka's mock cluster."""
    return MockCluster()


@pytest.fixture(scope="session")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Run a real broker. Tests that stop or freeze nodes make a `Kafka` of their own."""
    _need(kafka_jars)
    kafka = Kafka(tmp_path_factory.mktemp("kafka"))
    try:
        yield kafka.start()
    finally:
        kafka.stop()


@pytest.fixture(scope="session")
def kafka(kafka_cluster: Kafka) -> str:
    """Return bootstrap.servers of a real broker."""
    return kafka_cluster.bootstrap


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a real schema registry."""
    _need(registry_jar)
    registry = Registry(tmp_path_factory.mktemp("registry"))
    try:
        yield registry.start().url
    finally:
        registry.stop()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """Run a Redis of the test's own, which it may end."""
    _need(redis_server)
    server = Redis(tmp_path / "redis")
    try:
        yield server.start()
    finally:
        server.stop()


def _need(program: Callable[[], Path]) -> None:
    """Skip where a program cannot be had, but fail where CI=true: a skipped test proves nothing there."""
    try:
        program()
    except MissingError as exc:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must run the tests of real services: {exc}")
        pytest.skip(f"real services: {exc}")
