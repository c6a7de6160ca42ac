"""What a request may reach, whom it trusts, and what it makes of packed answers."""

from __future__ import annotations

import gzip
import ssl
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import SecretStr
from tocsin.errors import ConfigurationError, Deferred
from tocsin.fhir.client import FhirClient
from tocsin.fhir.http import BodyTooLarge, Http
from tocsin.network import HOST
from tocsin.settings import FhirSettings

from tests.support.manners.transport import raw_deflate, stored_brotli
from tests.support.relay import relay
from tests.support.web import Reply, Web, web

BODY = b"what was packed " * 1000


def http(**more: Any) -> Http:
    return Http(connect_timeout_s=2, request_timeout_s=2, **more)


def got(url: str, by: Http, body_bytes_max: int = 100_000) -> bytes:
    return by.exchange("GET", url, neighbour="fhir", headers={}, body_bytes_max=body_bytes_max).body


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as running:
        yield running


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_that_the_environment_names_sees_neither_the_token_nor_a_path(
    site: Web, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web() as proxy:
        monkeypatch.setenv(variable, proxy.origin)
        monkeypatch.setenv("no_proxy", "elsewhere.example.org")
        settings = FhirSettings(base_url=f"{site.origin}/fhir", bearer_token=SecretStr("canary-token"))
        FhirClient(settings).get("Patient/p1")
        with pytest.raises(Deferred):
            FhirClient(FhirSettings(base_url="https://127.0.0.1:9/fhir", bearer_token=SecretStr("canary-token"))).get("Patient/p1")
        assert (len(site.asked), proxy.asked) == (1, [])


def test_a_proxy_that_the_settings_name_is_used_whatever_the_environment_excepts(site: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with relay(lambda request: Reply(200, request.header("Proxy-Authorization").encode())) as proxy:
        settings = FhirSettings(base_url=f"{site.origin}/fhir", proxy_url=SecretStr(proxy.replace("://", "://user:secret@")))
        assert FhirClient(settings).get("Patient/p1").body.startswith(b"Basic ")
    assert site.asked == []


def test_a_proxy_that_refuses_makes_the_event_wait() -> None:
    with relay(lambda _request: Reply(407)) as proxy, pytest.raises(Deferred, match="no answer"):
        got("https://fhir.example.org/fhir/metadata", http(proxy_url=SecretStr(proxy)))


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY)),
        ("GZip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
        ("br", stored_brotli(BODY)),
        ("gzip, deflate", zlib.compress(gzip.compress(BODY))),
        ("identity", BODY),
    ],
    ids=["gzip", "x-gzip", "GZip", "deflate", "raw deflate", "br", "two", "none"],  # not the bytes, which hold the time of day
)
def test_a_packed_answer_is_unpacked_though_nobody_asked(site: Web, coding: str, body: bytes) -> None:
    site.replies["/a"] = Reply(200, body, {"Content-Encoding": coding})
    assert got(f"{site.origin}/a", http()) == BODY


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, raw_deflate])
def test_an_answer_that_unpacks_to_more_than_is_allowed_is_broken_off(site: Web, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(bytes(60_000_000))
    site.replies["/a"] = Reply(200, bomb, {"Content-Encoding": "gzip" if pack is gzip.compress else "deflate"})
    with pytest.raises(BodyTooLarge):
        got(f"{site.origin}/a", http(), body_bytes_max=400_000)


@pytest.mark.parametrize(
    ("coding", "body", "named"),
    [("zstd", b"x", "zstd"), ("compress", b"x", "compress"), ("Jane Canary!", b"x", "without a name"), ("gzip", b"no gzip", "gzip")],
)
def test_an_answer_in_an_unknown_coding_says_which(site: Web, coding: str, body: bytes, named: str) -> None:
    site.replies["/a"] = Reply(200, body, {"Content-Encoding": coding})
    with pytest.raises(Deferred, match=f"cannot be unpacked: content coding {named} ") as caught:
        got(f"{site.origin}/a", http())
    assert "Canary" not in str(caught.value)


@contextmanager
def over_tls(authority: trustme.CA, host: str = HOST, not_after: datetime | None = None) -> Iterator[str]:
    """A server with a certificate for this host; gives its origin."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, not_after=not_after).configure_cert(context)
    with relay(lambda _request: Reply(200, BODY), tls=context) as origin:
        yield origin


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def file(authority: trustme.CA, tmp_path: Path) -> Path:
    found = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(found))
    return found


@pytest.mark.parametrize("group", ["FHIR", "IMAGE"])
def test_a_certificate_of_the_hospitals_own_authority_is_trusted_where_the_settings_say_so(
    authority: trustme.CA, file: Path, group: str
) -> None:
    with over_tls(authority) as origin:
        assert got(f"{origin}/a", http(tls_ca_file=file, group=group)) == BODY
        with pytest.raises(Deferred, match=f"authority that is not trusted: set TOCSIN_{group}__TLS_CA_FILE"):
            got(f"{origin}/a", http(group=group))


def test_a_certificate_that_is_not_trusted_says_why(authority: trustme.CA, file: Path) -> None:
    by = http(tls_ca_file=file)
    with ExitStack() as stack:
        others = stack.enter_context(over_tls(trustme.CA()))
        elsewhere = stack.enter_context(over_tls(authority, "fhir.example.org"))
        expired = stack.enter_context(over_tls(authority, not_after=datetime(2020, 1, 1, tzinfo=UTC)))
        for origin, words in ((others, "authority that is not trusted"), (elsewhere, "another host name"), (expired, "has expired")):
            with pytest.raises(Deferred, match=words):
                got(f"{origin}/a", by)


def test_a_file_of_authorities_that_cannot_be_read_is_a_wrong_setting(authority: trustme.CA, tmp_path: Path) -> None:
    (tmp_path / "words.pem").write_text("no certificate")
    with over_tls(authority) as origin:
        for name in ("words.pem", "absent.pem"):
            with pytest.raises(ConfigurationError, match="TOCSIN_FHIR__TLS_CA_FILE"):
                got(f"{origin}/a", http(tls_ca_file=tmp_path / name))


def test_a_port_that_does_not_speak_tls_or_http_is_said_to(site: Web, authority: trustme.CA) -> None:
    with pytest.raises(Deferred, match="does this port speak TLS"):
        got(site.origin.replace("http:", "https:"), http())
    with over_tls(authority) as origin, pytest.raises(Deferred, match="connection"):
        got(origin.replace("https:", "http:"), http())


def test_files_of_the_users_home_are_not_heeded(site: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither names and passwords (.netrc) nor curl's own settings (.curlrc)."""
    (tmp_path / ".netrc").write_text(f"machine {HOST} login canary password canary\n")
    (tmp_path / ".curlrc").write_text(f'proxy = "{site.origin}"\nheader = "X-Canary: 1"\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    got(f"{site.origin}/a", http())
    assert "canary" not in str(site.asked[0].headers).lower()
