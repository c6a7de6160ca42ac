"""Composes the Journey: settings become adapters, and these a Journey."""

from __future__ import annotations

import os
from collections.abc import Callable

from tocsin.bootstrap.sizing import sizes
from tocsin.clock import utc_now
from tocsin.fhir.client import FhirClient, http_of
from tocsin.fhir.http import Http
from tocsin.image.decode import Decoder
from tocsin.image.fhir import FhirPictures
from tocsin.image.gate import acceptance
from tocsin.image.memory_budget import Allowance
from tocsin.image.types import Picture
from tocsin.inference.ports import Classifier
from tocsin.inference.triton import TritonClassifier
from tocsin.journey import Journey
from tocsin.kafka.ports import EventSink
from tocsin.model_card import ModelCard
from tocsin.report.grounds import grounds_by
from tocsin.report.kafka import KafkaFlags
from tocsin.report.publish import Publisher, as_composed
from tocsin.report.resources.issuer import Issuer, issuer_of
from tocsin.report.resources.selfcheck import check_reports
from tocsin.report.store.fhir import FhirReports
from tocsin.report.store.transaction import TransactionWriter
from tocsin.report.types import Report
from tocsin.risk.look import Judge
from tocsin.settings import Settings
from tocsin.site.file import input_gate_of
from tocsin.telemetry.metrics import PICTURE_BYTES


def journey(settings: Settings, card: ModelCard, sink: EventSink, heard: Callable[[], None]) -> Journey:
    """The journey that these settings ask for. Raises ConfigurationError; reaches out to nobody yet.

    `heard` is called on a journey's thread whenever a server has answered it.
    """
    fhir = FhirClient(settings.fhir, http_of(settings.fhir, heard))
    issuer = issuer_of(card, settings.report)
    check_reports(issuer)
    room = allowance(settings, heard)
    PICTURE_BYTES.watch(lambda: [(room.lent_bytes, {})])
    judge = judge_of(settings, card, classifier_of(settings, card, heard), room)
    return Journey(
        pictures=FhirPictures(fhir, to_other_origins(settings, heard), settings.image, utc_now),
        judge=judge,
        grounds=grounds_by(card, judge.acceptance, edition=settings.report.edition),
        publisher=Publisher(
            FhirReports(
                fhir,
                issuer,
                TransactionWriter(fhir, issuer),
                validate_every=settings.report.validate_every,
                registration_wait_s=settings.fhir.request_timeout_s,
            ),
            KafkaFlags(sink, settings.kafka.topic_flags),
            issuer,
            utc_now,
            _finishing(settings, issuer),
        ),
    )


def classifier_of(settings: Settings, card: ModelCard, heard: Callable[[], None] = lambda: None) -> TritonClassifier:
    """Asks Triton, for features too where the card's site has an input gate. Raises ConfigurationError; reaches out to nobody yet."""
    return TritonClassifier(settings.triton, card, heard, with_features=input_gate_of(card) is not None)


def judge_of(settings: Settings, card: ModelCard, classifier: Classifier, room: Allowance) -> Judge:
    """What judges a picture by this card, the input gate of its site included."""
    decoder = Decoder(room, pixels_max=settings.image.pixels_max, reduce_to_px=card.reduce_to_px)
    return Judge(decoder, acceptance(card, settings.image), classifier, card, input_gate_of(card))


def _finishing(settings: Settings, issuer: Issuer) -> Callable[[Report, Picture], Report]:
    if settings.report.document == "none":
        return as_composed
    from tocsin.paper.attached import Attached  # fpdf2 takes memory and a second of CPU to load, for those alone who ask for documents

    return Attached(issuer.wording, settings.serve.zone, settings.paper.size)


def allowance(settings: Settings, heard: Callable[[], None] = lambda: None) -> Allowance:
    """The memory in which this process decodes pictures; `heard` is called once one has room."""
    pictures = settings.image.in_flight_pictures_max or len(os.sched_getaffinity(0))
    return Allowance(sizes(settings, None).pictures_bytes, settings.image.in_flight_wait_s, heard, holders_max=pictures)


def to_other_origins(settings: Settings, heard: Callable[[], None]) -> Http:
    return Http(
        connect_timeout_s=settings.fhir.connect_timeout_s,
        request_timeout_s=settings.fhir.request_timeout_s,
        proxy_url=settings.image.proxy_url,
        tls_ca_file=settings.image.tls_ca_file,
        group="IMAGE",
        heard=heard,
    )
