"""`tocsin check` finds out whether the origins of pictures, and the FHIR server, are who they say they are."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from tocsin.fhir.client import FhirClient
from tocsin.fhir.http import Http
from tocsin.fhir.preflight import fhir_preflight
from tocsin.image.preflight import pictures_preflight
from tocsin.network import HOST
from tocsin.settings import FhirSettings, ImageSettings
from tocsin.telemetry.preflight import Check

from tests.support.relay import relay
from tests.support.web import Reply, web


def looked_at(tls_ca_file: Path | None = None, **settings: object) -> list[Check]:
    http = Http(connect_timeout_s=2, request_timeout_s=2, tls_ca_file=tls_ca_file, group="IMAGE")
    return list(pictures_preflight(http, ImageSettings.model_validate(settings)))


@pytest.fixture
def tls() -> tuple[trustme.CA, ssl.SSLContext]:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    return authority, context


def test_an_authority_that_is_not_trusted_is_named_with_its_setting(tls: tuple[trustme.CA, ssl.SSLContext], tmp_path: Path) -> None:
    authority, context = tls
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with relay(lambda _request: Reply(403), tls=context) as origin:
        [found] = looked_at(url_origins_allowed=[origin])
        assert (found.passed, "TOCSIN_IMAGE__TLS_CA_FILE" in found.found) == (False, True)
        [found] = looked_at(tmp_path / "ca.pem", url_origins_allowed=[origin])
        assert (found.passed, found.found) == (True, "answers (HTTP 403 to its root)")
        [found] = looked_at(tmp_path / "absent.pem", url_origins_allowed=[origin])
        assert (found.passed, "TOCSIN_IMAGE__TLS_CA_FILE" in found.found) == (False, True)
        first = next(iter(fhir_preflight(FhirClient(FhirSettings(base_url=f"{origin}/fhir")))))
        assert (first.passed, "TOCSIN_FHIR__TLS_CA_FILE" in first.found) == (False, True)


def test_an_origin_that_is_away_fails_and_no_credentials_are_sent_to_try(tmp_path: Path) -> None:
    with web() as site:
        credentials = {site.origin: {"bearer_token_file": str(tmp_path / "token")}}
        allowed = [site.origin, "http://127.0.0.1:9"]
        there, away, held = looked_at(url_origins_allowed=allowed, origin_credentials=credentials)
        assert (there.passed, away.passed, held.passed) == (True, False, False)
        assert "cannot be read" in held.found
        (tmp_path / "token").write_text("canary")
        *_, held = looked_at(url_origins_allowed=allowed, origin_credentials=credentials)
        assert (held.passed, "canary" in str(held)) == (True, False)
        assert all("authorization" not in asked.headers for asked in site.asked)


def test_where_no_origin_is_allowed_there_is_nothing_to_look_at() -> None:
    assert looked_at() == []
