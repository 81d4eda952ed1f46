"""Writer schemas by id, from a Confluent-compatible registry, with a cache on disk."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from json import JSONDecodeError, loads
from pathlib import Path
from typing import Any, Protocol

import httpx2
from confluent_kafka.schema_registry import AsyncSchemaRegistryClient, RegisteredSchema, Schema
from confluent_kafka.schema_registry.error import OAuthTokenError, SchemaRegistryError
from msgspec import Struct

from connector.adapters.schema_cache import SchemaCache
from connector.errors import SchemaChanged, SchemaMissing, SchemaRefused, SchemaUnavailable

_UNKNOWN_ID = 40403
_MOST_REFERENCES = 100
# Not compatible with what is there, no valid schema, or no right to write it.
_REFUSALS = (401, 403, 409, 422)

OnFetch = Callable[[str, float], None]
"""Told of each fetch: fetched, cached, missing, unavailable or changed, and its seconds."""


class _Client(Protocol):
    """What is used of the registry's client."""

    async def get_schema(self, schema_id: int) -> Schema: ...
    async def get_version(self, subject_name: str, version: int, deleted: bool) -> RegisteredSchema: ...
    async def lookup_schema(self, subject_name: str, schema: Schema) -> RegisteredSchema: ...
    async def register_schema(self, subject_name: str, schema: Schema) -> int: ...
    async def clear_caches(self) -> None: ...
    async def aclose(self) -> None: ...


class RegistryOptions(Struct, frozen=True):
    """Where the registry is.

    `client` holds the registry client's own properties for authentication, TLS and proxy; `cache_dir` None for no disk.
    """

    url: str
    client: Mapping[str, Any] = {}
    cache_dir: Path | None = None
    timeout_s: float = 5.0


class SchemaRegistry:
    """Asks the registry first and falls back on the disk, so that a start needs no registry.

    What came from the disk is compared once the registry answers: by the next fetch, or by `revalidate`.
    """

    def __init__(self, options: RegistryOptions, on_fetch: OnFetch = lambda outcome, seconds: None) -> None:
        # Retries are the flow's; the client's own would eat the deadline.
        given = {**options.client, "url": options.url, "max.retries": 0, "timeout": options.timeout_s}
        self._client: _Client = AsyncSchemaRegistryClient(given)
        self._timeout_s = options.timeout_s
        self._on_fetch = on_fetch
        self._cache = SchemaCache(options.cache_dir, options.url) if options.cache_dir else None
        self._unconfirmed: set[int] = set()

    async def fetch(self, schema_id: int) -> tuple[str, ...]:
        """Return the schema as JSON text, after those it refers to, each once and after its own.

        Raises: SchemaUnavailable, SchemaMissing, SchemaChanged.
        """
        started = time.monotonic()
        outcome = "unavailable"
        try:
            schemas, outcome = await self._fetch(schema_id)
            return schemas
        except SchemaMissing:
            outcome = "missing"
            raise
        except SchemaChanged:
            outcome = "changed"
            raise
        finally:
            self._on_fetch(outcome, time.monotonic() - started)

    async def _fetch(self, schema_id: int) -> tuple[tuple[str, ...], str]:
        kept = await asyncio.to_thread(self._cache.read, schema_id) if self._cache else None
        try:
            schemas = await self._ask(schema_id)
        except SchemaUnavailable:
            if kept is None:
                raise
            self._unconfirmed.add(schema_id)
            return kept, "cached"
        except SchemaMissing:
            if kept is None:
                raise
            # Deleted there for good; records that were written with it can still be read.
            self._unconfirmed.discard(schema_id)
            return kept, "cached"
        if kept is not None:
            _compare(schema_id, kept, schemas)
        elif self._cache:
            await asyncio.to_thread(self._cache.write, schema_id, schemas)
        self._unconfirmed.discard(schema_id)
        return schemas, "fetched"

    async def register(self, subject: str, schema: str) -> int:
        """Return the id of an Avro schema under a subject; one that is there already needs no right to write.

        Raises: SchemaUnavailable, SchemaRefused.
        """
        wanted = Schema(schema, "AVRO")
        async with self._asking("id"):
            try:
                found = await self._id_of(subject, wanted)
            except SchemaRegistryError as error:
                if error.http_status_code not in _REFUSALS:
                    raise
                reason = f"the registry answered {error.http_status_code} to the schema of {subject}"
                raise SchemaRefused(reason) from None
        if not isinstance(found, int):
            raise SchemaUnavailable("the registry's answer is no id")
        return found

    async def _id_of(self, subject: str, wanted: Schema) -> int | None:
        try:
            return (await self._client.lookup_schema(subject, wanted)).schema_id
        except SchemaRegistryError as error:
            if error.http_status_code != 404:
                raise
        return await self._client.register_schema(subject, wanted)

    async def revalidate(self) -> int:
        """Compare what came from the disk with the registry and return how many ids still wait for it.

        Raises: SchemaChanged.
        """
        for schema_id in sorted(self._unconfirmed):
            try:
                await self.fetch(schema_id)
            except (SchemaMissing, SchemaUnavailable):
                # The disk no longer has it either, so there is nothing to compare.
                self._unconfirmed.discard(schema_id)
            if schema_id in self._unconfirmed:
                break
        return len(self._unconfirmed)

    async def close(self) -> None:
        """Close the client's connections."""
        await self._client.aclose()

    async def _ask(self, schema_id: int) -> tuple[str, ...]:
        async with self._asking("schema"):
            # The client keeps what it read for ever, which would confirm a schema by itself.
            await self._client.clear_caches()
            try:
                schema = await self._client.get_schema(schema_id)
            except SchemaRegistryError as error:
                if error.http_status_code == 404 and error.error_code == _UNKNOWN_ID:
                    raise SchemaMissing(f"the registry knows no schema {schema_id}") from None
                raise
            return await self._with_references(schema)

    @asynccontextmanager
    async def _asking(self, wanted: str) -> AsyncIterator[None]:
        """Bound what is asked in time, and translate what came in place of the `wanted`. Raises: SchemaUnavailable."""
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except SchemaRegistryError as error:
            raise SchemaUnavailable(f"the registry answered {error.http_status_code}") from None
        except TimeoutError:
            raise SchemaUnavailable(f"the registry did not answer within {self._timeout_s:g} s") from None
        except OAuthTokenError:
            raise SchemaUnavailable("no token for the registry") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise SchemaUnavailable(f"the registry cannot be reached ({type(error).__name__})") from None
        except (ValueError, TypeError, LookupError, AttributeError):
            # The client indexes into whatever JSON it got.
            raise SchemaUnavailable(f"the registry's answer is no {wanted}") from None

    async def _with_references(self, schema: Schema) -> tuple[str, ...]:
        """Collect the schemas this one refers to, then itself: a name stands before its use, once."""
        seen: set[tuple[str, int]] = set()
        schemas: list[str] = []

        async def collect(one: Schema) -> None:
            for reference in one.references or ():
                if reference.subject is None or reference.version is None:
                    raise ValueError("a reference without its place")
                at = (reference.subject, reference.version)
                if at in seen:
                    continue
                seen.add(at)
                if len(seen) > _MOST_REFERENCES:
                    raise SchemaUnavailable(f"a schema refers to more than {_MOST_REFERENCES} others")
                try:
                    registered = await self._client.get_version(*at, deleted=True)
                except SchemaRegistryError as error:
                    raise SchemaUnavailable(f"a referenced schema: {error.http_status_code}") from None
                await collect(registered.schema)
            schemas.append(_avro(one))

        await collect(schema)
        return tuple(schemas)


def _avro(schema: Schema) -> str:
    """Return the text of an Avro schema. Raises: SchemaMissing for another type, ValueError for no JSON."""
    if schema.schema_type not in (None, "AVRO"):
        raise SchemaMissing(f"the schema is of type {schema.schema_type}, not AVRO")
    if not isinstance(schema.schema_str, str):
        raise ValueError("no schema in the answer")
    # One that nests too deep is an answer all the same: that nothing can be read with it, whoever makes a plan finds.
    with suppress(RecursionError):
        loads(schema.schema_str)
    return schema.schema_str


def _compare(schema_id: int, kept: tuple[str, ...], schemas: tuple[str, ...]) -> None:
    try:
        same = kept == schemas or [loads(text) for text in kept] == [loads(text) for text in schemas]
    except (JSONDecodeError, RecursionError):
        same = False
    if not same:
        raise SchemaChanged(f"schema {schema_id} of the registry is not the one on disk")
