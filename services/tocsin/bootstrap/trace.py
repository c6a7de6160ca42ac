"""Composes what `tocsin trace` asks: the back end of traces, the record and the bus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import Final

from tocsin.fhir.client import FhirClient
from tocsin.fhir.http import Http
from tocsin.kafka.ports import TopicReader
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.settings import KafkaSettings, Settings, TracesSettings
from tocsin.traces.asking import Asking
from tocsin.traces.jaeger import JaegerTraces
from tocsin.traces.ports import TraceStore
from tocsin.traces.record import reports_about
from tocsin.traces.story import Sources
from tocsin.traces.zipkin import ZipkinTraces

SERVICES: Final = ("tocsin-consume", "tocsin-work", "tocsin-beat")
"""Names under which the processes send their spans, unless OTEL_SERVICE_NAME names them otherwise."""


def sources(settings: Settings, environment: Mapping[str, str], within_s: float) -> Sources:
    """The sources that these settings name; reaches out to nobody yet. Record and bus are waited for no longer than `within_s` each."""
    named = environment.get("OTEL_SERVICE_NAME")
    hurried = settings.fhir.model_copy(update={"request_timeout_s": min(settings.fhir.request_timeout_s, within_s)})
    return Sources(
        store=trace_store(settings.traces),
        services=(named,) if named else SERVICES,
        record=lambda subject: reports_about(FhirClient(hurried), subject),
        bus=partial(_bus, settings.kafka, within_s),
        topics=settings.kafka,
        traces=settings.traces,
    )


def trace_store(settings: TracesSettings) -> TraceStore | None:
    """The back end of traces; None where none is configured."""
    if settings.query_url is None:
        return None
    http = Http(
        connect_timeout_s=settings.query_timeout_s,
        request_timeout_s=settings.query_timeout_s,
        tls_ca_file=settings.tls_ca_file,
        group="TRACES",
    )
    asking = Asking(http, settings.query_url)
    return JaegerTraces(asking) if settings.query_api == "jaeger" else ZipkinTraces(asking)


@contextmanager
def _bus(settings: KafkaSettings, within_s: float) -> Iterator[TopicReader]:
    hurried = {
        "connect_timeout_s": min(settings.connect_timeout_s, within_s),
        "read_timeout_s": min(settings.read_timeout_s, within_s),
    }
    with closing(KafkaTopicReader(settings.model_copy(update=hurried))) as reader:
        yield reader
