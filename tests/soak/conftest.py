"""What rows are given: `tell` to say what they measured, `round_number` for their seeds, clusters of their own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.services.kafka import Kafka

Tell = Callable[..., None]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "row(name, bound): one line of the report, and what must hold in it")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--round", type=int, default=1, help="which round of a long run this is")
    parser.addoption("--faults", type=int, default=20, help="how many faults by chance a round brings")


@pytest.fixture
def round_number(request: pytest.FixtureRequest) -> int:
    """Return the number of this round, from 1."""
    return int(request.config.getoption("--round"))


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> int:
    """Return how many faults by chance a round brings."""
    return int(request.config.getoption("--faults"))


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Return a function that notes figures for the report, by name."""

    def note(**figures: Any) -> None:
        request.node.user_properties.append(
            ("figures", ", ".join(f"{name} {value}" for name, value in figures.items()))
        )

    return note


@pytest.fixture(scope="session")
def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Run a cluster of three nodes; a row leaves it whole."""
    kafka = Kafka(tmp_path_factory.mktemp("three"), nodes=3)
    try:
        yield kafka.start()
    finally:
        kafka.stop()
