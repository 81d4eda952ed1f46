"""The registry adapter against a local server that answers as a registry does, or fails to."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from connector.adapters.schema_cache import SchemaCache, folder_name
from connector.adapters.schema_registry import RegistryOptions, SchemaRegistry
from connector.errors import SchemaChanged, SchemaMissing, SchemaUnavailable
from connector.pipeline.event_map import EventMap
from connector.pipeline.plan import make_plan

LONG = '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}'
TEXT = '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}'
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """A registry on a loopback port; `answer` may be changed between requests."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.paths: list[str] = []
        self.headers: list[str | None] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.headers.append(request.headers.get("Authorization"))
        return await self.answer(request)

    async def __aenter__(self) -> "Server":
        application = web.Application()
        application.router.add_get("/{path:.*}", self.handle)
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


def says(body: Any, status: int = 200) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=text, status=status, content_type="application/vnd.schemaregistry.v1+json")

    return answer


async def hangs(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


async def cuts_off(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def fetched(answer: Answer, schema_id: int = 7, **options: Any) -> tuple[str, ...]:
    async def run() -> tuple[str, ...]:
        async with Server(answer) as server:
            registry = SchemaRegistry(RegistryOptions(server.url, **{"timeout_s": 2.0, **options}))
            try:
                return await registry.fetch(schema_id)
            finally:
                await registry.close()

    return asyncio.run(run())


def test_a_schema_is_returned_as_its_text() -> None:
    assert fetched(says({"schema": LONG})) == (LONG,)
    assert fetched(says({"schema": LONG, "schemaType": "AVRO", "id": 7, "extra": [1]})) == (LONG,)


def test_a_schema_that_nests_too_deep_is_returned_and_refused_by_its_plan() -> None:
    deep = '{"type":"array","items":' * 5000 + '"int"' + "}" * 5000
    (text,) = fetched(says({"schema": deep}))
    assert text == deep
    assert make_plan((text,), EventMap(), ()).fault == "nested too deep"


def test_an_id_the_registry_does_not_know_is_missing() -> None:
    with pytest.raises(SchemaMissing):
        fetched(says({"error_code": 40403, "message": "Schema not found"}, 404))


def test_a_schema_that_is_not_avro_is_missing() -> None:
    with pytest.raises(SchemaMissing):
        fetched(says({"schema": "syntax = ...", "schemaType": "PROTOBUF"}))


@pytest.mark.parametrize(
    "answer",
    [
        says({"error_code": 50001, "message": "store"}, 500),
        says({"error_code": 50003, "message": "leader"}, 503),
        says({"error_code": 401, "message": "who"}, 401),
        says({"error_code": 404, "message": "HTTP 404 Not Found"}, 404),
        says("<html>sign in</html>", 404),
        says("<html>sign in</html>"),
        says("<html>broken</html>", 502),
        says("", 200),
        says("[1, 2]"),
        says("null"),
        says('"text"'),
        says({"nothing": 1}),
        says({"schema": 7}),
        says({"schema": "not json"}),
        says({"schema": LONG, "references": [{"name": "x"}]}),
        says({"schema": LONG, "references": 7}),
        says([{"error_code": 40403}], 404),
        says("moved", 302),
        cuts_off,
    ],
)
def test_any_other_answer_means_ask_again_later(answer: Answer) -> None:
    with pytest.raises(SchemaUnavailable):
        fetched(answer)


def test_a_registry_that_hangs_is_given_up_within_the_time() -> None:
    async def run() -> float:
        async with Server(hangs) as server:
            registry = SchemaRegistry(RegistryOptions(server.url, timeout_s=0.2))
            loop = asyncio.get_running_loop()
            started = loop.time()
            with pytest.raises(SchemaUnavailable):
                await registry.fetch(7)
            await registry.close()
            assert len(server.paths) == 1
            return loop.time() - started

    assert asyncio.run(run()) < 2


def test_a_registry_that_is_not_there_is_unavailable_and_its_password_stays_out_of_the_error() -> None:
    async def run() -> None:
        async with Server(hangs) as server:
            gone = server.url
        with_password = gone.replace("http://", "http://user:hunter2@")
        registry = SchemaRegistry(RegistryOptions(with_password, timeout_s=2.0))
        with pytest.raises(SchemaUnavailable) as caught:
            await registry.fetch(7)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None
        await registry.close()

    asyncio.run(run())


def test_a_failed_request_is_sent_once() -> None:
    async def run() -> list[str]:
        async with Server(says("{}", 500)) as server:
            registry = SchemaRegistry(RegistryOptions(server.url))
            with pytest.raises(SchemaUnavailable):
                await registry.fetch(7)
            await registry.close()
            return server.paths

    assert asyncio.run(run()) == ["/schemas/ids/7"]


def test_credentials_are_sent() -> None:
    async def run() -> list[str | None]:
        async with Server(says({"schema": LONG})) as server:
            registry = SchemaRegistry(RegistryOptions(server.url, client={"basic.auth.user.info": "user:pass"}))
            await registry.fetch(7)
            await registry.close()
            return server.headers

    # base64 of user:pass.
    assert asyncio.run(run()) == ["Basic dXNlcjpwYXNz"]


def refers(*names: str) -> dict[str, Any]:
    references = [{"name": f"com.acme.{name}", "subject": name, "version": 1} for name in names]
    return {"schema": json.dumps({"type": "string", "doc": " ".join(names)}), "references": references}


def graph(schemas: dict[str, dict[str, Any]]) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        name = "main" if request.path.startswith("/schemas/ids/") else request.path.split("/")[2]
        if name not in schemas:
            return web.json_response({"error_code": 40401, "message": "Subject not found"}, status=404)
        return web.json_response({**schemas[name], "subject": name, "version": 1, "id": 1})

    return answer


def docs(schemas: tuple[str, ...]) -> list[str]:
    return [json.loads(text)["doc"] for text in schemas]


def test_references_come_first_each_once_and_after_their_own() -> None:
    schemas = {"main": refers("a", "b"), "a": refers("base"), "b": refers("base", "a"), "base": refers()}
    assert docs(fetched(graph(schemas))) == ["", "base", "base a", "a b"]


def test_references_in_a_circle_end() -> None:
    assert len(fetched(graph({"main": refers("a"), "a": refers("b"), "b": refers("a")}))) == 3


def test_references_without_end_are_given_up() -> None:
    schemas = {"main": refers("s0"), **{f"s{n}": refers(f"s{n + 1}") for n in range(150)}}
    with pytest.raises(SchemaUnavailable):
        fetched(graph(schemas))


def test_a_reference_that_is_not_there_is_not_a_missing_id() -> None:
    with pytest.raises(SchemaUnavailable):
        fetched(graph({"main": refers("gone")}))


class Story:
    """Fetches from one server over several starts with one cache folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outcomes: list[str] = []

    def registry(self, server: Server) -> SchemaRegistry:
        options = RegistryOptions(server.url, cache_dir=self.folder, timeout_s=2.0)
        return SchemaRegistry(options, lambda outcome, seconds: self.outcomes.append(outcome))


def test_a_start_without_the_registry_uses_the_disk_and_confirms_it_later(tmp_path: Path) -> None:
    async def run() -> list[str]:
        story = Story(tmp_path)
        async with Server(says({"schema": LONG})) as server:
            first = story.registry(server)
            await first.fetch(7)
            server.answer = says("{}", 503)
            second = story.registry(server)
            assert await second.fetch(7) == (LONG,)
            assert await second.revalidate() == 1
            with pytest.raises(SchemaUnavailable):
                await second.fetch(8)
            # Spaces do not make another schema.
            server.answer = says({"schema": json.dumps(json.loads(LONG), separators=(",", ":"))})
            assert await second.revalidate() == 0
            asked = len(server.paths)
            assert await second.revalidate() == 0
            assert len(server.paths) == asked
            await first.close()
            await second.close()
        return story.outcomes

    assert asyncio.run(run()) == ["fetched", "cached", "cached", "unavailable", "fetched"]


def test_an_id_that_means_another_schema_now_is_reported(tmp_path: Path) -> None:
    async def run() -> list[str]:
        story = Story(tmp_path)
        async with Server(says({"schema": LONG})) as server:
            await story.registry(server).fetch(7)
            server.answer = says("{}", 503)
            late = story.registry(server)
            await late.fetch(7)
            server.answer = says({"schema": TEXT})
            with pytest.raises(SchemaChanged):
                await late.revalidate()
            with pytest.raises(SchemaChanged):
                await story.registry(server).fetch(7)
        return story.outcomes

    assert asyncio.run(run()) == ["fetched", "cached", "changed", "changed"]


def test_an_id_deleted_in_the_registry_can_still_be_read_from_disk(tmp_path: Path) -> None:
    async def run() -> None:
        story = Story(tmp_path)
        async with Server(says({"schema": LONG})) as server:
            await story.registry(server).fetch(7)
            server.answer = says({"error_code": 40403, "message": "Schema not found"}, 404)
            assert await story.registry(server).fetch(7) == (LONG,)

    asyncio.run(run())


def test_a_disk_that_refuses_switches_the_cache_off_with_one_warning(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with capture_logs() as logs:
        cache = SchemaCache(blocked, "http://registry")
        cache.write(7, (LONG,))
        cache.write(8, (LONG,))
        assert cache.read(7) is None
    assert [entry["log_level"] for entry in logs] == ["warning"]


def test_a_file_that_is_broken_counts_as_none_and_is_written_anew(tmp_path: Path) -> None:
    cache = SchemaCache(tmp_path, "http://registry")
    cache.write(7, (LONG, TEXT))
    (file,) = (tmp_path / folder_name("http://registry")).iterdir()
    assert file.name == "7.json"
    assert cache.read(7) == (LONG, TEXT)
    file.write_bytes(file.read_bytes()[:-5])
    assert cache.read(7) is None
    cache.write(7, (LONG,))
    assert cache.read(7) == (LONG,)


def test_a_folder_is_of_one_registry_whatever_its_password() -> None:
    assert folder_name("http://a:b@host:8081/") == folder_name("http://host:8081")
    assert folder_name("http://host:8081") != folder_name("http://other:8081")
