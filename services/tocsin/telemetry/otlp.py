"""Where spans, metrics and log lines are sent by OTLP, and what each of them says of the process that sends it.

The exporters are imported where one is made: a process that sends nothing does without their 20 MB.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal, cast
from urllib.parse import unquote, urlsplit

from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter

from tocsin.errors import ConfigurationError
from tocsin.settings import OtlpSettings
from tocsin.telemetry.metrics import EXPORTS_FAILED

Whose = Resource
"""What every span, metric and line says of its process."""
Signal = Literal["traces", "metrics", "logs"]
Protocol = Literal["http/protobuf", "grpc"]

_PROTOCOLS: Final = ("http/protobuf", "grpc")


class _Known(Resource):
    """A resource that knows its hash: the encoder asks for it twice a span, and each answer would be made from the whole of it as JSON."""

    @cached_property
    def _hash(self) -> int:
        return super().__hash__()

    def __hash__(self) -> int:
        return self._hash


def resource(service: str, *, site: str, model_version: str | None) -> Resource:
    """What every span, metric and line says of its process; OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME go before."""
    stated = {
        "service.name": service,
        "service.version": version("tocsin"),
        "service.instance.id": str(uuid.uuid4()),
        "site": site,
        **({} if model_version is None else {"model_version": model_version}),
    }
    named = os.environ.get("OTEL_SERVICE_NAME")
    made = Resource.create(stated | ({} if named is None else {"service.name": named}))
    return _Known(dict(made.attributes), made.schema_url)


def wanted(settings: OtlpSettings, signal: Signal) -> bool:
    """Whether this signal is sent anywhere."""
    return signal in settings.signals and endpoint(settings, signal) is not None


def endpoint(settings: OtlpSettings, signal: Signal) -> str | None:
    """The signal's own address; None where there is none. By HTTP, a base address gets the signal's path (OTLP 1.9, Endpoint URLs)."""
    own = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    base = settings.endpoint or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if settings.endpoint is None and own:
        return own
    if not base:
        return None
    return base if protocol(settings, signal) == "grpc" else f"{base.rstrip('/')}/v1/{signal}"


def protocol(settings: OtlpSettings, signal: Signal) -> Protocol:
    """The signal's protocol. Raises ConfigurationError for one that the environment names and Tocsin does not speak."""
    for name in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        said = settings.protocol or os.environ.get(name)
        if said in ("http/protobuf", "grpc"):
            return cast(Protocol, said)
        if said:
            raise ConfigurationError(f"{name} is {' or '.join(_PROTOCOLS)}")
    return "http/protobuf"


def _headers(settings: OtlpSettings) -> Mapping[str, str] | None:
    if settings.headers is None:
        return None
    pairs = (each.partition("=") for each in settings.headers.get_secret_value().split(",") if each.strip())
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}


def span_exporter(settings: OtlpSettings) -> SpanExporter | None:
    """What sends spans; None where nothing names a collector. Raises ConfigurationError for a file that cannot be read."""
    making = _making(settings, "traces")
    return None if making is None else _Spans(making, "traces")


def line_exporter(settings: OtlpSettings) -> LogRecordExporter | None:
    """What sends log lines; None where nothing names a collector or asks for it. Raises as `span_exporter` does."""
    making = _making(settings, "logs")
    return None if making is None else _Lines(making, "logs")


def metric_exporter(settings: OtlpSettings) -> MetricExporter | None:
    """What sends metrics; None where nothing names a collector or asks for it. Raises as `span_exporter` does."""
    making = _making(settings, "metrics")
    return None if making is None else _counting(making())


_EXPORTERS: Final[Mapping[Signal, tuple[str, str]]] = {
    "traces": ("trace_exporter", "OTLPSpanExporter"),
    "metrics": ("metric_exporter", "OTLPMetricExporter"),
    "logs": ("_log_exporter", "OTLPLogExporter"),
}
"""Signal -> its exporter's module in both of OpenTelemetry's exporter packages (1.45), and its class."""


def _making(settings: OtlpSettings, signal: Signal) -> Callable[[], Any] | None:
    """Makes the signal's exporter; None where nothing names a collector."""
    address = endpoint(settings, signal)
    if address is None or signal not in settings.signals:
        return None
    headers, authorities = _headers(settings), _read(settings.tls_ca_file)
    if protocol(settings, signal) == "grpc":

        def by_grpc() -> Any:
            secure = urlsplit(address).scheme == "https"
            return _exporter_of("grpc", signal)(
                address,
                insecure=not secure,
                credentials=_credentials(authorities) if secure else None,
                headers=None if headers is None else dict(headers),
                timeout=settings.timeout_s,
                channel_options=(("grpc.enable_http_proxy", 0),),
            )

        return by_grpc

    def by_http() -> Any:
        file = None if settings.tls_ca_file is None else str(settings.tls_ca_file)
        return _exporter_of("http", signal)(
            address, certificate_file=file, headers=headers, timeout=settings.timeout_s, session=_straight_session()
        )

    return by_http


def _straight_session() -> Any:
    """A session that heeds no proxy and no .netrc of the environment: the headers are for the collector alone."""
    session = import_module("requests").Session()
    session.trust_env = False
    return session


def _exporter_of(transport: Literal["http", "grpc"], signal: Signal) -> Callable[..., Any]:
    """The signal's exporter; that of spans is made to write them as `span_wire` does, a third of the price."""
    name, made = _EXPORTERS[signal]
    module = import_module(f"opentelemetry.exporter.otlp.proto.{transport}.{name}")
    if signal == "traces":
        vars(module)["encode_spans"] = import_module("tocsin.telemetry.span_wire").request
    exporter: Callable[..., Any] = getattr(module, made)
    return exporter


class _Exporting:
    """An exporter that is made when it is first used, and anew in each forked process: two must not speak on one connection.

    What it cannot send is counted, and else lost.
    """

    def __init__(self, make: Callable[[], Any], signal: Signal) -> None:
        self._make = make
        self._signal = signal
        self._made: Any = None
        self._of = 0

    def export(self, batch: Any) -> Any:
        """See OpenTelemetry."""
        if self._of != os.getpid():
            self._made, self._of = self._make(), os.getpid()
        return _counted(self._made.export(batch), self._signal)

    def shutdown(self) -> None:
        """See OpenTelemetry."""
        if self._of == os.getpid():
            self._made.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See OpenTelemetry: nothing waits in here."""
        return True


class _Spans(_Exporting, SpanExporter):
    """Sends spans."""


class _Lines(_Exporting, LogRecordExporter):
    """Sends log lines."""


def _counting(exporter: Any) -> MetricExporter:
    """The exporter, which counts what comes to nothing: by HTTP, OpenTelemetry's SDK (1.45) counts a status of failure as a success."""
    send = exporter.export
    exporter.export = lambda *batch, **more: _counted(send(*batch, **more), "metrics")
    return cast(MetricExporter, exporter)


def _counted(result: Any, signal: Signal) -> Any:
    if result.name != "SUCCESS":
        EXPORTS_FAILED.add(1, {"signal": signal})
    return result


def end_within(wait_s: float, end: Callable[[], Any], name: str) -> None:
    """Let a provider send what is left, and wait for it no longer than this; `name` is its thread's."""
    ending = threading.Thread(target=end, name=name, daemon=True)
    ending.start()
    ending.join(wait_s)


def _read(authorities: Path | None) -> bytes | None:
    try:
        return None if authorities is None else authorities.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"TOCSIN_OTLP__TLS_CA_FILE: the file cannot be read ({error.strerror})") from None


def _credentials(authorities: bytes | None) -> Any:
    import grpc

    return grpc.ssl_channel_credentials(authorities)
