"""`tocsin check` looks at the back end of traces as `tocsin trace` asks it, and what proves who asks goes nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from tocsin.bootstrap.trace import look, trace_store
from tocsin.settings import TracesSettings
from tocsin.telemetry.preflight import Check
from tocsin.traces.ports import NoAnswer

from tests.fakes.traces import jaeger_api
from tests.support.journey_spans import journey
from tests.support.web import Reply, Web, web

CANARY = "canary-of-a-token"
PATH = "/api/services"
EMPTY = Reply(body=b'{"data": null, "total": 0}')


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as found:
        yield found


def checks(url: str | None, environment: dict[str, str] | None = None, **more: Any) -> list[Check]:
    return list(look(TracesSettings(query_url=url, query_timeout_s=2, **more), environment or {}))


def test_without_a_back_end_there_is_nothing_to_look_at() -> None:
    assert checks(None) == []


def test_nobody_at_the_address_is_one_finding() -> None:
    [found] = checks("http://127.0.0.1:1")
    assert (found.what, found.passed, "TOCSIN_TRACES__QUERY_URL" in found.fix) == ("connection", False, True)


def test_a_back_end_without_a_span_of_tocsins_passes_and_says_what_may_be_wrong() -> None:
    with jaeger_api() as (url, spans):
        found = checks(url)[-1]
        assert (found.passed, found.warning, "TOCSIN_OTLP__ENDPOINT" in found.fix) == (True, True, True)
        spans.extend(journey("0a" * 16))
        assert checks(url)[-1].warning is False
        assert checks(url, {"OTEL_SERVICE_NAME": "another-name"})[-1].warning is True


@pytest.mark.parametrize(
    ("reply", "said", "fix"),
    [
        (Reply(401), "HTTP 401", "TOCSIN_TRACES__QUERY_BEARER_TOKEN"),
        (Reply(403), "HTTP 403", "let this client read traces there"),
        (Reply(404), "there is no such API", "TOCSIN_TRACES__QUERY_URL"),
        (Reply(500, b"Canary"), "HTTP 500", "TOCSIN_TRACES__QUERY_URL"),
        (Reply(body=b"<html>Canary"), "not JSON", "TOCSIN_TRACES__QUERY_URL"),
        (Reply(body=b'["Canary"]'), "there is no such API", "TOCSIN_TRACES__QUERY_URL"),
    ],
)
def test_what_answers_otherwise_fails_with_what_to_do(site: Web, reply: Reply, said: str, fix: str) -> None:
    site.replies[PATH] = reply
    found = checks(site.origin)[-1]
    assert (found.what, found.passed) == ("query API", False)
    assert said in found.found
    assert fix in found.fix
    assert "Canary" not in found.found + found.fix


@pytest.mark.parametrize(
    ("more", "header", "value"),
    [
        ({"query_bearer_token": SecretStr(CANARY)}, "authorization", f"Bearer {CANARY}"),
        ({"query_header": SecretStr(f"X-Scope-OrgID: {CANARY}")}, "x-scope-orgid", CANARY),
    ],
)
def test_what_proves_who_asks_goes_to_the_back_end_and_is_never_told(site: Web, more: dict[str, Any], header: str, value: str) -> None:
    site.replies[PATH] = EMPTY
    found = checks(site.origin, **more)
    assert [each.headers[header] for each in site.asked] == [value]
    site.replies[PATH] = Reply(401)
    assert CANARY not in str(found + checks(site.origin, **more))
    assert CANARY not in str(TracesSettings(query_url=site.origin, **more))
    assert CANARY not in repr(trace_store(TracesSettings(query_url=site.origin, **more)).__dict__)


def test_a_token_follows_no_redirect(site: Web) -> None:
    with web() as elsewhere:
        site.replies[PATH] = Reply(302, headers={"Location": f"{elsewhere.origin}{PATH}"})
        settings = TracesSettings(query_url=site.origin, query_bearer_token=SecretStr(CANARY))
        store = trace_store(settings)
        assert store is not None
        with pytest.raises(NoAnswer, match="HTTP 302"):
            store.services()
        assert (len(site.asked), elsewhere.asked) == (1, [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"query_header": "ward-7"},
        {"query_header": "X-Scope-OrgID: ward-7\nX-Other: x"},
        {"query_bearer_token": "a b"},
        {"query_bearer_token": CANARY, "query_header": "authorization: Basic x"},
    ],
)
def test_what_is_no_header_or_two_of_a_kind_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        TracesSettings.model_validate(wrong)
