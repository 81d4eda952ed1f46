"""Segment: one endpoint that takes all kinds, retries are told apart by a header, replies judge whole batches.

Where the source asks for OAuth, nothing is translated before the first token is there.
"""

from collections.abc import Mapping, Sequence

from connector.domain.events import Event
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.sinks.contract import (
    Attempt,
    Endpoint,
    Feed,
    Hold,
    Item,
    Lookup,
    Need,
    Payloads,
    Preferences,
    Scene,
    Sink,
    Translation,
    Verdict,
)
from connector.sinks.segment.probe import WriteKeyProbe
from connector.sinks.segment.request import Requests, endpoint
from connector.sinks.segment.response import verdict
from connector.sinks.segment.settings import SegmentSettings
from connector.sinks.segment.token import TOKEN, TokenFeed
from connector.sinks.segment.translate import translate


class SegmentSink:
    """The four parts joined."""

    name = "segment"
    lookups: Sequence[Lookup] = ()
    preferences = Preferences()

    def __init__(self, settings: SegmentSettings) -> None:
        application = settings.application
        self.feeds: Sequence[Feed] = () if application is None else (TokenFeed(application),)
        self.endpoints: Mapping[str, Endpoint] = {"batch": endpoint(settings)}
        self.probe = None if settings.probe_host is None else WriteKeyProbe(settings, settings.probe_host)
        self._requests = Requests(settings)

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        return ()

    def translate(self, event: Event, scene: Scene) -> Translation:
        translation = translate(event, scene)
        if self.feeds and scene.feeds.get(TOKEN) is None and isinstance(translation, Payloads):
            return Hold(TOKEN)
        return translation

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        return self._requests.render(items, attempt)

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        return verdict(reply.status, len(items), by_token=bool(self.feeds))


def create(environ: Mapping[str, str]) -> Sink:
    """Create the sink from its variables. Raises: SettingsError."""
    return SegmentSink(SegmentSettings.load(environ))
