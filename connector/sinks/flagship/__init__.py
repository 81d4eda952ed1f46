"""Flagship (AB Tasty): hits and activations batched with their queue times, decided by a polled file or by the API."""

from collections.abc import Mapping, Sequence

from connector.domain.events import Event
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.sinks.contract import (
    Attempt,
    Endpoint,
    Feed,
    Item,
    Lookup,
    Need,
    Preferences,
    Scene,
    Sink,
    StoredLookup,
    Translation,
    Verdict,
)
from connector.sinks.flagship.api import DecisionLookup, PanicFeed
from connector.sinks.flagship.file_feed import FileFeed
from connector.sinks.flagship.known import CACHE, Known
from connector.sinks.flagship.request import Requests, endpoints
from connector.sinks.flagship.response import verdict
from connector.sinks.flagship.settings import FlagshipSettings
from connector.sinks.flagship.translate import Translator


class FlagshipSink:
    """The parts joined."""

    name = "flagship"
    preferences = Preferences()

    def __init__(self, settings: FlagshipSettings) -> None:
        asks = settings.mode == "api"
        feed = PanicFeed(settings) if asks else FileFeed(settings)
        lookups: list[Lookup | StoredLookup] = [DecisionLookup(settings)] if asks else []
        if settings.visitor_cache_url is not None:
            address = settings.visitor_cache_url.get_secret_value()
            lookups.append(StoredLookup(CACHE, address, "wait" if settings.visitor_cache_down == "wait" else "absent"))
        self.endpoints: Mapping[str, Endpoint] = endpoints(settings)
        self.feeds: Sequence[Feed] = (feed,)
        self.lookups: Sequence[Lookup | StoredLookup] = lookups
        self._requests = Requests(settings)
        self._known = Known(settings)
        self._translator = Translator(settings, self._known, feed.name)

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        return () if self._translator.standstill(scene) else self._known.needs(event, scene)

    def translate(self, event: Event, scene: Scene) -> Translation:
        return self._translator.translate(event, scene)

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        return self._requests.render(endpoint.name, items, attempt)

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        return verdict(reply.status, len(items))


def create(environ: Mapping[str, str]) -> Sink:
    """Create the sink from its variables. Raises: SettingsError."""
    return FlagshipSink(FlagshipSettings.load(environ))
