"""A hook is answered from what stands in the record, for the patient of the call and nobody else."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from tocsin.serve.cds.records import PREFETCH
from tocsin.words.catalogue import LANGUAGES

from tests.support.cds_caller import SERVICE, call_json, drafts, order
from tests.support.cds_desk import Desk, desk
from tests.support.stored import BELOW, HIGH, LEFT_CALF, RAISED, searchset, stored

Json = dict[str, Any]

BASE = "https://ehr.example.org/fhir"
REPORT = stored(HIGH)[:1]


def reports(resources: list[Json], **more: Any) -> Json:
    return call_json(prefetch={"reports": searchset(resources), "pictures": None, **more})


def test_discovery_offers_three_hooks_under_one_id_so_that_an_ehr_may_replace_stale_cards() -> None:
    services = desk().discover()["services"]
    assert {each["hook"] for each in services} == {"patient-view", "order-select", "order-sign"}
    assert {each["id"] for each in services} == {"tocsin-flags"}
    assert all(each["prefetch"] == PREFETCH for each in services)


def test_discovery_is_in_the_sites_language() -> None:
    english, german = (desk(language=language).discover()["services"][0] for language in LANGUAGES)
    assert all(english[name] != german[name] for name in ("title", "description"))


def test_a_flagged_report_is_shown_when_the_chart_is_opened() -> None:
    status, said = desk().ask(reports(REPORT))
    assert (status, len(said["cards"])) == (200, 1)
    assert r"Malignancy score 0\.700 \(Raised from 0\.1\, High from 0\.5\)\." in said["cards"][0]["detail"]


@pytest.mark.parametrize("prefetch", [None, searchset([]), searchset(stored(BELOW)[:1])], ids=["null", "empty", "no flag"])
def test_nothing_known_is_no_card(prefetch: Json | None) -> None:
    assert desk().ask(call_json(prefetch={"reports": prefetch})) == (200, {"cards": []})


def test_cards_are_in_the_sites_language() -> None:
    _, said = desk(language="de").ask(reports(REPORT))
    assert "KI-Ergebnis" in said["cards"][0]["summary"]


def test_pictures_that_came_along_name_the_body_site() -> None:
    media = {
        "resourceType": "Media",
        "id": "m1",
        "subject": {"reference": "Patient/p1"},
        "bodySite": LEFT_CALF,
    }
    _, said = desk().ask(reports(REPORT, pictures=searchset([media])))
    assert "Left calf" in said["cards"][0]["summary"]


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_an_order_of_a_biopsy_gets_cards_and_any_other_order_none(hook: str) -> None:
    known = {"reports": searchset(REPORT)}
    for code, cards in (("240977001", 1), ("35646002", 1), ("177302005", 1), ("394582007", 1), ("80146002", 0)):
        context = {"draftOrders": drafts(order(code)), "selections": ["ServiceRequest/o1"]}
        _, said = desk().ask(call_json(hook, context=context, prefetch=known))
        assert len(said["cards"]) == cards, code


def test_of_drafts_only_what_was_just_selected_counts() -> None:
    both = drafts(order("80146002", "o1"), order("240977001", "o2"))
    for selections, cards in ((["ServiceRequest/o1"], 0), (["ServiceRequest/o2"], 1), ([], 0), (None, 0)):
        context = {"draftOrders": both, "selections": selections}
        _, said = desk().ask(call_json("order-select", context=context, prefetch={"reports": searchset(REPORT)}))
        assert len(said["cards"]) == cards


def test_an_order_that_does_not_count_asks_nobody_for_anything() -> None:
    status, said = desk().ask(call_json("order-sign", context={"draftOrders": drafts(order("80146002"))}))
    assert (status, said) == (200, {"cards": []})


def test_a_site_names_the_codes_of_its_own_orders() -> None:
    own = {"resourceType": "ServiceRequest", "id": "o1", "code": {"coding": [{"system": "urn:site", "code": "DERM"}]}}
    context = {"draftOrders": drafts(own)}
    _, said = desk(order_codes=("urn:site|DERM",)).ask(call_json("order-sign", context=context, prefetch={"reports": searchset(REPORT)}))
    assert len(said["cards"]) == 1


def test_a_referral_to_dermatology_counts_by_the_kind_of_performer() -> None:
    coding = {"system": "http://snomed.info/sct", "code": "394582007"}
    referral = {"resourceType": "ServiceRequest", "id": "o1", "performerType": {"coding": [coding]}, "subject": {"reference": "Patient/p1"}}
    _, said = desk().ask(call_json("order-sign", context={"draftOrders": drafts(referral)}, prefetch={"reports": searchset(REPORT)}))
    assert len(said["cards"]) == 1


OTHERS: list[tuple[str, Json]] = [
    ("a report", reports(REPORT + stored(RAISED, "Media/m2", subject="Patient/p2")[:1])),
    ("a report of nobody", reports([*REPORT, {"resourceType": "DiagnosticReport", "id": "x"}])),
    (
        "a report of another server",
        reports([*REPORT, {**REPORT[0], "subject": {"reference": "https://other.example.org/fhir/Patient/p1"}}]),
    ),
    ("a picture", reports(REPORT, pictures=searchset([{"resourceType": "Media", "id": "m1", "subject": {"reference": "Patient/p2"}}]))),
    ("a result", reports([*REPORT, *stored(RAISED, "Media/m2", subject="Patient/p2")[1:]])),
    ("an order", call_json("order-sign", context={"draftOrders": drafts(order(subject="Patient/p2"))}, prefetch={"reports": None})),
    (
        "a token",
        call_json(
            fhirServer=BASE,
            fhirAuthorization={"access_token": "t", "token_type": "Bearer", "expires_in": 9, "scope": "patient/*.rs", "patient": "p2"},
            prefetch={"reports": searchset(REPORT)},
        ),
    ),
]


@pytest.mark.parametrize("said", [each for _, each in OTHERS], ids=[name for name, _ in OTHERS])
def test_whatever_is_about_another_patient_refuses_the_whole_call(said: Json) -> None:
    status, outcome = desk().ask(said)
    assert status == 412
    assert "context.patientId" in outcome["issue"][0]["diagnostics"]


def test_references_by_the_callers_own_address_are_its_own() -> None:
    report = {**REPORT[0], "subject": {"reference": f"{BASE}/Patient/p1"}}
    status, said = desk(BASE).ask(reports([report]))
    assert (status, len(said["cards"])) == (200, 1)
    report = {**REPORT[0], "subject": {"reference": "https://gateway.example.org/r4/Patient/p1"}}
    status, said = desk(BASE, ("https://gateway.example.org/r4",)).ask(reports([report]))
    assert (status, len(said["cards"])) == (200, 1)


ERROR = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}


@pytest.mark.parametrize(
    "prefetch",
    [
        {},
        {"reports": ERROR},
        {"reports": searchset([*REPORT, ERROR])},
        {"reports": searchset(REPORT, next_page=f"{BASE}?page=2")},
        {"reports": searchset(REPORT) | {"total": 2}},
        {"others": searchset(REPORT)},
    ],
    ids=["missing", "error", "error among them", "first page", "fewer than there are", "another key"],
)
def test_reports_that_did_not_come_whole_are_412_and_never_no_cards(prefetch: Json) -> None:
    status, outcome = desk().ask(call_json(prefetch=prefetch))
    assert (status, outcome["issue"][0]["code"]) == (412, "required")


@pytest.mark.parametrize(
    "changes",
    [
        {"hook": "medication-prescribe"},
        {"hook": None},
        {"hookInstance": "x"},
        {"hookInstance": None},
        {"context": None},
        {"context": {"userId": "Practitioner/d1"}},
        {"context": {"patientId": "../Patient"}},
        {"context": {"patientId": "p1?x=y"}},
        {"context": {"patientId": 3}},
        {"context": {"patientId": ".."}},
        {"prefetch": []},
        {"prefetch": {"reports": "x"}},
        {"fhirAuthorization": {"access_token": "t", "token_type": "Bearer", "expires_in": 9, "scope": "x", "subject": "s"}},
        {"fhirServer": BASE, "fhirAuthorization": "t"},
        {"fhirServer": BASE, "fhirAuthorization": {"access_token": "a b", "token_type": "Bearer"}},
        {"fhirServer": BASE, "fhirAuthorization": {"access_token": "t", "token_type": "mac"}},
    ],
    ids=str,
)
def test_a_call_that_is_no_call_is_400(changes: Json) -> None:
    at = desk()
    body = orjson.dumps({**reports(REPORT), **changes})
    response = at.client.post("/cds-services/tocsin-flags", data=body, headers=at.ehr.bearer())
    assert (response.status_code, orjson.loads(response.data)["resourceType"]) == (400, "OperationOutcome")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff"])
def test_a_body_that_is_no_json_object_is_400(body: bytes) -> None:
    at = desk()
    assert at.client.post("/cds-services/tocsin-flags", data=body, headers=at.ehr.bearer()).status_code == 400


def test_a_call_that_is_too_large_is_413() -> None:
    at = desk(body_bytes_max=100)
    response = at.client.post("/cds-services/tocsin-flags", data=orjson.dumps(reports(REPORT)), headers=at.ehr.bearer())
    assert (response.status_code, orjson.loads(response.data)["resourceType"]) == (413, "OperationOutcome")


def test_an_unknown_service_is_404_and_another_method_405() -> None:
    at = desk()
    response = at.client.post("/cds-services/other", data=b"{}", headers=at.ehr.bearer(SERVICE.replace("tocsin-flags", "other")))
    assert (response.status_code, orjson.loads(response.data)["issue"][0]["code"]) == (404, "not-found")
    assert at.client.put("/cds-services/tocsin-flags", headers=at.ehr.bearer()).status_code == 405


PATHS = [
    ("get", "/cds-services"),
    ("post", "/cds-services/tocsin-flags"),
    ("post", "/cds-services/x"),
    ("post", "/cds-services/tocsin-flags/feedback"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_every_route_wants_a_token_and_says_which_check_failed(method: str, path: str) -> None:
    at = desk()
    response = getattr(at.client, method)(path)
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    token = at.ehr.token("https://elsewhere.example.org")
    response = getattr(at.client, method)(path, headers={"Authorization": f"Bearer {token}"})
    [issue] = orjson.loads(response.data)["issue"]
    assert (response.status_code, issue["details"]["coding"][0]["code"]) == (401, "audience")
    assert token.encode() not in response.data
    assert response.headers["Cache-Control"] == "no-store"


def test_a_token_for_the_service_opens_neither_discovery_nor_feedback() -> None:
    at = desk()
    assert at.client.get("/cds-services", headers=at.ehr.bearer(SERVICE)).status_code == 401
    assert at.client.post("/cds-services/tocsin-flags/feedback", headers=at.ehr.bearer(SERVICE)).status_code == 401


def test_a_defect_is_told_without_what_the_caller_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    at = desk()

    def broken(*_arguments: object) -> list[object]:
        raise ValueError("Canary-Quintessa")

    monkeypatch.setattr("tocsin.serve.cds.service.cards", broken)
    status, outcome = at.ask(reports(REPORT))
    assert (status, outcome["issue"][0]["code"]) == (500, "exception")
    assert "Canary" not in str(outcome)


def from_page(at: Desk, origin: str, method: str = "options") -> Any:
    return getattr(at.client, method)(
        "/cds-services", headers={"Origin": origin, **at.ehr.bearer("https://tocsin.example.org/cds-services")}
    )


def test_only_pages_of_agreed_origins_may_call_from_a_browser() -> None:
    at = desk(origins=("https://sandbox.example.org",))
    allowed = from_page(at, "https://sandbox.example.org")
    assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (204, "https://sandbox.example.org")
    assert "authorization" in allowed.headers["Access-Control-Allow-Headers"]
    assert from_page(at, "https://sandbox.example.org", "get").headers["Access-Control-Allow-Origin"] == "https://sandbox.example.org"
    for origin in ("https://evil.example.org", "null", "http://sandbox.example.org", "https://sandbox.example.org.evil.org"):
        for method in ("options", "get"):
            response = from_page(at, origin, method)
            assert "Access-Control-Allow-Origin" not in response.headers
            assert "Origin" in response.headers["Vary"]
