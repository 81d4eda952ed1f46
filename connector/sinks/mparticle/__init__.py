"""mParticle: batches of one user's events, a key pair per platform, a quota that counts batches."""

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
from connector.sinks.mparticle.request import Requests, endpoint
from connector.sinks.mparticle.response import verdict
from connector.sinks.mparticle.settings import MparticleSettings
from connector.sinks.mparticle.translate import Translator


class MparticleSink:
    """The four parts joined."""

    name = "mparticle"
    feeds: Sequence[Feed] = ()
    lookups: Sequence[Lookup] = ()
    preferences = Preferences()

    def __init__(self, settings: MparticleSettings) -> None:
        uploads = endpoint(settings)
        self.endpoints: Mapping[str, Endpoint] = {uploads.name: uploads}
        self._requests = Requests(settings, uploads.name)
        self._translator = Translator(settings, uploads.name)

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        return ()

    def translate(self, event: Event, scene: Scene) -> Translation:
        return self._translator.translate(event, scene)

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        return self._requests.render(items)

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        return verdict(reply, len(items), items[0].first.group)


def create(environ: Mapping[str, str]) -> Sink:
    """Create the sink from its variables. Raises: SettingsError."""
    return MparticleSink(MparticleSettings.load(environ))
