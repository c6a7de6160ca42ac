"""Reports at a calibrated site: which site file's verdict holds, in the fake and on a FHIR server, and what stands there of the file."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tocsin.errors import ContractError
from tocsin.image.gate import acceptance
from tocsin.report.grounds import grounds_by
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.device import site_resources
from tocsin.report.store.preflight import report_preflight
from tocsin.risk.judge import judge
from tocsin.settings import ImageSettings

from tests.builders import card
from tests.support.records import NOW, FhirRecord, Record, findings, of_kind, own_picture, report
from tests.support.site_files import at_site


def test_a_new_site_file_and_a_roll_back_each_hold_by_the_edition_of_their_deployment(record: Record) -> None:
    """Of one edition the first verdict stays, whatever the site file's version; a roll-back is a deployment like another."""
    alone = card()
    seen = acceptance(alone, ImageSettings())
    files = {"none": alone, "3": at_site(alone), "4": at_site(alone, version=4, limits=(0.05, 0.9))}
    issuers = {name: Issuer(used, f"urn:tocsin:test:{record.mark}") for name, used in files.items()}
    processes = {name: record.another(issuer) for name, issuer in issuers.items()}
    codes = list[tuple[str, float | None]]()
    for number, (name, edition) in enumerate([("none", 1), ("3", 1), ("3", 2), ("4", 3), ("3", 3), ("3", 4), ("4", 3)]):
        fetched = NOW - timedelta(minutes=28 - number)
        picture = own_picture(record.mark, fetched=fetched)
        grounds = grounds_by(files[name], seen, edition=edition)(picture)
        made = report(record.mark, grounds=grounds, judged=lambda of: judge(findings(of, 0.8), of), issuer=issuers[name], fetched=fetched)
        process = processes[name]
        stands = process.find(picture, grounds).standing or process.write(made)
        assert stands.mark is not None
        codes.append((stands.code, stands.mark.score))
    alone_said, three, four = codes[0], codes[2], codes[3]
    assert codes == [alone_said, alone_said, three, four, four, three, three]
    assert (alone_said[0], three[0], four[0]) == ("high", "high", "raised")
    assert alone_said[1] == 0.8
    assert len(record.standing()) == 1


def test_a_report_at_a_site_is_read_back_with_its_probability_its_file_and_what_carried_that(fhir_record: FhirRecord) -> None:
    """The report, its RiskAssessment, its Provenance, the site file's own Device and that one's Provenance."""
    issuer = Issuer(at_site(card()), fhir_record.issuer.source)
    made = report(fhir_record.mark, judged=lambda of: judge(findings(of, 0.3), of), issuer=issuer)
    fhir_record.writer(issuer).write(made)
    risk = fhir_record.read(f"RiskAssessment/{of_kind(made, 'RiskAssessment')['id']}")
    assert [each["probabilityDecimal"] for each in risk["prediction"]] == [11.8326]
    conclusion = fhir_record.read(made.reference)["conclusion"]
    assert "Of 100 pictures that scored like this here (st-elsewhere), about 12 were cancer" in conclusion
    [provenance] = fhir_record.search(f"Provenance?target={made.reference}")
    device = fhir_record.read(provenance["entity"][-1]["what"]["reference"])
    assert (device["identifier"][0]["value"], device["version"][0]["value"], device["status"]) == ("st-elsewhere/3", "3", "active")
    assert fhir_record.read(device["parent"]["reference"])["identifier"][0]["value"] == "reader/3"
    [carried] = fhir_record.search(f"Provenance?target=Device/{device['id']}")
    assert [each["what"]["identifier"]["value"] for each in carried["entity"]] == ["a" * 64, "b" * 64]
    assert [each["id"] for each in fhir_record.search(f"Provenance?entity=Device/{device['id']}")] == [provenance["id"]]


def test_a_site_file_that_the_hospital_has_withdrawn_writes_nothing_more(fhir_record: FhirRecord) -> None:
    issuer = Issuer(at_site(card()), fhir_record.issuer.source)
    fhir_record.writer(issuer).write(report(fhir_record.mark, issuer=issuer))
    device, _ = site_resources(issuer.card, issuer.source)
    fhir_record.fhir.put(fhir_record.read(f"Device/{device['id']}") | {"status": "inactive"})
    again = report(fhir_record.mark, issuer=issuer, content_sha256="ef" * 32)
    with pytest.raises(ContractError, match=r"st-elsewhere/3\) is not active in the record: this version was withdrawn"):
        fhir_record.writer(issuer).write(again)
    failed = [each for each in report_preflight(fhir_record.fhir, issuer) if each.passed is False]
    assert [each.what for each in failed] == ["journey: the site file's Device"]
    assert fhir_record.writer().write(report(fhir_record.mark, content_sha256="ef" * 32)).status == "preliminary"
