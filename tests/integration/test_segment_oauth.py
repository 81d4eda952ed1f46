"""A source that wants OAuth, in a real process: signed assertions, a revoked token renewed, and no secret shown."""

import asyncio
import json
import time
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.campaign import Campaign
from tests.integration.oracle import segment

pytestmark = pytest.mark.slow

REVOKED_AFTER = 5


class Tokens:
    """Issues tokens for assertions that this key signed; the first one is revoked after some requests."""

    def __init__(self, key: RSAKey) -> None:
        self.issued: list[str] = []
        self.refused = 0
        self._taken = 0
        self._key = RSAKey.import_key(key.as_pem(private=False))

    def issue(self, request: Request) -> Reply:
        (assertion,) = parse_qs(request.body.decode())["client_assertion"]
        claims = jwt.decode(assertion, self._key, algorithms=["RS256"]).claims
        assert claims["iss"] == claims["sub"] == "app-1"
        assert claims["iat"] <= time.time() < claims["exp"]
        self.issued.append(f"hush-token-{len(self.issued)}")
        return Reply(200, body=json.dumps({"access_token": self.issued[-1], "expires_in": 3600}).encode())

    def judge(self, request: Request) -> Reply | None:
        bearer = request.headers["authorization"].removeprefix("Bearer ")
        self._taken += 1
        if bearer == self.issued[-1] and (len(self.issued) > 1 or self._taken <= REVOKED_AFTER):
            return None
        self.refused += 1
        return Reply(401)


def test_a_revoked_token_is_renewed_and_everything_arrives_once(mock: MockCluster, tmp_path: Path) -> None:
    key = RSAKey.generate_key(2048)
    pem = key.as_pem(private=True).decode()
    (tmp_path / "key.pem").write_text(pem)

    async def run() -> None:
        campaign, tokens = Campaign(mock, tmp_path), Tokens(key)
        campaign.produce(2000)
        taken = segment(campaign.ledger, lambda request, messages: tokens.judge(request))

        def script(request: Request) -> Reply:
            return tokens.issue(request) if request.path == "/token" else taken(request)

        async with Vendor(script) as vendor:
            oauth = {
                "SEGMENT_OAUTH_CLIENT_ID": "app-1",
                "SEGMENT_OAUTH_KEY_ID": "kid-1",
                "SEGMENT_OAUTH_PRIVATE_KEY_FILE": str(tmp_path / "key.pem"),
                "SEGMENT_OAUTH_HOST": vendor.url,
            }
            with campaign.watch() as watch:
                async with campaign.connector(vendor, **oauth) as connector:
                    await campaign.delivered(connector)
                    pages = [(await connector.get(path))[1] for path in ("/metrics", "/readyz", "/")]
                    await campaign.stop(connector)
        # A lane that was refused after another had renewed the token sends again by the new one.
        assert (len(tokens.issued), tokens.refused > 0) == (2, True)
        campaign.assert_sound(watch, connector)
        for secret in ("hush-token", pem.splitlines()[1]):
            assert not any(secret in text for text in (connector.log, *pages))

    asyncio.run(run())
