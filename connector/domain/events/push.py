"""Push notifications: PushRegistration, PushMessage. Pure."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from connector.domain.events.event import Event

PushPlatform = Literal["android", "ios"]
PushStep = Literal["sent", "received", "action", "unknown"]
AppVisibility = Literal["not_running", "background", "foreground", "unknown"]


class PushRegistration(Event, frozen=True, kw_only=True):
    """A device gave its push token, or took it back.

    `platform` is that of `context.device` where it is not given here; `provider` is the push service, such as fcm.
    """

    kind_name: ClassVar[str | None] = "push_registration"

    token: str
    register: bool = True
    platform: PushPlatform | None = None
    provider: str | None = None
    bundle_id: str | None = None
    properties: Mapping[str, Any] = {}


class PushMessage(Event, frozen=True, kw_only=True):
    """A notification was sent, received or acted on.

    `payload`    JSON text, as the device got it.
    `network`    the push service: apn, gcm.
    `action_id`  the button that was pressed.
    """

    kind_name: ClassVar[str | None] = "push_message"

    step: PushStep
    token: str | None = None
    text: str | None = None
    network: str | None = None
    payload: str | None = None
    app_state: AppVisibility | None = None
    action_id: str | None = None
    properties: Mapping[str, Any] = {}
