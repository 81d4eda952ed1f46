"""The messages of the batch endpoint, one struct per type. Pure.

Shape: every field of its type, null when not given, in the order the official library writes them.
Source: segment-analytics-python 2.4.0 on the wire.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Raw, Struct

Context = Raw | Mapping[str, Any]


class TrackMessage(Struct, frozen=True, gc=False, rename="camel"):
    integrations: Mapping[str, Any]
    anonymous_id: str | None
    properties: Mapping[str, Any]
    timestamp: str
    context: Context
    user_id: str | None
    type: str
    event: str
    message_id: str


class IdentifyMessage(Struct, frozen=True, gc=False, rename="camel"):
    integrations: Mapping[str, Any]
    anonymous_id: str | None
    timestamp: str
    context: Context
    type: str
    user_id: str | None
    traits: Mapping[str, Any]
    message_id: str


class GroupMessage(Struct, frozen=True, gc=False, rename="camel"):
    integrations: Mapping[str, Any]
    anonymous_id: str | None
    timestamp: str
    group_id: str | int
    context: Context
    user_id: str | None
    traits: Mapping[str, Any]
    type: str
    message_id: str


class ViewMessage(Struct, frozen=True, gc=False, rename="camel"):
    """A page or a screen."""

    integrations: Mapping[str, Any]
    anonymous_id: str | None
    properties: Mapping[str, Any]
    timestamp: str
    category: str | None
    context: Context
    user_id: str | None
    type: str
    name: str | None
    message_id: str


class AliasMessage(Struct, frozen=True, gc=False, rename="camel"):
    """`anonymous_id` is part of it and always null."""

    integrations: Mapping[str, Any]
    previous_id: str | int
    timestamp: str
    context: Context
    user_id: str
    type: str
    message_id: str
    anonymous_id: None = None
