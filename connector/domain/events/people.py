"""Who a user is and belongs to: Identify, Group, Alias. Pure."""

from collections.abc import Mapping
from typing import Any

from connector.domain.events.event import Event


class Identify(Event, frozen=True, kw_only=True):
    """Attributes of a user, set and removed; identities, device and consent are those of the event itself."""

    traits: Mapping[str, Any] = {}
    removed_traits: tuple[str, ...] = ()


class Group(Event, frozen=True, kw_only=True):
    """A user belongs to a group, which has traits of its own."""

    group_id: str | int
    traits: Mapping[str, Any] = {}


class Alias(Event, frozen=True, kw_only=True):
    """The user once known as `previous_id` is now `user_id`."""

    previous_id: str | int
