"""The kinds and what every event has."""

from collections.abc import Mapping

import msgspec
import pytest

from connector.domain import events
from connector.domain.events import KINDS, Alias, Context, Event, Group, Identify, Page, Screen, Track


def subclasses(of: type) -> set[type]:
    below: set[type] = set(of.__subclasses__())
    return below.union(*map(subclasses, below))


def test_every_event_struct_is_a_kind_under_its_own_name() -> None:
    ours = {struct for struct in subclasses(Event) if struct.__module__.startswith("connector.")}
    assert set(KINDS.values()) == ours
    assert all(struct.__name__ == name for name, struct in KINDS.items())


def test_every_kind_and_part_is_exported() -> None:
    assert all(name in events.__all__ for name in KINDS)
    assert all(hasattr(events, name) for name in events.__all__)


def test_an_event_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Track(name="Order").name = "Other"  # type: ignore[misc]  # what is refused is the point


def test_the_name_that_patterns_look_at() -> None:
    assert Track(name="Order").event_name == "Order"
    assert Page(name="Home").event_name == "Home"
    assert Screen().event_name is None
    assert [event.event_name for event in (Identify(), Group(group_id=7), Alias(previous_id="a"))] == [None] * 3


def test_parts_that_hold_nothing_are_empty_not_missing() -> None:
    event = Identify()
    assert event.context.page.url is None
    assert event.consent == {}
    assert isinstance(event.identities, Mapping)


def test_a_part_renders_what_is_set_and_nothing_else() -> None:
    context = msgspec.convert({"ip": "203.0.113.7", "page": {"path": "/p"}}, Context)
    assert msgspec.to_builtins(context) == {"ip": "203.0.113.7", "page": {"path": "/p"}}
