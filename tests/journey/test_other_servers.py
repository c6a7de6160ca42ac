"""The whole journey with FHIR servers that answer in other ways than the one the tests start."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from tocsin.bootstrap.journey import journey
from tocsin.errors import Deferred, Refused, Stop
from tocsin.event.types import ImagingEvent
from tocsin.kafka.sink import KafkaSink
from tocsin.model_card import read_card
from tocsin.outcome import Published
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.triton import Triton
from tocsin.settings import FhirSettings, ImageSettings, ModelSettings, ReportSettings, Settings, TritonSettings

from tests.builders import event_json
from tests.support.house import JPEG, House, Json
from tests.support.other_servers import QUIRKS, OtherServer, other_server
from tests.support.pictures import encoded, textured

OTHER_JPEG = encoded(textured(320, 240, seed=7))
INLINE = {"data-in-its-own-storage"}
"""Where the picture lies in the Media; else in a Binary."""


@dataclass
class Ward:
    """One patient's picture in the record, and Tocsin's way to it over a server of this kind."""

    hospital: House
    server: OtherServer
    settings: Settings
    mark: str

    def take(self, picture: bytes) -> ImagingEvent:
        """The picture, in the one Media or where that leads; gives its event."""
        changes: Json = {}
        if not INLINE & set(self.server.quirks):
            binary = {"resourceType": "Binary", "id": f"b-{self.mark}", "contentType": "image/jpeg"}
            self.hospital.record.fhir.put(binary | {"data": base64.b64encode(picture).decode()})
            changes = {"content": {"contentType": "image/jpeg", "url": f"Binary/b-{self.mark}", "size": len(picture)}}
        subject = self.hospital.record.patient(f"p-{self.mark}")
        media = self.hospital.record.media(f"m-{self.mark}", subject, picture, **changes)
        return ImagingEvent.model_validate(event_json(id=self.mark, media=media, subject=subject))

    def judged(self, event: ImagingEvent) -> Published:
        """By a process that has just started, at its first or second attempt."""
        with closing(KafkaSink(self.settings.kafka)) as sink:
            way = journey(self.settings, read_card(self.settings.model.card), sink, lambda: None)
            try:
                ending = way(event)
            except Deferred:
                ending = way(event)
            assert isinstance(ending, Published)
            return ending


@pytest.fixture
def ward(quick_hospital: House, fhir_server: Fhir, triton: Triton, noop_card: Path, request: pytest.FixtureRequest) -> Iterator[Ward]:
    quirk = request.param
    with other_server(fhir_server.base_url, quirk) as server:
        settings = Settings(
            kafka=quick_hospital.bus.settings,
            fhir=FhirSettings(base_url=server.base_url, request_timeout_s=30),
            image=ImageSettings(url_origins_allowed=(server.store,)),
            triton=TritonSettings(grpc_url=triton.grpc_url),
            model=ModelSettings(card=noop_card),
            report=ReportSettings(source=f"urn:tocsin:test:{quirk}", validate_every=1),
        )
        yield Ward(quick_hospital, server, settings, quirk)


@pytest.mark.parametrize("ward", [name for name, quirk in QUIRKS.items() if quirk.serves], indirect=True)
def test_every_other_kind_of_server_gets_one_report_of_each_picture(ward: Ward) -> None:
    """A first picture, the same again after a restart, and another in its place."""
    event = ward.take(JPEG)
    first = ward.judged(event)
    assert ward.judged(event).report == first.report
    second = ward.judged(ward.take(OTHER_JPEG))
    stands = {f"DiagnosticReport/{each['id']}": each for each in ward.hospital.record.reports_on(event.media)}
    assert {reference: each["status"] for reference, each in stands.items()} == {
        first.report: "entered-in-error",
        second.report: "preliminary",
    }
    assert [stands[each.report]["meta"]["versionId"] for each in (first, second)] == ["2", "1"]
    assert {(flag.report, flag.subject) for flag in ward.hospital.bus.flags()} == {(each, event.subject) for each in stands}


@pytest.mark.parametrize("ward", [name for name, quirk in QUIRKS.items() if not quirk.serves], indirect=True)
def test_no_report_is_written_and_no_flag_sent_where_a_server_does_not_do_what_tocsin_needs(ward: Ward) -> None:
    """`tocsin check` says so before: tests/integration/test_check_fhir.py."""
    event = ward.take(JPEG)
    with pytest.raises((Deferred, Refused, Stop)):
        ward.judged(event)
    assert ward.hospital.record.reports_on(event.media) == []
    assert ward.hospital.bus.flags() == []
