"""An unread flag that retention would soon take is told again by the consumer itself: nothing is judged or written a second time."""

from __future__ import annotations

import secrets
from contextlib import closing

from tocsin.bootstrap.work import archive_of
from tocsin.bootstrap.worklist import as_it_stands, renew
from tocsin.kafka.group import KafkaGroup
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.model_card import read_card
from tocsin.report.flag import Flag
from tocsin.review.worklist import Row
from tocsin.settings import FhirSettings, ModelSettings, ReportSettings, Settings, WorklistSettings

from tests.support.house import House
from tests.support.waiting import eventually

WITHIN_S = 60


class Ward:
    """A hospital whose flags are old at once."""

    def __init__(self, hospital: House) -> None:
        self.hospital, self.mark = hospital, secrets.token_hex(4)
        self.subject = hospital.record.patient(f"p-{self.mark}")
        self.settings = Settings(
            kafka=hospital.bus.settings,
            fhir=FhirSettings(base_url=hospital.record.fhir.base_url),
            model=ModelSettings(card=hospital.variables["TOCSIN_MODEL__CARD"]),
            report=ReportSettings(source=f"urn:test:{self.mark}"),
            worklist=WorklistSettings(renew_after_s=0.001),
        )

    def admit(self, name: str) -> str:
        media = self.hospital.record.media(f"{self.mark}-{name}", self.subject)
        self.hospital.bus.announce(media, self.subject)
        return media

    def flags_of(self, media: str) -> list[Flag]:
        return sorted((each for each in self.hospital.bus.flags() if each.media == media), key=lambda each: each.announced_at)

    def report_on(self, media: str) -> dict[str, object]:
        [report] = self.hospital.record.reports_on(media)
        return report

    def renew(self) -> None:
        renew(self.settings, archive_of(self.settings))

    def rows(self) -> dict[str, Row]:
        with closing(KafkaTopicReader(self.settings.kafka)) as reader:
            worklist = as_it_stands(reader, self.settings, read_card(self.settings.model.card))
        return {row.media: row for row in worklist.rows()}

    def until_all_are_judged(self) -> None:
        topics = self.settings.kafka
        with closing(KafkaGroup(topics)) as group:
            topics_read = (topics.topic_imaging, topics.topic_backfill)
            eventually(lambda: not any(map(group.lag, topics_read)), within_s=WITHIN_S, what="the end of each event")


def test_an_old_unread_flag_is_told_again_and_its_report_is_as_it_was_and_one_that_was_answered_elsewhere_says_so(
    quick_hospital: House,
) -> None:
    ward = Ward(quick_hospital)
    unread, signed = ward.admit("unread"), ward.admit("signed")
    with quick_hospital.consuming(TOCSIN_REPORT__SOURCE=ward.settings.report.source):
        ward.until_all_are_judged()
        before, report = ward.rows(), ward.report_on(signed)
        assert [row.asks for row in before.values()] == [True, True]
        quick_hospital.record.fhir.put({**report, "status": "final"})  # by another program, of which the bus is not told
        ward.renew()
        ward.until_all_are_judged()
    assert {ward.report_on(unread)["meta"]["versionId"], ward.report_on(signed)["meta"]["versionId"]} == {"1", "2"}  # type: ignore[index] # both stand
    first, again = ward.flags_of(unread)
    assert again == first.model_copy(
        update={"announced_at": again.announced_at, "event": again.event, "event_source": "urn:tocsin:reconcile"}
    )
    assert [each.status for each in ward.flags_of(signed)] == ["preliminary", "final"]
    after = ward.rows()
    assert (after[unread].asks, after[unread].since, after[unread].told_at) == (True, before[unread].since, again.announced_at)
    assert (after[signed].asks, after[signed].unread, after[signed].status) == (False, False, "final")
    assert quick_hospital.bus.letters() == []
    events = len(quick_hospital.bus.values(ward.settings.kafka.topic_backfill))
    ward.renew()
    assert len(quick_hospital.bus.values(ward.settings.kafka.topic_backfill)) == events + 1, "what nobody answered alone is due again"
