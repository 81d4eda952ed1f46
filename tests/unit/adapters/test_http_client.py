import asyncio

import httpx
import pytest

from connector.adapters.http_client import HttpClient
from connector.adapters.http_transport import HttpOptions
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import Ambiguous, ConnectorError, NotSent, SetupFailed

REQUEST = HttpRequest("POST", "https://vendor.example/batch", {"Authorization": "Basic a"}, b"{}")


def send(transport: httpx.AsyncBaseTransport, timeout_s: float = 5.0) -> HttpResponse:
    async def main() -> HttpResponse:
        client = HttpClient(HttpOptions(), transport)
        try:
            return await client.send(REQUEST, timeout_s=timeout_s)
        finally:
            await client.close()

    return asyncio.run(main())


def test_a_mock_transport_stands_in_for_the_network() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert (request.method, str(request.url), request.content) == ("POST", "https://vendor.example/batch", b"{}")
        return httpx.Response(201, headers=[("X-A", "1"), ("X-A", "2")], stream=httpx.ByteStream(b"made"))

    assert send(httpx.MockTransport(answer)) == HttpResponse(201, {"x-a": "2"}, b"made")


@pytest.mark.parametrize(
    ("raised", "expected", "kind"),
    [
        (httpx.ConnectError("x"), NotSent, "connect"),
        (httpx.ConnectTimeout("x"), NotSent, "connect_timeout"),
        (httpx.PoolTimeout("x"), NotSent, "pool_timeout"),
        (httpx.ReadTimeout("x"), Ambiguous, "read_timeout"),
        (httpx.WriteError("x"), Ambiguous, "reset"),
        (httpx.ReadError("x"), Ambiguous, "reset"),
        (httpx.RemoteProtocolError("x"), Ambiguous, "protocol"),
        (httpx.ProxyError("x"), SetupFailed, "proxy"),
        (httpx.UnsupportedProtocol("x"), SetupFailed, "address"),
    ],
)
def test_no_error_of_httpx_passes_the_client(
    raised: httpx.TransportError, expected: type[ConnectorError], kind: str
) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise raised

    with pytest.raises(expected) as caught:
        send(httpx.MockTransport(fail))
    assert getattr(caught.value, "kind", "") == kind


def test_a_transport_that_reports_no_progress_may_have_sent_the_request() -> None:
    async def hang(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(Ambiguous, match="deadline"):
        send(httpx.MockTransport(hang), timeout_s=0.05)
