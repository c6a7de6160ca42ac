"""Where spans are sent by OTLP, and what every signal says of the process that sends it.

The exporters are imported where one is made: a process that sends nothing does without their 20 MB.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal, cast
from urllib.parse import unquote, urlsplit

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter

from tocsin.errors import ConfigurationError
from tocsin.settings import OtlpSettings

Signal = Literal["traces", "metrics", "logs"]
Protocol = Literal["http/protobuf", "grpc"]

_PROTOCOLS: Final = ("http/protobuf", "grpc")


def resource(service: str, *, site: str, model_version: str) -> Resource:
    """What every span, metric and line says of its process; OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME go before."""
    stated = {
        "service.name": service,
        "service.version": version("tocsin"),
        "service.instance.id": f"{os.uname().nodename}-{os.getpid()}",
        "site": site,
        "model_version": model_version,
    }
    named = os.environ.get("OTEL_SERVICE_NAME")
    return Resource.create(stated | ({} if named is None else {"service.name": named}))


def wanted(settings: OtlpSettings, signal: Signal) -> bool:
    """Whether this signal is sent anywhere."""
    return signal in settings.signals and _endpoint(settings, signal) is not None


def _endpoint(settings: OtlpSettings, signal: Signal) -> str | None:
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
    endpoint = _endpoint(settings, "traces")
    if endpoint is None or "traces" not in settings.signals:
        return None
    headers, authorities = _headers(settings), settings.tls_ca_file
    if protocol(settings, "traces") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as ByGrpc

        secure = urlsplit(endpoint).scheme == "https"
        return ByGrpc(
            endpoint,
            insecure=not secure,
            credentials=_credentials(authorities) if secure else None,
            headers=None if headers is None else dict(headers),
            timeout=settings.timeout_s,
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as ByHttp

    return ByHttp(endpoint, certificate_file=None if authorities is None else str(authorities), headers=headers, timeout=settings.timeout_s)


def _credentials(authorities: Path | None) -> Any:
    import grpc

    try:
        content = None if authorities is None else authorities.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"TOCSIN_OTLP__TLS_CA_FILE: the file cannot be read ({error.strerror})") from None
    return grpc.ssl_channel_credentials(content)
