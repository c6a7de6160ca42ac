"""What a server's header lines become, and that an exchange leaves nothing behind for the next one over the same connection."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate
from time import time
from typing import Any

import pytest
from pydantic import SecretStr
from tocsin.errors import Deferred
from tocsin.fhir.client import FhirClient
from tocsin.fhir.http import Answer, BodyTooLarge, Http
from tocsin.settings import FhirSettings

from tests.support.web import Reply, Web, web


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as running:
        yield running


@pytest.fixture
def http() -> Http:
    return Http(connect_timeout_s=5, request_timeout_s=20)


def asked(http: Http, site: Web, method: str = "GET", body: bytes | None = None, path: str = "/a", body_bytes_max: int = 1000) -> Answer:
    return http.exchange(method, f"{site.origin}{path}", neighbour="fhir", headers={}, body=body, body_bytes_max=body_bytes_max)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), (" 7 ", 7.0), ("0", None), ("-5", None), ("soon", None), ("", None), ("9999999", 21_600.0), ("9" * 400, None)],
)
def test_a_server_may_say_in_seconds_how_long_to_wait(http: Http, site: Web, value: str, seconds: float | None) -> None:
    site.replies["/a"] = Reply(503, b"", {"Retry-After": value})
    assert asked(http, site).retry_after_s == seconds


def test_a_server_may_say_as_a_date_how_long_to_wait(http: Http, site: Web) -> None:
    site.replies["/a"] = Reply(503, b"", {"Retry-After": formatdate(time() + 3600, usegmt=True)})
    assert 1800 < (asked(http, site).retry_after_s or 0) <= 3601  # libcurl counts from the second that has begun
    site.replies["/a"] = Reply(503, b"", {"Retry-After": formatdate(time() - 3600, usegmt=True)})
    assert asked(http, site).retry_after_s is None
    site.replies["/a"] = Reply(503, b"", {"Retry-After": "Sun, 01 Mar 2099 12:00:00 GMT"})
    assert asked(http, site).retry_after_s == 21_600.0


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/b?sig=s%2Fecret", "{origin}/b?sig=s%2Fecret"),
        ("https://store.example.org/b?sig=s%2fecret", "https://store.example.org/b?sig=s%2fecret"),
        ("../b", "{origin}/b"),
        ("//store.example.org/b", "http://store.example.org/b"),
        ("https://store.example.org:8443/b%20c", "https://store.example.org:8443/b%20c"),
        ("http://user:secret@store.example.org/b", "http://store.example.org/b"),
        ("http://store.example.org/\xe9", "http://store.example.org/\xe9"),
        ("", ""),
    ],
)
def test_where_a_redirect_leads_is_a_whole_address_and_holds_no_password(http: Http, site: Web, location: str, leads_to: str) -> None:
    site.replies["/c/a"] = Reply(302, b"", {"Location": location})
    assert asked(http, site, path="/c/a").redirect_url == leads_to.format(origin=site.origin)


def test_an_answer_keeps_its_type_and_its_headers_come_to_who_asks_for_them(http: Http, site: Web) -> None:
    site.replies["/a"] = Reply(200, b"x", {"Content-Type": "Image/JPEG; q=\xe9", "ETag": 'W/"7"', "X-Said": "first"})
    site.replies["/b"] = Reply(200, b"y", {"ETag": 'W/"8"'})
    asking: dict[str, Any] = {"neighbour": "fhir", "headers": {}, "body_bytes_max": 9}
    first, second = (http.exchange_with_headers("GET", f"{site.origin}{path}", **asking) for path in ("/a", "/b"))
    assert (first.body, first.headers["etag"], first.headers["x-said"]) == (b"x", 'W/"7"', "first")
    assert (second.body, second.headers["etag"], "x-said" in second.headers) == (b"y", 'W/"8"', False)
    assert (asked(http, site).media_type, asked(http, site).content_type) == ("image/jpeg", first.content_type)
    assert asked(http, site, path="/b").media_type == ""


def test_nothing_of_an_exchange_is_left_for_the_next(http: Http, site: Web) -> None:
    site.replies["/a"] = Reply(200, bytes(500))
    http.exchange("PUT", f"{site.origin}/a", neighbour="fhir", headers={"Authorization": "canary"}, body=b"canary", body_bytes_max=1000)
    with pytest.raises(BodyTooLarge):
        asked(http, site, body_bytes_max=499)
    with pytest.raises(Deferred):
        http.exchange("POST", "http://127.0.0.1:9/", neighbour="fhir", headers={}, body=b"canary", body_bytes_max=1)
    assert asked(http, site).body == bytes(500)
    last = site.asked[-1]
    assert (last.method, last.body, sorted(last.headers)) == ("GET", b"", ["accept", "accept-encoding", "host", "user-agent"])


def test_a_transaction_whose_answer_cannot_be_unpacked_is_sent_once(site: Web) -> None:
    site.replies["/fhir"] = Reply(200, b"x", {"Content-Encoding": "zstd"})
    with pytest.raises(Deferred, match="cannot be unpacked"):
        FhirClient(FhirSettings(base_url=f"{site.origin}/fhir")).transact({"entry": []}, "DiagnosticReport/r1")
    assert [each.method for each in site.asked] == ["POST"]


def test_each_request_has_an_id_of_its_own_and_the_token(site: Web) -> None:
    client = FhirClient(FhirSettings(base_url=f"{site.origin}/fhir/", bearer_token=SecretStr("canary-token")))
    for _ in range(3):
        client.get("Media/m1")
        client.get_with_headers("Media/m1")
    assert len({each.headers["x-request-id"] for each in site.asked}) == 6
    assert {each.headers["authorization"] for each in site.asked} == {"Bearer canary-token"}
