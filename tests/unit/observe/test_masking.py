"""Masks: no secret in a text, in whatever form it travels; and nothing else is touched."""

import pytest

from connector.observe.masking import Masks


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("hush-hush-hush", "key=hush-hush-hush&x=1", "key=***&x=1"),
        ("hush-hush-hush", '{"writeKey":"hush-hush-hush"}', '{"writeKey":"***"}'),
        ('say "hush" now', '{"k":"say \\"hush\\" now"}', '{"k":"***"}'),
        ("a b/c?d=e&f", "https://host/a%20b%2Fc%3Fd%3De%26f", "https://host/***"),
        ("k", '{"writeKey":"k","kind":"k-nine"}', '{"writeKey":"***","kind":"k-nine"}'),
        ('{"iOS":{"key":"ios-key-1","secret":"ios-secret-1"}}', "ios-key-1 ios-secret-1", "*** ***"),
        ("hush-hush-hush", "nothing of it", "nothing of it"),
    ],
)
def test_a_secret_is_masked_in_every_form(secret: str, text: str, shown: str) -> None:
    assert Masks([secret]).text(text) == shown


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    assert Masks(["abcdefgh", "abcdefgh-ijkl"]).text("abcdefgh-ijkl abcdefgh") == "*** ***"


def test_credentials_in_headers_are_masked_whatever_they_are() -> None:
    shown = Masks(["hush-hush"]).headers({"Authorization": "Basic aHVzaA==", "X-Api-Key": "k", "X-Note": "hush-hush!"})
    assert shown == {"Authorization": "***", "X-Api-Key": "***", "X-Note": "***!"}
