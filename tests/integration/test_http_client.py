"""The HTTP client against a vendor that misbehaves, on both event loops."""

import asyncio
import errno
import gzip
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from connector.adapters.http_client import USER_AGENT, HttpClient
from connector.adapters.http_transport import HttpOptions
from connector.adapters.keep_alive import MOST_HANGUPS
from connector.domain.exchange import REPLY_BYTES, HttpRequest, HttpResponse
from connector.errors import Ambiguous, ConnectorError, NotSent, SetupFailed
from tests.doubles.vendor import NEVER, Reply, Request, Vendor

Run = Callable[[Coroutine[Any, Any, None]], None]
CERTIFICATES = Path(__file__).parent.parent / "doubles" / "certificates"
BODY = b'{"batch":[]}'
DIRECT = HttpOptions()


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    runner: Run = request.param
    return runner


async def attempt(
    client: HttpClient, url: str, *, timeout_s: float = 2.0, method: str = "POST", body: bytes = BODY
) -> HttpResponse | ConnectorError:
    request = HttpRequest(method, url + "/v1/batch?a=%20b", {"Authorization": "Basic c2VjcmV0"}, body)
    try:
        return await client.send(request, timeout_s=timeout_s)
    except ConnectorError as error:
        return error


async def once(vendor: Vendor, options: HttpOptions = DIRECT, **how: Any) -> HttpResponse | ConnectorError:
    client = HttpClient(options)
    async with vendor:
        try:
            return await attempt(client, vendor.url, **how)
        finally:
            await client.close()


def says(result: HttpResponse | ConnectorError) -> tuple[type, str]:
    assert isinstance(result, NotSent | Ambiguous | SetupFailed), result
    return type(result), result.kind


def ok(request: Request) -> Reply:
    return Reply(body=b"ok")


def tls_server(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / certificate)
    return context


def refusing_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def test_a_request_arrives_as_written_and_the_reply_comes_back_whole(run: Run) -> None:
    async def main() -> None:
        vendor = Vendor(lambda request: Reply(202, {"X-Request-ID": "r1", "Set-Cookie": "a=b"}, b"taken"))
        reply = await once(vendor)
        headers = {"x-request-id": "r1", "set-cookie": "a=b", "content-length": "5"}
        assert reply == HttpResponse(202, headers, b"taken")
        (request,) = vendor.received
        assert (request.method, request.path, request.body) == ("POST", "/v1/batch?a=%20b", BODY)
        assert request.headers["user-agent"] == USER_AGENT
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["content-length"] == str(len(BODY))
        assert "content-type" not in request.headers

    run(main())


def test_the_sink_may_name_its_own_user_agent(run: Run) -> None:
    async def main() -> None:
        client = HttpClient(DIRECT)
        async with Vendor(ok) as vendor:
            await client.send(HttpRequest("GET", vendor.url, {"User-agent": "analytics-go"}), timeout_s=2)
            await client.close()
        assert vendor.received[0].headers["user-agent"] == "analytics-go"
        assert "content-length" not in vendor.received[0].headers

    run(main())


def test_cookies_are_not_kept(run: Run) -> None:
    async def main() -> None:
        client = HttpClient(DIRECT)
        async with Vendor(lambda request: Reply(headers={"Set-Cookie": "session=1; Path=/"})) as vendor:
            for _ in range(2):
                await attempt(client, vendor.url)
            await client.close()
        assert all("cookie" not in request.headers for request in vendor.received)

    run(main())


def test_a_connection_is_used_again_and_counted(run: Run) -> None:
    async def main() -> None:
        client = HttpClient(DIRECT)
        async with Vendor(ok) as vendor:
            assert client.open_connections() == 0
            for _ in range(3):
                assert isinstance(await attempt(client, vendor.url), HttpResponse)
            assert (vendor.connections, client.open_connections()) == (1, 1)
            await client.close()
            assert client.open_connections() == 0

    run(main())


# V7: nothing was sent, or nothing can be.


def test_a_refused_connection_was_not_sent(run: Run) -> None:
    async def main() -> None:
        client = HttpClient(DIRECT)
        assert says(await attempt(client, f"http://127.0.0.1:{refusing_port()}")) == (NotSent, "connect")
        await client.close()

    run(main())


def test_an_unknown_name_was_not_sent(run: Run) -> None:
    async def main() -> None:
        client = HttpClient(DIRECT)
        assert says(await attempt(client, "http://nobody.invalid", timeout_s=10)) == (NotSent, "dns")
        await client.close()

    run(main())


@pytest.mark.parametrize(
    ("connect_timeout_s", "timeout_s", "kind"), [(0.2, 2.0, "connect_timeout"), (2.0, 0.2, "deadline")]
)
def test_a_black_hole_was_not_sent(run: Run, connect_timeout_s: float, timeout_s: float, kind: str) -> None:
    async def main() -> None:
        # A listener that accepts nothing and whose queue is full: the kernel drops further connection attempts.
        with socket.socket() as hole, socket.socket() as first, socket.socket() as second:
            hole.bind(("127.0.0.1", 0))
            hole.listen(0)
            for filler in (first, second):
                filler.setblocking(False)
                assert filler.connect_ex(hole.getsockname()) in (0, errno.EINPROGRESS)
            client = HttpClient(HttpOptions(connect_timeout_s=connect_timeout_s))
            url = f"http://127.0.0.1:{hole.getsockname()[1]}"
            assert says(await attempt(client, url, timeout_s=timeout_s)) == (NotSent, kind)
            await client.close()

    run(main())


def test_waiting_for_a_connection_was_not_sent(run: Run) -> None:
    async def main() -> None:
        client = HttpClient(HttpOptions(max_connections=1))
        async with Vendor(lambda request: NEVER) as vendor:
            first, second = await asyncio.gather(
                attempt(client, vendor.url, timeout_s=0.4), attempt(client, vendor.url, timeout_s=0.2)
            )
            assert says(first) == (Ambiguous, "deadline")
            assert says(second) == (NotSent, "pool_timeout")
            vendor.script = ok
            assert isinstance(await attempt(client, vendor.url), HttpResponse)
            await client.close()

    run(main())


@pytest.mark.parametrize(
    ("certificate", "trusted", "host", "part"),
    [
        ("expired.pem", "expired.pem", "localhost", "expired"),
        ("localhost.pem", "localhost.pem", "127.0.0.1", "mismatch"),
        ("localhost.pem", "", "localhost", "self-signed"),
    ],
)
def test_a_bad_certificate_is_a_setup_fault(run: Run, certificate: str, trusted: str, host: str, part: str) -> None:
    async def main() -> None:
        client = HttpClient(HttpOptions(ca_file=str(CERTIFICATES / trusted) if trusted else ""))
        async with Vendor(ok, tls=tls_server(certificate)) as vendor:
            result = await attempt(client, f"https://{host}:{vendor.port}")
            await client.close()
        assert says(result) == (SetupFailed, "tls")
        assert isinstance(result, SetupFailed)
        assert part in result.detail.replace("self signed", "self-signed")
        assert vendor.received == []

    run(main())


def test_a_trusted_certificate_is_enough(run: Run) -> None:
    async def main() -> None:
        options = HttpOptions(ca_file=str(CERTIFICATES / "localhost.pem"))
        assert isinstance(await once(Vendor(ok, tls=tls_server("localhost.pem")), options), HttpResponse)

    run(main())


def test_plain_http_on_a_tls_port_is_a_setup_fault(run: Run) -> None:
    async def speak_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def main() -> None:
        client = HttpClient(DIRECT)
        async with await asyncio.start_server(speak_plainly, "127.0.0.1") as server:
            result = await attempt(client, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            await client.close()
        assert says(result) == (SetupFailed, "tls")

    run(main())


def test_an_unreadable_authority_file_is_a_setup_fault(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(SetupFailed, match="tls"):
            HttpClient(HttpOptions(ca_file="/nowhere.pem"))

    run(main())


@pytest.mark.parametrize("url", ["ftp://vendor.example", "http://", "no url"])
def test_an_address_that_is_none_is_a_setup_fault(run: Run, url: str) -> None:
    async def main() -> None:
        client = HttpClient(DIRECT)
        with pytest.raises(SetupFailed, match="address"):
            await client.send(HttpRequest("POST", url, {}, BODY), timeout_s=2)
        await client.close()

    run(main())


def test_a_header_with_a_line_break_is_a_setup_fault_and_stays_secret(run: Run) -> None:
    async def main() -> None:
        client = HttpClient(DIRECT)
        async with Vendor(ok) as vendor:
            with pytest.raises(SetupFailed, match="address") as caught:
                await client.send(HttpRequest("POST", vendor.url, {"X-Key": "hidden\n"}, BODY), timeout_s=2)
            await client.close()
        assert "hidden" not in str(caught.value)
        assert vendor.received == []

    run(main())


# V8, V9: too late.


def test_a_vendor_that_takes_the_body_and_is_silent_is_ambiguous(run: Run) -> None:
    async def main() -> None:
        vendor = Vendor(lambda request: NEVER)
        assert says(await once(vendor, timeout_s=0.2)) == (Ambiguous, "deadline")
        assert [request.body for request in vendor.received] == [BODY]

    run(main())


def test_silence_longer_than_the_read_timeout_is_ambiguous(run: Run) -> None:
    async def main() -> None:
        options = HttpOptions(read_timeout_s=0.2)
        assert says(await once(Vendor(lambda request: NEVER), options)) == (Ambiguous, "read_timeout")
        half = Reply(body=b"0123456789", cut_at=50, then="hang")
        assert says(await once(Vendor(lambda request: half), options)) == (Ambiguous, "read_timeout")

    run(main())


@pytest.mark.parametrize("drip", ["all", "body"])
def test_a_slow_drip_is_cut_at_the_total_deadline_and_its_connection_closed(run: Run, drip: Any) -> None:
    async def main() -> None:
        client = HttpClient(HttpOptions(read_timeout_s=0.2))
        async with Vendor(lambda request: Reply(body=b"x" * 1000, drip=drip)) as vendor:
            started_s = asyncio.get_running_loop().time()
            assert says(await attempt(client, vendor.url, timeout_s=0.4)) == (Ambiguous, "deadline")
            assert 0.39 < asyncio.get_running_loop().time() - started_s < 1.4
            vendor.script = ok
            assert isinstance(await attempt(client, vendor.url), HttpResponse)
            assert (vendor.connections, client.open_connections()) == (2, 1)
            await client.close()

    run(main())


# V10: resets.


def test_a_reset_before_the_request_was_not_sent(run: Run) -> None:
    async def main() -> None:
        result = await once(Vendor(ok, greet=lambda connection: False))
        assert isinstance(result, NotSent)
        assert result.kind in ("reset", "connect")

    run(main())


@pytest.mark.parametrize("cut_at", [0, 1000])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_reset_within_the_request_is_ambiguous_and_never_repeated(run: Run, cut_at: int, method: str) -> None:
    async def main() -> None:
        vendor = Vendor(ok, cut=lambda head: cut_at)
        assert says(await once(vendor, method=method, body=b"x" * 900_000)) == (Ambiguous, "reset")
        assert vendor.requests == 1

    run(main())


@pytest.mark.parametrize("then", ["reset", "close"])
@pytest.mark.parametrize("cut_at", [0, 10, 60])
def test_an_end_within_the_reply_is_ambiguous_and_never_repeated(run: Run, then: Any, cut_at: int) -> None:
    async def main() -> None:
        vendor = Vendor(lambda request: Reply(body=b"x" * 100, cut_at=cut_at, then=then))
        assert says(await once(vendor)) == (Ambiguous, "reset")
        assert len(vendor.received) == 1

    run(main())


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_idle_connections_ended_by_the_vendor_cost_no_request(run: Run, how: Any, tls: bool) -> None:
    async def main() -> None:
        client = HttpClient(HttpOptions(ca_file=str(CERTIFICATES / "localhost.pem")))
        async with Vendor(ok, tls=tls_server("localhost.pem") if tls else None) as vendor:
            for _ in range(5):
                replies = await asyncio.gather(*(attempt(client, vendor.url) for _ in range(10)))
                assert all(isinstance(reply, HttpResponse) for reply in replies)
                vendor.drop_idle(how)
            await client.close()
        assert len(vendor.received) == 50

    run(main())


def test_a_reply_nobody_asked_for_answers_no_request(run: Run) -> None:
    async def main() -> None:
        client, other = HttpClient(DIRECT), HttpClient(DIRECT)
        async with Vendor(ok) as vendor, Vendor(ok) as second:
            await attempt(client, vendor.url)
            vendor.speak_unasked(b"HTTP/1.1 201 Stale\r\nContent-Length: 0\r\n\r\n")
            # A whole exchange with someone else: by its end the loop has read what was spoken.
            await attempt(other, second.url)
            reply = await attempt(client, vendor.url)
            assert isinstance(reply, HttpResponse)
            assert (reply.status, reply.body) == (200, b"ok")
            assert (len(vendor.received), vendor.connections) == (2, 2)
            await client.close()
            await other.close()

    run(main())


# V14: replies that are none, or too much.


@pytest.mark.parametrize(
    "reply",
    [
        Reply(raw=b"\x00\x01 not HTTP\r\n\r\n"),
        Reply(raw=b"SSH-2.0-OpenSSH_9.6\r\n"),
        Reply(raw=b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"),
        Reply(headers={"Transfer-Encoding": "chunked"}, body=b"2\r\nok\r\nzzz\r\n"),
        Reply(headers={"Content-Encoding": "gzip"}, body=b"not gzip"),
        Reply(headers={"Content-Encoding": "gzip"}, body=gzip.compress(b"ok" * 500)[:-9]),
    ],
    ids=["bytes", "ssh", "endless header", "chunks", "no gzip", "half gzip"],
)
def test_garbage_is_ambiguous(run: Run, reply: Reply) -> None:
    async def main() -> None:
        assert says(await once(Vendor(lambda request: reply))) == (Ambiguous, "protocol")

    run(main())


def test_html_comes_back_as_it_is(run: Run) -> None:
    async def main() -> None:
        page = b"<html>We'll be back soon</html>"
        reply = await once(Vendor(lambda request: Reply(200, {"Content-Type": "text/html"}, page)))
        assert isinstance(reply, HttpResponse)
        assert (reply.status, reply.headers["content-type"], reply.body) == (200, "text/html", page)

    run(main())


def test_compression_nobody_asked_for_is_undone(run: Run) -> None:
    async def main() -> None:
        reply = await once(Vendor(lambda request: Reply(200, {"Content-Encoding": "gzip"}, gzip.compress(b"ok"))))
        assert isinstance(reply, HttpResponse)
        assert reply.body == b"ok"

    run(main())


@pytest.mark.parametrize(
    ("reply", "connections"),
    [
        (Reply(body=b"x" * 65_536, times=800), 2),
        (Reply(headers={"Content-Encoding": "gzip"}, body=gzip.compress(bytes(50_000_000))), 1),
        (Reply(headers={"Content-Encoding": "gzip"}, body=gzip.compress(b"") + bytes(65_536), times=800), 2),
    ],
    ids=["50 MB", "gzip bomb of 50 KB", "bytes after gzip"],
)
def test_a_huge_reply_is_cut_at_the_bound_and_an_unread_rest_ends_the_connection(
    run: Run, reply: Reply, connections: int
) -> None:
    async def main() -> None:
        client = HttpClient(DIRECT)
        async with Vendor(lambda request: reply) as vendor:
            result = await attempt(client, vendor.url)
            assert isinstance(result, HttpResponse)
            assert result.truncated
            assert len(result.body) <= REPLY_BYTES
            vendor.script = ok
            await attempt(client, vendor.url)
            assert vendor.connections == connections
            await client.close()

    run(main())


def test_a_reply_of_exactly_the_bound_is_whole(run: Run) -> None:
    async def main() -> None:
        reply = await once(Vendor(lambda request: Reply(body=b"x" * 1_048_576)))
        assert isinstance(reply, HttpResponse)
        assert (len(reply.body), reply.truncated) == (1_048_576, False)

    run(main())


@pytest.mark.parametrize(("size", "truncated"), [(3_000_000, False), (3_000_001, True)])
def test_a_request_may_ask_for_more_of_its_reply(run: Run, size: int, truncated: bool) -> None:
    async def main() -> None:
        client = HttpClient(DIRECT)
        async with Vendor(lambda request: Reply(body=b"x" * size)) as vendor:
            reply = await client.send(HttpRequest("GET", vendor.url, reply_bytes=3_000_000), timeout_s=10.0)
        assert (len(reply.body), reply.truncated) == (3_000_000, truncated)
        await client.close()

    run(main())


# V16, V21, V22.


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_a_reply_and_the_other_host_hears_nothing(run: Run, status: int) -> None:
    async def main() -> None:
        async with Vendor(ok) as other:
            reply = await once(Vendor(lambda request: Reply(status, {"Location": other.url + "/v1/batch"})))
            assert isinstance(reply, HttpResponse)
            assert (reply.status, reply.headers["location"]) == (status, other.url + "/v1/batch")
            assert other.connections == 0

    run(main())


@pytest.mark.parametrize("headers", [{}, {"Connection": "close"}], ids=["unannounced", "announced"])
def test_a_vendor_that_closes_after_each_reply_costs_no_request(run: Run, headers: dict[str, str]) -> None:
    async def main() -> None:
        client = HttpClient(DIRECT)
        async with Vendor(lambda request: Reply(200, headers, b"ok", then="close")) as vendor:
            for _ in range(50):
                assert isinstance(await attempt(client, vendor.url), HttpResponse)
            await client.close()
        assert len(vendor.received) == 50

    run(main())


@pytest.mark.shows("V21")
def test_a_vendor_whose_close_crosses_with_the_next_request_is_soon_asked_on_new_connections(run: Run) -> None:
    served: set[int] = set()

    def closing(request: Request) -> Reply:
        if request.connection in served:
            return Reply(cut_at=0, then="close")
        served.add(request.connection)
        return ok(request)

    async def main() -> None:
        client = HttpClient(DIRECT)
        async with Vendor(closing) as vendor:
            results = [await attempt(client, vendor.url) for _ in range(50)]
            await client.close()
        crossed = [says(one) for one in results if not isinstance(one, HttpResponse)]
        assert crossed == [(Ambiguous, "reset")] * MOST_HANGUPS
        assert isinstance(results[-1], HttpResponse)

    run(main())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_credentials_is_a_setup_fault(run: Run, scheme: str) -> None:
    async def main() -> None:
        async with Vendor(lambda request: Reply(407)) as proxy:
            client = HttpClient(HttpOptions(proxy=proxy.url))
            assert says(await attempt(client, f"{scheme}://vendor.example")) == (SetupFailed, "proxy")
            await client.close()

    run(main())


def test_a_proxy_that_is_down_is_a_setup_fault(run: Run) -> None:
    async def main() -> None:
        client = HttpClient(HttpOptions(proxy=f"http://127.0.0.1:{refusing_port()}"))
        assert says(await attempt(client, "https://vendor.example")) == (SetupFailed, "proxy")
        await client.close()

    run(main())


@pytest.mark.parametrize("reply", [Reply(502), Reply(cut_at=0, then="close")], ids=["502", "closed"])
def test_a_proxy_that_cannot_reach_the_vendor_was_not_sent(run: Run, reply: Reply) -> None:
    async def main() -> None:
        async with Vendor(lambda request: reply) as proxy:
            client = HttpClient(HttpOptions(proxy=proxy.url))
            assert isinstance(await attempt(client, "https://vendor.example"), NotSent)
            await client.close()

    run(main())


def test_a_proxy_carries_requests_with_its_own_credentials(run: Run) -> None:
    async def main() -> None:
        async with Vendor(ok) as proxy:
            client = HttpClient(HttpOptions(proxy=f"http://user:pass@127.0.0.1:{proxy.port}"))
            assert isinstance(await attempt(client, "http://vendor.example"), HttpResponse)
            await client.close()
        (request,) = proxy.received
        assert request.path == "http://vendor.example/v1/batch?a=%20b"
        assert request.headers["proxy-authorization"] == "Basic dXNlcjpwYXNz"
        assert request.headers["authorization"] == "Basic c2VjcmV0"

    run(main())
