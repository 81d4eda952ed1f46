"""Events to hits, contexts and activations. Pure."""

from typing import Any, Literal

from msgspec import UNSET, Struct

from connector.domain.events import (
    Commerce,
    ConsentChange,
    Event,
    Exposure,
    Identify,
    Page,
    ProfileChange,
    ProfileEdit,
    Screen,
    Track,
)
from connector.domain.ids import role_id
from connector.errors import Untranslatable
from connector.sinks.contract import Hold, Payload, Payloads, Save, Scene, Skip, Translation
from connector.sinks.encoding import encoded
from connector.sinks.flagship import commerce, decisions, hits, memory
from connector.sinks.flagship.api import Switch
from connector.sinks.flagship.bucketing import BucketingFile
from connector.sinks.flagship.known import Decided, Known
from connector.sinks.flagship.request import QUEUE_LONGEST_MS
from connector.sinks.flagship.settings import FlagshipSettings
from connector.sinks.flagship.visitor import Visitor, as_text, change_of, sent_context
from connector.sinks.flagship.wire import Activation, ContextEvent, Hit, SegmentHit

_OTHER_KIND = Skip("kind")
_PANIC = Skip("panic")


class Translator:
    """Translates by the settings; `feed` names the one that tells of panic."""

    def __init__(self, settings: FlagshipSettings, known: Known, feed: str) -> None:
        self._known = known
        self._feed = feed
        self._batched = settings.batched
        self._panic: Translation = Hold(feed) if settings.panic == "hold" else _PANIC
        self._affiliation = settings.affiliation
        self._refuses_old = settings.too_old == "dead_letter"
        self._env_id = settings.env_id
        # Who decides, where others are told of it.
        self._tells = settings.mode if settings.decisions_topic is not None else None

    def standstill(self, scene: Scene) -> Translation | None:
        """Return why nothing is sent now: nobody knows yet whether the environment panics, or it does."""
        feed = scene.feeds.get(self._feed)
        if not isinstance(feed, BucketingFile | Switch):
            return Hold(self._feed)
        return self._panic if feed.panic else None

    def translate(self, event: Event, scene: Scene) -> Translation:
        """Make what is sent of one event. Raises: Untranslatable."""
        standstill = self.standstill(scene)
        if standstill is not None:
            return standstill
        match event:
            case Track():
                return self._hit(event, hits.track(event, self._common(event, scene)), scene)
            case Page():
                return self._hit(event, hits.page(event, self._common(event, scene)), scene)
            case Screen():
                return self._hit(event, hits.screen(event, self._common(event, scene)), scene)
            case Commerce():
                return self._purchase(event, scene)
            case Identify() | ProfileEdit():
                return self._context(event, scene)
            case Exposure():
                return self._exposure(event, scene)
            case ConsentChange():
                return self._consent(event, scene)
            case ProfileChange():
                return self._profile(event, scene)
        return _OTHER_KIND

    def _common(self, event: Event, scene: Scene) -> dict[str, Any]:
        return hits.envelope(self._known.visitor(event, scene), event.context, batched=self._batched)

    def _hit(self, event: Event, hit: Hit, scene: Scene, saves: tuple[Save, ...] = ()) -> Payloads:
        return Payloads((self._payload("hits", event, hit, scene),), saves)

    def _purchase(self, event: Commerce, scene: Scene) -> Translation:
        """Make a transaction and then its items. Other actions are nothing the vendor takes."""
        action = event.product_action
        if action is None or action.action != "purchase":
            return _OTHER_KIND
        common = self._common(event, scene)
        whole = commerce.transaction(action, event.currency, self._affiliation, common)
        made = [self._payload("hits", event, whole, scene, "transaction")]
        for number, product in enumerate(action.products, 1):
            line = commerce.item(product, action, common)
            made.append(self._payload("hits", event, line, scene, f"item:{number}"))
        return Payloads(tuple(made))

    def _context(self, event: Event, scene: Scene) -> Translation:
        """Tell the vendor what is known of a visitor: as a segment, or as the older context event."""
        if change_of(event) is None:
            return _OTHER_KIND
        known = self._known
        visitor = known.visitor(event, scene)
        context = known.context(event, scene)
        told: tuple[Payload, ...] = ()
        if known.decides(event):
            decided = known.decided(event, visitor, scene, scene.feeds[self._feed])
            if decided.panic:
                return self._panic
            saves, told = decided.saves, self._told(event, visitor, decided, scene)
        else:
            saves = known.kept(visitor, context, scene)
        sent = sent_context(context, batched=self._batched)
        body: Struct
        if self._batched:
            body = SegmentHit(s=as_text(sent), **hits.envelope(visitor, event.context, batched=True))
        else:
            body = ContextEvent(data=sent, visitor_id=visitor.id)
        endpoint: Literal["hits", "context"] = "hits" if self._batched else "context"
        return Payloads((self._payload(endpoint, event, body, scene, replay_safe=True), *told), saves)

    def _told(self, event: Event, visitor: Visitor, decided: Decided, scene: Scene) -> tuple[Payload, ...]:
        """Tell others what was decided, where there is a topic for it."""
        if self._tells is None:
            return ()
        event_id = event.message_id or scene.record_id
        moment = decisions.Moment(self._env_id, self._tells, scene.now_ms, event_id)
        context = self._known.context(event, scene)
        body = decisions.encoded(visitor, context, decided.decision, moment)
        key, role = visitor.id.encode(errors="surrogatepass"), "decision"
        return (Payload(decisions.ENDPOINT, body, role_id(event_id, role), role=role, key=key),)

    def _exposure(self, event: Exposure, scene: Scene) -> Translation:
        """Activate a variation that the event names, or the one that gives the visitor its flag."""
        visitor = self._known.visitor(event, scene)
        if event.variation_group_id and event.variation_id:
            return self._activation(event, visitor, event.variation_group_id, event.variation_id, scene)
        if not event.flag:
            raise Untranslatable("missing", "flag")
        decided = self._known.decided(event, visitor, scene, scene.feeds[self._feed])
        if decided.panic:
            return self._panic
        told = self._told(event, visitor, decided, scene)
        owner = decided.decision.owners.get(event.flag)
        if owner is not None:
            made = self._activation(event, visitor, owner.group_id, owner.variation_id, scene)
            return Payloads((*made.payloads, *told), decided.saves)
        if told:
            return Payloads(told, decided.saves)
        return Skip("no_variation" if event.flag in decided.flags else "no_flag", decided.saves)

    def _activation(self, event: Event, visitor: Visitor, group: str, variation: str, scene: Scene) -> Payloads:
        aid = visitor.anonymous_id if self._batched or visitor.anonymous_id is not None else UNSET
        body = Activation(caid=group, vaid=variation, vid=visitor.id, aid=aid)
        return Payloads((self._payload("activate", event, body, scene),))

    def _consent(self, event: ConsentChange, scene: Scene) -> Payloads:
        """Tell the answer; who refuses is forgotten. Source: sheet section 15."""
        granted = event.granted
        if granted is None and event.consent:
            granted = all(state.granted for state in event.consent.values())
        if granted is None:
            raise Untranslatable("missing", "granted")
        visitor = self._known.visitor(event, scene)
        saves = (self._known.save(visitor.id, None),) if self._known.caches and not granted else ()
        return self._hit(event, hits.consent(granted, self._common(event, scene)), scene, saves)

    def _profile(self, event: ProfileChange, scene: Scene) -> Translation:
        """Remember a login with the anonymous id it came from, and what that visitor had; or end it.

        Neither sends anything: later events of the user are told by both ids. Source: sheet section 2.
        """
        if event.change not in ("login", "logout"):
            return _OTHER_KIND
        known = self._known
        visitor = known.visitor(event, scene)
        if not known.keeps_context or not event.user_id:
            return Skip(event.change)
        remembered = known.memory(visitor.id, scene)
        if event.change == "logout":
            document = memory.whole(remembered, Visitor(visitor.id), anonymousId=None, isAuthenticated=False)
        elif visitor.anonymous_id is None:
            return Skip("login")
        else:
            before = known.memory(visitor.anonymous_id, scene).assigned.history
            history = {**before, **remembered.assigned.history}
            document = memory.whole(remembered, visitor, assignationHistory=history)
        return Skip(event.change, (known.save(visitor.id, document),))

    def _payload(
        self,
        endpoint: Literal["hits", "activate", "context"],
        event: Event,
        body: Struct,
        scene: Scene,
        role: str = "",
        *,
        replay_safe: bool = False,
    ) -> Payload:
        """Encode one body. The vendor knows no idempotency key: what is counted must not come twice."""
        at_ms = scene.now_ms if event.timestamp_ms is None else event.timestamp_ms
        return Payload(
            endpoint,
            encoded(body),
            role_id(event.message_id or scene.record_id, role),
            role=role,
            replay_safe=replay_safe,
            time_ms=at_ms,
            not_after_ms=at_ms + QUEUE_LONGEST_MS if self._refuses_old else None,
        )
