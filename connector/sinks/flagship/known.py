"""What must be known before an event can be translated: the visitor's memory, and a decision. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from connector.domain.events import Event, Exposure, Identify, ProfileChange, ProfileEdit
from connector.errors import Untranslatable
from connector.sinks.contract import Need, Save, Scene
from connector.sinks.flagship import api, memory
from connector.sinks.flagship.bucketing import BucketingFile, Decision, decide
from connector.sinks.flagship.memory import Memory
from connector.sinks.flagship.rules import RULES, Scalar
from connector.sinks.flagship.settings import FlagshipSettings
from connector.sinks.flagship.visitor import (
    Change,
    Visitor,
    change_of,
    circumstances,
    scalars,
    sent_context,
    visitor_of,
)

CACHE = "visitor"
_PROFILE = (Exposure, Identify, ProfileEdit, ProfileChange)


class Decided(Struct, frozen=True):
    """A decision and what it leaves behind; `flags` are all there are, as far as that is known."""

    decision: Decision
    flags: frozenset[str]
    panic: bool = False
    saves: tuple[Save, ...] = ()


class Known:
    """Joins the event with what lookups found out about its visitor."""

    def __init__(self, settings: FlagshipSettings) -> None:
        self.caches = settings.visitor_cache_url is not None
        self._env_id = settings.env_id
        self._batched = settings.batched
        self._asks = settings.mode == "api"
        self._carries_anonymous_id = settings.carries_anonymous_id
        self._rules = RULES[settings.decision_rules]
        self._tells = settings.decisions_topic is not None

    @property
    def keeps_context(self) -> bool:
        """Whether the visitors' documents are of the form that holds more than variations."""
        return self.caches and self._rules.whole_history

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        """Name the visitor's document where it can matter, then the decision that the API must make."""
        try:
            visitor = visitor_of(event)
        except Untranslatable:
            return ()
        found: list[Need] = []
        if self.caches and (isinstance(event, _PROFILE) or (event.user_id and not event.anonymous_id)):
            found.append(self._document(visitor.id))
            if isinstance(event, ProfileChange) and visitor.anonymous_id is not None:
                found.append(self._document(visitor.anonymous_id))
        if self._asks and self.decides(event):
            if any(need not in scene.facts for need in found):
                return tuple(found)
            found.append(self._question(self.visitor(event, scene), self.context(event, scene)))
        return tuple(found)

    def decides(self, event: Event) -> bool:
        """Whether an event has a decision made: to find its flag's variation, or to tell others of it."""
        if isinstance(event, Exposure):
            return bool(event.flag) and not (event.variation_group_id and event.variation_id)
        return self._tells and change_of(event) is not None

    def visitor(self, event: Event, scene: Scene) -> Visitor:
        """Return whom an event is about, with the anonymous id it had at login. Raises: Untranslatable."""
        visitor = visitor_of(event)
        if not self._carries_anonymous_id:
            return Visitor(visitor.id)
        if visitor.anonymous_id is None and event.user_id and self.caches:
            return Visitor(visitor.id, self.memory(visitor.id, scene).anonymous_id)
        return visitor

    def memory(self, visitor_id: str, scene: Scene) -> Memory:
        return memory.recall(scene.facts.get(self._document(visitor_id)), visitor_id)

    def context(self, event: Event, scene: Scene) -> dict[str, Scalar]:
        """Return a visitor's context: what was known, what the event tells of the device, what it says itself."""
        known = self.memory(visitor_of(event).id, scene).context if self.caches else {}
        change = change_of(event) or Change(event.context.traits)
        told = {**known, **circumstances(event.context, batched=self._batched), **scalars(change.own)}
        return {key: value for key, value in told.items() if key not in change.removed}

    def decided(self, event: Event, visitor: Visitor, scene: Scene, feed: object) -> Decided:
        """Decide for a visitor. Raises: Untranslatable."""
        context = self.context(event, scene)
        changed = {} if isinstance(event, Exposure) else self._changed(visitor, context, scene)
        if self._asks:
            answer = scene.facts[self._question(visitor, context)]
            assert isinstance(answer, api.Answer)
            saves = self._whole(visitor, scene, changed)
            return Decided(answer.decision, frozenset(answer.decision.owners), answer.panic, saves)
        assert isinstance(feed, BucketingFile)
        remembered = self.memory(visitor.id, scene)
        decision = decide(feed, visitor.id, context, remembered.assigned)
        document = memory.assignments(remembered, visitor, decision, self._rules, changed) if self.caches else None
        saves = () if document is None else (self.save(visitor.id, document),)
        return Decided(decision, feed.flags, saves=saves)

    def kept(self, visitor: Visitor, context: Mapping[str, Scalar], scene: Scene) -> tuple[Save, ...]:
        """Remember a context, where it changed."""
        return self._whole(visitor, scene, self._changed(visitor, context, scene))

    def _changed(self, visitor: Visitor, context: Mapping[str, Scalar], scene: Scene) -> Mapping[str, Any]:
        if not self.keeps_context or self.memory(visitor.id, scene).context == context:
            return {}
        return {"context": context}

    def _whole(self, visitor: Visitor, scene: Scene, changed: Mapping[str, Any]) -> tuple[Save, ...]:
        if not changed:
            return ()
        return (self.save(visitor.id, memory.whole(self.memory(visitor.id, scene), visitor, **changed)),)

    def save(self, visitor_id: str, document: bytes | None) -> Save:
        return Save(CACHE, self._key(visitor_id), document)

    def _document(self, visitor_id: str) -> Need:
        return Need(CACHE, self._key(visitor_id))

    def _key(self, visitor_id: str) -> str:
        return f"{self._env_id}:{visitor_id}"

    def _question(self, visitor: Visitor, context: Mapping[str, Scalar]) -> Need:
        sent = sent_context(context, batched=self._batched)
        return Need(api.LOOKUP, api.question(visitor, sent, batched=self._batched))
