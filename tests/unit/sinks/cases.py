"""Golden cases: an event in, payloads out, read from a vendor's `cases/*.json`.

Shape of a file: a list of {name, event {kind, ...}, and one of payloads [{endpoint, id, body, ...}], skip (reason),
untranslatable [reason, field]}; `body` and `merge` are JSON, null where there is none; `{version}` stands for our own.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from connector import __version__
from connector.domain.events import KINDS, Event
from connector.errors import Untranslatable
from connector.sinks.contract import Payloads, Scene, Sink, Skip

HERE = Path(__file__).parent
NOW_MS = 1_741_064_767_891  # 2025-03-04T05:06:07.891Z
RECORD_ID = "11111111-1111-5111-8111-111111111111"


class Case(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    event: Mapping[str, Any]
    payloads: list[dict[str, Any]] | None = None
    skip: str | None = None
    untranslatable: tuple[str, str] | None = None

    @property
    def decoded(self) -> Event:
        fields = {name: value for name, value in self.event.items() if name != "kind"}
        return msgspec.convert(fields, KINDS[self.event["kind"]])


def cases_of(sink: str) -> list[Case]:
    """Return the cases of one sink, by file and in the order written."""
    found: list[Case] = []
    for path in sorted((HERE / sink / "cases").glob("*.json")):
        found += msgspec.json.decode(path.read_text().replace("{version}", __version__), type=list[Case])
    return found


def assert_translated(sink: Sink, case: Case, scene: Scene | None = None) -> None:
    """Compare, bodies and heads byte for byte: compact JSON, keys in the order written."""
    scene = scene or Scene(now_ms=NOW_MS, record_id=RECORD_ID)
    if case.untranslatable is not None:
        try:
            sink.translate(case.decoded, scene)
        except Untranslatable as exc:
            assert (exc.reason, exc.detail) == case.untranslatable
            return
        raise AssertionError("it was translated")
    translation = sink.translate(case.decoded, scene)
    if case.skip is not None:
        assert translation == Skip(case.skip)
        return
    assert isinstance(translation, Payloads)
    assert case.payloads is not None
    assert len(translation.payloads) == len(case.payloads)
    for payload, expected in zip(translation.payloads, case.payloads, strict=True):
        for field, value in expected.items():
            actual = getattr(payload, field)
            assert actual == (_compact(value) if isinstance(actual, bytes) else value)


def _compact(value: Any) -> bytes:
    return b"" if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
