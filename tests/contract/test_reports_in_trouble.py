"""A FHIR server in trouble, or one that answers in its own way: nothing is taken for written that may not be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from tocsin.errors import Contended, ContractError, Deferred, FhirRejected, ReportOfAnother, Unavailable
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Json
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.mark import ELEMENTS, stored_report
from tocsin.report.store.fhir import FhirReports
from tocsin.report.store.reading import COUNT, NO_MEDIA
from tocsin.report.store.transaction import TransactionWriter
from tocsin.report.types import StoredReport
from tocsin.settings import FhirSettings

from tests.builders import card, grounds_on
from tests.support.records import (
    CANARY,
    GROUNDS,
    NOW,
    of_kind,
    own_picture,
    replaced,
    report,
)
from tests.support.web import ABSENT, Reply, Web, web


@pytest.fixture
def site() -> Iterator[Web]:
    """A FHIR server in trouble: it knows no report yet, and takes the card."""
    with web() as running:
        for kind in ("Device", "DocumentReference"):
            for entry in _registrations(kind):
                resource = {"resourceType": kind, "id": entry.partition("/")[2], "status": "active"}
                running.replies[f"/fhir/{entry}"] = Reply(200, orjson.dumps(resource))
        running.replies[search_beside(NO_MEDIA)] = Reply(200, orjson.dumps({"resourceType": "Bundle", "type": "searchset"}))
        yield running


def _registrations(kind: str) -> list[str]:
    issuer = Issuer(card(), "urn:tocsin:test:x")
    return [entry["who"]["reference"] for entry in _agents(issuer)] if kind == "Device" else [_card_of(issuer)]


def _agents(issuer: Issuer) -> list[Json]:
    agents: list[Json] = of_kind(report("x", issuer=issuer), "Provenance")["agent"]
    return agents


def _card_of(issuer: Issuer) -> str:
    reference: str = of_kind(report("x", issuer=issuer), "Provenance")["entity"][1]["what"]["reference"]
    return reference


def reports_of(site: Web) -> FhirReports:
    fhir = FhirClient(FhirSettings(base_url=f"{site.origin}/fhir", request_timeout_s=1))
    issuer = Issuer(card(), "urn:tocsin:test:x")
    return FhirReports(fhir, issuer, TransactionWriter(fhir, issuer), validate_every=0, registration_wait_s=20.0)


def write_to(site: Web) -> StoredReport:
    return reports_of(site).write(report("x"))


@dataclass
class Rival:
    """A record that finds an older report beside the one it is asked about."""

    site: Web
    reports: FhirReports
    standing: StoredReport
    older: Json


@pytest.fixture
def rival(site: Web) -> Rival:
    older, newer = (of_kind(made, "DiagnosticReport") for made in (report("x"), replaced("x")))
    standing = stored_report(newer)
    found = orjson.dumps({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": older}, {"resource": newer}]})
    site.replies[search_beside(standing.media)] = Reply(200, found)
    return Rival(site, reports_of(site), standing, older)


def search_beside(media: str) -> str:
    return f"/fhir/DiagnosticReport?media={media}&_count={COUNT}&_elements={ELEMENTS}"


def test_an_older_report_that_somebody_deleted_meanwhile_stands_in_nobodys_way(rival: Rival) -> None:
    assert rival.reports.supersede_older(rival.standing, NOW) == [rival.standing]
    assert {each.method for each in rival.site.asked} == {"GET"}


def test_an_older_report_that_a_clinician_signed_meanwhile_is_not_written(rival: Rival) -> None:
    rival.site.replies[f"/fhir/DiagnosticReport/{rival.older['id']}"] = Reply(200, orjson.dumps(rival.older | {"status": "final"}))
    assert rival.reports.supersede_older(rival.standing, NOW) == [rival.standing]
    assert {each.method for each in rival.site.asked} == {"GET"}


def test_an_older_report_that_changes_while_it_is_to_give_way_makes_the_event_wait(rival: Rival) -> None:
    rival.site.replies[f"/fhir/DiagnosticReport/{rival.older['id']}"] = stored(rival.older)
    rival.site.replies["/fhir"] = Reply(412, orjson.dumps(outcome()))
    with pytest.raises(Contended, match="412"):
        rival.reports.supersede_older(rival.standing, NOW)
    [sent] = [orjson.loads(each.body) for each in rival.site.asked if each.method == "POST"]
    assert sent["entry"][0]["request"]["ifMatch"] == 'W/"7"'


def test_an_older_report_whose_version_the_server_does_not_state_is_not_written(rival: Rival) -> None:
    rival.site.replies[f"/fhir/DiagnosticReport/{rival.older['id']}"] = Reply(200, orjson.dumps(rival.older))
    assert rival.reports.supersede_older(rival.standing, NOW) == [rival.standing]
    assert {each.method for each in rival.site.asked} == {"GET"}


def shown(*reports: Json) -> Reply:
    """The answer of a search."""
    return Reply(200, orjson.dumps({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in reports]}))


def stored(resource: Json, version: str | None = "7", **changes: Any) -> Reply:
    meta = {"tag": [{"code": "SUBSETTED"}]} if version is None else {"versionId": version}
    return Reply(200, orjson.dumps(resource | {"meta": meta} | changes))


@pytest.mark.parametrize("unknown", ["DiagnosticReport", "RiskAssessment", None])
def test_what_stands_is_never_written_over_where_its_version_is_unknown(site: Web, unknown: str | None) -> None:
    made, known = report("x", grounds=grounds_on("0d")), {"DiagnosticReport": f"?_elements={ELEMENTS}", "RiskAssessment": ""}
    for kind, query in known.items():
        resource = of_kind(made, kind)
        site.replies[f"/fhir/{kind}/{resource['id']}{query}"] = stored(resource, None if kind == unknown else "7")
    site.replies["/fhir"] = all_written(len(made.bundle["entry"]))
    standing = write_to(site)
    sent = [orjson.loads(each.body) for each in site.asked if each.method == "POST"]
    assert (standing.mark == made.mark, bool(sent)) == (unknown is not None, unknown is None)
    conditions = {entry["resource"]["resourceType"]: entry["request"].get("ifMatch") for bundle in sent for entry in bundle["entry"]}
    assert {conditions.get(kind) for kind in known} == {None if unknown else 'W/"7"'}


def test_a_server_that_answers_every_create_as_a_replacement_costs_one_more_attempt(site: Web) -> None:
    made = report("x")
    site.replies["/fhir"] = entries(*[{"status": "200 OK"}] * len(made.bundle["entry"]))
    with pytest.raises(Contended, match="another process wrote"):
        write_to(site)
    site.replies[f"/fhir/{made.reference}?_elements={ELEMENTS}"] = stored(of_kind(made, "DiagnosticReport"))
    site.replies[search_beside(made.media)] = shown(of_kind(made, "DiagnosticReport"))
    recognised = reports_of(site).find(own_picture("x"), GROUNDS).standing
    assert recognised is not None
    assert recognised == write_to(site)
    assert [each.method for each in site.asked].count("POST") == 1


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_server_that_does_not_search_reports_by_their_media_stops_the_process(site: Web, status: int) -> None:
    """Else reports would stand of which nobody hears."""
    standing = stored_report(of_kind(report("x"), "DiagnosticReport"))
    site.replies[search_beside(standing.media)] = Reply(status, orjson.dumps(outcome()))
    with pytest.raises(Deferred if status == 403 else ContractError) as caught:
        reports_of(site).supersede_older(standing, NOW)
    assert status == 403 or "tocsin check" in str(caught.value)
    assert "Canary" not in str(caught.value)


def test_the_search_for_other_reports_asks_for_what_stands_now(rival: Rival) -> None:
    rival.reports.supersede_older(rival.standing, NOW)
    assert rival.site.asked[0].headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("status", [429, 503, 404], ids=["busy", "away", "no-word-of-its-own"])
def test_a_server_that_does_not_say_how_a_report_stands_makes_the_event_wait(site: Web, status: int) -> None:
    reports = reports_of(site)
    standing = stored_report(of_kind(report("x"), "DiagnosticReport"))
    site.replies[f"/fhir/{standing.reference}?_elements={ELEMENTS}"] = Reply(status, b"<html>")
    site.replies[search_beside(standing.media)] = Reply(503 if status == 404 else status, b"<html>")
    with pytest.raises(Deferred):
        reports.find(own_picture("x"), GROUNDS)
    with pytest.raises(Deferred):
        reports.write(report("x"))
    with pytest.raises(Deferred):
        reports.refresh(standing)


def entries(*responses: Json) -> Reply:
    body = {"resourceType": "Bundle", "type": "transaction-response", "entry": [{"response": each} for each in responses]}
    return Reply(200, orjson.dumps(body))


def all_written(count: int) -> Reply:
    return entries(*[{"status": "201 Created"}] * count)


def outcome(text: str = CANARY) -> Json:
    issue = {"severity": "error", "code": "processing", "diagnostics": text, "expression": ["DiagnosticReport.status"]}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def test_a_report_is_written_where_every_entry_was(site: Web) -> None:
    site.replies["/fhir"] = all_written(len(report("x").bundle["entry"]))
    write_to(site)


@pytest.mark.parametrize(
    ("reply", "retry_after_s"),
    [
        pytest.param(Reply(429, headers={"Retry-After": "7"}), 7.0, id="too many requests"),
        pytest.param(Reply(503, headers={"Retry-After": "Thu, 01 Jan 2026 00:00:00 GMT"}), None, id="unavailable until a date that passed"),
        pytest.param(Reply(503), None, id="unavailable"),
        pytest.param(Reply(500, orjson.dumps(outcome())), None, id="broken"),
        pytest.param(Reply(409), None, id="another write at the same time"),
        pytest.param(Reply(200, b'{"resourceType": "Bun', {"Content-Length": "500", "Connection": "close"}), None, id="cut off"),
        pytest.param(Reply(200, b"<html>"), None, id="no JSON"),
        pytest.param(entries({"status": "201"}, {"status": "429 Too Many Requests"}), None, id="an entry put off"),
        pytest.param(entries({"status": "201"}, {"status": "503"}), None, id="an entry that failed"),
        pytest.param(entries({"status": "201"}, {}), None, id="an entry that says nothing"),
    ],
)
def test_a_server_in_trouble_is_asked_again_later(site: Web, reply: Reply, retry_after_s: float | None) -> None:
    site.replies["/fhir"] = reply
    with pytest.raises(Deferred, match="fhir") as caught:
        write_to(site)
    assert caught.value.retry_after_s == retry_after_s
    assert "Canary" not in str(caught.value)


@pytest.mark.parametrize("reply", [Reply(200, b"{}"), all_written(1)], ids=["none", "some"])
def test_a_transaction_whose_entries_are_not_all_answered_for_is_not_taken_for_written(site: Web, reply: Reply) -> None:
    site.replies["/fhir"] = reply
    with pytest.raises(Deferred, match="fhir"):
        write_to(site)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(422, orjson.dumps(outcome())), id="the whole"),
        pytest.param(Reply(400, orjson.dumps(outcome())), id="the request"),
        pytest.param(entries({"status": "201"}, {"status": "422 Unprocessable", "outcome": outcome()}), id="an entry"),
    ],
)
def test_what_the_server_will_never_take_is_refused_by_its_codes(site: Web, reply: Reply) -> None:
    site.replies["/fhir"] = reply
    with pytest.raises(FhirRejected, match=r"error processing DiagnosticReport\.status") as caught:
        write_to(site)
    assert "Canary" not in str(caught.value)


def test_a_server_that_will_not_know_the_model_is_no_events_fault(site: Web) -> None:
    for entry in _registrations("DocumentReference"):
        site.replies[f"/fhir/{entry}"] = Reply(422, ABSENT.body)
    with pytest.raises(ContractError, match="refuses the card"):
        write_to(site)


def test_what_a_broken_write_left_is_written_over_only_while_it_stands_where_a_server_insists_on_versions(site: Web) -> None:
    made = report("x")
    part = of_kind(made, "Observation")
    site.replies[f"/fhir/Observation/{part['id']}"] = stored(part)
    site.replies["/fhir"] = Reply(400, orjson.dumps(outcome()))
    with pytest.raises(FhirRejected):
        write_to(site)
    sent = [orjson.loads(each.body) for each in site.asked if each.method == "POST"]
    conditions = [{entry["request"]["url"]: entry["request"].get("ifMatch") for entry in bundle["entry"]} for bundle in sent]
    assert [bundle[f"Observation/{part['id']}"] for bundle in conditions] == [None, 'W/"7"']
    assert conditions[1][made.reference] is None


def test_what_a_clinician_joined_to_a_report_is_never_entered_in_error_with_it(rival: Rival) -> None:
    joined = {"resourceType": "Observation", "id": "of-a-clinician", "status": "preliminary", "subject": rival.older["subject"]}
    older = rival.older | {"result": [*rival.older["result"], {"reference": "Observation/of-a-clinician"}]}
    rival.site.replies[f"/fhir/DiagnosticReport/{older['id']}"] = stored(older)
    rival.site.replies["/fhir/Observation/of-a-clinician"] = stored(joined)
    assert rival.reports.supersede_older(rival.standing, NOW) == [rival.standing]
    assert {each.method for each in rival.site.asked} == {"GET"}


def test_every_answer_of_a_search_is_read_and_one_that_leads_in_a_circle_makes_the_event_wait(rival: Rival) -> None:
    older, newer = (of_kind(made, "DiagnosticReport") for made in (report("x"), replaced("x")))
    following = {"relation": "next", "url": f"{rival.site.origin}/fhir?page=2"}
    page = {"resourceType": "Bundle", "entry": [{"resource": newer}], "link": [following]}
    rival.site.replies[search_beside(rival.standing.media)] = Reply(200, orjson.dumps(page))
    rival.site.replies["/fhir/?page=2"] = Reply(200, orjson.dumps({"resourceType": "Bundle", "entry": [{"resource": older}]}))
    rival.reports.supersede_older(rival.standing, NOW)
    assert f"/fhir/DiagnosticReport/{older['id']}" in [each.path for each in rival.site.asked]
    rival.site.replies["/fhir/?page=2"] = Reply(200, orjson.dumps(page))
    with pytest.raises(Unavailable, match="leads back"):
        rival.reports.supersede_older(rival.standing, NOW)


def test_a_report_that_names_another_patient_by_the_time_its_flag_is_told_is_refused(site: Web) -> None:
    made = report("x")
    standing, resource = stored_report(of_kind(made, "DiagnosticReport")), of_kind(made, "DiagnosticReport")
    for subject in ("Patient/other", "https://elsewhere.example.org/fhir/Patient/p1-x", None):
        site.replies[f"/fhir/{made.reference}?_elements={ELEMENTS}"] = stored(resource | {"subject": {"reference": subject}})
        with pytest.raises(ReportOfAnother, match=standing.subject):
            reports_of(site).refresh(standing)


def test_a_report_whose_picture_another_program_unlinked_is_still_the_one_on_its_picture(site: Web) -> None:
    made = report("x")
    site.replies[f"/fhir/{made.reference}?_elements={ELEMENTS}"] = stored(of_kind(made, "DiagnosticReport") | {"media": None})
    standing = reports_of(site).write(made)
    assert (standing.reference, standing.media) == (made.reference, made.media)
    assert [each.method for each in site.asked if each.method != "GET"] == []


@pytest.mark.parametrize(
    ("etag", "condition"),
    [('W/"3"', 'W/"3"'), ('"3"', 'W/"3"'), ("3", 'W/"3"'), ('W/"MTY-x.1"', 'W/"MTY-x.1"'), ('"3-gzip"', 'W/"3"'), ('W/"3;br"', 'W/"3"')],
)
def test_a_version_that_stands_in_the_etag_alone_is_the_one_that_is_written_over(site: Web, etag: str, condition: str) -> None:
    made = report("x", grounds=grounds_on("0d"))
    resource = of_kind(made, "DiagnosticReport")
    for path in (f"{made.reference}?_elements={ELEMENTS}", made.reference):
        site.replies[f"/fhir/{path}"] = Reply(200, orjson.dumps(resource | {"meta": {}}), {"ETag": etag})
    site.replies["/fhir"] = all_written(len(made.bundle["entry"]))
    write_to(site)
    [sent] = [orjson.loads(each.body) for each in site.asked if each.method == "POST"]
    assert sent["entry"][0]["request"]["ifMatch"] == condition


@pytest.mark.parametrize("status", ["201", "201 Created", 201, "HTTP/1.1 201 Created"])
def test_a_created_entry_is_known_in_whichever_words(site: Web, status: object) -> None:
    made = report("x")
    site.replies["/fhir"] = entries(*[{"status": status}] * len(made.bundle["entry"]))
    assert write_to(site).mark == made.mark


@pytest.mark.parametrize("status", ["2010", "x201", "", None, True, [201], {"code": 201}])
def test_an_entry_of_which_nobody_knows_what_became_of_it_makes_the_event_wait(site: Web, status: object) -> None:
    site.replies["/fhir"] = entries(*[{"status": status}] * len(report("x").bundle["entry"]))
    with pytest.raises(Unavailable):
        write_to(site)


@pytest.mark.parametrize("whose", ["report", "part"])
def test_an_older_report_that_names_another_patient_by_now_wholly_or_in_a_part_is_left_as_it_is(rival: Rival, whose: str) -> None:
    other = {"subject": {"reference": "Patient/of-somebody-else"}}
    older = rival.older | (other if whose == "report" else {})
    rival.site.replies[f"/fhir/DiagnosticReport/{older['id']}"] = stored(older)
    for entry in report("x").bundle["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] in ("Observation", "RiskAssessment"):
            rival.site.replies[f"/fhir/{entry['request']['url']}"] = stored(resource | (other if whose == "part" else {}))
    rival.site.replies["/fhir"] = all_written(len(report("x").bundle["entry"]))
    assert rival.reports.supersede_older(rival.standing, NOW) == [rival.standing]
    assert {each.method for each in rival.site.asked} == {"GET"}
