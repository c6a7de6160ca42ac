"""Composes what `tocsin trace` asks: the back end of traces, the record and the bus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import Final, get_args

from tocsin.fhir.client import FhirClient
from tocsin.fhir.http import Http
from tocsin.kafka.ports import TopicReader
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.settings import KafkaSettings, QueryApi, Settings, TracesSettings
from tocsin.telemetry.preflight import Check
from tocsin.traces.asking import Asking
from tocsin.traces.jaeger import JaegerTraces
from tocsin.traces.ports import TraceStore
from tocsin.traces.preflight import traces_preflight
from tocsin.traces.record import reports_about
from tocsin.traces.story import Sources
from tocsin.traces.zipkin import ZipkinTraces

SERVICES: Final = ("tocsin-consume", "tocsin-work", "tocsin-beat", "tocsin-serve")
"""Names under which the processes send their spans, unless OTEL_SERVICE_NAME names them otherwise."""


def sources(settings: Settings, environment: Mapping[str, str], within_s: float) -> Sources:
    """The sources that these settings name; reaches out to nobody yet. Record and bus are waited for no longer than `within_s` each."""
    hurried = settings.fhir.model_copy(update={"request_timeout_s": min(settings.fhir.request_timeout_s, within_s)})
    return Sources(
        store=trace_store(settings.traces),
        services=services(environment),
        record=lambda subject: reports_about(FhirClient(hurried), subject),
        bus=partial(_bus, settings.kafka, within_s),
        topics=settings.kafka,
        traces=settings.traces,
    )


def services(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Names under which Tocsin's processes send their spans, as far as this environment tells."""
    named = environment.get("OTEL_SERVICE_NAME")
    return (named,) if named else SERVICES


def look(settings: TracesSettings, environment: Mapping[str, str]) -> Iterator[Check]:
    """What `tocsin check` finds of the back end of traces."""
    stores = {api: trace_store(settings.model_copy(update={"query_api": api})) for api in get_args(QueryApi)}
    return traces_preflight(settings, stores, services(environment))


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
    asking = Asking(http, settings.query_url, proof=_proof(settings))
    return JaegerTraces(asking) if settings.query_api == "jaeger" else ZipkinTraces(asking)


def _proof(settings: TracesSettings) -> dict[str, str]:
    """The headers that say who asks."""
    proof = {}
    if settings.query_bearer_token is not None:
        proof["Authorization"] = f"Bearer {settings.query_bearer_token.get_secret_value()}"
    if settings.query_header is not None:
        name, _, value = settings.query_header.get_secret_value().partition(":")
        proof[name] = value.strip()
    return proof


@contextmanager
def _bus(settings: KafkaSettings, within_s: float) -> Iterator[TopicReader]:
    hurried = {
        "connect_timeout_s": min(settings.connect_timeout_s, within_s),
        "read_timeout_s": min(settings.read_timeout_s, within_s),
    }
    with closing(KafkaTopicReader(settings.model_copy(update=hurried))) as reader:
        yield reader
