"""Reports in the records of servers that answer in other ways than HAPI: what must never be doubled, lost or written over is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest
from tocsin.errors import Contended, Unavailable
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Json
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.identity import card_id
from tocsin.report.store.fhir import FhirReports
from tocsin.report.store.sending import send
from tocsin.report.store.transaction import TransactionWriter
from tocsin.sandbox.fhir import Fhir
from tocsin.settings import FhirSettings

from tests.builders import grounds_on
from tests.support.other_servers import other_server
from tests.support.records import GROUNDS, NOW, FhirRecord, of_kind, own_picture, replaced, report, statuses

Found = Callable[[str], AbstractContextManager[FhirRecord]]


@pytest.fixture
def found_at(fhir_server: Fhir) -> Found:
    """A record of this test alone, which Tocsin finds at a server of this quirk."""

    @contextmanager
    def found(quirk: str) -> Iterator[FhirRecord]:
        with other_server(fhir_server.base_url, quirk) as server:
            yield FhirRecord(fhir_server.base_url, server.base_url)

    return found


SEND = "tocsin.report.store.transaction.send"

IF_MATCH_REQUIRED = ("if-match-required-400", "if-match-required-412", "if-match-required-428")


@pytest.mark.parametrize("quirk", IF_MATCH_REQUIRED)
def test_where_a_server_wants_if_match_a_second_start_writes_nothing_that_stands_already(quirk: str, found_at: Found) -> None:
    with found_at(quirk) as record:
        record.reports.write(report(record.mark))
        card = f"DocumentReference/{card_id(record.issuer.source, record.issuer.card.model)}"
        other = report(record.mark, content_sha256="ee" * 32)
        assert record.another().write(other).mark == other.mark
        assert record.read(card)["meta"]["versionId"] == "1"


@pytest.mark.parametrize("quirk", IF_MATCH_REQUIRED)
def test_where_a_server_wants_if_match_a_card_of_other_words_replaces_the_one_that_stands(quirk: str, found_at: Found) -> None:
    with found_at(quirk) as record:
        record.reports.write(report(record.mark))
        card = f"DocumentReference/{card_id(record.issuer.source, record.issuer.card.model)}"
        issuer = Issuer(record.issuer.card.model_copy(update={"title": "Reader, in other words"}), record.issuer.source)
        record.writer(issuer).write(report(record.mark, content_sha256="ee" * 32, issuer=issuer))
        stands = record.read(card)
        assert (stands["meta"]["versionId"], "in other words" in stands["description"]) == ("2", True)


@pytest.mark.parametrize("quirk", IF_MATCH_REQUIRED)
def test_where_a_server_wants_if_match_who_lost_a_race_is_told_so_and_is_not_refused(
    quirk: str, found_at: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the server says it: an event that lost a race is tried again, and one that is refused ends as a dead letter."""
    with found_at(quirk) as record:
        first, newer = report(record.mark), replaced(record.mark)

        def lost(own: Callable[[], object], other: Callable[[], object]) -> None:
            def overtaken(fhir: FhirClient, bundle: Json, reference: str) -> list[Json]:
                monkeypatch.setattr(SEND, send)
                other()
                return send(fhir, bundle, reference)

            monkeypatch.setattr(SEND, overtaken)
            with pytest.raises(Contended):
                own()

        lost(lambda: record.reports.write(first), lambda: record.another().write(first))
        standing = record.reports.write(newer)
        lost(lambda: record.reports.supersede_older(standing, NOW), lambda: record.another().supersede_older(standing, NOW))
        record.reports.supersede_older(standing, NOW)
        assert statuses(record) == {first.reference: "entered-in-error", newer.reference: "preliminary"}


@pytest.mark.parametrize("quirk", IF_MATCH_REQUIRED)
def test_where_a_server_wants_if_match_reports_are_replaced_and_give_way_over_and_over(quirk: str, found_at: Found) -> None:
    with found_at(quirk) as record:
        first, again, newer = report(record.mark), report(record.mark, grounds=grounds_on("0e")), replaced(record.mark)
        record.reports.write(first)
        assert record.another().write(again).mark == again.mark
        record.reports.supersede_older(record.reports.write(newer), NOW)
        assert statuses(record) == {again.reference: "entered-in-error", newer.reference: "preliminary"}
        back = report(record.mark, as_of=NOW.replace(hour=11), grounds=grounds_on("0f"))
        record.another().supersede_older(record.another().write(back), NOW)
        assert statuses(record) == {back.reference: "preliminary", newer.reference: "entered-in-error"}
        last = report(record.mark, content_sha256="cd" * 32, as_of=NOW.replace(hour=12))
        record.another().supersede_older(record.another().write(last), NOW)
        assert statuses(record) == {back.reference: "entered-in-error", newer.reference: "preliminary"}


@pytest.mark.parametrize(
    "quirk",
    [
        "sort-refused",
        "sort-ignored",
        "elements-refused",
        "elements-ignored",
        "answers-of-one",
        "references-with-versions",
        "references-in-full",
        "versions-in-the-etag-alone",
        "opaque-versions",
        "search-adds-an-outcome",
        "says-little-of-writes",
        "entries-say-their-status-alone",
        "transactions-say-nothing",
        "transactions-say-an-outcome",
        "transactions-say-no-entries",
    ],
)
def test_a_report_is_written_once_found_standing_and_gives_way_to_a_newer_picture(quirk: str, found_at: Found) -> None:
    with found_at(quirk) as record:
        older, newer = report(record.mark), replaced(record.mark)
        written = record.reports.write(older)
        found = record.another().find(own_picture(record.mark), GROUNDS).standing
        assert found is not None
        assert replace(found, issued=None) == replace(written, issued=None)
        assert record.another().supersede_older(found, NOW) == [found]
        own, gave_way = record.another().supersede_older(record.another().write(newer), NOW)
        assert (own.reference, gave_way.reference) == (newer.reference, older.reference)
        assert statuses(record) == {newer.reference: "preliminary", older.reference: "entered-in-error"}
        assert [record.changes(each) for each in (older, newer)] == [2, 1]


@pytest.mark.parametrize("quirk", ["base-wants-its-slash-301", "base-wants-its-slash-308"])
def test_a_server_that_takes_transactions_behind_a_slash_alone_is_served_by_the_setting_that_the_wait_names(
    quirk: str, fhir_server: Fhir
) -> None:
    with other_server(fhir_server.base_url, quirk) as server:
        record = FhirRecord(fhir_server.base_url, server.base_url)
        made = report(record.mark)
        with pytest.raises(Unavailable, match="end TOCSIN_FHIR__BASE_URL with one"):
            record.reports.write(made)
        fhir = FhirClient(FhirSettings(base_url=f"{server.base_url}/"))
        with_slash = FhirReports(fhir, record.issuer, TransactionWriter(fhir, record.issuer), validate_every=0, registration_wait_s=20.0)
        assert with_slash.write(made).mark == made.mark
        assert with_slash.find(own_picture(record.mark), GROUNDS).standing is not None


LESION = {"url": "http://hl7.org/fhir/StructureDefinition/bodySite", "valueReference": {"reference": "#lesion1"}}
ELSEWHERE = {"url": "urn:test:site", "valueReference": {"reference": "https://elsewhere.example.org/fhir/BodyStructure/1"}}
TRUNK = {"system": "http://snomed.info/sct", "code": "22943007", "display": "Trunk structure"}


@pytest.mark.parametrize(
    "site",
    [
        {"extension": [LESION], "coding": [TRUNK]},
        {"extension": [LESION]},
        {"coding": [TRUNK | {"extension": [{"url": "urn:test:deep", "extension": [LESION]}]}]},
        {"coding": [TRUNK | {"_display": {"extension": [LESION]}, "id": "lesion1"}]},
        {"coding": [TRUNK], "_text": {"extension": [LESION]}, "text": "left shoulder"},
        {"extension": [ELSEWHERE], "coding": [TRUNK]},
        {"coding": [TRUNK, {"system": "not-absolute", "code": "1"}, {"display": "no code"}]},
        {"coding": []},
    ],
    ids=["contained", "contained-alone", "deep", "of-a-primitive", "of-the-text", "elsewhere", "unsound-codings", "empty"],
)
def test_a_body_site_that_points_into_its_own_media_is_copied_without_what_it_points_to(site: object, fhir_record: FhirRecord) -> None:
    made = report(fhir_record.mark, body_site=site)
    fhir_record.reports.write(made)
    stands = fhir_record.read(f"Observation/{of_kind(made, 'Observation')['id']}")
    assert stands.get("bodySite") in (None, {"coding": [TRUNK]})
    assert ("bodySite" in stands) is ("22943007" in str(site))
