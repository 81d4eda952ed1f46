"""Decisions told to others: which events have one, and what it says by the published schema."""

import hashlib
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
from fastavro.schema import load_schema

from connector.domain.events import Context, Event, Exposure, Identify, Operation, ProfileEdit, Screen
from connector.domain.exchange import HttpResponse
from connector.sinks.contract import Answered, Payload, Payloads, Scene, Sink
from connector.sinks.flagship import api, create
from connector.sinks.flagship.decisions import SCHEMA
from tests.unit.sinks.cases import NOW_MS, RECORD_ID
from tests.unit.sinks.flagship.sample import ENV_ID, scene

PUBLISHED = Path(__file__).parents[4] / "avro" / "connector.decisions.Decision.avsc"


def sink(**variables: str) -> Sink:
    given = {f"FLAGSHIP_{name}": value for name, value in variables.items()}
    return create({"FLAGSHIP_ENV_ID": ENV_ID, "FLAGSHIP_DECISIONS_TOPIC": "decided", **given})


def payloads(event: Event, of: Sink | None = None, at: Scene | None = None) -> tuple[Payload, ...]:
    made = (of or sink()).translate(event, at or scene())
    assert isinstance(made, Payloads)
    return made.payloads


def told(event: Event, of: Sink | None = None, at: Scene | None = None) -> tuple[Payload, dict[str, Any]]:
    (payload,) = [one for one in payloads(event, of, at) if one.endpoint == "decisions"]
    value = fastavro.schemaless_reader(BytesIO(payload.body), load_schema(str(PUBLISHED)), None)
    assert isinstance(value, dict)
    return payload, value


def test_the_published_schema_is_the_one_that_is_written_by_and_registered() -> None:
    assert json.loads(PUBLISHED.read_text()) == SCHEMA
    topic = sink().endpoints["decisions"].topic
    assert topic is not None
    assert (topic.name, topic.subject, json.loads(topic.schema)) == ("decided", "decided-value", SCHEMA)


def test_an_identify_tells_every_campaign_of_its_visitor_in_the_context_it_leaves_behind() -> None:
    """Visitor `bc` is in bucket 2 of group `a`, so red; campaign `c_none` has nothing for anybody."""
    payload, value = told(Identify(user_id="bc", anonymous_id="anon", traits={"plan": "pro"}))
    assert (payload.key, payload.role) == (b"bc", "decision")
    assert (value["visitor_id"], value["anonymous_id"], value["environment_id"]) == ("bc", "anon", ENV_ID)
    assert (value["decided_by"], value["event_id"]) == ("bucketing", RECORD_ID)
    assert round(value["decided_at"].timestamp() * 1000) == NOW_MS
    assert value["context_hash"] == hashlib.sha256(b'{"plan":"pro"}').hexdigest()[:16]
    assert json.loads(value["flags_json"]) == {"colour": "red", "vip": True}
    assert [{**one, "flags_json": json.loads(one["flags_json"])} for one in value["campaigns"]] == [
        {"campaign_id": "c_colour", "variation_group_id": "a", "variation_id": "va_red", "reference": False,
         "flags_json": {"colour": "red"}},
        {"campaign_id": "c_vip", "variation_group_id": "v", "variation_id": "va_vip", "reference": False,
         "flags_json": {"vip": True}},
    ]  # fmt: skip


def test_an_edit_of_a_profile_is_decided_by_what_it_sets_and_unsets() -> None:
    edit = ProfileEdit(
        user_id="bc",
        operations=(Operation(op="set", properties={"plan": "pro"}), Operation(op="unset", keys=("plan",))),
    )
    assert json.loads(told(edit)[1]["flags_json"]) == {"colour": "red"}


def test_an_exposure_tells_beside_its_activation_and_also_where_its_flag_is_nobodys() -> None:
    met = Exposure(flag="colour", user_id="bc", context=Context(traits={"plan": "pro"}))
    assert [one.endpoint for one in payloads(met)] == ["activate", "decisions"]
    assert json.loads(told(met)[1]["flags_json"]) == {"colour": "red", "vip": True}
    assert [one.endpoint for one in payloads(Exposure(flag="unheard", user_id="bc"))] == ["decisions"]


def test_what_has_nothing_decided_tells_nothing() -> None:
    named = Exposure(variation_group_id="g", variation_id="v", user_id="bc")
    assert [one.endpoint for one in payloads(named)] == ["activate"]
    assert [one.endpoint for one in payloads(Screen(name="home", user_id="bc"))] == ["hits"]


def test_the_same_context_has_the_same_hash_in_whatever_order_it_is_told() -> None:
    hashes = {
        told(Identify(user_id=user, traits=traits))[1]["context_hash"]
        for user, traits in (("a", {"x": 1, "y": "2"}), ("b", {"y": "2", "x": 1}))
    }
    assert len(hashes) == 1


def test_with_a_visitor_cache_one_document_keeps_both_the_context_and_the_assignments() -> None:
    of = sink(VISITOR_CACHE_URL="sqlite:///v.db")
    event = Identify(user_id="bc", traits={"plan": "pro"})
    made = of.translate(event, scene(facts=dict.fromkeys(of.needs(event, scene()))))
    assert isinstance(made, Payloads)
    (save,) = made.saves
    data = json.loads(save.value or b"")["data"]
    assert (data["context"], data["assignationHistory"]) == ({"plan": "pro"}, {"a": "va_red", "v": "va_vip"})


def test_with_the_api_the_event_asks_it_for_the_context_it_leaves_behind() -> None:
    of = sink(MODE="api", API_KEY="ak")
    at = Scene(now_ms=NOW_MS, record_id=RECORD_ID, feeds={f"panic-{ENV_ID}": api.Switch(panic=False)})
    event = Identify(user_id="bc", traits={"plan": "pro"})
    (need,) = of.needs(event, at)
    assert json.loads(need.key)["context"]["plan"] == "pro"
    variation = {"id": "v", "reference": True, "modifications": {"type": "JSON", "value": {"f": [1]}}}
    body = json.dumps({"campaigns": [{"id": "c", "variationGroupId": "g", "variation": variation}]}).encode()
    (lookup,) = of.lookups
    assert isinstance(lookup, api.DecisionLookup)
    answer = lookup.read(need, HttpResponse(200, {}, body))
    assert isinstance(answer, Answered)
    found = told(event, of, Scene(now_ms=NOW_MS, record_id=RECORD_ID, feeds=at.feeds, facts={need: answer.fact}))[1]
    assert (found["decided_by"], json.loads(found["flags_json"])) == ("api", {"f": [1]})
    assert found["campaigns"][0]["reference"] is True


def test_without_a_topic_nothing_is_asked_or_told() -> None:
    of = create({"FLAGSHIP_ENV_ID": ENV_ID, "FLAGSHIP_MODE": "api", "FLAGSHIP_API_KEY": "ak"})
    at = Scene(now_ms=NOW_MS, record_id=RECORD_ID, feeds={f"panic-{ENV_ID}": api.Switch(panic=False)})
    assert of.needs(Identify(user_id="bc", traits={"plan": "pro"}), at) == ()
    assert "decisions" not in of.endpoints
