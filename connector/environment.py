"""Settings from the environment, given as a mapping: typed, secrets from files, every problem at once."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Self, get_args

from msgspec import Struct
from pydantic import BeforeValidator, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from connector.errors import Problem, SettingsError

FILE_SUFFIX = "_FILE"
_TYPE_WORDS = {
    "missing": "must be set",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "string_pattern_mismatch": "must be an address that begins with http:// or https://",
}


class Variable(Struct, frozen=True):
    """One variable, as the README's table shows it."""

    name: str
    default: str
    meaning: str
    secret: bool


class EnvSettings(BaseSettings):
    """Base of all settings; `env_prefix` begins the name of each of its variables."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """Read this class's variables. Raises: SettingsError, with every problem by variable name."""
        values, problems = cls._given(environ)
        spoilt = {problem.variable.removesuffix(FILE_SUFFIX) for problem in problems}
        try:
            loaded = cls.model_validate(values)
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                variable = cls.variable(str(fault["loc"][0])) if fault["loc"] else cls.prefix() + "*"
                if variable not in spoilt:
                    problems.append(Problem(variable, _sentence(fault["type"], fault["msg"])))
        else:
            if not problems:
                return loaded
        raise SettingsError(problems)

    @classmethod
    def prefix(cls) -> str:
        return str(cls.model_config.get("env_prefix", ""))

    @classmethod
    def variable(cls, field: str) -> str:
        return cls.prefix() + field.upper()

    @classmethod
    def names(cls) -> frozenset[str]:
        """Every variable this class reads, the `_FILE` forms of its secrets included."""
        names = set()
        for field, info in cls.model_fields.items():
            names.add(cls.variable(field))
            if _is_secret(info):
                names.add(cls.variable(field) + FILE_SUFFIX)
        return frozenset(names)

    @classmethod
    def variables(cls) -> Iterator[Variable]:
        """Describe every variable, in order."""
        for field, info in cls.model_fields.items():
            default = "required" if info.is_required() else _shown(info)
            yield Variable(cls.variable(field), default, info.description or "", _is_secret(info))

    def secrets(self) -> Iterator[str]:
        """Return the value of every secret that is set, for whoever must keep them out of a text."""
        for field in type(self).model_fields:
            value = getattr(self, field)
            if isinstance(value, SecretStr) and value.get_secret_value():
                yield value.get_secret_value()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from `load` alone; the process's environment is the caller's to hand over."""
        return (init_settings,)

    @classmethod
    def _given(cls, environ: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
        values: dict[str, str] = {}
        problems: list[Problem] = []
        for field, info in cls.model_fields.items():
            variable = cls.variable(field)
            if variable in environ:
                values[field] = environ[variable]
            path = environ.get(variable + FILE_SUFFIX) if _is_secret(info) else None
            if path is None:
                continue
            if field in values:
                problems.append(Problem(variable + FILE_SUFFIX, f"is set beside {variable}; set only one of them"))
                continue
            try:
                values[field] = Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
            except (OSError, UnicodeDecodeError) as fault:
                reason = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8 text"
                problems.append(Problem(variable + FILE_SUFFIX, f"names a file that cannot be read: {reason}"))
        return values, problems


def _is_secret(info: FieldInfo) -> bool:
    return info.annotation is SecretStr or SecretStr in get_args(info.annotation)


def _sentence(kind: str, message: str) -> str:
    return _TYPE_WORDS.get(kind) or re.sub(r"^(Input|Value) should ", "must ", message.removeprefix("Value error, "))


def _shown(info: FieldInfo) -> str:
    """Write a default as the variable would take it."""
    default = info.get_default(call_default_factory=True)
    readers = {one.func for one in info.metadata if isinstance(one, BeforeValidator)}
    if default is None:
        return "off" if off_is_none in readers else ""
    if parse_duration_s in readers:
        return f"{default:g}s"
    if parse_size_bytes in readers:
        return next(f"{default >> bits}{unit}" for bits, unit in _SHOWN_UNITS if default % (1 << bits) == 0)
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def table(variables: Iterable[Variable]) -> str:
    """Render variables as a Markdown table."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for one in variables:
        default = f"`{one.default}`" if one.default and one.default != "required" else one.default
        note = f" (or `{one.name}{FILE_SUFFIX}`)" if one.secret else ""
        meaning = one.meaning.replace("|", "\\|")
        lines.append(f"| `{one.name}`{note} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS_BYTES = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_SHOWN_UNITS = ((30, "GiB"), (20, "MiB"), (10, "KiB"), (0, ""))


def parse_duration_s(text: object) -> float:
    """Read a duration such as 500ms, 30s, 5m, 24h or 7d; a bare number counts seconds. Raises: ValueError."""
    if isinstance(text, int | float):
        return float(text)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", str(text).strip().lower())
    if match is None:
        raise ValueError("must be a duration such as 500ms, 30s, 5m, 24h or 7d")
    return float(match[1]) * _UNITS_S[match[2] or "s"]


def parse_size_bytes(text: object) -> int:
    """Read a size such as 64MiB or 500kB; a bare number counts bytes. Raises: ValueError."""
    match = re.fullmatch(r"(\d+)\s*([a-z]*)", str(text).strip().lower())
    if match is None or match[2] not in _UNITS_BYTES:
        raise ValueError("must be a size such as 64MiB or 500kB")
    return int(match[1]) * _UNITS_BYTES[match[2]]


def split_list(text: object) -> object:
    """Read a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


def off_is_none(text: object) -> object:
    """Read `off`, or nothing at all, as no limit."""
    return None if isinstance(text, str) and text.strip().lower() in ("", "off") else text


DurationS = Annotated[float, BeforeValidator(parse_duration_s)]
SizeBytes = Annotated[int, BeforeValidator(parse_size_bytes)]
NameList = Annotated[tuple[str, ...], BeforeValidator(split_list)]
OptionalDurationS = Annotated[DurationS | None, BeforeValidator(off_is_none)]
