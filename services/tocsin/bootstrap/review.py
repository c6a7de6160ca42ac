"""Composes what takes clinicians' verdicts, and what tries those again that are not in the record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from tocsin.archive.ports import Archive
from tocsin.bootstrap.card import card_in_use
from tocsin.clock import utc_now
from tocsin.fhir.client import FhirClient
from tocsin.kafka.ports import EventSink
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.sink import KafkaSink
from tocsin.model_card import ModelCard
from tocsin.report.kafka import KafkaFlags
from tocsin.report.resources.compose import Issuer
from tocsin.review.desk import Desk, Settler
from tocsin.review.pathology import Pathology
from tocsin.review.record import FhirRecord
from tocsin.review.resources import House
from tocsin.review.retry import Retry
from tocsin.settings import Settings
from tocsin.words.catalogue import LANGUAGES


def desk(settings: Settings, card: ModelCard, sink: EventSink) -> Desk:
    """The Verdicts port for the process that clinicians reach, of which one is enough. Reaches out to nobody yet.

    `sink` is the process's own. Tocsin's own credential goes to the FHIR server, and never a clinician's.
    """
    return Desk(_settler(settings, card, sink))


@contextmanager
def retry(settings: Settings) -> Iterator[Retry]:
    """What tries open verdicts again. Raises ConfigurationError, and Unavailable(kafka) if no broker answers in time."""
    card, kafka = card_in_use(settings.model), settings.kafka
    with closing(KafkaTopicReader(kafka)) as reader, closing(KafkaSink(kafka)) as sink:
        yield Retry(reader, kafka.topic_verdicts, _settler(settings, card, sink), settings.report.source, settings.verdicts)


@contextmanager
def pathology(settings: Settings, archive: Archive) -> Iterator[Pathology]:
    """What looks for pathology's word on pictures. Raises Unavailable(kafka) if no broker answers in time."""
    kafka, source = settings.kafka, settings.report.source
    with closing(KafkaTopicReader(kafka)) as reader, closing(KafkaSink(kafka)) as sink:
        yield Pathology(FhirClient(settings.fhir), archive, reader, sink, kafka.topic_verdicts, source, settings.verdicts)


def house(settings: Settings, card: ModelCard) -> House:
    """What this installation says of itself where it writes verdicts."""
    named = {language: {each.code: card.say(each.display, language) for each in card.output.classes} for language in LANGUAGES}
    return House(settings.report.source, named[LANGUAGES[0]], settings.serve.zone, LANGUAGES[0], named)


def _settler(settings: Settings, card: ModelCard, sink: EventSink) -> Settler:
    within_s = settings.verdicts.try_within_s
    fhir = FhirClient(settings.fhir.model_copy(update={"request_timeout_s": min(within_s, settings.fhir.request_timeout_s)}))
    record = FhirRecord(fhir, house(settings, card), utc_now, within_s=within_s)
    issuer, topics = Issuer(card, settings.report.source), settings.kafka
    return Settler(record, KafkaFlags(sink, topics.topic_flags), sink, topics.topic_verdicts, issuer, utc_now)
