"""Events to mParticle's: a body for each event, and the head under which those of one user travel together. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from connector.domain.events import (
    Attribution,
    Commerce,
    ConsentChange,
    Event,
    Exposure,
    Identify,
    Page,
    ProfileEdit,
    Screen,
    Track,
    TrackingLog,
)
from connector.sinks.contract import Payload, Payloads, Scene, Skip, Translation
from connector.sinks.mparticle.bounds import NONE, Attributes, Bounds
from connector.sinks.mparticle.settings import MparticleSettings
from connector.sinks.mparticle.translate.application import REPORTS
from connector.sinks.mparticle.translate.batch import Heads, consent_state
from connector.sinks.mparticle.translate.behaviour import Behaviour
from connector.sinks.mparticle.translate.commerce import commerce
from connector.sinks.mparticle.translate.device import platform_of
from connector.sinks.mparticle.translate.profile import CHANGES, edited

# Source: docs.mparticle.com, "HTTP API", October 2023: older data belongs to an endpoint that forwards nothing.
OLDEST_MS = 30 * 24 * 3600 * 1000
_REPORTS = {**REPORTS, **CHANGES}
_OTHER_KIND = Skip("kind")
_NOBODY = Skip("no_user")


class Translator:
    """Translates as the settings say."""

    def __init__(self, settings: MparticleSettings, endpoint: str) -> None:
        self._endpoint = endpoint
        self._groups = frozenset(settings.pairs)
        self._bounds = bounds = Bounds(settings.long_names == "truncate")
        self._heads = Heads(settings.environment, settings.customer_id_key, settings.anonymous_id_as, bounds)
        behaviour = Behaviour(bounds, settings.other_categories == "other")
        self._behaviour = behaviour
        self._alone: Mapping[type[Event], Callable[[Any, str], bytes]] = {
            Track: behaviour.custom,
            Page: behaviour.screen,
            Screen: behaviour.screen,
            Attribution: behaviour.attribution,
            Exposure: behaviour.exposure,
        }

    def translate(self, event: Event, scene: Scene) -> Translation:
        """Make the payloads of one event; those of a profile alone have an empty body. Raises: Untranslatable."""
        ident = event.message_id or scene.record_id
        kind = type(event)
        if kind in self._alone:
            return self._payloads(event, [("", ident, self._alone[kind](event, ident))])
        if kind in _REPORTS:
            return self._payloads(event, [("", ident, _REPORTS[kind](event, ident, self._bounds))])
        match event:
            case Commerce():
                return self._payloads(event, commerce(event, ident, self._bounds))
            case TrackingLog():
                return self._tracking_log(event, ident)
            case Identify():
                return self._profile(event, ident, event.traits, event.removed_traits)
            case ProfileEdit():
                edit = edited(event)
                return _OTHER_KIND if edit is None else self._profile(event, ident, *edit)
            case ConsentChange():
                return self._profile(event, ident) if consent_state(event) else _OTHER_KIND
        return _OTHER_KIND

    def _tracking_log(self, event: TrackingLog, ident: str) -> Translation:
        """Take the user that was logged; an entry about nobody (null, "", 0) is skipped."""
        user = event.user_id or event.log_context.get("user_id")
        if not user:
            return _NOBODY
        event = replace(event, user_id=str(user))
        return self._payloads(event, [("", ident, self._behaviour.tracking_log(event, ident))])

    def _payloads(self, event: Event, parts: Iterable[tuple[str, str, bytes]]) -> Translation:
        head, group = self._heads.head(event), self._group(event)
        until_ms = None if event.timestamp_ms is None else event.timestamp_ms + OLDEST_MS
        return Payloads(
            tuple(
                Payload(
                    self._endpoint,
                    body,
                    ident,
                    group,
                    role,
                    time_ms=event.timestamp_ms,
                    not_after_ms=until_ms,
                    merge=head,
                )
                for role, ident, body in parts
            )
        )

    def _profile(self, event: Event, ident: str, traits: Attributes = NONE, removed: Sequence[str] = ()) -> Translation:
        head = self._heads.head(event, traits, removed)
        return Payloads((Payload(self._endpoint, b"", ident, self._group(event), merge=head),))

    def _group(self, event: Event) -> str:
        """Choose the key pair by the platform; "" is the one for all others."""
        if len(self._groups) == 1:
            return ""
        platform = platform_of(event.context)
        return platform if platform in self._groups else ""
