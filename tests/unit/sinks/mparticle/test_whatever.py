"""Whatever an event says, what leaves is allowed by the vendor's schema: a 202 would not tell."""

import os
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from multidict import CIMultiDict

from connector.domain.events import KINDS, Event
from connector.errors import Untranslatable
from connector.sandbox.mparticle import Mparticle
from connector.sandbox.vendor import Call
from connector.sinks.contract import Attempt, Item, Payloads, Scene
from connector.sinks.mparticle import create

SINK = create({"MPARTICLE_KEY": "k", "MPARTICLE_SECRET": "s"})
BULK = SINK.endpoints["bulkevents"]
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
NOW_MS = 1_741_064_767_891
SCENE = Scene(NOW_MS, "11111111-1111-5111-8111-111111111111")
MS = st.integers(NOW_MS - 1_000_000, NOW_MS)
UUIDS = st.uuids().map(str)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
# Fields whose values would almost never be allowed by chance.
WORDS: Mapping[str, st.SearchStrategy[Any]] = {
    "regulation": st.sampled_from(["gdpr", "ccpa", None]),
    "environment": st.sampled_from(["production", "development", None]),
    "category": st.sampled_from(["search", "media", "shop", None]),
    "platform": st.sampled_from(["ios", "Android", "desktop", None]),
    "uuid": UUIDS | st.none(),
    "application_stamp": UUIDS.map(lambda text: text.replace("-", "")) | st.none(),
    "ios_idfv": UUIDS | st.text(max_size=2) | st.none(),
    "att_status": st.sampled_from(["denied", "limited", None]),
    "device_orientation": st.sampled_from(["portrait", "undefined", None]),
    "identities": st.dictionaries(st.sampled_from(["email", "mpid", "cookie", "customer_id"]), st.sampled_from(["7"])),
    "previous_identities": st.just({"mpid": "7"}),
    "integration_attributes": st.dictionaries(st.sampled_from(["1", "77"]), st.just({"a": "b"})),
    "severity": st.just("fatal"),
    "message": st.text(max_size=3),
    "token": st.text(max_size=3),
    "payload": st.just("e30="),
    "status": st.integers(100, 599),
    "op": st.sampled_from(["set", "unset", "increment"]),
    "log_context": st.fixed_dictionaries({"user_id": st.sampled_from([7, "u", None])}),
}
# What the vendor's schema asks for, so that an event without it says little.
ALWAYS = ("severity", "message", "token", "payload", "status", "operations", "log_context")


def valued(name: str, hint: Any) -> st.SearchStrategy[Any]:
    """Draw a value of a field by its name, else by its type."""
    if name in WORDS:
        return WORDS[name]
    if name.endswith("_ms"):
        return MS | st.none() if type(None) in get_args(hint) else MS
    return typed(hint)


def typed(hint: Any) -> st.SearchStrategy[Any]:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return st.one_of([typed(part) for part in parts])
    if origin is Literal:
        return st.sampled_from(parts)
    if origin is tuple:
        return st.lists(typed(parts[0]), max_size=2).map(tuple)
    if origin is not None:
        return st.dictionaries(st.text(max_size=4), typed(parts[1]), max_size=2)
    if isinstance(hint, type) and issubclass(hint, Struct):
        return struct(hint)
    return PLAIN.get(hint, VALUES)


PLAIN: Mapping[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=6),
    int: st.integers(-(2**40), 2**40),
    # As decoded: what is no number is null.
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=4),
    type(None): st.none(),
}


def struct(kind: type[Struct]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    fields = msgspec.structs.fields(kind)
    needed = {field.name: st.deferred(lambda field=field: valued(field.name, hints[field.name])) for field in fields}
    optional = {
        field.name: needed.pop(field.name) for field in fields if not field.required and field.name not in ALWAYS
    }
    return st.fixed_dictionaries(needed, optional=optional).map(lambda given: kind(**given))


def refused(body: bytes) -> list[str]:
    """Return why the vendor would turn down anything of this request."""
    headers = CIMultiDict({"Content-Type": "application/json", "Authorization": "Basic azpz"})
    answer = Mparticle().routes["POST /v2/bulkevents"](Call("POST", "", "", headers, body, NOW_MS))
    return [answer.refused, *(item.reason for item in answer.items)]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_is_not_refused_here_is_not_turned_down_there(kind: type[Event]) -> None:
    taken = 0

    @settings(max_examples=400 if LONG else 20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(struct(kind))
    def check(event: Event) -> None:
        nonlocal taken
        try:
            translation = SINK.translate(event, SCENE)
        except Untranslatable:
            return
        if isinstance(translation, Payloads):
            taken += 1
            items = [Item((payload,)) for payload in translation.payloads]
            assert not any(refused(SINK.request(BULK, items, Attempt(1, NOW_MS)).body))

    check()
    # Of few examples all may be refused here; that each kind is taken at all the golden cases show.
    assert taken > 0 or not LONG or kind.__name__ in ("Alias", "Group", "Workflow")
