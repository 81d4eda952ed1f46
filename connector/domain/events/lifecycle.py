"""The life of an app and its sessions: SessionStart, SessionEnd, FirstRun, AppState, Attribution. Pure."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from connector.domain.events.event import Event

TransitionWord = Literal[
    "install",
    "upgrade",
    "foreground",
    "background",
    "application_initialized",
    "application_exit",
    "application_background",
    "application_foreground",
    "launch_referral",
    "unknown",
]
"""The first four say what happened; the others are mParticle's own, sheet section 8, for senders that know them."""


class SessionStart(Event, frozen=True, kw_only=True):
    """A visit began; its ids are `context.session`, the same as at its end."""

    kind_name: ClassVar[str | None] = "session_start"

    properties: Mapping[str, Any] = {}


class SessionEnd(Event, frozen=True, kw_only=True):
    """A visit ended."""

    kind_name: ClassVar[str | None] = "session_end"

    duration_ms: int | None = None
    properties: Mapping[str, Any] = {}


class FirstRun(Event, frozen=True, kw_only=True):
    """The app ran for the first time on this device."""

    kind_name: ClassVar[str | None] = "first_run"

    properties: Mapping[str, Any] = {}


class AppState(Event, frozen=True, kw_only=True):
    """The app was installed, upgraded, brought to the front or sent to the back; its version is `context.app`.

    `closed_cleanly`  the run before this one did not crash.
    `push_payload`    JSON text of the notification that opened the app.
    `first_run`, `upgrade`  what `install` and `upgrade` say by themselves.
    """

    kind_name: ClassVar[str | None] = "app_state"

    transition: TransitionWord
    first_run: bool | None = None
    upgrade: bool | None = None
    closed_cleanly: bool | None = None
    push_payload: str | None = None
    previous_version: str | None = None
    previous_build: str | None = None
    properties: Mapping[str, Any] = {}


class Attribution(Event, frozen=True, kw_only=True):
    """The publisher and campaign an install is owed to, or, `removed`, that it is owed to none."""

    kind_name: ClassVar[str | None] = "attribution"

    publisher: str | None = None
    campaign: str | None = None
    removed: bool = False
    properties: Mapping[str, Any] = {}
