"""What a FHIR server says becomes Tocsin's own words, without a patient's, and its token goes nowhere else."""

from __future__ import annotations

import orjson
import pytest
from pydantic import SecretStr
from tocsin.errors import ConfigurationError, Contended, Deferred, FhirRejected, Unavailable
from tocsin.fhir.client import FhirClient, NoRight, TokenRefused, accepted, is_absent, is_hidden
from tocsin.fhir.http import Answer, Http
from tocsin.fhir.outcome import outcome_codes
from tocsin.settings import FhirSettings

from tests.support.web import Reply, web

OUTCOME = orjson.dumps(
    {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing", "diagnostics": "Jane Canary"}]}
)


def answer(status: int, body: bytes = b"") -> Answer:
    return Answer(status, "application/fhir+json", body)


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (302, b"", Unavailable),
        (400, OUTCOME, FhirRejected),
        (400, b"", FhirRejected),
        (401, OUTCOME, Unavailable),
        (404, b"<html>", Unavailable),
        (404, OUTCOME, FhirRejected),
        (409, OUTCOME, Contended),
        (412, OUTCOME, Contended),
        (422, OUTCOME, FhirRejected),
        (423, OUTCOME, Contended),
        (429, b"", Unavailable),
        (500, OUTCOME, Unavailable),
        (503, b"", Unavailable),
    ],
)
def test_an_answer_is_for_ever_or_for_now(status: int, body: bytes, meaning: type[Exception]) -> None:
    with pytest.raises(meaning) as caught:
        accepted(answer(status, body), "Media/m1")
    assert "Canary" not in str(caught.value)


def issue(code: str) -> bytes:
    told = [{"severity": "error", "code": code, "diagnostics": "Jane Canary"}]
    return orjson.dumps({"resourceType": "OperationOutcome", "issue": told})


@pytest.mark.parametrize("code", ["security", "login", "forbidden", "suppressed"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_a_refusal_of_this_client_is_waited_for_and_hides_nothing_as_absent(status: int, code: str) -> None:
    hidden = answer(status, issue(code))
    assert not is_absent(hidden)
    assert is_hidden(hidden) == (status != 401)
    with pytest.raises(TokenRefused if status == 401 else NoRight, match=r"no right|token") as caught:
        accepted(hidden, "Patient/p1")
    assert "Canary" not in str(caught.value)


@pytest.mark.parametrize("code", ["invalid", "structure", "required", "value", "invariant", "business-rule", "processing"])
def test_a_refusal_of_what_was_sent_says_so(code: str) -> None:
    with pytest.raises(FhirRejected, match=rf"finds fault with what was sent.*error {code}"):
        accepted(answer(422, issue(code)), "DiagnosticReport/r1", "transaction")


@pytest.mark.parametrize(("status", "code"), [(405, "processing"), (400, "not-supported")])
def test_a_refusal_of_what_a_server_does_not_do_says_so(status: int, code: str) -> None:
    with pytest.raises(FhirRejected, match="does not offer it"):
        accepted(answer(status, issue(code)), "DiagnosticReport", "search")


@pytest.mark.parametrize("status", [200, 201, 204])
def test_what_was_done_is_accepted(status: int) -> None:
    assert accepted(answer(status), "Media/m1").status == status


def test_only_the_fhir_servers_own_word_makes_a_resource_absent() -> None:
    assert is_absent(answer(404, OUTCOME))
    assert is_absent(answer(410, OUTCOME))
    assert not is_absent(answer(404, b"nothing here"))
    assert not is_absent(answer(400, OUTCOME))


def test_of_an_outcome_errors_come_first_and_nobodys_words_come_along() -> None:
    issues = [{"severity": "information", "code": "informational"}] * 7
    body = orjson.dumps(
        {"issue": [*issues, {"severity": "error", "code": "value", "expression": ["Media.status"], "diagnostics": "Jane Canary"}]}
    )
    assert outcome_codes(body).startswith("error value Media.status; ")
    assert "Canary" not in outcome_codes(body)
    assert outcome_codes(b"<html>") == "no OperationOutcome"


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://fhir.example.org/r4/Binary/1", True),
        ("https://FHIR.example.org/r4/Binary/1", True),
        ("https://fhir.example.org/other", False),
        ("https://fhir.example.org/r4", False),
        ("https://fhir.example.org.evil.example/r4/Binary/1", False),
        ("https://fhir.example.org@evil.example/r4/Binary/1", False),
        ("http://fhir.example.org/r4/Binary/1", False),
        ("https://fhir.example.org:8443/r4/Binary/1", False),
        ("https://fhir.example.org/r4/../admin", False),
        ("https://fhir.example.org/r4/%2e%2e/admin", False),
        ("https://fhir.example.org/r4/..%2f..%2fadmin", False),
        ("https://fhir.example.org/r4/..;/admin", False),
    ],
)
def test_an_address_is_the_servers_own_only_below_its_base(url: str, ours: bool) -> None:
    client = FhirClient(FhirSettings(base_url="https://fhir.example.org/r4", bearer_token=SecretStr("canary-token")))
    assert client.owns(url) is ours


def test_a_journey_hears_of_every_answer_and_of_no_failure() -> None:
    heard = list[str]()
    http = Http(connect_timeout_s=3, request_timeout_s=3, heard=lambda: heard.append("answer"))
    with web() as site:
        for _ in range(2):
            http.exchange("GET", f"{site.origin}/Media/m1", neighbour="fhir", headers={}, body_bytes_max=1024)
    assert heard == ["answer", "answer"]
    with pytest.raises(Deferred):
        http.exchange("GET", "http://127.0.0.1:9/Media/m1", neighbour="fhir", headers={}, body_bytes_max=1024)
    assert len(heard) == 2


def test_an_element_is_named_as_servers_write_it_and_never_with_what_stands_in_it() -> None:
    places = ["Bundle.entry[0].resource/*DiagnosticReport/07d2f7f8*/.status", "Patient.name.where(family = 'Canary')"]
    body = orjson.dumps({"issue": [{"severity": "error", "code": "processing", "expression": places}]})
    assert outcome_codes(body) == f"error processing {places[0]}"


@pytest.mark.parametrize("path", ["../admin", "Media/../../admin", "Media/%2e%2e/%2e%2e/admin", "Media/.."])
def test_no_path_leads_out_of_the_base_address(path: str) -> None:
    with web() as site:
        client = FhirClient(FhirSettings(base_url=f"{site.origin}/r4", bearer_token=SecretStr("canary-token")))
        for ask in (client.get, client.search):
            with pytest.raises(FhirRejected, match="TOCSIN_FHIR__BASE_URL"):
                ask(path)
        assert site.asked == []


@pytest.mark.parametrize(
    "url",
    ["http://ex%61mple.org/fhir", "http://fhir..example.org/fhir", "http://[::1%25lo]/fhir", "http://fhir.example.org/r4/%2e%2e/fhir"],
)
def test_a_base_address_that_is_none_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(ConfigurationError, match="TOCSIN_FHIR__BASE_URL"):
        FhirClient(FhirSettings(base_url=url))


def test_a_base_address_may_end_its_host_with_a_dot() -> None:
    """As Kubernetes' names do that are not to be searched for: another origin than the name without it, all the same."""
    client = FhirClient(FhirSettings(base_url="http://hapi.fhir.svc.cluster.local.:8080/fhir"))
    assert client.owns("http://hapi.fhir.svc.cluster.local.:8080/fhir/Binary/b")
    assert not client.owns("http://hapi.fhir.svc.cluster.local:8080/fhir/Binary/b")


def test_the_element_that_is_wrong_is_named_as_hapi_names_it_and_free_text_never() -> None:
    where = ["Bundle.entry[0].resource/*DiagnosticReport/35ceb117-e881*/.status", "Jane Canary, 12 High Street", "x" * 300, 5]
    told = [{"severity": "error", "code": "processing", "expression": where, "diagnostics": "Jane Canary"}]
    said = outcome_codes(orjson.dumps({"issue": told}))
    assert said == "error processing Bundle.entry[0].resource/*DiagnosticReport/35ceb117-e881*/.status"


def test_a_word_where_a_code_belongs_is_not_repeated() -> None:
    told = [
        {"severity": "Canary", "code": "Canary-Quintessa", "expression": ["Canary-Quintessa", "Patient.Canary", "Patient.name[0].given"]}
    ]
    assert outcome_codes(orjson.dumps({"issue": told})) == "Patient.name[0].given"


@pytest.mark.parametrize("wrong", [[], {}, 5, None, ["login"], [{"code": ["login"]}, {"code": {}, "severity": []}, 5]])
def test_an_outcome_whose_parts_are_of_other_types_is_read_as_far_as_it_goes(wrong: object) -> None:
    with pytest.raises(FhirRejected):
        accepted(answer(422, orjson.dumps({"resourceType": "OperationOutcome", "issue": wrong})), "Media/m1")


def test_an_answer_that_is_too_large_is_refused_with_what_was_asked_for() -> None:
    with web() as site:
        site.replies["/fhir/Media/m1"] = Reply(200, bytes(2000))
        client = FhirClient(FhirSettings(base_url=f"{site.origin}/fhir", answer_bytes_max=1000))
        with pytest.raises(FhirRejected, match=r"^Media/m1: the answer has more than 1000 bytes"):
            client.get("Media/m1")
