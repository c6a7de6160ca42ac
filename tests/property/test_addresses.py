"""Whatever a Media says, requests go to the FHIR server's base address or to an allowed origin, and tokens to whom they belong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from tocsin.errors import Refused
from tocsin.fhir.address import NoAddress, address
from tocsin.fhir.client import FhirClient
from tocsin.fhir.http import Answer, Http
from tocsin.image.attachment import Sources
from tocsin.image.content import Contents
from tocsin.settings import FhirSettings, ImageSettings

BASE = "https://fhir.example.org/r4"
ALLOWED = ("https://pacs.example.org", "http://[2001:db8::1]:8080")
FHIR_TOKEN, PACS_TOKEN = "fhir-canary", "pacs-canary"

HOSTS = [
    "fhir.example.org",
    "FHIR.example.org",
    "fhir.example.org.",
    "fhir.example.org.evil.example",
    "pacs.example.org",
    "PACS.example.org",
]
MORE_HOSTS = [
    "[2001:db8::1]",
    "[2001:0DB8:0::1]",
    "[::1%25eth0]",
    "127.1",
    "2130706433",
    "ex%61mple.org",
    "b\u00fccher.example",
    "xn--bcher-kva.example",
]
SEPARATORS = [
    "/",
    "//",
    "\\",
    "/../",
    "/./",
    "/%2e%2e/",
    "/..%2f",
    "/%252e%252e/",
    "/..;/",
    "/%5c..%5c",
    "\t",
    "\n",
    " ",
    "@",
    "#",
    "?",
    ":",
    ";",
]
PORTS = ["", ":443", ":80", ":8080", ":0", ":99999", ":x", ":"]
SCHEMES = ["https:", "http:", "HTTPS:", "hTTp:", "ftp:", "file:", "urn:", "data:", "javascript:", ""]
SEGMENTS = ["r4", "R4", "Binary", "b", "_history", "1", "secret", "admin", "..", ".", "%2e%2e", "user:pw", "$binary-access-read", ""]

hosts = st.sampled_from(HOSTS + MORE_HOSTS)
paths = st.lists(st.sampled_from(SEPARATORS + SEGMENTS), max_size=8).map("".join)
absolute = st.builds(
    lambda scheme, slashes, user, host, port, path: f"{scheme}{slashes}{user}{host}{port}{path}",
    st.sampled_from(SCHEMES),
    st.sampled_from(["//", "/", "", "///", "\\\\"]),
    st.sampled_from(["", "user@", "user:pw@", "fhir.example.org@", "pacs.example.org\\@"]),
    hosts,
    st.sampled_from(PORTS),
    paths,
)
near = st.builds(lambda path: f"{BASE}{path}", paths)
urls = st.one_of(absolute, near, paths, st.text(max_size=60))


class Listening(Http):
    """Keeps every request and answers with a redirect, or with a picture."""

    def __init__(self, location: str | None) -> None:
        super().__init__(connect_timeout_s=1, request_timeout_s=1)
        self.location = location
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    def exchange(
        self, method: str, url: str, *, neighbour: str, headers: Mapping[str, str], body: bytes | None = None, body_bytes_max: int
    ) -> Answer:
        self.asked.append((url, headers))
        return Answer(200, "image/jpeg", b"x") if self.location is None else Answer(302, "", b"", redirect_url=self.location)


@settings(max_examples=300, deadline=None)
@given(url=urls, location=st.none() | urls)
@example(url="https://fhir.example.org/r4/../admin", location=None)
@example(url="//fhir.example.org/r4\\..\\admin", location=None)
@example(url="https://pacs.example.org/a", location="https://fhir.example.org/r4/Binary/b")
@example(url=";.", location=None)
@example(url="Binary/b", location="http://fhir.example.org/r4/Binary/b")
def test_requests_and_tokens_go_only_where_they_may(url: str, location: str | None) -> None:
    http = Listening(location)
    fhir = FhirClient(FhirSettings(base_url=BASE, bearer_token=SecretStr(FHIR_TOKEN)), http)
    credentials = {ALLOWED[0]: {"bearer_token": PACS_TOKEN}}
    image = ImageSettings.model_validate({"url_origins_allowed": ALLOWED, "origin_credentials": credentials})
    with suppress(Refused):
        Contents(fhir, http, image).read({"url": url}, "Media/m1", None)
    for asked, headers in http.asked:
        parts = urlsplit(asked)
        origin, token = f"{parts.scheme}://{parts.netloc}", headers.get("Authorization", "")
        assert origin in (*ALLOWED, "https://fhir.example.org")
        if origin == "https://fhir.example.org":
            assert parts.path.startswith("/r4/")
            assert not {"..", "."} & set(re.split(r"[/;\\\\]", unquote(unquote(parts.path))))
        assert (FHIR_TOKEN in token) is (origin == "https://fhir.example.org")
        assert PACS_TOKEN not in token or origin == ALLOWED[0]
        assert asked.isascii()
        assert asked.isprintable()
    assert len(http.asked) <= 2


@settings(max_examples=200, deadline=None)
@given(urls)
def test_an_address_once_written_is_read_the_same_again(text: str) -> None:
    found = address(f"{BASE}/")
    with suppress(NoAddress):
        found = address(text, found)
    assert address(str(found)) == found
    assert address(found.origin).origin == found.origin


SOURCES = Sources(address(f"{BASE}/"), frozenset(ALLOWED))


@given(urls | st.none() | st.integers() | st.lists(urls, max_size=2), urls)
def test_an_address_leads_below_the_base_or_to_an_allowed_origin_and_a_redirect_too_or_it_is_refused(url: object, location: str) -> None:
    with suppress(Refused):
        where = SOURCES.named(url, "Media/m1")
        assert where.below(SOURCES.base) is not None or where.origin in ALLOWED
        target = SOURCES.led_to(location, where, 302, "Media/m1")
        assert target.origin in ALLOWED or (where.below(SOURCES.base) is not None and target.below(SOURCES.base) is not None)
