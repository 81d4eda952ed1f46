"""SuprSend: requests are signed anew at each attempt, and of events and triggers each record is judged alone."""

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
from connector.sinks.suprsend.attachment import Detect, libmagic
from connector.sinks.suprsend.request import Requests, endpoints
from connector.sinks.suprsend.response import verdict
from connector.sinks.suprsend.settings import SuprsendSettings
from connector.sinks.suprsend.translate import translate


class SuprsendSink:
    """The four parts joined; a notification is not sent twice lightly, and never late."""

    name = "suprsend"
    feeds: Sequence[Feed] = ()
    lookups: Sequence[Lookup] = ()

    def __init__(self, settings: SuprsendSettings, detect: Detect | None) -> None:
        self.endpoints: Mapping[str, Endpoint] = endpoints(settings)
        self.preferences = Preferences("latest", 86_400.0, settings.warnings)
        self._workspace = settings.workspace
        self._detect = detect
        self._requests = Requests(settings)

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        return ()

    def translate(self, event: Event, scene: Scene) -> Translation:
        return translate(event, scene, self._workspace, self._detect)

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        return self._requests.render(endpoint, items, attempt)

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        return verdict(endpoint, reply, len(items))


def create(environ: Mapping[str, str]) -> Sink:
    """Create the sink from its variables. Raises: SettingsError."""
    return SuprsendSink(SuprsendSettings.load(environ), libmagic())
