"""What changed about a user: as attributes of the profile, or as events that tell of it. Pure.

Source: mparticle Python SDK 0.16.1 for names and order; the two ids of a profile event by the vendor's schema.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from connector.domain.events import Event, OptOut, ProfileChange, ProfileEdit, UserAttributeChange
from connector.sinks.mparticle.bounds import Attributes, Bounds
from connector.sinks.mparticle.translate.circumstances import EventData, common, wrapped
from connector.sinks.mparticle.vocabulary import PROFILE_TYPES, required, whole, word


class ProfileData(EventData, frozen=True, kw_only=True, omit_defaults=True):
    profile_name: str | None = None
    previous_profile_name: str | None = None
    profile_event_type: str
    previous_mpid: int
    current_mpid: int


class AttributeData(EventData, frozen=True, kw_only=True, omit_defaults=True):
    user_attribute_name: str
    new: Any = None
    old: Any = None
    deleted: bool | None = None
    is_new_attribute: bool | None = None


class OptOutData(EventData, frozen=True, kw_only=True, omit_defaults=True):
    is_opted_out: bool


def edited(event: ProfileEdit) -> tuple[Attributes, Sequence[str]] | None:
    """Return what an edit leaves set and removed, in the order of its steps; None where it does neither.

    The vendor has no counterpart to the other operations.
    """
    attributes: dict[str, Any] = {}
    removed: dict[str, None] = {}
    for step in event.operations:
        if step.op == "set":
            attributes.update(step.properties)
            for name in step.properties:
                removed.pop(name, None)
        elif step.op == "unset":
            removed.update(dict.fromkeys(step.keys))
            for name in step.keys:
                attributes.pop(name, None)
    return (attributes, tuple(removed)) if attributes or removed else None


def profile(event: ProfileChange, ident: str, bounds: Bounds) -> bytes:
    data = ProfileData(
        **common(event, ident, event.properties, bounds),
        profile_name=event.name,
        previous_profile_name=event.previous_name,
        profile_event_type=required(word(event.change, PROFILE_TYPES, "profile_event_type"), "profile_event_type"),
        previous_mpid=whole(required(event.previous_identities.get("mpid"), "previous_mpid"), "previous_mpid"),
        current_mpid=whole(required(event.identities.get("mpid"), "current_mpid"), "current_mpid"),
    )
    return wrapped(data, "profile")


def user_attribute_change(event: UserAttributeChange, ident: str, bounds: Bounds) -> bytes:
    name = bounds.name(event.name, "user_attribute_name")
    bounds.user_attributes({"new": event.new, "old": event.old})
    data = AttributeData(
        **common(event, ident, event.properties, bounds),
        user_attribute_name=name,
        new=event.new,
        old=event.old,
        deleted=event.deleted,
        is_new_attribute=event.is_new,
    )
    return wrapped(data, "user_attribute_change")


def opt_out(event: OptOut, ident: str, bounds: Bounds) -> bytes:
    fields = common(event, ident, event.properties, bounds)
    return wrapped(OptOutData(**fields, is_opted_out=event.opted_out), "opt_out")


CHANGES: Mapping[type[Event], Callable[[Any, str, Bounds], bytes]] = MappingProxyType(
    {ProfileChange: profile, UserAttributeChange: user_attribute_change, OptOut: opt_out}
)
"""Kind -> what makes its event."""
