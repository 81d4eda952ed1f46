"""The kinds and what every event has."""

from collections.abc import Mapping

import msgspec
import pytest

from connector.domain import events
from connector.domain.events import (
    KINDS,
    Alias,
    AppState,
    Attribution,
    Breadcrumb,
    Commerce,
    ConsentChange,
    Context,
    Crash,
    Event,
    Exposure,
    FirstRun,
    Group,
    Identify,
    Impression,
    NetworkPerformance,
    OptOut,
    Page,
    ProductAction,
    ProfileChange,
    ProfileEdit,
    PromotionAction,
    PushMessage,
    PushRegistration,
    Screen,
    SessionEnd,
    SessionStart,
    Track,
    TrackingLog,
    UserAttributeChange,
    Workflow,
)


def subclasses(of: type) -> set[type]:
    below: set[type] = set(of.__subclasses__())
    return below.union(*map(subclasses, below))


def test_every_event_struct_is_a_kind_under_its_own_name() -> None:
    ours = {struct for struct in subclasses(Event) if struct.__module__.startswith("connector.")}
    assert set(KINDS.values()) == ours
    assert all(struct.__name__ == name for name, struct in KINDS.items())


def test_every_kind_and_part_is_exported() -> None:
    assert all(name in events.__all__ for name in KINDS)
    assert all(hasattr(events, name) for name in events.__all__)


def test_an_event_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Track(name="Order").name = "Other"  # type: ignore[misc]  # what is refused is the point


NAMED: list[tuple[Event, str | None]] = [
    (Track(name="Order"), "Order"),
    (Page(name="Home"), "Home"),
    (Screen(), None),
    (Identify(), None),
    (Group(group_id=7), None),
    (Alias(previous_id="a"), None),
    (ProfileEdit(), None),
    (Commerce(product_action=ProductAction(action="add_to_cart")), "add_to_cart"),
    (Commerce(promotion_action=PromotionAction(action="view")), "promotion_view"),
    (Commerce(impressions=(Impression(),)), "impression"),
    (SessionStart(), "session_start"),
    (SessionEnd(), "session_end"),
    (FirstRun(), "first_run"),
    (AppState(transition="install"), "app_state"),
    (Attribution(), "attribution"),
    (PushRegistration(token="t"), "push_registration"),
    (PushMessage(step="sent"), "push_message"),
    (NetworkPerformance(url="https://a.example/"), "network_performance"),
    (Breadcrumb(label="Cart"), "breadcrumb"),
    (Crash(), "crash"),
    (ProfileChange(change="login"), "login"),
    (UserAttributeChange(name="tier"), "user_attribute_change"),
    (Workflow(slug="welcome", name="other"), "welcome"),
    (Workflow(name="Welcome"), "Welcome"),
    (Exposure(flag="button"), "button"),
    (Exposure(variation_group_id="g", variation_id="v"), "exposure"),
    (ConsentChange(), "consent_change"),
    (OptOut(opted_out=True), "opt_out"),
    (TrackingLog(name="edx.course.enrollment.activated"), "edx.course.enrollment.activated"),
]


@pytest.mark.parametrize(("event", "name"), NAMED)
def test_the_name_that_patterns_look_at(event: Event, name: str | None) -> None:
    assert event.event_name == name


def test_every_kind_has_its_word_for_patterns() -> None:
    assert {type(event) for event, _ in NAMED} == set(KINDS.values())


def test_the_answer_to_a_question_of_consent_is_about_consent() -> None:
    assert {name for name, kind in KINDS.items() if kind.about_consent} == {"ConsentChange", "OptOut"}


def test_parts_that_hold_nothing_are_empty_not_missing() -> None:
    event = Identify()
    assert event.context.page.url is None
    assert event.consent == {}
    assert isinstance(event.identities, Mapping)


def test_a_part_renders_what_is_set_and_nothing_else() -> None:
    context = msgspec.convert({"ip": "203.0.113.7", "page": {"path": "/p"}}, Context)
    assert msgspec.to_builtins(context) == {"ip": "203.0.113.7", "page": {"path": "/p"}}
