"""What the contract suite must be told of a sink; each sink's own is in `fixtures/<name>.py`."""

from collections.abc import Mapping
from importlib import import_module

from msgspec import Struct

from connector.sinks.contract import Need


class Fixture(Struct, frozen=True):
    """Variables that make the sink, the secrets among them, and what its translations need from outside.

    Its events are those of its golden cases.
    """

    environ: Mapping[str, str]
    secrets: tuple[str, ...]
    feeds: Mapping[str, object] = {}
    facts: Mapping[Need, object] = {}


def fixture_of(sink: str) -> Fixture:
    fixture = import_module(f"tests.contract.fixtures.{sink}").FIXTURE
    assert isinstance(fixture, Fixture)
    return fixture
