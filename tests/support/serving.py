"""A `tocsin serve` of a test's own, in this process: real server, real Redis, whatever EHRs the test has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr
from tocsin.bootstrap.serve import Running, serve
from tocsin.network import HOST
from tocsin.settings import FhirSettings, IssuerSettings, MetricsSettings, RedisSettings, ServeSettings, Settings


def serve_settings(port: int, redis_url: str, issuers: Mapping[str, IssuerSettings], **more: Any) -> Settings:
    """The settings of a server on this machine."""
    usual = {"port": port, "public_url": f"http://{HOST}:{port}", "issuers": dict(issuers), "linger_s": 0, "drain_timeout_s": 5}
    return Settings(
        serve=ServeSettings(**usual | more),
        fhir=FhirSettings(also_known_as=tuple(issuers)),
        redis=RedisSettings(url=SecretStr(redis_url), connect_timeout_s=1),
        metrics=MetricsSettings(host=HOST, port=0, ping_every_s=0.2),
    )


@contextmanager
def served(settings: Settings) -> Iterator[Running]:
    """The server while the block lasts."""
    with serve(settings, lambda _environ, start: start("200 OK", []) or []) as running:
        yield running
