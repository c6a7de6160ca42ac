"""The bytes of a picture come from where the Media says, or from nowhere: each way that servers have of handing them out."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from tocsin.errors import ContentMissing, ContentTooLarge, Deferred, MediaMalformed, Refused, UrlNotAllowed, UrlRedirected, UrlRefused
from tocsin.fhir.client import FhirClient
from tocsin.fhir.http import Http
from tocsin.image.content import Contents
from tocsin.settings import FhirSettings, ImageSettings

from tests.support.pictures import encoded, textured
from tests.support.relay import Request, relay
from tests.support.web import ABSENT, Reply, Web, web

JPEG = encoded(textured(64, 48))
OTHER = encoded(textured(64, 48, seed=2))
FHIR = {"Content-Type": "application/fhir+json"}
IMAGE = {"Content-Type": "image/jpeg"}
TOKEN = "canary-token"


@dataclass
class Way:
    """A FHIR server below /fhir, and another origin that is allowed."""

    site: Web
    store: Web

    def read(self, attachment: dict[str, Any], *, bytes_max: int = 1_000_000, **settings: Any) -> bytes:
        """By a reader for whom the store is allowed, unless told."""
        fhir = FhirClient(FhirSettings(base_url=f"{self.site.origin}/fhir", bearer_token=SecretStr(TOKEN), request_timeout_s=2))
        image = ImageSettings.model_validate({"url_origins_allowed": [self.store.origin], "content_bytes_max": bytes_max} | settings)
        return Contents(fhir, Http(connect_timeout_s=1, request_timeout_s=2, group="IMAGE"), image).read(attachment, "Media/m1", META)

    def sent_to_the_store(self, header: str = "authorization") -> list[str | None]:
        """What each request to it said in this header."""
        return [asked.headers.get(header) for asked in self.store.asked]


META = {"versionId": "3"}


@pytest.fixture
def way() -> Iterator[Way]:
    with web() as site, web() as store:
        store.replies["/a.jpg"] = Reply(200, JPEG, IMAGE)
        yield Way(site, store)


def wrapped(picture: bytes = JPEG, **more: Any) -> Reply:
    binary = {"resourceType": "Binary", "contentType": "image/jpeg", "data": base64.b64encode(picture).decode()}
    return Reply(200, orjson.dumps(binary | more), FHIR)


@pytest.mark.parametrize("base", ["", "{origin}/fhir/", "/fhir/"], ids=["relative", "absolute", "from-the-root"])
@pytest.mark.parametrize("form", ["raw", "wrapped"])
def test_a_version_that_is_named_is_the_version_that_is_read(way: Way, base: str, form: str) -> None:
    for path, picture in (("Binary/b", OTHER), ("Binary/b/_history/1", JPEG)):
        way.site.replies[f"/fhir/{path}"] = Reply(200, picture, IMAGE) if form == "raw" else wrapped(picture)
    assert way.read({"url": base.format(origin=way.site.origin) + "Binary/b/_history/1"}) == JPEG
    assert [asked.path for asked in way.site.asked] == ["/fhir/Binary/b/_history/1"]


@pytest.mark.parametrize("meta", [{}, {"versionId": "1"}, {"versionId": 1}, None])
def test_a_version_of_a_binary_may_be_stated_as_text_as_a_number_or_not_at_all(way: Way, meta: Any) -> None:
    way.site.replies["/fhir/Binary/b/_history/1"] = wrapped(id="b", meta=meta)
    assert way.read({"url": "Binary/b/_history/1"}) == JPEG


@pytest.mark.parametrize(
    "reply",
    [
        ABSENT,
        wrapped(OTHER, id="b", meta={"versionId": "2"}),
        wrapped(OTHER, id="b", meta={"versionId": {"value": "1"}}),
        wrapped(OTHER, id="b", meta={"versionId": True}),
        wrapped(OTHER, id="c"),
    ],
)
def test_a_version_that_the_server_does_not_give_is_refused(way: Way, reply: Reply) -> None:
    way.site.replies |= {"/fhir/Binary/b": wrapped(OTHER), "/fhir/Binary/b/_history/1": reply}
    with pytest.raises(ContentMissing, match="Binary/b/_history/1"):
        way.read({"url": "Binary/b/_history/1"})


@pytest.mark.parametrize("url", ["Binary/b?x=1", "Binary/b/", "Binary/b#part", "Binary%2Fb", "Media/m1/$content?path=x"])
def test_an_address_below_the_base_is_asked_as_it_stands(way: Way, url: str) -> None:
    path = f"/fhir/{url.partition('#')[0].removesuffix('/')}"
    way.site.replies[path] = Reply(200, JPEG, IMAGE)
    assert way.read({"url": url}) == JPEG
    assert [(asked.path, asked.headers["authorization"]) for asked in way.site.asked] == [(path, f"Bearer {TOKEN}")]


@pytest.mark.parametrize("form", ["{host}", "HTTP://{host}", "http://{host}/"])
def test_an_origin_is_the_same_however_it_is_written(way: Way, form: str) -> None:
    host = way.store.origin.removeprefix("http://")
    allowed = form.format(host=host) if "://" in form else f"http://{host}"
    assert way.read({"url": f"hTTp://{host}/a.jpg"}, url_origins_allowed=[allowed]) == JPEG


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("ftp://127.0.0.1/a.jpg", UrlNotAllowed),
        ("file:///etc/passwd", UrlNotAllowed),
        ("data:image/jpeg;base64,AAAA", UrlNotAllowed),
        ("urn:uuid:6dbcbca2-0000-4000-8000-8fe2d12a5d51", UrlNotAllowed),
        ("http://canary:secret@{store}/a.jpg", UrlNotAllowed),
        ("http://{site}@evil.example/fhir/Binary/b", UrlNotAllowed),
        ("//evil.example/a.jpg", UrlNotAllowed),
        ("/secret", UrlNotAllowed),
        ("../secret", UrlNotAllowed),
        ("Binary/..%2f..%2fsecret", UrlNotAllowed),
        ("Binary/%252e%252e/%252e%252e/secret", UrlNotAllowed),
        ("http://{store}./a.jpg", MediaMalformed),
        ("http://{store}\\@evil.example/a.jpg", MediaMalformed),
        ("http://{store}\t/a.jpg", MediaMalformed),
        ("http://{store}/a.jpg\n", MediaMalformed),
        ("http://ex%61mple.org/a.jpg", MediaMalformed),
        ("http://[::1%25eth0]/a.jpg", MediaMalformed),
        ("http://localhost:99999/a.jpg", MediaMalformed),
        ("http:///a.jpg", MediaMalformed),
        ("#b1", MediaMalformed),
        ("?x", MediaMalformed),
    ],
)
def test_an_address_elsewhere_or_none_is_never_asked(way: Way, url: str, error: type[Refused]) -> None:
    hosts = {name: each.origin.removeprefix("http://") for name, each in (("site", way.site), ("store", way.store))}
    with pytest.raises(error) as caught:
        way.read({"url": url.format(**hosts)})
    assert (way.site.asked, way.store.asked) == ([], [])
    assert not any(word in str(caught.value) for word in ("canary", "secret", "passwd"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("first", ["fhir", "store"])
def test_a_redirect_to_an_allowed_origin_is_followed_without_any_token(way: Way, status: int, first: str) -> None:
    with web() as signed:
        signed.replies["/x.jpg?sig=s%2Fecret"] = Reply(200, JPEG, IMAGE)
        leads = Reply(status, b"", {"Location": f"{signed.origin}/x.jpg?sig=s%2Fecret"})
        way.site.replies["/fhir/Binary/b"] = way.store.replies["/b"] = leads
        credentials = {way.store.origin: {"bearer_token": "store"}, signed.origin: {"bearer_token": "signed"}}
        url = "Binary/b" if first == "fhir" else f"{way.store.origin}/b"
        allowed = [way.store.origin, signed.origin]
        assert way.read({"url": url}, url_origins_allowed=allowed, origin_credentials=credentials) == JPEG
        [asked] = signed.asked
    assert "authorization" not in asked.headers


UNLISTED = "which TOCSIN_IMAGE__URL_ORIGINS_ALLOWED does not list"
UNFOLLOWED = "a redirect that Tocsin does not follow"


@pytest.mark.parametrize(
    ("first", "location", "says"),
    [
        ("fhir", "https://store.example.org/x?sig=canary", f"https://store.example.org, {UNLISTED}"),
        ("store", "https://store.example.org/x?sig=canary", f"https://store.example.org, {UNLISTED}"),
        ("fhir", "/login?canary", UNLISTED),
        ("fhir", "http://user:canary@127.0.0.1/", f"http://127.0.0.1, {UNLISTED}"),
        ("store", "http://user:canary@127.0.0.1/", f"http://127.0.0.1, {UNLISTED}"),
        ("store", "http://store.example.org/\xe9?canary", UNFOLLOWED),
        ("store", "ftp://canary/", UNFOLLOWED),
        ("fhir", "", UNFOLLOWED),
        ("store", "", UNFOLLOWED),
    ],
)
def test_a_redirect_anywhere_else_is_refused_and_names_the_setting(way: Way, first: str, location: str, says: str) -> None:
    way.site.replies["/fhir/Binary/b"] = way.store.replies["/b"] = Reply(302, b"", {"Location": location})
    with pytest.raises(UrlRedirected) as caught:
        way.read({"url": "Binary/b" if first == "fhir" else f"{way.store.origin}/b"})
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "TOCSIN_IMAGE__URL_ORIGINS_ALLOWED" in caught.value.advice


def test_only_one_redirect_is_followed(way: Way) -> None:
    way.site.replies["/fhir/Binary/b"] = Reply(302, b"", {"Location": f"{way.store.origin}/b"})
    way.store.replies["/b"] = Reply(302, b"", {"Location": "/a.jpg"})
    with pytest.raises(UrlRedirected, match="one redirect is followed"):
        way.read({"url": "Binary/b"})
    assert [asked.path for asked in way.store.asked] == ["/b"]


def test_an_origin_that_leads_to_the_fhir_server_does_not_get_its_token_sent(way: Way) -> None:
    way.store.replies["/b"] = Reply(302, b"", {"Location": f"{way.site.origin}/fhir/Binary/b"})
    with pytest.raises(UrlRedirected):
        way.read({"url": f"{way.store.origin}/b"})
    assert way.site.asked == []


def test_what_a_redirect_leads_to_may_not_be_larger_either(way: Way) -> None:
    way.site.replies["/fhir/Binary/b"] = Reply(302, b"", {"Location": f"{way.store.origin}/a.jpg"})
    with pytest.raises(ContentTooLarge):
        way.read({"url": "Binary/b"}, bytes_max=100)


def test_a_server_that_gives_a_binary_as_fhir_alone_is_asked_for_it_so(way: Way) -> None:
    def answer(request: Request) -> Reply:
        return wrapped() if request.header("Accept") == "application/fhir+json" else Reply(406)

    with relay(answer) as origin:
        assert Way(Web(origin), way.store).read({"url": "Binary/b"}) == JPEG


@pytest.mark.parametrize("of", ["Media/m1", "Binary/b"])
def test_data_in_the_servers_own_storage_is_read_from_there(way: Way, of: str) -> None:
    extension = {"url": "http://hapifhir.io/fhir/StructureDefinition/externalized-binary-id", "valueString": "x"}
    kept_elsewhere = {"_data": {"extension": [extension]}}
    resource = {"resourceType": "Binary", "id": "b", "meta": META} | kept_elsewhere if of == "Binary/b" else {"meta": META}
    way.site.replies[f"/fhir/{of}"] = Reply(200, orjson.dumps(resource), FHIR)
    path = "Media.content" if of == "Media/m1" else "Binary.data"
    attachment = {"url": "Binary/b"} if of == "Binary/b" else kept_elsewhere
    with pytest.raises(ContentMissing, match=r"the server's own binary storage, and \$binary-access-read answered HTTP 404"):
        way.read(attachment)
    way.site.replies[f"/fhir/{of}/$binary-access-read?path={path}"] = Reply(200, JPEG, IMAGE)
    assert way.read(attachment) == JPEG
    way.site.replies[f"/fhir/{of}"] = Reply(200, orjson.dumps(resource | {"meta": {"versionId": "4"}}), FHIR)
    if of == "Media/m1":
        with pytest.raises(Deferred, match="changed while its data was read"):
            way.read(attachment)


@pytest.mark.parametrize(
    ("credentials", "header", "value"),
    [
        ({"username": "tocsin", "password": "p:w"}, "authorization", "Basic dG9jc2luOnA6dw=="),
        ({"bearer_token": "t"}, "authorization", "Bearer t"),
        ({"header_name": "X-Api-Key", "header_value": "k 1"}, "x-api-key", "k 1"),
    ],
    ids=["basic", "bearer", "header"],
)
def test_what_an_origin_asks_for_is_sent_to_it_and_to_nobody_else(way: Way, credentials: dict[str, str], header: str, value: str) -> None:
    with web() as third:
        third.replies["/a.jpg"] = Reply(200, JPEG, IMAGE)
        settings: dict[str, Any] = {
            "url_origins_allowed": [way.store.origin, third.origin],
            "origin_credentials": {way.store.origin: credentials},
        }
        for origin in (way.store.origin, third.origin):
            assert way.read({"url": f"{origin}/a.jpg"}, **settings) == JPEG
        way.store.replies["/there"] = Reply(302, b"", {"Location": f"{third.origin}/a.jpg"})
        way.store.replies["/here"] = Reply(302, b"", {"Location": "/a.jpg"})
        assert way.read({"url": f"{way.store.origin}/there"}, **settings) == JPEG
        assert way.read({"url": f"{way.store.origin}/here"}, **settings) == JPEG
        assert all(header not in asked.headers for asked in third.asked)
    assert way.sent_to_the_store(header) == [value] * 4


def test_an_origin_that_refuses_who_asks_names_the_setting(way: Way) -> None:
    way.store.replies["/b"] = Reply(401, b"Jane Canary")
    with pytest.raises(UrlRefused, match=r"HTTP 401: set what it asks for in TOCSIN_IMAGE__ORIGIN_CREDENTIALS"):
        way.read({"url": f"{way.store.origin}/b"})


def test_a_password_that_is_renewed_in_its_file_is_used_from_then_on_and_until_then_the_event_waits(way: Way, tmp_path: Path) -> None:
    file = tmp_path / "password"
    credentials = {way.store.origin: {"username": "tocsin", "password_file": str(file)}}
    with pytest.raises(Deferred, match="TOCSIN_IMAGE__ORIGIN_CREDENTIALS"):
        way.read({"url": f"{way.store.origin}/a.jpg"}, origin_credentials=credentials)
    assert way.store.asked == []
    file.write_text("old\n")
    way.store.replies["/b"] = Reply(401)
    with pytest.raises(Deferred, match="wrong or expired"):
        way.read({"url": f"{way.store.origin}/b"}, origin_credentials=credentials)
    file.write_text("new\n")
    assert way.read({"url": f"{way.store.origin}/a.jpg"}, origin_credentials=credentials) == JPEG
    assert way.sent_to_the_store()[-1] == f"Basic {base64.b64encode(b'tocsin:new').decode()}"
