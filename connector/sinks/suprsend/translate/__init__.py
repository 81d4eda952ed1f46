"""Our events to SuprSend's records: events, workflows, edits of a user. Pure."""

from connector.domain.events import Commerce, Event, Identify, ProfileEdit, PushRegistration, Track, Workflow
from connector.sinks.contract import Scene, Skip, Translation
from connector.sinks.suprsend.attachment import Detect
from connector.sinks.suprsend.records import stamp
from connector.sinks.suprsend.translate.events import commerce, track
from connector.sinks.suprsend.translate.users import identify, profile_edit, push_registration
from connector.sinks.suprsend.translate.workflows import workflow

_OTHER_KIND = Skip("kind")
_NO_USER = Skip("no_user")
_ABOUT_A_USER = (Track, Identify, ProfileEdit, PushRegistration, Commerce)


def translate(event: Event, scene: Scene, workspace: str, detect: Detect | None) -> Translation:
    """Make the one record of an event; other kinds, and visitors nobody can notify, are skipped.

    Raises: Untranslatable, for what the vendor's own SDK refuses to send; the first check that fails is named.
    """
    if event.user_id is None and event.anonymous_id and isinstance(event, _ABOUT_A_USER):
        return _NO_USER
    match event:
        case Track():
            return track(event, stamp(event, scene), workspace, detect)
        case Workflow():
            return workflow(event, stamp(event, scene), detect)
        case Identify():
            return identify(event, stamp(event, scene), workspace)
        case ProfileEdit():
            return profile_edit(event, stamp(event, scene), workspace)
        case PushRegistration():
            return push_registration(event, stamp(event, scene), workspace)
        case Commerce():
            return commerce(event, stamp(event, scene), workspace)
    return _OTHER_KIND
