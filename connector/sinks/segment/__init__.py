"""Segment: one endpoint that takes all kinds, retries are told apart by a header, replies judge whole batches."""

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
    Translation,
    Verdict,
)
from connector.sinks.segment.request import Requests, endpoint
from connector.sinks.segment.response import verdict
from connector.sinks.segment.settings import SegmentSettings
from connector.sinks.segment.translate import translate


class SegmentSink:
    """The four parts joined."""

    name = "segment"
    feeds: Sequence[Feed] = ()
    lookups: Sequence[Lookup] = ()
    preferences = Preferences()

    def __init__(self, settings: SegmentSettings) -> None:
        self.endpoints: Mapping[str, Endpoint] = {"batch": endpoint(settings)}
        self._requests = Requests(settings)

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        return ()

    def translate(self, event: Event, scene: Scene) -> Translation:
        return translate(event, scene)

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        return self._requests.render(items, attempt)

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        return verdict(reply.status, len(items))


def create(environ: Mapping[str, str]) -> Sink:
    """Create the sink from its variables. Raises: SettingsError."""
    return SegmentSink(SegmentSettings.load(environ))
