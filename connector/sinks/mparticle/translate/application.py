"""What an app reports of itself: sessions, states, push, network calls, crashes. Pure.

Source: mparticle Python SDK 0.16.1 for names, order and what the four transitions stand for; what must be there, the
label of crash reports and their wrapped breadcrumbs by the vendor's schema.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from connector.domain.events import (
    AppState,
    Breadcrumb,
    Crash,
    Event,
    FirstRun,
    NetworkPerformance,
    PushMessage,
    PushRegistration,
    SessionEnd,
    SessionStart,
)
from connector.errors import Untranslatable
from connector.sinks.mparticle.bounds import Bounds
from connector.sinks.mparticle.translate.circumstances import EventData, Wrapped, common, wrapped
from connector.sinks.mparticle.vocabulary import APPLICATION_STATES, PUSH_TYPES, TRANSITIONS, required, word

_LONGEST_ACTION = 100
# Our word: the vendor's, and whether it is a first run, an upgrade.
_TRANSITIONS: Mapping[str, tuple[str, bool | None, bool | None]] = {
    "install": ("application_initialized", True, False),
    "upgrade": ("application_initialized", False, True),
    "foreground": ("application_foreground", None, None),
    "background": ("application_background", None, None),
}


class SessionEndData(EventData, frozen=True, kw_only=True, omit_defaults=True):
    session_duration_ms: int


class StateData(EventData, frozen=True, kw_only=True, omit_defaults=True):
    successfully_closed: bool | None = None
    is_first_run: bool | None = None
    is_upgrade: bool | None = None
    push_notification_payload: str | None = None
    application_transition_type: str


class RegistrationData(EventData, frozen=True, kw_only=True, omit_defaults=True):
    register: bool
    registration_token: str


class PushData(EventData, frozen=True, kw_only=True, omit_defaults=True):
    push_message_token: str
    push_message_type: str
    message: str | None = None
    network: str | None = None
    push_notification_payload: str
    application_state: str | None = None
    action_identifier: str | None = None


class NetworkData(EventData, frozen=True, kw_only=True, omit_defaults=True):
    http_verb: str | None = None
    url: str
    time_elapsed: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    response_code: int
    data: str | None = None


class BreadcrumbData(EventData, frozen=True, kw_only=True, omit_defaults=True):
    session_number: int | None = None
    label: str


class CrashData(EventData, frozen=True, kw_only=True, omit_defaults=True):
    breadcrumbs: Sequence[Wrapped] | None = None
    class_name: str | None = None
    severity: str
    message: str
    stack_trace: str | None = None
    exception_handled: bool | None = None
    topmost_context: str | None = None
    pl_crash_report_file_base64: str | None = None
    ios_image_base_address: int | None = None
    ios_image_size: int | None = None
    session_number: int | None = None


def session_start(event: SessionStart, ident: str, bounds: Bounds) -> bytes:
    return wrapped(EventData(**common(event, ident, event.properties, bounds)), "session_start")


def session_end(event: SessionEnd, ident: str, bounds: Bounds) -> bytes:
    duration_ms = required(event.duration_ms, "session_duration_ms")
    fields = common(event, ident, event.properties, bounds)
    return wrapped(SessionEndData(**fields, session_duration_ms=duration_ms), "session_end")


def first_run(event: FirstRun, ident: str, bounds: Bounds) -> bytes:
    return wrapped(EventData(**common(event, ident, event.properties, bounds)), "first_run")


def app_state(event: AppState, ident: str, bounds: Bounds) -> bytes:
    name, first, upgrade = _TRANSITIONS.get(event.transition, (event.transition, None, None))
    field = "application_transition_type"
    data = StateData(
        **common(event, ident, event.properties, bounds),
        successfully_closed=event.closed_cleanly,
        is_first_run=first if event.first_run is None else event.first_run,
        is_upgrade=upgrade if event.upgrade is None else event.upgrade,
        push_notification_payload=event.push_payload,
        application_transition_type=required(word(name, TRANSITIONS, field), field),
    )
    return wrapped(data, "application_state_transition")


def push_registration(event: PushRegistration, ident: str, bounds: Bounds) -> bytes:
    fields = common(event, ident, event.properties, bounds)
    return wrapped(
        RegistrationData(**fields, register=event.register, registration_token=event.token), "push_registration"
    )


def push_message(event: PushMessage, ident: str, bounds: Bounds) -> bytes:
    if event.action_id is not None and len(event.action_id) > _LONGEST_ACTION:
        raise Untranslatable("too_long", "action_identifier")
    data = PushData(
        **common(event, ident, event.properties, bounds),
        push_message_token=required(event.token, "push_message_token"),
        push_message_type=required(word(event.step, PUSH_TYPES, "push_message_type"), "push_message_type"),
        message=event.text,
        network=event.network,
        push_notification_payload=required(event.payload, "push_notification_payload"),
        application_state=word(event.app_state, APPLICATION_STATES, "application_state"),
        action_identifier=event.action_id,
    )
    return wrapped(data, "push_message")


def network_performance(event: NetworkPerformance, ident: str, bounds: Bounds) -> bytes:
    data = NetworkData(
        **common(event, ident, event.properties, bounds),
        http_verb=event.verb,
        url=event.url,
        time_elapsed=event.elapsed_ms,
        bytes_in=event.bytes_in,
        bytes_out=event.bytes_out,
        response_code=required(event.status, "response_code"),
        data=event.payload,
    )
    return wrapped(data, "network_performance")


def breadcrumb(event: Breadcrumb, ident: str, bounds: Bounds) -> bytes:
    return wrapped(_breadcrumb(event, ident, bounds), "breadcrumb")


def crash(event: Crash, ident: str, bounds: Bounds) -> bytes:
    crumbs = [Wrapped(_breadcrumb(one, one.message_id, bounds), "breadcrumb") for one in event.breadcrumbs]
    data = CrashData(
        **common(event, ident, event.properties, bounds),
        breadcrumbs=crumbs or None,
        class_name=event.class_name,
        severity=required(event.severity, "severity"),
        message=required(event.message, "message"),
        stack_trace=event.stack_trace,
        exception_handled=event.handled,
        topmost_context=event.top_context,
        pl_crash_report_file_base64=event.report,
        ios_image_base_address=event.image_base_address,
        ios_image_size=event.image_size,
        session_number=event.session_number,
    )
    return wrapped(data, "crash_report")


def _breadcrumb(event: Breadcrumb, ident: str | None, bounds: Bounds) -> BreadcrumbData:
    fields = common(event, ident, event.properties, bounds)
    return BreadcrumbData(**fields, session_number=event.session_number, label=event.label)


Report = Callable[[Any, str, Bounds], bytes]
REPORTS: Mapping[type[Event], Report] = MappingProxyType(
    {
        SessionStart: session_start,
        SessionEnd: session_end,
        FirstRun: first_run,
        AppState: app_state,
        PushRegistration: push_registration,
        PushMessage: push_message,
        NetworkPerformance: network_performance,
        Breadcrumb: breadcrumb,
        Crash: crash,
    }
)
"""Kind -> what makes its event."""
