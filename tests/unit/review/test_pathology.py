"""What pathology takes back is told as what it said was: a label that nobody stands for any more is no label."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from tocsin.archive.types import ReportSummary
from tocsin.review.ledger import said
from tocsin.review.outcomes import Outcome
from tocsin.review.pathology import Pathology
from tocsin.settings import VerdictSettings

from tests.fakes.archive import FakeArchive
from tests.fakes.bus import FakeBus, FakeSink, FakeTopicReader
from tests.fakes.record import FakeRecord
from tests.support.reviewing import NOW
from tests.unit.review.test_outcomes import histology, observation

TOPIC = "verdicts"
MEDIA = {"resourceType": "Media", "id": "m1", "subject": {"reference": "Patient/p1"}, "basedOn": [{"reference": "ServiceRequest/o1"}]}
SPECIMEN = {"resourceType": "Specimen", "id": "s1", "request": [{"reference": "ServiceRequest/o1"}]}
SHOWN = [{"link": {"reference": "Media/m1"}}]
OF_SPECIMEN = [{"reference": "Specimen/s1"}]


@dataclass
class Laboratory:
    """Pathology's reports in a record, and what Tocsin told of them."""

    record: FakeRecord = field(default_factory=lambda: FakeRecord(unknown_parameters=frozenset({"category", "based-on"})))
    bus: FakeBus = field(default_factory=FakeBus)

    def find(self) -> int:
        """The number of outcomes that are new or changed."""
        archive = FakeArchive(reports={"DiagnosticReport/r1": SUMMARY})
        settings = VerdictSettings()
        reader, sink = FakeTopicReader(self.bus), FakeSink(self.bus)
        return Pathology(self.record.client(), archive, reader, sink, TOPIC, "urn:tocsin:test", settings).find(NOW)

    def told(self) -> list[tuple[str, str]]:
        """What was found, and its status, in the order in which it was told."""
        return [(each.found, each.status) for each in said(FakeTopicReader(self.bus), TOPIC) if isinstance(each, Outcome)]


SUMMARY = ReportSummary("DiagnosticReport/r1", "Media/m1", NOW, NOW, calls=True)


@pytest.fixture
def laboratory() -> Laboratory:
    made = Laboratory()
    made.bus.now_ms = int(NOW.timestamp() * 1000)
    made.record.keep(MEDIA, SPECIMEN)
    return made


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"status": "entered-in-error"}, "entered-in-error", id="a specimen was swapped"),
        pytest.param({"status": "cancelled"}, "cancelled", id="cancelled"),
        pytest.param({"status": "partial"}, "partial", id="opened again"),
        pytest.param({"subject": {"reference": "Patient/p2"}}, "entered-in-error", id="another patient's"),
        pytest.param({"media": [{"link": {"reference": "Media/m2"}}]}, "entered-in-error", id="of another picture"),
        pytest.param({"media": None}, "entered-in-error", id="of no picture"),
    ],
)
def test_what_pathology_takes_back_is_told_once_as_what_it_is_now(laboratory: Laboratory, changes: dict[str, Any], status: str) -> None:
    laboratory.record.keep(histology(media=SHOWN))
    assert laboratory.find() == 1
    laboratory.record.keep(histology(media=SHOWN) | changes)
    assert (laboratory.find(), laboratory.find()) == (1, 0)
    assert laboratory.told() == [("DiagnosticReport/h1", "final"), ("DiagnosticReport/h1", status)]


def test_what_was_taken_back_and_said_again_is_told_again(laboratory: Laboratory) -> None:
    for status in ("final", "entered-in-error", "corrected"):
        laboratory.record.keep(histology(media=SHOWN, status=status))
        assert laboratory.find() == 1
    assert laboratory.told()[-1] == ("DiagnosticReport/h1", "corrected")


def test_a_result_that_two_reports_name_is_not_taken_back_by_the_one_that_names_no_specimen(laboratory: Laboratory) -> None:
    result = observation(id="o1", derivedFrom=None, specimen=OF_SPECIMEN[0])
    named = {"result": [{"reference": "Observation/o1"}], "conclusionCode": None}
    laboratory.record.keep(result, histology(specimen=OF_SPECIMEN, media=SHOWN, **named), histology(id="h2", **named))
    laboratory.find()
    assert laboratory.find() == 0
    assert {status for _, status in laboratory.told()} == {"final"}


def test_a_result_that_moved_to_another_specimen_is_taken_back(laboratory: Laboratory) -> None:
    report = histology(specimen=OF_SPECIMEN, media=SHOWN, result=[{"reference": "Observation/o1"}])
    laboratory.record.keep(observation(id="o1", derivedFrom=None, specimen=OF_SPECIMEN[0]), report)
    assert laboratory.find() == 2
    laboratory.record.keep(observation(id="o1", derivedFrom=None, specimen={"reference": "Specimen/s2"}))
    assert laboratory.find() == 1
    assert laboratory.told()[-1] == ("Observation/o1", "entered-in-error")


def test_a_picture_that_is_gone_takes_nothing_back(laboratory: Laboratory) -> None:
    laboratory.record.keep(histology(media=SHOWN))
    laboratory.find()
    del laboratory.record.resources["Media/m1"]
    assert laboratory.find() == 0
