"""Composes what `tocsin rehearse` needs of record and bus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from tocsin.bootstrap import bus
from tocsin.bootstrap.card import card_in_use
from tocsin.clock import utc_now
from tocsin.fhir.client import FhirClient
from tocsin.rehearsal.rehearser import Rehearser
from tocsin.report.kafka import KafkaFlags
from tocsin.report.resources.compose import Issuer
from tocsin.report.store.rehearsals import FhirRehearsals
from tocsin.report.store.transaction import TransactionWriter
from tocsin.settings import Settings


@contextmanager
def rehearser(settings: Settings) -> Iterator[Rehearser]:
    """Whoever rehearses at this site. Raises ConfigurationError, and Unavailable(kafka) where no broker answers in time."""
    issuer, fhir = Issuer(card_in_use(settings.model), settings.report.source), FhirClient(settings.fhir)
    with closing(bus.topic_reader(settings.kafka)) as reader, closing(bus.event_sink(settings.kafka)) as sink:
        yield Rehearser(
            reports=FhirRehearsals(fhir, issuer, TransactionWriter(fhir, issuer)),
            reader=reader,
            sink=sink,
            flags=KafkaFlags(sink, settings.kafka.topic_flags),
            issuer=issuer,
            topics=settings.kafka,
            now=utc_now,
        )
