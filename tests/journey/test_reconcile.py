"""Record and bus that were put out of step by hand are brought back into step by the product itself."""

from __future__ import annotations

import hashlib
import secrets
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from typing import Any

import orjson
import pytest
from tocsin.archive.reconcile.gaps import Gaps
from tocsin.bootstrap import work as bootstrap
from tocsin.clock import utc_now
from tocsin.event.types import ImagingEvent
from tocsin.kafka.group import KafkaGroup
from tocsin.kafka.sink import KafkaSink
from tocsin.model_card import read_card
from tocsin.report.flag import Flag, FlagModel
from tocsin.report.resources.identity import part_id, report_id
from tocsin.settings import (
    BackfillSettings,
    FhirSettings,
    ModelSettings,
    ReconcileSettings,
    ReportSettings,
    Settings,
)

from tests.support.house import DERMOSCOPY, JPEG, House
from tests.support.pictures import encoded, textured
from tests.support.waiting import eventually

GRACE_S = 1.0
LESION = encoded(textured(400, 300))
"""Another picture."""


class Ward:
    """A hospital whose pictures, found by a modality of their own, are this test's alone."""

    def __init__(self, hospital: House) -> None:
        self.hospital = hospital
        self.mark = secrets.token_hex(4)
        self.source = f"urn:test:{self.mark}"
        self.subject = hospital.record.patient(f"p-{self.mark}")
        card = hospital.variables["TOCSIN_MODEL__CARD"]
        self.settings = Settings(
            kafka=hospital.bus.settings,
            fhir=FhirSettings(base_url=hospital.record.fhir.base_url),
            model=ModelSettings(card=card),
            report=ReportSettings(source=self.source),
            backfill=BackfillSettings(modality=(f"{self.source}|derm",)),
            reconcile=ReconcileSettings(grace_s=GRACE_S, window_s=3600),
        )
        self.model = read_card(self.settings.model.card).model

    def media(self, name: str, content: bytes = JPEG) -> str:
        modality = {"coding": [*DERMOSCOPY["coding"], {"system": self.source, "code": "derm"}]}
        return self.hospital.record.media(f"{self.mark}-{name}", self.subject, content, modality=modality)

    def consume(self, **variables: str) -> Any:
        return self.hospital.consuming(secrets.token_hex(4), TOCSIN_REPORT__SOURCE=self.source, **variables)

    def judged(self) -> bool:
        """Whether the consumers have come past everything."""
        with closing(KafkaGroup(self.hospital.bus.settings)) as group:
            return not any(map(group.lag, (self.hospital.bus.settings.topic_imaging, self.hospital.bus.settings.topic_backfill)))

    def reconcile(self) -> Gaps:
        """As if the grace were over."""
        with bootstrap.reconciler(self.settings) as reconciler:
            return reconciler.reconcile(utc_now() + timedelta(seconds=GRACE_S + 1))

    def by_hand(self, *arguments: str) -> dict[str, Any]:
        """`tocsin reconcile ... --json`."""
        own = {
            "TOCSIN_REPORT__SOURCE": self.source,
            "TOCSIN_BACKFILL__MODALITY": f'["{self.source}|derm"]',
            "TOCSIN_RECONCILE__GRACE_S": "0.001",
        }
        argv = (sys.executable, "-m", "tocsin", "reconcile", *arguments, "--json")
        variables = {**self.hospital.variables, **own}
        done = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=60, check=True)
        said: dict[str, Any] = orjson.loads(done.stdout)
        return said

    def flag(self, media: str) -> str:
        """A flag for a report that the record lost; gives the report's reference."""
        sha256 = hashlib.sha256(JPEG).hexdigest()
        report = report_id(self.source, media, sha256, self.model)
        flag = Flag(
            version=1,
            id=part_id(report, "flag"),
            source=self.source,
            report=f"DiagnosticReport/{report}",
            status="preliminary",
            media=media,
            subject=self.subject,
            outcome="not-assessable",
            flagged=False,
            reason="too-dark",
            model=FlagModel(name=self.model.name, version=self.model.version),
            content_sha256=sha256,
            event="lost",
            event_source=self.source,
            announced_at=utc_now(),
        )
        with closing(KafkaSink(self.hospital.bus.settings)) as sink:
            sink.send(self.hospital.bus.settings.topic_flags, self.subject.encode(), flag.model_dump_json(exclude_none=True).encode())
        return flag.report

    def announced(self) -> list[str]:
        values = self.hospital.bus.values(self.hospital.bus.settings.topic_backfill)
        return sorted(ImagingEvent.model_validate_json(value).media for value in values)


@pytest.fixture
def ward(quick_hospital: House) -> Ward:
    return Ward(quick_hospital)


def test_each_of_the_three_gaps_is_found_and_mended_by_the_consumer(ward: Ward) -> None:
    bus = ward.hospital.bus
    whole, untold, unended, lost = (ward.media(name) for name in ("whole", "untold", "unended", "lost"))
    bus.announce(untold, ward.subject)
    with ward.consume(TOCSIN_KAFKA__TOPIC_FLAGS=bus.settings.topic_replays):
        eventually(ward.judged, within_s=60, what="a report without a flag")
    bus.announce(whole, ward.subject)
    with ward.consume():
        eventually(ward.judged, within_s=60, what="a report with its flag")
    missing = ward.flag(lost)

    found = ward.reconcile()

    [report] = ward.hospital.record.reports_on(untold)
    assert found.images_without_ending == (unended,)
    assert found.reports_without_flag == (f"DiagnosticReport/{report['id']}",)
    assert found.flags_without_report == (missing,)
    assert ward.announced() == sorted([untold, unended, lost])
    with ward.consume():
        eventually(ward.judged, within_s=60, what="the mending")
    for media in (whole, untold, unended, lost):
        [report] = ward.hospital.record.reports_on(media)
        assert report["meta"]["versionId"] == "1"
        assert f"DiagnosticReport/{report['id']}" in {flag.report for flag in bus.flags()}
    assert bus.letters() == []
    assert ward.reconcile().found == 0


def test_pictures_whose_events_were_deleted_before_they_were_read_are_judged_all_the_same(ward: Ward) -> None:
    """The next run looks further back than it would, since the process that missed them asked it to."""
    bus = ward.hospital.bus
    first = ward.media("first")
    bus.announce(first, ward.subject)
    with ward.consume():
        eventually(ward.judged, within_s=60, what="the first")
    assert ward.reconcile().found == 0
    lost = [ward.media(f"lost-{number}") for number in range(3)]
    for media in lost:
        bus.announce(media, ward.subject)
    bus.forget()
    bus.announce(first, ward.subject)
    with ward.consume():
        eventually(ward.judged, within_s=60, what="what is left")
    lines = [orjson.loads(line) for file in ward.hospital.folder.glob("*.log") for line in file.read_text().splitlines()]
    (said,) = (line for line in lines if line["event"] == "events are missing")
    assert said["level"] == "error"
    assert "were deleted before they were read" in said["detail"]
    assert [line for line in lines if line["level"] == "warning"] == []

    assert set(ward.reconcile().images_without_ending) == set(lost)

    with ward.consume():
        eventually(ward.judged, within_s=60, what="the mending")
    assert [len(ward.hospital.record.reports_on(media)) for media in lost] == [1, 1, 1]


def test_events_that_wait_for_a_consumer_are_no_gaps_and_are_spoken_of(ward: Ward) -> None:
    media = ward.media("waiting")
    ward.hospital.bus.announce(media, ward.subject)
    found = ward.reconcile()
    assert (found.found, found.announced) == (0, 0)
    assert found.behind_s > GRACE_S


def test_a_picture_whose_event_was_refused_is_no_gap_until_it_is_changed(ward: Ward) -> None:
    media = ward.hospital.record.media(
        f"{ward.mark}-bad",
        ward.subject,
        b"no picture",
        modality={"coding": [{"system": ward.source, "code": "derm"}]},
    )
    ward.hospital.bus.publish(orjson.dumps({"version": 1}), b"x")
    ward.hospital.bus.announce(media, ward.subject)
    with ward.consume():
        eventually(ward.judged, within_s=60, what="the dead letters")
    assert {letter.reason for letter in ward.hospital.bus.letters()} == {"schema-mismatch", "not-an-image"}
    assert ward.reconcile().found == 0
    ward.media("bad")
    assert ward.reconcile().images_without_ending == (media,)
    with ward.consume():
        eventually(ward.judged, within_s=60, what="its report")
    assert len(ward.hospital.record.reports_on(media)) == 1
    assert ward.reconcile().found == 0


def test_a_signature_on_an_older_pictures_report_hides_no_newer_picture_that_nobody_judged(ward: Ward) -> None:
    record, bus = ward.hospital.record, ward.hospital.bus
    media = ward.media("signed")
    bus.announce(media, ward.subject)
    with ward.consume():
        eventually(ward.judged, within_s=60, what="the first report")
    [first] = record.reports_on(media)
    ward.media("signed", LESION)
    record.fhir.put(record.fhir.read(f"DiagnosticReport/{first['id']}", unknown=AssertionError) | {"status": "final"})
    assert ward.reconcile().images_without_ending == (media,)
    with ward.consume():
        eventually(ward.judged, within_s=60, what="the second report")
    assert len(record.reports_on(media)) == 2
    found = ward.reconcile()
    assert (found.found, found.reports_without_flag) == (1, (f"DiagnosticReport/{first['id']}",)), "whose flag says that nobody signed it"


def test_a_comparison_by_hand_says_what_it_finds_and_mends_it_once_it_is_told_to(ward: Ward) -> None:
    media = ward.media("by-hand")
    said = ward.by_hand("--since", "1h")
    assert (said["dry_run"], said["images_without_ending"], said["would_announce"], ward.announced()) == (True, [media], 1, [])
    assert ward.by_hand("--since", "1h", "--yes")["announced"] == 1
    assert ward.announced() == [media]
    assert ward.by_hand("--since", "1h")["found"] == 0
