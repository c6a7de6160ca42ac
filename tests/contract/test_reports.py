"""What every record keeps, the fake and a validating FHIR server alike: one report a picture, and a clinician's act stands."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson
import pytest
from structlog.testing import capture_logs
from tocsin.errors import ContractError, Deferred, FhirRejected, ReportDeleted, ReportOfAnother
from tocsin.event.model import ImagingEvent
from tocsin.fhir.client import FhirClient, accepted, json_of
from tocsin.fhir.http import Http
from tocsin.image.model import Obstacle, Picture
from tocsin.inference.card import ModelCard, read_card
from tocsin.inference.model import Findings
from tocsin.report.compose import Issuer, compose
from tocsin.report.fhir import RIVALS_MAX, FhirReports
from tocsin.report.identity import device_id
from tocsin.report.mark import ELEMENTS, standing_of
from tocsin.report.model import Json, Report, Standing
from tocsin.report.ports import Reports
from tocsin.risk.judge import judge
from tocsin.risk.model import Judgement, Unassessable
from tocsin.sandbox.fhir import Fhir
from tocsin.settings import FhirSettings
from tocsin.telemetry.log import FIELDS

from tests.builders import card, event_json, picture
from tests.fakes.stages import FakeReports
from tests.support.proxy import proxy
from tests.support.waiting import eventually
from tests.support.web import ABSENT, Reply, Web, web

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
SKLESION = Path(__file__).parents[2] / "deploy" / "triton" / "sklesion" / "card.yaml"
BODY_SITE = {"coding": [{"system": "http://snomed.info/sct", "code": "22943007", "display": "Trunk structure"}]}
CANARY = "Jane Canary"
GROUNDS = "0c" * 32


class Record(Protocol):
    """A record that holds a patient, a picture and a study of this test alone."""

    reports: Reports
    mark: str

    def another(self) -> Reports:
        """The same record as another process has it."""

    def finalise(self, report: Report) -> None:
        """A clinician signs the report."""

    def changes(self, report: Report) -> int:
        """How often the report was written or changed."""

    def delete(self, report: Report) -> None:
        """Somebody removes the report and what refers to it."""

    def standing(self) -> list[Json]:
        """Every DiagnosticReport on the picture."""


class FakeRecord:
    """The record in memory."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(4)
        self._fake = FakeReports(Issuer(card(), f"urn:tocsin:test:{self.mark}"))
        self.reports: Reports = self._fake

    def another(self) -> Reports:
        return self._fake

    def finalise(self, report: Report) -> None:
        self._fake.sign(report.reference)

    def changes(self, report: Report) -> int:
        return self._fake.versions[report.reference]

    def delete(self, report: Report) -> None:
        self._fake.deleted.add(report.reference)

    def standing(self) -> list[Json]:
        return [
            {"status": each.status, "subject": {"reference": each.subject}, "id": each.reference.partition("/")[2]}
            for each in self._fake.standings.values()
        ]


class FhirRecord:
    """The record on a real server."""

    def __init__(self, base_url: str) -> None:
        self.mark = secrets.token_hex(4)
        self.issuer = Issuer(card(), f"urn:tocsin:test:{self.mark}")
        self.fhir = FhirClient(FhirSettings(base_url=base_url))
        self._http = Http(connect_timeout_s=3, request_timeout_s=20)
        for name in ("p1", "p2"):
            self.fhir.put({"resourceType": "Patient", "id": f"{name}-{self.mark}", "active": True})
        subject = {"reference": f"Patient/p1-{self.mark}"}
        content = {"contentType": "image/jpeg", "data": "AAAA"}
        self.fhir.put({"resourceType": "Media", "id": f"m1-{self.mark}", "status": "completed", "subject": subject, "content": content})
        self.fhir.put({"resourceType": "ImagingStudy", "id": f"s1-{self.mark}", "status": "available", "subject": subject})
        self.reports: Reports = self.writer()

    def writer(self, issuer: Issuer | None = None) -> FhirReports:
        """As one process has it."""
        return FhirReports(self.fhir, issuer or self.issuer, validate_every=0, registration_wait_s=20.0)

    def another(self) -> Reports:
        return self.writer()

    def changes(self, report: Report) -> int:
        return int(self.read(report.reference)["meta"]["versionId"])

    def finalise(self, report: Report) -> None:
        self.fhir.put(self.read(report.reference) | {"status": "final", "conclusion": "Seen: naevus."})

    def delete(self, report: Report) -> None:
        resources = {kind: entry["resource"]["id"] for entry in report.bundle["entry"] if (kind := entry["resource"]["resourceType"])}
        for kind in ("Provenance", "RiskAssessment", "DiagnosticReport"):
            self.remove(f"{kind}/{resources[kind]}")

    def remove(self, reference: str) -> None:
        eventually(partial(self._deleted, f"{self.fhir.base_url}/{reference}"), what="the deletion")

    def _deleted(self, url: str) -> bool:
        answer = self._http.exchange("DELETE", url, neighbour="fhir", headers={}, body_bytes_max=1_000_000)
        assert answer.status in (200, 204, 409), answer.status
        return answer.status != 409  # the server is still busy with what the resource is part of

    def standing(self) -> list[Json]:
        return self.search(f"DiagnosticReport?media=Media/m1-{self.mark}")

    def read(self, reference: str) -> Json:
        return json_of(accepted(self.fhir.get(reference), reference), reference)

    def search(self, query: str) -> list[Json]:
        bundle = json_of(accepted(self.fhir.get(f"{query}&_count=100"), query), query)
        return [entry["resource"] for entry in bundle.get("entry", [])]


@pytest.fixture
def fhir_record(fhir_server: Fhir) -> FhirRecord:
    return FhirRecord(fhir_server.base_url)


@pytest.fixture(params=["fake", "fhir"])
def record(request: pytest.FixtureRequest) -> Record:
    return FakeRecord() if request.param == "fake" else request.getfixturevalue("fhir_record")


def findings(of: ModelCard, malignant: float) -> Findings:
    """`malignant` for the first malignant class, the rest for the first that is not."""
    answer = dict.fromkeys((each.code for each in of.output.classes), 0.0)
    answer[next(each.code for each in of.output.classes if each.malignant)] = malignant
    answer[next(each.code for each in of.output.classes if not each.malignant)] = 1 - malignant
    return Findings(of.model, answer)


def high(of: ModelCard) -> Judgement:
    return judge(findings(of, 0.9), of)


def below(of: ModelCard) -> Judgement:
    return judge(findings(of, 0.001), of)


def dark(_of: ModelCard) -> Judgement:
    return Unassessable(Obstacle("too-dark", "The image is too dark."))


OTHER_GROUNDS = {below: "0b" * 32, dark: "0d" * 32}
"""A verdict changes with what it rests on and not by itself."""


def report(
    mark: str, *, patient: str = "p1", judged: Callable[[ModelCard], Judgement] = high, issuer: Issuer | None = None, **more: Any
) -> Report:
    """A report on the one picture of the test with this mark."""
    issuer = issuer or Issuer(card(), f"urn:tocsin:test:{mark}")
    subject, media = f"Patient/{patient}-{mark}", f"Media/m1-{mark}"
    event = ImagingEvent.model_validate(event_json(subject=subject, media=media, study=more.pop("study", None)))
    grounds, now = more.pop("grounds", OTHER_GROUNDS.get(judged, GROUNDS)), more.pop("now", NOW)
    return compose(event, picture(subject=subject, media=media, **more), grounds, judged(issuer.card), issuer, now)


def test_the_first_report_on_a_picture_is_preliminary(record: Record) -> None:
    first = report(record.mark)
    standing = record.reports.write(first)
    assert (standing.reference, standing.status) == (first.reference, "preliminary")
    [written] = record.standing()
    assert (written["status"], written["subject"]["reference"]) == ("preliminary", first.subject)


def test_the_same_report_again_changes_nothing(record: Record) -> None:
    first = record.reports.write(report(record.mark))
    before = record.standing()
    assert record.reports.write(report(record.mark)) == first
    assert record.standing() == before


def test_a_verdict_that_changes_while_nobody_has_read_it_replaces_the_report(record: Record) -> None:
    record.reports.write(report(record.mark, judged=dark))
    standing = record.reports.write(report(record.mark))
    assert (standing.status, standing.code) == ("preliminary", "high")
    assert len(record.standing()) == 1
    assert record.reports.write(report(record.mark)) == standing


def test_a_verdict_that_changes_after_a_clinician_acted_leaves_the_report_and_says_what_stands(record: Record) -> None:
    record.reports.write(report(record.mark))
    record.finalise(report(record.mark))
    standing = record.reports.write(report(record.mark, judged=below))
    assert (standing.status, standing.code) == ("final", "high")


def test_what_a_clinician_signed_stays_signed(record: Record) -> None:
    record.reports.write(report(record.mark))
    record.finalise(report(record.mark))
    before = record.standing()
    assert record.reports.write(report(record.mark)).status == "final"
    assert record.standing() == before
    assert before[0]["status"] == "final"


def test_another_patients_report_on_the_same_picture_is_not_written(record: Record) -> None:
    record.reports.write(report(record.mark))
    before = record.standing()
    with pytest.raises(ReportOfAnother):
        record.reports.write(report(record.mark, patient="p2"))
    assert record.standing() == before


def test_a_report_that_was_deleted_is_not_written_again(record: Record) -> None:
    record.reports.write(report(record.mark))
    record.delete(report(record.mark))
    with pytest.raises(ReportDeleted):
        record.reports.write(report(record.mark))


def test_many_writers_of_the_same_report_at_once_leave_one(record: Record) -> None:
    def write(_number: int) -> str | None:
        with suppress(Deferred):
            return record.reports.write(report(record.mark)).status
        return None

    with ThreadPoolExecutor(8) as threads:
        answers = Counter(threads.map(write, range(8)))
    assert set(answers) <= {"preliminary", None}
    assert record.reports.write(report(record.mark)).status == "preliminary"
    assert len(record.standing()) == 1


def replaced(mark: str, **more: Any) -> Report:
    """A report on the picture that took the place of the first, which was as of 09:31."""
    return report(mark, content_sha256="cd" * 32, as_of=NOW, **more)


def own_picture(mark: str, **changes: Any) -> Picture:
    return picture(**({"subject": f"Patient/p1-{mark}", "media": f"Media/m1-{mark}"} | changes))


def statuses(record: Record) -> dict[str, str]:
    return {f"DiagnosticReport/{each['id']}": each["status"] for each in record.standing()}


def test_a_report_that_stands_on_the_same_grounds_is_recognised(record: Record) -> None:
    assert record.reports.standing(own_picture(record.mark), GROUNDS) is None
    written = record.reports.write(report(record.mark))
    assert record.another().standing(own_picture(record.mark), GROUNDS) == written
    assert written.mark == report(record.mark).mark


def test_a_report_that_stands_on_other_grounds_is_judged_again_and_recognised_afterwards(record: Record) -> None:
    first, again = report(record.mark), report(record.mark, grounds="0d" * 32)
    record.reports.write(first)
    assert record.reports.standing(own_picture(record.mark), "0d" * 32) is None
    written = record.reports.write(again)
    assert record.reports.standing(own_picture(record.mark), "0d" * 32) == written
    assert len(record.standing()) == 1


def test_a_report_that_a_clinician_signed_is_recognised_whatever_it_rests_on(record: Record) -> None:
    record.reports.write(report(record.mark))
    record.finalise(report(record.mark))
    found = record.reports.standing(own_picture(record.mark), "0d" * 32)
    assert found is not None
    assert (found.status, found.code, found.verbatim) == ("final", "high", True)


def test_another_patients_report_on_the_same_picture_is_not_recognised(record: Record) -> None:
    record.reports.write(report(record.mark))
    with pytest.raises(ReportOfAnother):
        record.reports.standing(own_picture(record.mark, subject=f"Patient/p2-{record.mark}"), GROUNDS)


def test_a_report_that_was_deleted_is_not_judged_again(record: Record) -> None:
    record.reports.write(report(record.mark))
    record.delete(report(record.mark))
    with pytest.raises(ReportDeleted):
        record.reports.standing(own_picture(record.mark), GROUNDS)


def test_a_single_report_settles_into_itself(record: Record) -> None:
    written = record.reports.write(report(record.mark))
    assert record.reports.settle(written, NOW) == [written]
    assert record.reports.look(written) == written
    assert record.changes(report(record.mark)) == 1


@pytest.mark.parametrize("first", ["older", "newer"])
@pytest.mark.parametrize("settling", ["older", "newer", "both"])
def test_of_two_reports_on_one_media_the_newer_picture_stands_whoever_writes_and_looks_first(
    record: Record, first: str, settling: str
) -> None:
    made = {"older": report(record.mark), "newer": replaced(record.mark, now=NOW - timedelta(minutes=20))}
    processes = {name: record.another() for name in made}
    written = {name: processes[name].write(made[name]) for name in sorted(made, reverse=first == "older")}
    told = {name: processes[name].settle(written[name], NOW) for name in made if settling in (name, "both")}
    assert statuses(record) == {made["older"].reference: "entered-in-error", made["newer"].reference: "preliminary"}
    for name, [own, *gave_way] in told.items():
        assert own.reference == made[name].reference
        assert {each.reference: (each.status, each.superseded_by) for each in (own, *gave_way) if each.superseded_by} == {
            made["older"].reference: ("entered-in-error", made["newer"].reference)
        }


def test_settling_again_changes_nothing_and_tells_the_same(record: Record) -> None:
    older, newer = report(record.mark), replaced(record.mark)
    record.reports.write(older)
    written = record.reports.write(newer)
    first = record.reports.settle(written, NOW)
    assert record.another().settle(written, NOW + timedelta(minutes=1)) == first
    assert (record.changes(older), record.changes(newer)) == (2, 1)


def test_a_report_that_gave_way_is_recognised_and_never_comes_back_by_itself(record: Record) -> None:
    record.reports.write(report(record.mark))
    record.reports.settle(record.reports.write(replaced(record.mark)), NOW)
    found = record.reports.standing(own_picture(record.mark), GROUNDS)
    assert found is not None
    assert (found.status, found.superseded_by) == ("entered-in-error", replaced(record.mark).reference)
    assert record.reports.write(report(record.mark)) == found
    assert record.reports.settle(found, NOW) == [found]


def test_a_picture_that_is_given_back_to_its_media_is_reported_again(record: Record) -> None:
    record.reports.write(report(record.mark))
    record.reports.settle(record.reports.write(replaced(record.mark)), NOW)
    later = NOW + timedelta(hours=1)
    assert record.reports.standing(own_picture(record.mark, as_of=later), GROUNDS) is None
    back = record.reports.write(report(record.mark, as_of=later, now=later))
    [own, gave_way] = record.reports.settle(back, later)
    assert (own.status, own.superseded_by) == ("preliminary", None)
    assert (gave_way.reference, gave_way.superseded_by) == (replaced(record.mark).reference, own.reference)
    assert record.reports.settle(back, later) == [own, gave_way]


EARLIER, SEEN = timedelta(hours=1), NOW - timedelta(minutes=28)


def test_a_verdict_on_an_older_version_of_the_media_is_never_written_over_the_newer_ones(record: Record) -> None:
    newer = record.reports.write(report(record.mark, as_of=NOW))
    late: dict[str, Any] = {"as_of": NOW - EARLIER, "fetched": NOW + EARLIER}
    assert record.another().standing(own_picture(record.mark, **late), "0d" * 32) == newer
    assert record.another().write(report(record.mark, judged=dark, **late)) == newer
    assert record.changes(report(record.mark)) == 1


def test_the_same_verdict_of_another_process_is_not_written_again(record: Record) -> None:
    first = record.reports.write(report(record.mark))
    again = report(record.mark, fetched=SEEN + EARLIER, now=NOW + EARLIER)
    assert record.another().write(again) == first
    assert record.changes(again) == 1


def test_a_picture_that_is_seen_again_under_the_same_version_of_its_media_takes_its_place_back(record: Record) -> None:
    record.reports.write(report(record.mark))
    other = report(record.mark, content_sha256="cd" * 32, fetched=SEEN + timedelta(minutes=2))
    record.reports.settle(record.reports.write(other), NOW)
    later = SEEN + timedelta(minutes=3)
    assert record.reports.standing(own_picture(record.mark, fetched=later), GROUNDS) is None
    [own, gave_way] = record.reports.settle(record.reports.write(report(record.mark, fetched=later)), NOW)
    assert (own.status, own.superseded_by) == ("preliminary", None)
    assert (gave_way.reference, gave_way.superseded_by) == (other.reference, own.reference)


def test_a_report_that_a_stalled_process_brings_back_gives_way_again(record: Record) -> None:
    record.reports.write(report(record.mark))
    other = report(record.mark, content_sha256="cd" * 32, fetched=SEEN + timedelta(minutes=2))
    record.reports.settle(record.reports.write(other), NOW)
    stalled = record.another().write(report(record.mark, fetched=SEEN + timedelta(minutes=1)))
    [own] = record.another().settle(stalled, NOW)
    assert (own.status, own.superseded_by) == ("entered-in-error", other.reference)
    assert statuses(record)[other.reference] == "preliminary"


def test_a_report_that_a_clinician_signed_never_gives_way(record: Record) -> None:
    older, newer = report(record.mark), replaced(record.mark)
    record.reports.write(older)
    record.finalise(older)
    assert [each.status for each in record.reports.settle(record.reports.write(newer), NOW)] == ["preliminary"]
    assert statuses(record) == {older.reference: "final", newer.reference: "preliminary"}


def test_a_report_on_a_picture_older_than_the_one_that_a_clinician_signed_gives_way(record: Record) -> None:
    newer = replaced(record.mark)
    record.reports.write(newer)
    record.finalise(newer)
    [late] = record.reports.settle(record.reports.write(report(record.mark)), NOW)
    assert (late.status, late.superseded_by) == ("entered-in-error", newer.reference)


def test_of_three_pictures_of_one_media_the_last_stands(record: Record) -> None:
    last = report(record.mark, content_sha256="ef" * 32, as_of=NOW + timedelta(hours=1))
    for each in (report(record.mark), last, replaced(record.mark)):
        record.reports.settle(record.reports.write(each), NOW)
    assert statuses(record) == {
        report(record.mark).reference: "entered-in-error",
        replaced(record.mark).reference: "entered-in-error",
        last.reference: "preliminary",
    }


def test_a_report_tells_what_became_of_it_meanwhile(record: Record) -> None:
    older = record.reports.write(report(record.mark))
    record.another().settle(record.another().write(replaced(record.mark)), NOW)
    assert record.reports.look(older).status == "entered-in-error"


@pytest.mark.parametrize("card_changes", [{"version": "4"}, {"name": "another"}], ids=["version", "model"])
def test_a_new_version_of_a_model_takes_the_place_of_the_old_and_another_model_stands_beside_it(
    fhir_record: FhirRecord, card_changes: dict[str, str]
) -> None:
    other = Issuer(card(**card_changes), fhir_record.issuer.source)
    old, new = report(fhir_record.mark), report(fhir_record.mark, issuer=other, fetched=NOW)
    fhir_record.reports.write(old)
    writer = fhir_record.writer(other)
    writer.settle(writer.write(new), NOW)
    gave_way = "entered-in-error" if "version" in card_changes else "preliminary"
    assert statuses(fhir_record) == {old.reference: gave_way, new.reference: "preliminary"}


def test_another_installations_report_on_the_same_media_stands_beside_ours(fhir_record: FhirRecord) -> None:
    other = Issuer(card(), f"{fhir_record.issuer.source}:other")
    fhir_record.writer(other).write(report(fhir_record.mark, issuer=other))
    fhir_record.reports.settle(fhir_record.reports.write(replaced(fhir_record.mark)), NOW)
    assert set(statuses(fhir_record).values()) == {"preliminary"}


def test_a_report_that_gave_way_is_in_error_with_its_parts_and_its_provenance_names_its_successor(fhir_record: FhirRecord) -> None:
    older, newer = report(fhir_record.mark), replaced(fhir_record.mark)
    fhir_record.reports.write(older)
    fhir_record.reports.settle(fhir_record.reports.write(newer), NOW)
    withdrawn = {entry["request"]["url"] for entry in older.bundle["entry"] if entry["resource"]["resourceType"] != "Provenance"}
    assert {fhir_record.read(reference)["status"] for reference in withdrawn} == {"entered-in-error"}
    [provenance] = [each for each in fhir_record.search(f"Provenance?target={older.reference}") if "activity" in each]
    assert {each["reference"] for each in provenance["target"]} == withdrawn
    assert [each["what"]["reference"] for each in provenance["entity"]] == [newer.reference]
    assert [each["id"] for each in fhir_record.search(f"Provenance?entity={newer.reference}")] == [provenance["id"]]
    assert {each["meta"]["versionId"] for each in (fhir_record.read(reference) for reference in withdrawn)} == {"2"}


def test_a_report_of_which_a_clinician_signed_a_part_never_gives_way(fhir_record: FhirRecord) -> None:
    older = report(fhir_record.mark)
    fhir_record.reports.write(older)
    signed(fhir_record, f"Observation/{of_kind(older, 'Observation')['id']}")
    fhir_record.reports.settle(fhir_record.reports.write(replaced(fhir_record.mark)), NOW)
    assert set(statuses(fhir_record).values()) == {"preliminary"}


def test_two_processes_that_write_two_pictures_of_one_media_at_once_leave_the_newer_one(fhir_record: FhirRecord) -> None:
    """As a worker does it: write, then settle, and again from the start where the record says that another was quicker."""

    def settled(made: Report) -> list[Standing]:
        process = fhir_record.writer()
        for _attempt in range(10):
            with suppress(Deferred):
                return process.settle(process.write(made), NOW)
        raise AssertionError("deferred ten times")

    for pair in range(6):
        content, as_of = f"{pair:064x}", NOW + timedelta(hours=pair)
        older = report(fhir_record.mark, content_sha256=content, as_of=as_of)
        newer = report(fhir_record.mark, content_sha256=content[::-1].replace("0", "a"), as_of=as_of + timedelta(minutes=1))
        with ThreadPoolExecutor(2) as threads:
            told = list(threads.map(settled, (older, newer)))
        found = statuses(fhir_record)
        assert (found[older.reference], found[newer.reference]) == ("entered-in-error", "preliminary")
        assert any(each.reference == older.reference and each.superseded_by for both in told for each in both)


def test_a_mark_that_another_program_dropped_makes_a_report_be_judged_again(fhir_record: FhirRecord) -> None:
    made = report(fhir_record.mark)
    fhir_record.reports.write(made)
    bare = {name: value for name, value in fhir_record.read(made.reference).items() if name != "extension"}
    fhir_record.fhir.put(bare)
    assert fhir_record.reports.standing(own_picture(fhir_record.mark), GROUNDS) is None
    assert fhir_record.reports.write(made).mark == made.mark
    assert fhir_record.reports.look(fhir_record.reports.write(made)).mark == made.mark


@pytest.mark.parametrize(
    "record",
    [pytest.param("fake", marks=pytest.mark.xfail(strict=True, reason="the fake: it takes any bundle")), "fhir"],
    indirect=True,
)
def test_a_report_that_is_not_fhir_is_refused_without_a_word_of_what_it_says(record: Record) -> None:
    with pytest.raises(FhirRejected, match="HTTP 422") as caught:
        record.reports.write(spoilt(record.mark))
    assert "bananas" not in str(caught.value)
    assert "Canary" not in str(caught.value)
    assert record.standing() == []


def test_a_refusal_names_the_element_that_is_wrong(fhir_record: FhirRecord) -> None:
    with pytest.raises(FhirRejected, match=r"error processing [^;]*DiagnosticReport[^;]*\.status"):
        fhir_record.reports.write(spoilt(fhir_record.mark))


def spoilt(mark: str) -> Report:
    made = report(mark)
    of_kind(made, "DiagnosticReport").update({"status": "bananas", "conclusion": CANARY})
    return made


def of_kind(of: Report, kind: str) -> Json:
    resource: Json = next(entry["resource"] for entry in of.bundle["entry"] if entry["resource"]["resourceType"] == kind)
    return resource


def test_what_a_replaced_report_alone_held_is_entered_in_error(fhir_record: FhirRecord) -> None:
    first = report(fhir_record.mark)
    fhir_record.reports.write(first)
    fhir_record.reports.write(report(fhir_record.mark, judged=dark))
    old = [part for part in first.parts if part.startswith("RiskAssessment") or of_kind(first, "Observation")["id"] in part]
    assert [fhir_record.read(part)["status"] for part in old] == ["entered-in-error"] * 2
    [standing] = fhir_record.standing()
    assert standing["conclusion"].startswith("Not assessable")
    assert "result" not in standing


def signed(record: FhirRecord, part: str, status: str = "final") -> None:
    """A clinician acts on one part of the report alone."""
    record.fhir.put(record.read(part) | {"status": status})


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
    assert fhir_record.reports.write(report(fhir_record.mark, grounds="0d" * 32)) == written
    fhir_record.reports.settle(fhir_record.reports.write(newer), NOW)
    assert (fhir_record.changes(first), fhir_record.read(part)["status"]) == (1, "entered-in-error")
    assert statuses(fhir_record)[first.reference] == "preliminary"


def test_a_part_that_a_clinician_deleted_is_not_written_again(fhir_record: FhirRecord) -> None:
    first = report(fhir_record.mark)
    written = fhir_record.reports.write(first)
    for kind in ("Provenance", "RiskAssessment"):
        fhir_record.remove(f"{kind}/{of_kind(first, kind)['id']}")
    assert fhir_record.reports.write(report(fhir_record.mark, grounds="0d" * 32)) == written
    assert fhir_record.fhir.get(f"RiskAssessment/{of_kind(first, 'RiskAssessment')['id']}").status == 410


def test_a_report_that_was_not_assessable_and_is_again_holds_all_its_parts(fhir_record: FhirRecord) -> None:
    """What Tocsin itself entered in error is its own, here where the report let go of it and here where it gave way."""
    first = report(fhir_record.mark)
    parts = [entry["request"]["url"] for entry in first.bundle["entry"][:-1]]
    for grounds, judged in (("0a" * 32, high), ("0d" * 32, dark), (GROUNDS, high)):
        fhir_record.reports.write(report(fhir_record.mark, grounds=grounds, judged=judged))
    assert {fhir_record.read(part)["status"] for part in parts} == {"preliminary"}
    fhir_record.reports.settle(fhir_record.reports.write(replaced(fhir_record.mark)), NOW)
    assert {fhir_record.read(part)["status"] for part in parts} == {"entered-in-error"}
    fhir_record.reports.write(report(fhir_record.mark, as_of=NOW + EARLIER))
    assert {fhir_record.read(part)["status"] for part in parts} == {"preliminary"}


def test_a_report_on_the_same_media_under_another_patient_is_said_to_a_person_and_left_as_it_is(fhir_record: FhirRecord) -> None:
    other, made = report(fhir_record.mark), replaced(fhir_record.mark, patient="p2")
    fhir_record.reports.write(other)
    written = fhir_record.reports.write(made)
    with capture_logs() as lines:
        assert fhir_record.reports.settle(written, NOW) == [written]
    [line] = lines
    assert (line["log_level"], line["report"], line["media"]) == ("error", other.reference, f"Media/m1-{fhir_record.mark}")
    assert made.reference in line["detail"]
    assert "enter the wrong one in error" in line["advice"]
    assert "Patient/" not in str(line)
    assert set(line) - {"log_level"} <= FIELDS
    assert set(statuses(fhir_record).values()) == {"preliminary"}
    signed(fhir_record, other.reference, "entered-in-error")
    with capture_logs() as lines:
        fhir_record.reports.settle(written, NOW)
    assert lines == []


def test_a_report_that_another_process_wrote_since_nothing_was_found_makes_the_event_wait(
    fhir_record: FhirRecord, fhir_server: Fhir
) -> None:
    made = report(fhir_record.mark)
    fhir_record.reports.write(report(fhir_record.mark, judged=dark, as_of=NOW))
    with proxy(f"http://127.0.0.1:{fhir_server.port}") as between:
        between.trouble = lambda method, path: ABSENT if method == "GET" and made.reference in path else None
        fhir = FhirClient(FhirSettings(base_url=between.origin + urlsplit(fhir_server.base_url).path))
        slow = FhirReports(fhir, fhir_record.issuer, validate_every=0, registration_wait_s=20.0)
        with pytest.raises(Deferred, match=f"another process wrote {made.reference}"):
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
    with pytest.raises(Deferred):
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


def test_a_server_that_will_not_know_the_model_is_no_events_fault(site: Web) -> None:
    for entry in _registrations("DocumentReference"):
        site.replies[f"/fhir/{entry}"] = Reply(422, ABSENT.body)
    with pytest.raises(ContractError, match="refuses the card"):
        write_to(site)


def test_a_repeated_report_keeps_its_first_version(fhir_record: FhirRecord) -> None:
    for writer in (fhir_record.reports, fhir_record.reports, fhir_record.writer()):
        writer.write(report(fhir_record.mark))
    for entry in report(fhir_record.mark).bundle["entry"]:
        assert fhir_record.read(entry["request"]["url"])["meta"]["versionId"] == "1"


@pytest.mark.parametrize("name", ["test", "sklesion"])
@pytest.mark.parametrize("judged", [high, below, dark])
@pytest.mark.parametrize("known", ["much", "little"])
def test_a_validating_server_takes_every_kind_of_report(
    fhir_record: FhirRecord, judged: Callable[[ModelCard], Judgement], name: str, known: str
) -> None:
    issuer = Issuer(card() if name == "test" else read_card(SKLESION), f"urn:tocsin:test:{fhir_record.mark}")
    more: dict[str, Any] = {"study": f"ImagingStudy/s1-{fhir_record.mark}", "body_site": BODY_SITE}
    little: dict[str, Any] = {"taken_at": None}
    made = report(fhir_record.mark, judged=judged, issuer=issuer, **(more if known == "much" else little))
    assert fhir_record.writer(issuer).write(made).status == "preliminary"
    for entry in made.bundle["entry"]:
        stored = fhir_record.read(entry["request"]["url"])
        assert {name: stored[name] for name in entry["resource"] if name != "meta"} == {
            name: value for name, value in entry["resource"].items() if name != "meta"
        }
        assert stored["meta"].get("security") == entry["resource"].get("meta", {}).get("security")


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


@pytest.fixture
def site() -> Iterator[Web]:
    """A FHIR server in trouble: it knows no report yet, and takes the card."""
    with web() as running:
        for kind in ("Device", "DocumentReference"):
            for entry in _registrations(kind):
                running.replies[f"/fhir/{entry}"] = Reply(200, orjson.dumps({"resourceType": kind, "status": "active"}))
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
    return FhirReports(fhir, Issuer(card(), "urn:tocsin:test:x"), validate_every=0, registration_wait_s=20.0)


def write_to(site: Web) -> Standing:
    return reports_of(site).write(report("x"))


@dataclass
class Rival:
    """A record that finds an older report beside the one it is asked about."""

    site: Web
    reports: FhirReports
    standing: Standing
    older: Json


@pytest.fixture
def rival(site: Web) -> Rival:
    older, newer = (of_kind(made, "DiagnosticReport") for made in (report("x"), replaced("x")))
    standing = standing_of(newer)
    found = orjson.dumps({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": older}, {"resource": newer}]})
    site.replies[search_beside(standing)] = Reply(200, found)
    return Rival(site, reports_of(site), standing, older)


def search_beside(standing: Standing) -> str:
    return f"/fhir/DiagnosticReport?media={standing.media}&_sort=-issued&_count={RIVALS_MAX}&_elements={ELEMENTS}"


def test_an_older_report_that_somebody_deleted_meanwhile_stands_in_nobodys_way(rival: Rival) -> None:
    assert rival.reports.settle(rival.standing, NOW) == [rival.standing]
    assert {each.method for each in rival.site.asked} == {"GET"}


def test_an_older_report_that_a_clinician_signed_meanwhile_is_not_written(rival: Rival) -> None:
    rival.site.replies[f"/fhir/DiagnosticReport/{rival.older['id']}"] = Reply(200, orjson.dumps(rival.older | {"status": "final"}))
    assert rival.reports.settle(rival.standing, NOW) == [rival.standing]
    assert {each.method for each in rival.site.asked} == {"GET"}


def test_an_older_report_that_changes_while_it_is_to_give_way_makes_the_event_wait(rival: Rival) -> None:
    rival.site.replies[f"/fhir/DiagnosticReport/{rival.older['id']}"] = stored(rival.older)
    rival.site.replies["/fhir"] = Reply(412, orjson.dumps(outcome()))
    with pytest.raises(Deferred, match="412"):
        rival.reports.settle(rival.standing, NOW)
    [sent] = [orjson.loads(each.body) for each in rival.site.asked if each.method == "POST"]
    assert sent["entry"][0]["request"]["ifMatch"] == 'W/"7"'


def test_an_older_report_whose_version_the_server_does_not_state_is_not_written(rival: Rival) -> None:
    rival.site.replies[f"/fhir/DiagnosticReport/{rival.older['id']}"] = Reply(200, orjson.dumps(rival.older))
    assert rival.reports.settle(rival.standing, NOW) == [rival.standing]
    assert {each.method for each in rival.site.asked} == {"GET"}


def stored(resource: Json, version: str | None = "7", **changes: Any) -> Reply:
    meta = {"tag": [{"code": "SUBSETTED"}]} if version is None else {"versionId": version}
    return Reply(200, orjson.dumps(resource | {"meta": meta} | changes))


@pytest.mark.parametrize("unknown", ["DiagnosticReport", "RiskAssessment", None])
def test_what_stands_is_never_written_over_where_its_version_is_unknown(site: Web, unknown: str | None) -> None:
    made, known = report("x", grounds="0d" * 32), {"DiagnosticReport": f"?_elements={ELEMENTS}", "RiskAssessment": ""}
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
    with pytest.raises(Deferred, match="another process wrote"):
        write_to(site)
    site.replies[f"/fhir/{made.reference}?_elements={ELEMENTS}"] = stored(of_kind(made, "DiagnosticReport"))
    recognised = reports_of(site).standing(own_picture("x"), GROUNDS)
    assert recognised is not None
    assert recognised == write_to(site)
    assert [each.method for each in site.asked].count("POST") == 1


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_server_that_does_not_search_reports_by_their_media_stops_the_process(site: Web, status: int) -> None:
    """Else reports would stand of which nobody hears."""
    standing = standing_of(of_kind(report("x"), "DiagnosticReport"))
    site.replies[search_beside(standing)] = Reply(status, orjson.dumps(outcome()))
    with pytest.raises(Deferred if status == 403 else ContractError) as caught:
        reports_of(site).settle(standing, NOW)
    assert status == 403 or "tocsin check" in str(caught.value)
    assert "Canary" not in str(caught.value)


def test_the_search_for_other_reports_asks_for_what_stands_now(rival: Rival) -> None:
    rival.reports.settle(rival.standing, NOW)
    assert rival.site.asked[0].headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("status", [429, 503, 404], ids=["busy", "away", "no-word-of-its-own"])
def test_a_server_that_does_not_say_how_a_report_stands_makes_the_event_wait(site: Web, status: int) -> None:
    reports = reports_of(site)
    standing = standing_of(of_kind(report("x"), "DiagnosticReport"))
    site.replies[f"/fhir/{standing.reference}?_elements={ELEMENTS}"] = Reply(status, b"<html>")
    with pytest.raises(Deferred):
        reports.standing(own_picture("x"), GROUNDS)
    with pytest.raises(Deferred):
        reports.look(standing)


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
        pytest.param(Reply(503, headers={"Retry-After": "Thu, 01 Jan 2026 00:00:00 GMT"}), 0.0, id="unavailable until a date that passed"),
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
