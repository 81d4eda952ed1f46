"""Changes to what is known of a user: ProfileEdit, ProfileChange, UserAttributeChange. Pure."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from msgspec import Struct

from connector.domain.events.event import Event

OperationWord = Literal[
    "set",
    "set_once",
    "increment",
    "append",
    "remove",
    "unset",
    "add_channel",
    "remove_channel",
    "set_language",
    "set_timezone",
    "set_locale",
]
ChannelWord = Literal["email", "sms", "whatsapp", "androidpush", "iospush", "webpush", "slack", "ms_teams"]
ProfileWord = Literal["signup", "login", "logout", "update", "delete", "unknown"]


class Operation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of an edit; `op` says which of the other fields it reads.

    `set`, `set_once`, `increment`, `append`, `remove`  `properties`: attribute -> value.
    `unset`                                             `keys`: attributes to forget.
    `add_channel`, `remove_channel`                     `channel` and what it is reached by: `value` for an address or
                                                        a token (with `provider` and `bundle_id`), `details` for a web
                                                        push subscription, Slack and Teams.
    `set_language`, `set_timezone`, `set_locale`        `value`.
    """

    op: OperationWord
    properties: Mapping[str, Any] = {}
    keys: tuple[str, ...] = ()
    channel: ChannelWord | None = None
    value: str | None = None
    details: Mapping[str, Any] = {}
    provider: str | None = None
    bundle_id: str | None = None


class ProfileEdit(Event, frozen=True, kw_only=True):
    """Operations on one user's profile, done in this order; the tenant they are for is `context.tenant_id`."""

    operations: tuple[Operation, ...] = ()


class ProfileChange(Event, frozen=True, kw_only=True):
    """A user signed up, logged in or out, or their profile was changed or deleted.

    `previous_identities` are those before the change, by the names of `identities`.
    """

    change: ProfileWord
    name: str | None = None
    previous_name: str | None = None
    previous_identities: Mapping[str, str] = {}
    properties: Mapping[str, Any] = {}

    @property
    def event_name(self) -> str:
        """The change's word."""
        return self.change


class UserAttributeChange(Event, frozen=True, kw_only=True):
    """One attribute of a user got another value; `is_new` where it had none, `deleted` where it has none now."""

    kind_name: ClassVar[str | None] = "user_attribute_change"

    name: str
    new: Any = None
    old: Any = None
    deleted: bool | None = None
    is_new: bool | None = None
    properties: Mapping[str, Any] = {}
