"""Workflow to a trigger by slug, or to a workflow described in the request. Pure."""

from collections.abc import Mapping
from typing import Any

from connector.domain.events import DeliveryInstruction, PushToken, Recipient, Workflow
from connector.errors import Untranslatable
from connector.sinks.contract import Payloads
from connector.sinks.suprsend.attachment import Detect, with_attachments
from connector.sinks.suprsend.records import Record, Stamp, add_tenancy, idempotency_key, one, require_duration
from connector.sinks.suprsend.request import TRIGGERS, WORKFLOWS
from connector.sinks.suprsend.schemas import TRIGGER, WORKFLOW, checker

_check_trigger, _check_workflow = checker(TRIGGER), checker(WORKFLOW)
_LISTED = ("email", "sms", "whatsapp", "inbox", "messenger", "webpush", "slack", "ms_teams")


def workflow(event: Workflow, stamp: Stamp, detect: Detect | None) -> Payloads:
    """Put a workflow together and check it in the order the vendor's SDK does, then its durations, which that does not.

    The vendor's own names in `extra` win, so anything it takes can be said.
    Source: suprsend-py-sdk 0.20.0.
    """
    by_slug = event.slug is not None or "workflow" in event.extra
    record = {**(_by_slug(event) if by_slug else _described(event)), **_timing(event), **event.extra}
    record["$idempotency_key"] = record.get("$idempotency_key") or idempotency_key(event.idempotency_key, stamp)
    add_tenancy(record, event)
    if event.cancellation_key:
        record["cancellation_key"] = event.cancellation_key
    record["data"] = _data(record.get("data"), event, detect)
    (_check_trigger if by_slug else _check_workflow)(record)
    require_duration(record.get("delay"), "delay")
    require_duration(record.get("delivery", {}).get("time_to_live"), "delivery.time_to_live")
    return one(TRIGGERS if by_slug else WORKFLOWS, record, stamp.ident)


def _by_slug(event: Workflow) -> Record:
    said: Record = {
        "workflow": event.slug,
        "recipients": [who if isinstance(who, str) else _person(who) for who in event.recipients],
    }
    return _given(said) | _common(event)


def _described(event: Workflow) -> Record:
    said: Record = {
        "name": event.name,
        "template": event.template,
        "notification_category": event.category,
        "users": [{"distinct_id": who} if isinstance(who, str) else _person(who) for who in event.recipients],
    }
    return _given(said) | _common(event)


def _common(event: Workflow) -> Record:
    actor = _person(event.actor) if isinstance(event.actor, Recipient) else event.actor
    return _given({"actor": actor, "data": event.data, "metadata": event.metadata or None})


def _timing(event: Workflow) -> Record:
    delivery = None if event.delivery is None else _instruction(event.delivery)
    return _given({"delay": event.delay, "trigger_at": event.trigger_at, "delivery": delivery})


def _instruction(delivery: DeliveryInstruction) -> Record:
    channels = delivery.mandatory_channels
    return _given(
        {
            "smart": delivery.smart,
            "success": delivery.success,
            "time_to_live": delivery.time_to_live,
            "mandatory_channels": None if channels is None else list(channels),
        }
    )


def _person(who: Recipient) -> Record:
    """Render a user with channels under the vendor's names; those the producer used win."""
    said: Record = {
        "distinct_id": who.user_id,
        "is_transient": who.is_transient,
        "$preferred_language": who.preferred_language,
        "$timezone": who.timezone,
        "$locale": who.locale,
        "$channels": None if who.channels is None else list(who.channels),
    }
    for channel in _LISTED:
        said[f"${channel}"] = list(getattr(who, channel)) or None
    for channel in ("androidpush", "iospush"):
        said[f"${channel}"] = [_token(token) for token in getattr(who, channel)] or None
    return _given(said) | dict(who.properties)


def _token(token: str | PushToken) -> str | Record:
    if isinstance(token, str):
        return token
    named = {
        "token": token.token,
        "provider": token.provider,
        "device_id": token.device_id,
        "bundle_id": token.bundle_id,
    }
    return _given(named)


def _data(data: object, event: Workflow, detect: Detect | None) -> Record:
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise Untranslatable("schema", "data: type")
    return with_attachments(data, event.attachments, detect)


def _given(said: Mapping[str, Any]) -> Record:
    """Leave out what is not given."""
    return {name: value for name, value in said.items() if value is not None}
