"""The schemas we publish, against the structs they are read into."""

import asyncio
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import pytest
from fastavro.schema import load_schema
from msgspec.structs import fields

from connector.adapters.schema_files import load_schemas
from connector.domain import events
from connector.domain.events import KINDS, Event, Page
from connector.pipeline.decode import Decoder
from connector.pipeline.framing import confluent_head
from connector.pipeline.shape import ALIASES, Source, match, shape_of
from tests.unit.avro.golden import GOLDEN
from tests.unit.pipeline.avro_values import ID, Known, record

AVRO = Path(__file__).parents[3] / "avro"
FILES = sorted(AVRO.glob("connector.events.*.avsc"))
TEXTS = load_schemas(AVRO)
PARTS = [name for name in events.__all__ if name not in {"KINDS", "Event"}]


def written(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((AVRO / f"connector.events.{name}.avsc").read_text())
    return schema


def test_there_is_one_file_for_every_struct_and_none_besides() -> None:
    assert [path.name for path in FILES] == sorted(f"connector.events.{name}.avsc" for name in PARTS)


def test_the_table_of_kinds_and_that_of_parts_name_every_file() -> None:
    tables = [line for line in (AVRO / "README.md").read_text().splitlines() if line.startswith("| `")]
    named = {word for line in tables for word in re.findall(r"`([A-Z]\w+)`", line)}
    assert named == set(PARTS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_is_a_schema_by_itself(path: Path) -> None:
    schema = load_schema(str(path))
    assert isinstance(schema, dict)
    assert f"{schema['name']}.avsc" == path.name


@pytest.mark.parametrize("name", PARTS)
def test_every_field_has_its_place_in_the_struct_and_every_place_a_field(name: str) -> None:
    struct = getattr(events, name)
    written_fields = written(name)["fields"]
    places = match(shape_of(struct), [Source(field["name"]) for field in written_fields])
    assert set(places) == {field["name"] for field in written_fields}
    assert {place.field.name for place in places.values() if not place.json} == {f.name for f in fields(struct)}
    assert {place.field.name for place in places.values() if place.json} == {
        field.name for field in shape_of(struct).fields.values() if field.free_map
    }


@pytest.mark.parametrize("name", PARTS)
def test_a_field_is_required_where_the_struct_requires_it_and_null_by_default_elsewhere(name: str) -> None:
    shape = shape_of(getattr(events, name))
    for field in written(name)["fields"]:
        of = shape.fields.get(field["name"])
        if of is not None and of.required:
            assert "default" not in field
        else:
            assert field["default"] is None
            assert field["type"][0] == "null"


def test_aliases_in_the_files_are_those_the_connector_understands() -> None:
    found = {
        (kind, field["name"]): tuple(field["aliases"])
        for kind in KINDS
        for field in written(kind)["fields"]
        if "aliases" in field
    }
    assert found == ALIASES


def test_free_form_values_are_of_one_type_in_every_file() -> None:
    free = [
        json.dumps(field["type"])
        for name in PARTS
        for field in written(name)["fields"]
        if f"{field['name']}_json" in {other["name"] for other in written(name)["fields"]}
    ]
    assert len(free) == sum(
        field.free_map for name in PARTS for field in shape_of(getattr(events, name)).fields.values()
    )
    assert len(set(free)) == 1


def filled(node: Any, number: int = 3) -> Any:
    """A value for a type: of a union its last branch, of a record every field."""
    if isinstance(node, list):
        return filled(node[-1], number)
    kind = node if isinstance(node, str) else node["type"]
    if isinstance(kind, dict):
        return filled(kind, number)
    if kind == "map":
        return {"k": filled(node["values"], number)}
    if kind == "array":
        return [filled(node["items"], number)]
    if kind == "record":
        return {f["name"]: "{}" if f["name"].endswith("_json") else filled(f["type"], number) for f in node["fields"]}
    if kind == "enum":
        return node["symbols"][-1]
    if kind.startswith("connector.events."):
        return filled(written(kind.rpartition(".")[2]), number)
    return {"string": "text", "long": number, "double": 0.5, "boolean": True, "bytes": b"b", "null": None}[kind]


def decoded(name: str, value: dict[str, Any]) -> Event:
    text = TEXTS[f"connector.events.{name}.avsc"]
    file = BytesIO()
    fastavro.schemaless_writer(file, json.loads(text), value)
    decoder = Decoder(Known({ID: (text,)}))
    asyncio.run(decoder.learn(ID))
    event = decoder.decode(record(confluent_head(ID) + file.getvalue()))
    assert isinstance(event, Event)
    return event


def unset(struct: msgspec.Struct) -> list[str]:
    """Name the fields of a struct, and of the structs in it, that are still at their default."""
    missing = []
    for field in fields(struct):
        value = getattr(struct, field.name)
        parts = value if isinstance(value, tuple) else (value,)
        structs = [part for part in parts if isinstance(part, msgspec.Struct)]
        missing += [f"{field.name}.{name}" for part in structs for name in unset(part)]
        if not structs and (value is None or value in ({}, ())):
            missing.append(field.name)
    return missing


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_a_producer_can_write_arrives(kind: str) -> None:
    event = decoded(kind, filled(written(kind)))
    assert type(event) is KINDS[kind]
    assert unset(event) == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_with_nothing_optional_is_the_struct_with_nothing_optional(kind: str) -> None:
    required = {field["name"]: filled(field["type"]) for field in written(kind)["fields"] if "default" not in field}
    assert decoded(kind, required) == KINDS[kind](**required)


@pytest.mark.parametrize("case", GOLDEN)
def test_a_value_becomes_the_event_written_beside_it(case: str) -> None:
    value, event = GOLDEN[case]
    assert decoded(type(event).__name__, value) == event


def said(value: object) -> set[str]:
    """Name a struct and those in it, but for parts that hold nothing: what is there by default is told by no case."""
    if isinstance(value, msgspec.Struct):
        parts = [getattr(value, field.name) for field in fields(value)]
        own = {type(value).__name__} if isinstance(value, Event) or msgspec.to_builtins(value) else set[str]()
        return own.union(*map(said, parts))
    parts = list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, tuple) else []
    return set[str]().union(*map(said, parts))


def test_every_kind_and_part_is_told_by_a_golden_case() -> None:
    assert set[str]().union(*(said(event) for _, event in GOLDEN.values())) == set(PARTS)


def test_values_by_fingerprint_are_read_with_the_published_schemas() -> None:
    decoder = Decoder(Known({}), fingerprints=TEXTS.values())
    file = BytesIO()
    schema = json.loads(TEXTS["connector.events.Page.avsc"])
    fastavro.schemaless_writer(file, schema, {"name": "Home"})
    mark = bytes.fromhex(fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(schema), "CRC-64-AVRO"))
    assert decoder.decode(record(b"\xc3\x01" + mark + file.getvalue())) == Page(name="Home")
