"""What a real, validating FHIR server holds of a report, and what a clinician has done to its parts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from xml.etree.ElementTree import canonicalize

import pytest
from structlog.testing import capture_logs
from tocsin.errors import Contended, ContractError
from tocsin.fhir.canonical import REPORT_RISK
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Json
from tocsin.image.taken import Days, Taken
from tocsin.model_card import ModelCard, read_card
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.identity import device_id
from tocsin.report.store.fhir import FhirReports
from tocsin.report.store.transaction import TransactionWriter
from tocsin.risk.types import Judgement
from tocsin.sandbox.fhir import Fhir
from tocsin.settings import FhirSettings
from tocsin.telemetry.log import FIELDS
from tocsin.telemetry.metrics import REPORTS_MISPLACED

from tests.builders import card, grounds_on
from tests.support.measured import measured
from tests.support.proxy import proxy
from tests.support.records import (
    BODY_SITE,
    GROUNDS,
    NOW,
    SKLESION,
    FhirRecord,
    below,
    dark,
    high,
    of_kind,
    replaced,
    report,
    signed,
    statuses,
)
from tests.support.web import ABSENT


def test_what_a_replaced_report_alone_held_is_entered_in_error(fhir_record: FhirRecord) -> None:
    first = report(fhir_record.mark)
    fhir_record.reports.write(first)
    fhir_record.reports.write(report(fhir_record.mark, judged=dark))
    old = [part for part in first.parts() if part.startswith("RiskAssessment") or of_kind(first, "Observation")["id"] in part]
    withdrawn = [fhir_record.read(part) for part in old]
    assert [each["status"] for each in withdrawn] == ["entered-in-error"] * 2
    assert all("Withdrawn: do not use this AI result." in each["text"]["div"] for each in withdrawn)
    [standing] = fhir_record.standing()
    assert "Not assessable" in standing["conclusion"]
    assert "result" not in standing


def test_a_report_of_which_a_clinician_signed_a_part_is_left_as_it_is(fhir_record: FhirRecord) -> None:
    first = report(fhir_record.mark)
    fhir_record.reports.write(first)
    part = f"Observation/{of_kind(first, 'Observation')['id']}"
    signed(fhir_record, part)
    standing = fhir_record.reports.write(report(fhir_record.mark, judged=dark))
    assert (standing.status, standing.code) == ("preliminary", "high")
    assert fhir_record.read(part)["status"] == "final"


@pytest.mark.parametrize("kind", ["RiskAssessment", "Observation"])
def test_a_part_that_a_clinician_entered_in_error_stays_so(fhir_record: FhirRecord, kind: str) -> None:
    first, newer = report(fhir_record.mark), replaced(fhir_record.mark)
    written = fhir_record.reports.write(first)
    part = f"{kind}/{of_kind(first, kind)['id']}"
    signed(fhir_record, part, "entered-in-error")
    assert fhir_record.reports.write(report(fhir_record.mark, grounds=grounds_on("0d"))) == written
    fhir_record.reports.supersede_older(fhir_record.reports.write(newer), NOW)
    assert (fhir_record.changes(first), fhir_record.read(part)["status"]) == (1, "entered-in-error")
    assert statuses(fhir_record)[first.reference] == "preliminary"


def test_a_part_that_a_clinician_deleted_is_not_written_again(fhir_record: FhirRecord) -> None:
    first = report(fhir_record.mark)
    written = fhir_record.reports.write(first)
    standing = fhir_record.read(first.reference)
    linked = [each for each in standing["extension"] if each["url"] == REPORT_RISK]
    fhir_record.fhir.put(standing | {"extension": [each for each in standing["extension"] if each not in linked]})
    for kind in ("Provenance", "RiskAssessment"):
        fhir_record.remove(f"{kind}/{of_kind(first, kind)['id']}")
    assert fhir_record.reports.write(report(fhir_record.mark, grounds=grounds_on("0d"))) == written
    assert fhir_record.fhir.get(f"RiskAssessment/{of_kind(first, 'RiskAssessment')['id']}").status == 410


def test_a_report_that_was_not_assessable_and_is_again_holds_all_its_parts(fhir_record: FhirRecord) -> None:
    """What Tocsin itself entered in error is its own, here where the report let go of it and here where it gave way."""
    first = report(fhir_record.mark)
    parts = [entry["request"]["url"] for entry in first.bundle["entry"][:-1]]
    for grounds, judged in ((grounds_on("0a"), high), (grounds_on("0d"), dark), (GROUNDS, high)):
        fhir_record.reports.write(report(fhir_record.mark, grounds=grounds, judged=judged))
    assert {fhir_record.read(part)["status"] for part in parts} == {"preliminary"}
    fhir_record.reports.supersede_older(fhir_record.reports.write(replaced(fhir_record.mark)), NOW)
    assert {fhir_record.read(part)["status"] for part in parts} == {"entered-in-error"}
    fhir_record.reports.write(report(fhir_record.mark, as_of=NOW + timedelta(hours=1)))
    assert {fhir_record.read(part)["status"] for part in parts} == {"preliminary"}


def test_a_report_on_the_same_media_under_another_patient_is_said_to_a_person_and_left_as_it_is(fhir_record: FhirRecord) -> None:
    other, made = report(fhir_record.mark), replaced(fhir_record.mark, patient="p2")
    fhir_record.reports.write(other)
    written = fhir_record.reports.write(made)
    with capture_logs() as lines, measured() as seen:
        assert fhir_record.reports.supersede_older(written, NOW) == [written]
    [line] = lines
    assert seen.of(REPORTS_MISPLACED) == 1
    assert (line["log_level"], line["report"], line["media"]) == ("error", other.reference, f"Media/m1-{fhir_record.mark}")
    assert made.reference in line["detail"]
    assert "set the wrong one's status to entered-in-error" in line["advice"]
    assert "Patient/" not in str(line)
    assert set(line) - {"log_level"} <= FIELDS
    assert set(statuses(fhir_record).values()) == {"preliminary"}
    signed(fhir_record, other.reference, "entered-in-error")
    with capture_logs() as lines:
        fhir_record.reports.supersede_older(written, NOW)
    assert lines == []


def test_a_report_that_another_process_wrote_since_nothing_was_found_makes_the_event_wait(
    fhir_record: FhirRecord, fhir_server: Fhir
) -> None:
    made = report(fhir_record.mark)
    fhir_record.reports.write(report(fhir_record.mark, judged=dark, as_of=NOW))
    with proxy(fhir_server.base_url) as between:
        between.trouble = lambda method, path: ABSENT if method == "GET" and made.reference in path else None
        fhir = FhirClient(FhirSettings(base_url=between.base_url))
        slow = FhirReports(
            fhir, fhir_record.issuer, TransactionWriter(fhir, fhir_record.issuer), validate_every=0, registration_wait_s=20.0
        )
        with pytest.raises(Contended, match=f"another process wrote {made.reference}"):
            slow.write(made)


def test_a_report_in_which_a_clinician_wrote_another_conclusion_is_left_as_it_is(fhir_record: FhirRecord) -> None:
    made = report(fhir_record.mark)
    fhir_record.reports.write(made)
    own = {"coding": [{"system": "http://snomed.info/sct", "code": "400096001"}]}
    fhir_record.fhir.put(fhir_record.read(made.reference) | {"conclusionCode": [own]})
    assert fhir_record.reports.write(report(fhir_record.mark, judged=dark)).code == ""
    assert fhir_record.read(made.reference)["conclusionCode"] == [own]


def test_a_replacement_that_a_clinician_was_quicker_than_is_refused_by_the_server_and_waits(fhir_record: FhirRecord) -> None:
    made, later = report(fhir_record.mark), report(fhir_record.mark, judged=dark)
    fhir_record.reports.write(made)
    before = fhir_record.read(made.reference)
    fhir_record.finalise(made)
    entries = [
        entry | {"request": entry["request"] | {"ifMatch": f'W/"{before["meta"]["versionId"]}"'}}
        if entry["resource"]["resourceType"] == "DiagnosticReport"
        else entry
        for entry in later.bundle["entry"]
    ]
    with pytest.raises(Contended):
        fhir_record.fhir.transact(later.bundle | {"entry": entries}, made.reference)
    assert fhir_record.read(made.reference)["status"] == "final"


def test_a_model_that_the_hospital_has_withdrawn_writes_nothing_more_and_stays_withdrawn(fhir_record: FhirRecord) -> None:
    fhir_record.reports.write(report(fhir_record.mark))
    reference = f"Device/{device_id(fhir_record.issuer.source, fhir_record.issuer.card.model)}"
    fhir_record.fhir.put(fhir_record.read(reference) | {"status": "inactive"})
    fhir_record.reports.write(report(fhir_record.mark, content_sha256="cd" * 32))
    assert fhir_record.read(reference)["status"] == "inactive"
    with pytest.raises(ContractError, match="withdrawn"):
        fhir_record.writer().write(report(fhir_record.mark, content_sha256="ef" * 32))


def test_a_repeated_report_keeps_its_first_version(fhir_record: FhirRecord) -> None:
    for writer in (fhir_record.reports, fhir_record.reports, fhir_record.writer()):
        writer.write(report(fhir_record.mark))
    for entry in report(fhir_record.mark).bundle["entry"]:
        assert fhir_record.read(entry["request"]["url"])["meta"]["versionId"] == "1"


def narrative(resource: Json) -> str:
    """Its XHTML in one form: a server may write attributes in another order."""
    return canonicalize(resource["text"]["div"]) if "text" in resource else ""


@pytest.mark.parametrize("name", ["test", "sklesion"])
@pytest.mark.parametrize("judged", [high, below, dark])
@pytest.mark.parametrize("known", ["much", "little"])
def test_a_validating_server_takes_every_kind_of_report(
    fhir_record: FhirRecord, judged: Callable[[ModelCard], Judgement], name: str, known: str
) -> None:
    issuer = Issuer(card() if name == "test" else read_card(SKLESION), f"urn:tocsin:test:{fhir_record.mark}")
    more: dict[str, Any] = {"study": f"ImagingStudy/s1-{fhir_record.mark}", "body_site": BODY_SITE}
    little: dict[str, Any] = {"taken": Taken(Days(None, None))}
    made = report(fhir_record.mark, judged=judged, issuer=issuer, **(more if known == "much" else little))
    assert fhir_record.writer(issuer).write(made).status == "preliminary"
    for entry in made.bundle["entry"]:
        stored = fhir_record.read(entry["request"]["url"])
        kept, sent = (
            {name: each[name] for name in entry["resource"] if name not in ("meta", "text")} for each in (stored, entry["resource"])
        )
        assert kept == sent
        assert narrative(stored) == narrative(entry["resource"])
        assert stored["meta"].get("security") == entry["resource"].get("meta", {}).get("security")


@pytest.mark.parametrize(
    "effective",
    [
        {"DateTime": "2019"},
        {"DateTime": "2019-05"},
        {"DateTime": "2019-05-02"},
        {"DateTime": "2016-12-31T23:59:60Z"},
        {"Period": {"start": "2019-05", "end": "2019-06-02T10:00:00+02:00"}},
        {"Period": {"end": "2019"}},
    ],
    ids=["year", "month", "day", "leap-second", "period", "end"],
)
def test_a_validating_server_keeps_the_time_of_a_picture_as_exactly_as_it_is_stated(
    fhir_record: FhirRecord, effective: dict[str, Any]
) -> None:
    made = report(fhir_record.mark, judged=high, taken=Taken(Days(None, None), effective))
    assert fhir_record.reports.write(made).status == "preliminary"
    [(form, stated)] = effective.items()
    for kind, element in (("DiagnosticReport", "effective"), ("Observation", "effective"), ("RiskAssessment", "occurrence")):
        assert fhir_record.read(f"{kind}/{of_kind(made, kind)['id']}")[f"{element}{form}"] == stated


def test_everything_that_a_model_or_a_picture_touched_is_found(fhir_record: FhirRecord) -> None:
    made = report(fhir_record.mark)
    fhir_record.reports.write(made)
    device = f"Device/{device_id(fhir_record.issuer.source, fhir_record.issuer.card.model)}"
    provenance = of_kind(made, "Provenance")["id"]
    scores = {entry["resource"]["id"] for entry in made.bundle["entry"] if entry["resource"]["resourceType"] == "Observation"}
    for query in (
        f"Provenance?target={made.reference}",
        *(f"Provenance?target=Observation/{score}" for score in scores),
        f"Provenance?agent={device}",
        f"Provenance?entity=Media/m1-{fhir_record.mark}",
    ):
        assert [found["id"] for found in fhir_record.search(query)] == [provenance], query
    assert {found["id"] for found in fhir_record.search(f"Observation?device={device}")} == scores
    [found] = fhir_record.search(f"DiagnosticReport?identifier={made.id}")
    assert found["id"] == made.id
