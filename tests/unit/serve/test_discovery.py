"""What an issuer must say of itself before anybody is sent there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tocsin.errors import Unavailable
from tocsin.serve.record import issuers_http
from tocsin.serve.smart.asking import ANSWER_BYTES_MAX, Asking
from tocsin.serve.smart.discovery import Discovery, endpoints
from tocsin.serve.smart.refusals import IssuerUnfit
from tocsin.settings import ServeSettings

from tests.support.web import Reply, Web, web

GOOD: dict[str, Any] = {
    "issuer": "https://login.example.org",
    "authorization_endpoint": "https://login.example.org/auth?tenant=1",
    "token_endpoint": "https://login.example.org/token",
    "jwks_uri": "https://login.example.org/jwks",
    "code_challenge_methods_supported": ["S256"],
}
PATH = "/fhir/.well-known/smart-configuration"


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as running:
        yield running


def asking() -> Asking:
    return Asking(issuers_http(ServeSettings(issuer_timeout_s=2)))


def test_a_whole_configuration_is_taken() -> None:
    found = endpoints(GOOD | {"authorization_response_iss_parameter_supported": True})
    assert (str(found.authorize), str(found.token), found.says_issuer) == (GOOD["authorization_endpoint"], GOOD["token_endpoint"], True)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"code_challenge_methods_supported": ["plain"]}, "S256"),
        ({"code_challenge_methods_supported": None}, "S256"),
        ({"code_challenge_methods_supported": "S256"}, "S256"),
        ({"issuer": None}, "issuer"),
        ({"token_endpoint": "http://login.example.org/token"}, "token_endpoint"),
        ({"token_endpoint": "https://user:pass@login.example.org/token"}, "token_endpoint"),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
        ({"jwks_uri": ["https://login.example.org"]}, "jwks_uri"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
        ({"authorization_endpoint": "https://login.example.org/\r\nSet-Cookie: x=y"}, "authorization_endpoint"),
    ],
)
def test_what_does_not_allow_a_safe_launch_is_refused_by_name(change: dict[str, Any], word: str) -> None:
    with pytest.raises(IssuerUnfit) as refused:
        endpoints(GOOD | change)
    assert word in refused.value.detail


def test_it_is_asked_once_in_a_while_and_again_when_that_is_over(site: Web) -> None:
    now = [0.0]
    site.replies[PATH] = Reply(200, json.dumps(GOOD).encode())
    discovery = Discovery(asking(), 300, lambda: now[0])
    for at_s, asked in [(0, 1), (299, 1), (300, 2)]:
        now[0] = at_s
        discovery.of(f"{site.origin}/fhir")
        assert len(site.asked) == asked


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404),
        Reply(200, b"<html>"),
        Reply(200, b"[]"),
        Reply(302, b"", {"Location": "https://evil.example.org/"}),
        Reply(200, b'{"x": "' + b"x" * ANSWER_BYTES_MAX + b'"}'),
    ],
    ids=["absent", "no-json", "list", "redirect", "too-large"],
)
def test_an_answer_that_is_none_is_refused(site: Web, reply: Reply) -> None:
    site.replies[PATH] = reply
    with pytest.raises(IssuerUnfit):
        Discovery(asking(), 300).of(f"{site.origin}/fhir")
    assert len(site.asked) == 1


def test_an_issuer_that_does_not_answer_is_away() -> None:
    with pytest.raises(Unavailable):
        Discovery(asking(), 300).of("http://127.0.0.1:9/fhir")
