"""What is remembered of a visitor: both documents, and continuity over login and logout."""

import json
from typing import Any

import msgspec
import pytest

from connector.domain.events import ConsentChange, Event, Exposure, Identify, ProfileChange, Screen
from connector.sinks.contract import Need, Payloads, Scene, Sink, Skip
from connector.sinks.flagship import create
from connector.sinks.flagship.bucketing import Assigned
from connector.sinks.flagship.memory import NOTHING, recall
from tests.unit.sinks.cases import NOW_MS, RECORD_ID
from tests.unit.sinks.flagship.sample import ENV_ID, FEED, FILE, read


def document(**data: Any) -> bytes:
    return json.dumps({"version": 1, "data": data}).encode()


class Visits:
    """A sink and its store: what each event saves, the next one knows."""

    def __init__(self, **variables: str) -> None:
        given = {f"FLAGSHIP_{name}": value for name, value in variables.items()}
        environ = {"FLAGSHIP_ENV_ID": ENV_ID, "FLAGSHIP_VISITOR_CACHE_URL": "sqlite:///v.db", **given}
        self.sink: Sink = create(environ)
        self.rules = variables.get("DECISION_RULES", "sound")
        self.store: dict[str, bytes] = {}

    def visit(self, event: Event, raw: dict[str, Any] | None = None) -> dict[str, Any] | str:
        """Return the one body that is sent, or why none is."""
        feeds = {FEED: read(FILE if raw is None else raw, self.rules)}
        scene = Scene(now_ms=NOW_MS, record_id=RECORD_ID, feeds=feeds)
        facts: dict[Need, object] = {}
        while missing := [need for need in self.sink.needs(event, scene) if need not in facts]:
            facts.update({need: self.store.get(need.key) for need in missing})
            scene = Scene(now_ms=NOW_MS, record_id=RECORD_ID, feeds=feeds, facts=facts)
        translation = self.sink.translate(event, scene)
        assert isinstance(translation, Payloads | Skip)
        for save in translation.saves:
            if save.value is None:
                self.store.pop(save.key, None)
            else:
                self.store[save.key] = save.value
        if isinstance(translation, Skip):
            return translation.reason
        (payload,) = translation.payloads
        body: dict[str, Any] = msgspec.json.decode(payload.body)
        return body

    def kept(self, visitor: str) -> Any:
        found = self.store.get(f"{ENV_ID}:{visitor}")
        return None if found is None else json.loads(found)["data"]


@pytest.mark.parametrize(
    "fact",
    [
        None,
        b"",
        b"null",
        b"[]",
        b'{"version": 1}',
        b'{"version": 1, "data": []}',
        b'{"version": 2, "data": {"vId": "u", "vaIds": ["v"]}}',
        b'{"version": 0, "data": {"vId": "u", "vaIds": ["v"]}}',
        b'{"version": true, "data": {"vId": "u", "vaIds": ["v"]}}',
        b'{"version": 1, "data": {"vId": "other", "vaIds": ["v"]}}',
        b'{"version": 1, "data": {"vId": "u", "vaIds": "v"}}',
        b'{"version": 1, "data": {"visitorId": "other", "assignationHistory": {"g": "v"}}}',
    ],
)
def test_a_document_that_is_broken_or_of_another_counts_as_none(fact: bytes | None) -> None:
    assert recall(fact, "u") == NOTHING


def test_both_documents_are_read() -> None:
    assert recall(document(vId="u", vaIds=["v1", 7, "v2"]), "u").assigned == Assigned(variations=("v1", "v2"))
    whole = document(visitorId="u", anonymousId="a", context={"plan": "pro", "x": [1]}, assignationHistory={"g": "v"})
    memory = recall(whole, "u")
    assert (memory.assigned, memory.anonymous_id, memory.context) == (
        Assigned({"g": "v"}), "a", {"plan": "pro"},
    )  # fmt: skip


def test_a_decision_is_kept_in_the_document_of_3_and_stands_when_the_file_changes() -> None:
    visits = Visits()
    assert visits.visit(Exposure(flag="colour", user_id="bc")) == {
        "caid": "a",
        "vaid": "va_red",
        "vid": "bc",
        "aid": None,
    }
    assert visits.kept("bc") == {
        "visitorId": "bc", "anonymousId": None, "isAuthenticated": False, "consent": True, "context": {},
        "campaigns": [], "assignationHistory": {"a": "va_red"},
    }  # fmt: skip
    turned = json.loads(json.dumps(FILE))
    turned["campaigns"][0]["variationGroups"][0]["variations"][0]["allocation"] = 0
    body = visits.visit(Exposure(flag="colour", user_id="bc"), turned)
    assert isinstance(body, dict)
    assert body["vaid"] == "va_red"


def test_by_rules_of_2_1_a_decision_is_kept_as_a_list_of_those_that_own_a_flag() -> None:
    visits = Visits(DECISION_RULES="python-2.1")
    visits.visit(Exposure(flag="colour", user_id="bc"))
    assert visits.kept("bc") == {"vId": "bc", "vaIds": ["va_red"]}


def test_a_decision_that_says_nothing_new_is_not_written_again() -> None:
    visits = Visits()
    visits.visit(Exposure(flag="colour", user_id="bc"))
    before = dict(visits.store)
    visits.store = {key: bytes(value) for key, value in before.items()}
    visits.visit(Exposure(flag="colour", user_id="bc"))
    assert visits.store == before


def test_what_an_identify_said_targets_a_later_exposure() -> None:
    visits = Visits()
    assert visits.visit(Exposure(flag="vip", user_id="bc")) == "no_variation"
    visits.visit(Identify(user_id="bc", traits={"plan": "pro", "age": 30}))
    body = visits.visit(Exposure(flag="vip", user_id="bc"))
    assert isinstance(body, dict)
    assert body["vaid"] == "va_vip"
    told = visits.visit(Identify(user_id="bc", removed_traits=("plan",)))
    assert isinstance(told, dict)
    assert told["s"] == {"fs_client": "python", "fs_version": "3.0.1", "age": "30"}
    assert visits.kept("bc")["context"] == {"age": 30}
    assert visits.visit(Exposure(flag="vip", user_id="bc")) == "no_variation"


def test_after_a_login_hits_of_the_user_go_by_the_anonymous_id_until_the_logout() -> None:
    visits = Visits()
    visits.visit(ProfileChange(change="login", user_id="log_1", anonymous_id="anon_1"))
    screen = Screen(name="home", user_id="log_1")
    assert visits.visit(screen) == {"t": "SCREENVIEW", "ds": "APP", "vid": "anon_1", "cuid": "log_1", "dl": "home"}
    assert visits.visit(ProfileChange(change="logout", user_id="log_1")) == "logout"
    assert visits.visit(screen) == {"t": "SCREENVIEW", "ds": "APP", "vid": "log_1", "cuid": None, "dl": "home"}


def test_a_login_takes_along_what_the_anonymous_visitor_had_and_keeps_what_the_user_had() -> None:
    visits = Visits()
    visits.visit(Exposure(flag="colour", anonymous_id="bc"))
    visits.visit(ProfileChange(change="login", user_id="b", anonymous_id="bc"))
    body = visits.visit(Exposure(flag="colour", user_id="b"))
    assert body == {"caid": "a", "vaid": "va_red", "vid": "b", "aid": "bc"}
    visits.store[f"{ENV_ID}:b"] = document(visitorId="b", assignationHistory={"a": "va_blue"})
    visits.visit(ProfileChange(change="login", user_id="b", anonymous_id="bc"))
    assert visits.kept("b")["assignationHistory"] == {"a": "va_blue"}


def test_who_refuses_consent_is_told_and_forgotten() -> None:
    visits = Visits()
    visits.visit(Exposure(flag="colour", user_id="bc"))
    body = visits.visit(ConsentChange(user_id="bc", granted=False))
    assert isinstance(body, dict)
    assert (body["el"], visits.kept("bc")) == ("python:false", None)


def test_what_another_wrote_into_a_document_stays() -> None:
    visits = Visits()
    visits.store[f"{ENV_ID}:bc"] = document(visitorId="bc", campaigns=[{"campaignId": "x"}], consent=True)
    visits.visit(Exposure(flag="colour", user_id="bc"))
    assert visits.kept("bc")["campaigns"] == [{"campaignId": "x"}]


def test_no_event_asks_the_store_for_what_cannot_matter() -> None:
    sink = Visits().sink
    scene = Scene(now_ms=NOW_MS, record_id=RECORD_ID, feeds={FEED: read(FILE)})
    assert sink.needs(Screen(name="home", anonymous_id="anon_1"), scene) == ()
    assert sink.needs(Screen(name="home", user_id="u", anonymous_id="anon_1"), scene) == ()
    assert sink.needs(Screen(name="home"), scene) == ()
    assert sink.needs(Screen(name="home", user_id="u"), scene) == (Need("visitor", f"{ENV_ID}:u"),)
