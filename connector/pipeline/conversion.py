"""How an Avro value becomes a JSON value: one table, one small function per row. Pure.

    null                     null
    boolean                  true, false
    int, long                the integer, exact to 64 bits
    float, double            the number; NaN and the infinities are null; a float is the double that equals it
    string, enum             text; the symbol
    bytes, fixed             base64 text, with padding
    array, map, record       array, object, object
    union                    as its branch
    decimal                  number, always with a fraction (12.00 is 12.0): the double nearest to it, so digits beyond
                             the 15th to 17th are lost; an amount that needs them is sent as text
    uuid                     text in the usual form, also from fixed(16)
    date                     2025-01-31
    time-millis, -micros     10:20:30.123, 10:20:30.123456
    timestamp-millis         2025-01-31T10:20:30.123Z; -micros has six digits, -nanos nine
    local-timestamp-...      the same without Z
    duration                 ISO 8601: months, days, seconds, as P14M3DT4.5S; parts that are 0 are left out, PT0S
    any other logical type   as the type beneath it

A date, time or timestamp no calendar has (years outside 1 to 9999), a decimal with more digits than its schema allows
or larger than a double make the record undecodable.

fastavro calls the function of a type by its logical name, at the branch it read: types that need none cost nothing.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from uuid import UUID

from fastavro.read import LOGICAL_READERS

from connector.errors import Undecodable

Schema = Mapping[str, object]
Convert = Callable[..., object]

_EPOCH = datetime(1970, 1, 1)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_DAY_MS = 86_400_000
_INFINITY = float("inf")


def offer(types: tuple[str, ...], name: str, convert: Convert) -> str:
    """Make fastavro call `convert(value, schema, _)` for these types under this logical name, and return the name."""
    for avro_type in types:
        LOGICAL_READERS[f"{avro_type}-{name}"] = convert
    return name


def _finite(value: float, *_: object) -> float | None:
    return value if -_INFINITY < value < _INFINITY else None


def _base64(value: bytes, *_: object) -> str:
    return b64encode(value).decode("ascii")


def _decimal(value: bytes, schema: Schema, _: object) -> float:
    unscaled = int.from_bytes(value, "big", signed=True)
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if not isinstance(precision, int) or not isinstance(scale, int) or abs(unscaled) >= 10**precision:
        raise Undecodable("decimal_range")
    try:
        # True division of two integers is rounded once, to the nearest double.
        return unscaled / int(10**scale)
    except OverflowError as error:
        raise Undecodable("decimal_range") from error


def _uuid(value: bytes, *_: object) -> str:
    return str(UUID(bytes=value))


def _duration(value: bytes, *_: object) -> str:
    months, days, millis = (int.from_bytes(value[at : at + 4], "little") for at in (0, 4, 8))
    text = "P" + (f"{months}M" if months else "") + (f"{days}D" if days else "")
    if millis or text == "P":
        seconds, rest = divmod(millis, 1000)
        text += f"T{seconds}" + (f".{rest:03}".rstrip("0") if rest else "") + "S"
    return text


def _date(value: int, *_: object) -> str:
    try:
        return date.fromordinal(_EPOCH_ORDINAL + value).isoformat()
    except (ValueError, OverflowError) as error:
        raise Undecodable("calendar_range") from error


def _moment(seconds: int, microseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=microseconds)
    except OverflowError as error:
        raise Undecodable("calendar_range") from error


def _time(per_second: int, timespec: str) -> Convert:
    def convert(value: int, *_: object) -> str:
        seconds, rest = divmod(value, per_second)
        if not 0 <= seconds < 86_400:
            raise Undecodable("calendar_range")
        return _moment(seconds, rest * (1_000_000 // per_second)).time().isoformat(timespec)

    return convert


def _timestamp(per_second: int, timespec: str, zone: str) -> Convert:
    def convert(value: int, *_: object) -> str:
        seconds, rest = divmod(value, per_second)
        return _moment(seconds, rest * (1_000_000 // per_second)).isoformat(timespec=timespec) + zone

    return convert


def _nanos(zone: str) -> Convert:
    def convert(value: int, *_: object) -> str:
        seconds, rest = divmod(value, 1_000_000_000)
        return f"{_moment(seconds, 0).isoformat()}.{rest:09}{zone}"

    return convert


FINITE = offer(("float", "double"), "connector-finite", _finite)
BASE64 = offer(("bytes", "fixed"), "connector-base64", _base64)
_DECIMAL = offer(("bytes", "fixed"), "connector-decimal", _decimal)
_LOGICAL: Mapping[str, Mapping[str, str]] = {
    "bytes": {"decimal": _DECIMAL},
    "fixed": {
        "decimal": _DECIMAL,
        "uuid": offer(("fixed",), "connector-uuid", _uuid),
        "duration": offer(("fixed",), "connector-duration", _duration),
    },
    "int": {
        "date": offer(("int",), "connector-date", _date),
        "time-millis": offer(("int",), "connector-time-millis", _time(1_000, "milliseconds")),
    },
    "long": {
        "time-micros": offer(("long",), "connector-time-micros", _time(1_000_000, "microseconds")),
        **{
            f"{kind}-{unit}": offer(("long",), f"connector-{kind}-{unit}", convert)
            for kind, zone in (("timestamp", "Z"), ("local-timestamp", ""))
            for unit, convert in (
                ("millis", _timestamp(1_000, "milliseconds", zone)),
                ("micros", _timestamp(1_000_000, "microseconds", zone)),
                ("nanos", _nanos(zone)),
            )
        },
    },
}
_PLAIN = {"float": FINITE, "double": FINITE, "bytes": BASE64, "fixed": BASE64}
_FIXED_SIZES = {"uuid": 16, "duration": 12}


def json_reader(avro_type: str, schema: Schema) -> str | None:
    """Name the conversion of one type to JSON, None where its value is already one."""
    logical = str(schema.get("logicalType", ""))
    if avro_type == "fixed" and schema.get("size") != _FIXED_SIZES.get(logical, schema.get("size")):
        logical = ""
    if logical == "decimal" and not _sound_decimal(schema):
        logical = ""
    return _LOGICAL.get(avro_type, {}).get(logical) or _PLAIN.get(avro_type)


def _sound_decimal(schema: Schema) -> bool:
    """Tell whether precision and scale make a decimal; if not, the specification has the bytes stand alone."""
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if not isinstance(precision, int) or not isinstance(scale, int):
        return False
    # Powers of ten beyond this are a cost per record and no number any vendor takes.
    return 0 < precision <= 1000 and 0 <= scale <= precision


def as_text(value: object, *_: object) -> object:
    """Spell a number as text: ids are often numbers where we take text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_DIGITS = re.compile(r"-?[0-9]{1,20}")


def as_whole(value: object, *_: object) -> object:
    """Read text of digits as the number it is, from -2**63 to 2**64 - 1: Avro's own numbers end at 2**63 - 1."""
    if isinstance(value, str) and _DIGITS.fullmatch(value) and -(2**63) <= int(value) < 2**64:
        return int(value)
    return value


_FIRST_MS = -62_135_596_800_000
LAST_MS = 253_402_300_799_999


def as_millis(value: object, *_: object) -> object:
    """Read a time as milliseconds since the epoch: an integer is one already, text is ISO 8601, UTC without offset.

    Other text stays as it is, to be refused by the name of its field.
    """
    if isinstance(value, str):
        value = _parse(value)
    elif isinstance(value, float):
        value = int(value) if -_INFINITY < value < _INFINITY else None
    if isinstance(value, int) and not _FIRST_MS <= value <= LAST_MS:
        raise Undecodable("calendar_range")
    return value


def _parse(text: str) -> int | str:
    try:
        moment = datetime.fromisoformat(text)
        naive = moment.replace(tzinfo=None) - (moment.utcoffset() or timedelta())
    except ValueError:
        return text
    except OverflowError as error:
        raise Undecodable("calendar_range") from error
    return (naive - _EPOCH) // timedelta(milliseconds=1)


def _scaled_millis(multiply: int, divide: int) -> Convert:
    def convert(value: int, *_: object) -> object:
        return as_millis(value * multiply // divide)

    return convert


TEXT = offer(("int", "long"), "connector-text", as_text)
WHOLE = offer(("string",), "connector-whole", as_whole)
_MILLIS = offer(("int", "long", "float", "double", "string"), "connector-millis", as_millis)
_MILLIS_OF = {
    "date": offer(("int",), "connector-millis-of-days", _scaled_millis(_DAY_MS, 1)),
    "timestamp-micros": offer(("long",), "connector-millis-of-micros", _scaled_millis(1, 1_000)),
    "timestamp-nanos": offer(("long",), "connector-millis-of-nanos", _scaled_millis(1, 1_000_000)),
}


def millis_reader(avro_type: str, schema: Schema) -> str | None:
    """Name the conversion of one type to milliseconds since the epoch; a local timestamp counts as UTC."""
    if avro_type not in {"int", "long", "float", "double", "string"}:
        return json_reader(avro_type, schema)
    logical = str(schema.get("logicalType", "")).removeprefix("local-")
    own_type = "int" if logical == "date" else "long"
    return _MILLIS_OF.get(logical, _MILLIS) if avro_type == own_type else _MILLIS
