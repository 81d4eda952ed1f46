"""What the pipeline relies on, asserted for every sink that is installed."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

import connector.sinks
from connector.domain.exchange import HttpResponse
from connector.domain.outcome import Delivered, Refresh, Rejected, Retryable, SetupFault, Undetermined
from connector.errors import Untranslatable
from connector.sinks.contract import Attempt, Endpoint, Hold, Item, Limits, Payload, Payloads, Scene, Sink, Skip
from connector.sinks.registry import create_sinks, installed
from tests.contract.fixture import Fixture, fixture_of
from tests.unit.sinks.cases import NOW_MS, Case, cases_of

RECORD_IDS = ("11111111-1111-5111-8111-111111111111", "22222222-2222-5222-8222-222222222222")
OUTCOMES = (Delivered, Rejected, Undetermined, Retryable)


class Subject(Struct, frozen=True):
    """A sink with what it needs, made anew for each use so that nothing can be kept in between."""

    name: str
    fixture: Fixture
    cases: list[Case]

    def sink(self) -> Sink:
        (sink,) = create_sinks([self.name], self.fixture.environ)
        return sink

    def scene(self, record_id: str = RECORD_IDS[0]) -> Scene:
        return Scene(now_ms=NOW_MS, record_id=record_id, feeds=self.fixture.feeds, facts=self.fixture.facts)

    def attempt(self, number: int = 1, later_ms: int = 0) -> Attempt:
        return Attempt(number, NOW_MS + later_ms, bytes(range(16)), self.fixture.feeds)

    def translated(self, sink: Sink, record_id: str = RECORD_IDS[0]) -> list[Payload]:
        found: list[Payload] = []
        for case in self.cases:
            try:
                translation = sink.translate(case.decoded, self.scene(record_id))
            except Untranslatable:
                continue
            if isinstance(translation, Payloads):
                found += translation.payloads
        return found

    def batches(self, sink: Sink) -> Iterator[tuple[Endpoint, tuple[Item, ...]]]:
        """Requests the pipeline might cut: per endpoint and group, merged where heads are equal."""
        groups: dict[tuple[str, str], list[list[Payload]]] = {}
        for payload in self.translated(sink):
            items = groups.setdefault((payload.endpoint, payload.group), [])
            merges = payload.merge is not None and items and items[-1][0].merge == payload.merge
            if merges and len(items[-1]) < sink.endpoints[payload.endpoint].limits.members:
                items[-1].append(payload)
            else:
                items.append([payload])
        for (name, _), items in groups.items():
            endpoint = sink.endpoints[name]
            yield endpoint, tuple(Item(tuple(members)) for members in items[: endpoint.limits.items])


NAMES = list(installed())
SUBJECTS = [Subject(name, fixture_of(name), cases_of(name)) for name in NAMES]
each_sink = pytest.mark.parametrize("subject", SUBJECTS, ids=NAMES)


def declared_bytes(limits: Limits, items: Sequence[Item]) -> int:
    total = limits.request_overhead
    for item in items:
        total += limits.item_overhead + len(item.first.merge or b"")
        total += sum(len(member.body) + limits.member_overhead for member in item.members)
    return total


def test_every_folder_of_a_sink_is_registered_and_the_reverse() -> None:
    root = Path(connector.sinks.__file__).parent
    assert {path.parent.name for path in root.glob("*/__init__.py")} == set(NAMES)


@each_sink
def test_a_sink_goes_by_its_entry_point(subject: Subject) -> None:
    assert subject.sink().name == subject.name


@each_sink
def test_a_sink_has_the_five_files_and_cases(subject: Subject) -> None:
    folder = Path(connector.sinks.__file__).parent / subject.name
    for stem in ("settings", "request", "response"):
        assert (folder / f"{stem}.py").is_file()
    assert (folder / "translate.py").is_file() or (folder / "translate" / "__init__.py").is_file()
    assert any(case.payloads for case in subject.cases)


@each_sink
def test_endpoints_go_by_their_names_and_their_limits_can_be_met(subject: Subject) -> None:
    for name, endpoint in subject.sink().endpoints.items():
        limits = endpoint.limits
        assert endpoint.name == name
        assert min(limits.items, limits.item_bytes, limits.members) >= 1
        assert limits.request_overhead + limits.item_overhead + limits.member_overhead < limits.request_bytes
        assert endpoint.timeout_s > 0


@each_sink
def test_a_case_is_translated_the_same_by_a_sink_made_anew(subject: Subject) -> None:
    assert subject.translated(subject.sink()) == subject.translated(subject.sink())


@each_sink
def test_payloads_name_a_known_endpoint_and_fit_its_limits(subject: Subject) -> None:
    sink = subject.sink()
    for payload in subject.translated(sink):
        limits = sink.endpoints[payload.endpoint].limits
        assert len(payload.merge or b"") + len(payload.body) + limits.member_overhead <= limits.item_bytes


@each_sink
def test_skips_and_refusals_name_a_reason_fit_for_a_label(subject: Subject) -> None:
    sink = subject.sink()
    for case in subject.cases:
        try:
            translation = sink.translate(case.decoded, subject.scene())
        except Untranslatable as exc:
            assert exc.reason.isidentifier()
            continue
        assert isinstance(translation, Payloads | Skip | Hold)
        assert not isinstance(translation, Skip) or translation.reason.isidentifier()
        assert not isinstance(translation, Hold) or translation.feed in {feed.name for feed in sink.feeds}


@each_sink
def test_ids_and_roles_tell_the_payloads_of_a_record_apart(subject: Subject) -> None:
    sink = subject.sink()
    for case in subject.cases:
        try:
            translation = sink.translate(case.decoded, subject.scene())
        except Untranslatable:
            continue
        payloads = translation.payloads if isinstance(translation, Payloads) else ()
        assert len({payload.id for payload in payloads}) == len(payloads)
        assert len({payload.role for payload in payloads}) == len(payloads)


@each_sink
def test_an_event_without_an_id_takes_the_records(subject: Subject) -> None:
    sink = subject.sink()
    first, second = (subject.translated(sink, record_id) for record_id in RECORD_IDS)
    assert [payload.id for payload in first] == [payload.id for payload in subject.translated(sink)]
    assert any(one.id != other.id for one, other in zip(first, second, strict=True))


@each_sink
def test_the_same_items_and_attempt_render_the_same_request(subject: Subject) -> None:
    for endpoint, items in subject.batches(subject.sink()):
        again = subject.sink().request(endpoint, items, subject.attempt())
        assert subject.sink().request(endpoint, items, subject.attempt()) == again


@each_sink
def test_an_items_bytes_are_the_same_on_every_attempt(subject: Subject) -> None:
    sink = subject.sink()
    for endpoint, items in subject.batches(sink):
        bodies = [
            sink.request(endpoint, items, subject.attempt(*moment)).body for moment in ((1, 0), (2, 977), (9, 9_000))
        ]
        for body in bodies:
            # The last byte may give way to a field spliced in at sending.
            assert all(member.body[:-1] in body for item in items for member in item.members)


@each_sink
def test_a_request_weighs_no_more_than_its_limits_declare(subject: Subject) -> None:
    sink = subject.sink()
    for endpoint, items in subject.batches(sink):
        for some in (items, items[:1]):
            body = sink.request(endpoint, some, subject.attempt(3, 60_000)).body
            assert len(body) <= declared_bytes(endpoint.limits, some)


@each_sink
def test_every_status_gets_one_outcome_per_item(subject: Subject) -> None:
    sink = subject.sink()
    for endpoint, items in subject.batches(sink):
        for status in range(200, 600):
            for body in (b"", b"{}", b"[]", b"null", b"<html>", b'{"records": 1}'):
                verdict = sink.read(endpoint, items, HttpResponse(status, {}, body), subject.attempt())
                assert_whole(verdict, len(items))


@each_sink
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    status=st.integers(0, 999),
    body=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["records", "status", "status_code", "error", "errors"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode()),
    truncated=st.booleans(),
)
def test_no_reply_can_make_it_raise(subject: Subject, status: int, body: bytes, truncated: bool) -> None:
    sink = subject.sink()
    for endpoint, items in subject.batches(sink):
        reply = HttpResponse(status, {"content-type": "application/json"}, body, truncated)
        assert_whole(sink.read(endpoint, items, reply, subject.attempt()), len(items))


@each_sink
def test_secrets_are_in_no_text_of_the_sink_and_in_no_payload(subject: Subject) -> None:
    sink = subject.sink()
    text = f"{sink!r} {sink!s} {sink.endpoints} {sink.feeds} {sink.lookups} {subject.translated(sink)}"
    for secret in subject.fixture.secrets:
        assert secret not in text


def assert_whole(verdict: object, count: int) -> None:
    if isinstance(verdict, SetupFault | Refresh):
        assert verdict.reason
        return
    assert isinstance(verdict, Sequence)
    assert len(verdict) == count
    for outcome in verdict:
        assert isinstance(outcome, OUTCOMES)
        assert isinstance(outcome, Delivered) or outcome.reason.isidentifier()
