"""Settings -> adapters -> Journey -> Consumer: the only place that chooses."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tocsin.event.consumer import Consumer
from tocsin.event.deadletter import utc_now
from tocsin.event.handler import Handler
from tocsin.event.kafka import KafkaSink, KafkaSource
from tocsin.event.ports import EventSink
from tocsin.event.preflight import kafka_preflight
from tocsin.fhir.client import FhirClient
from tocsin.fhir.http import Http
from tocsin.fhir.preflight import fhir_preflight
from tocsin.image.fhir import FhirPictures
from tocsin.image.gate import DICOM_MODALITY, Acceptance
from tocsin.image.model import Coding
from tocsin.inference.card import ModelCard, read_card
from tocsin.inference.preflight import triton_preflight
from tocsin.inference.triton import TritonClassifier
from tocsin.journey import Journey
from tocsin.preflight import Check, Preflight
from tocsin.report.compose import Issuer
from tocsin.report.fhir import FhirReports
from tocsin.report.kafka import KafkaFlags
from tocsin.report.selfcheck import check_reports
from tocsin.settings import ImageSettings, Settings


def journey(settings: Settings, sink: EventSink) -> Journey:
    """The journey these settings ask for. Raises ConfigurationError; reaches out to nobody yet."""
    card = read_card(settings.model.card)
    fhir = FhirClient(settings.fhir)
    http = Http(connect_timeout_s=settings.fhir.connect_timeout_s, request_timeout_s=settings.fhir.request_timeout_s)
    issuer = Issuer(card, settings.report.source)
    check_reports(issuer)
    return Journey(
        pictures=FhirPictures(fhir, http, settings.image, card.image.reduce_to_px),
        acceptance=acceptance(card, settings.image),
        classifier=TritonClassifier(settings.triton, card),
        issuer=issuer,
        reports=FhirReports(
            fhir, issuer, validate_every=settings.report.validate_every, registration_wait_s=settings.fhir.request_timeout_s
        ),
        flags=KafkaFlags(sink, settings.kafka.topic_flags),
        now=utc_now,
    )


@contextmanager
def consumer(settings: Settings) -> Iterator[Consumer]:
    """What `tocsin consume` runs. Raises ConfigurationError, and Deferred(kafka) if no broker answers in time."""
    sink = KafkaSink(settings.kafka)
    try:
        yield Consumer(
            KafkaSource(settings.kafka),
            Handler(journey(settings, sink), sink, settings.kafka.topic_dead_letters, utc_now),
            settings.consume,
            poll_wait_s=settings.kafka.poll_wait_ms / 1000,
            clock=time.monotonic,
            jitter=random.random,
        )
    finally:
        sink.close()


def preflights(settings: Settings) -> list[Preflight]:
    """How to find out whether each neighbour is fit, the card first. Raises ConfigurationError; reaches out to nobody yet."""
    card = read_card(settings.model.card)
    check_reports(Issuer(card, settings.report.source))
    fit = Check("card", str(settings.model.card), True, f"{card.title}, {card.model}; its reports are FHIR", "")
    return [
        Preflight("card", lambda: iter([fit])),
        Preflight("kafka", lambda: kafka_preflight(settings.kafka)),
        Preflight("fhir", lambda: fhir_preflight(FhirClient(settings.fhir))),
        Preflight("triton", lambda: triton_preflight(settings.triton, card)),
    ]


def acceptance(card: ModelCard, settings: ImageSettings) -> Acceptance:
    """What the card accepts, and what the site vouches for where a Media does not say."""
    vouched = settings.modality_when_absent
    return Acceptance(
        modalities=frozenset(Coding(each.system, each.code) for each in card.accepts.modalities),
        refused=frozenset(Coding(each.system, each.code) for each in card.accepts.refused),
        limits=card.accepts.quality,
        modality_when_absent=None if vouched is None else Coding(DICOM_MODALITY, vouched),
    )
