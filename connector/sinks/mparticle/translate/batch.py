"""The batch-level fields of an event: whose it is and what is known of them. Pure.

Consecutive events with equal ones travel in one batch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from connector.domain.events import Consent, DataPlan, Event
from connector.errors import Untranslatable
from connector.sinks.encoding import encoded
from connector.sinks.mparticle.bounds import NONE, Attributes, Bounds
from connector.sinks.mparticle.translate.device import application_info, device_info
from connector.sinks.mparticle.vocabulary import ENVIRONMENTS, IDENTITIES, required, uuid, whole, word

_NONE = Event().context
# Other names under which our identities hold the vendor's.
_SAME = {"customer_id": "customerid", "phone_number": "mobile_number", "phone": "mobile_number"}
_CCPA_PURPOSE = "data_sale_opt_out"


class ConsentState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    document: str | None = None
    consented: bool
    timestamp_unixtime_ms: int
    location: str | None = None
    hardware_id: str | None = None


class Plan(Struct, frozen=True, omit_defaults=True):
    plan_id: str
    plan_version: int | None = None


class BatchContext(Struct, frozen=True):
    data_plan: Plan


class Head(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A batch without its events and its id, in the order in which the official SDK writes them."""

    environment: str
    ip: str | None = None
    schema_version: int | None = None
    device_info: Mapping[str, Any] | None = None
    application_info: Mapping[str, str] | None = None
    user_attributes: Attributes | None = None
    deleted_user_attributes: Sequence[str] | None = None
    user_identities: Mapping[str, str] | None = None
    consent_state: Mapping[str, Mapping[str, ConsentState]] | None = None
    integration_attributes: Mapping[str, Mapping[str, str]] | None = None
    api_key: str | None = None
    mpid: int | None = None
    mp_deviceid: str | None = None
    context: BatchContext | None = None


class Heads(Struct, frozen=True):
    """Makes heads as the settings say: the default environment, how identities are spelled, how long names may be."""

    environment: str
    customer_id_key: str
    anonymous_id_as: str | None
    bounds: Bounds

    def head(self, event: Event, traits: Attributes = NONE, removed: Sequence[str] = ()) -> bytes:
        """Encode the batch-level fields of an event. Raises: Untranslatable."""
        environment = word(event.environment, ENVIRONMENTS, "environment") or self.environment
        context = event.context
        identities = self._identities(event)
        consent = consent_state(event) if event.consent else None
        mpid = event.identities.get("mpid")
        number = None if mpid is None else whole(mpid, "mpid")
        if context is _NONE and not traits and not removed:
            return encoded(
                Head(environment=environment, user_identities=identities, consent_state=consent, mpid=number)
            )
        extra = context.extra
        version, api_key = extra.get("schema_version"), extra.get("api_key")
        head = Head(
            environment=environment,
            ip=context.ip,
            schema_version=None if version is None else whole(version, "schema_version"),
            device_info=device_info(context),
            application_info=application_info(context),
            user_attributes=self.bounds.user_attributes({**context.traits, **traits}),
            deleted_user_attributes=self._removed(traits, removed),
            user_identities=identities,
            consent_state=consent,
            integration_attributes=_integrations(context.integration_attributes),
            api_key=None if api_key is None else str(api_key),
            mpid=number,
            mp_deviceid=uuid(context.device.application_stamp, "mp_deviceid"),
            context=_plan(context.plan),
        )
        return encoded(head)

    def _removed(self, traits: Attributes, removed: Sequence[str]) -> Sequence[str] | None:
        """Return the names to forget, as the vendor keeps them; what is set is not forgotten."""
        return [self.bounds.name(name, "deleted_user_attributes") for name in removed if name not in traits] or None

    def _identities(self, event: Event) -> Mapping[str, str] | None:
        """Return the identities the vendor knows, each by its name; the event's own ids where no identity says more."""
        found: dict[str, str] = {}
        if event.user_id:
            found[self.customer_id_key] = event.user_id
        for name, value in event.identities.items():
            name = _SAME.get(name, name)
            if name in IDENTITIES:
                found[self.customer_id_key if name == "customerid" else name] = value
        if event.anonymous_id and self.anonymous_id_as:
            found.setdefault(self.anonymous_id_as, event.anonymous_id)
        return found or None


def consent_state(event: Event) -> Mapping[str, Mapping[str, ConsentState]] | None:
    """Return the purposes asked under a law the vendor knows; a law without purposes is left out.

    An empty half might reset what is stored: its effect is unknown. Raises: Untranslatable.
    Source: docs.mparticle.com, "JSON Reference", October 2023: the one purpose of CCPA, the time that must be there.
    """
    found: dict[str, dict[str, ConsentState]] = {}
    for purpose, consent in event.consent.items():
        law = _law(purpose, consent)
        if law is None:
            continue
        at_ms = event.timestamp_ms if consent.timestamp_ms is None else consent.timestamp_ms
        found.setdefault(law, {})[purpose] = ConsentState(
            document=consent.document,
            consented=consent.granted,
            timestamp_unixtime_ms=required(at_ms, "consent_state.timestamp_unixtime_ms"),
            location=consent.location,
            hardware_id=consent.hardware_id,
        )
    return found or None


def _law(purpose: str, consent: Consent) -> str | None:
    law = (consent.regulation or "").lower()
    if law == "ccpa" and purpose != _CCPA_PURPOSE:
        raise Untranslatable("unknown_value", "consent_state.ccpa")
    return law if law in ("ccpa", "gdpr") else None


def _integrations(values: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]] | None:
    if not all(module.isdecimal() for module in values):
        raise Untranslatable("unknown_value", "integration_attributes")
    return values or None


def _plan(plan: DataPlan) -> BatchContext | None:
    return None if plan.id is None else BatchContext(Plan(plan.id, plan.version))
