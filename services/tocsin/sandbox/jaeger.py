"""Jaeger: one server on 127.0.0.1 that keeps traces in memory, built once from its Go module.

What it is built of is named and hashed by data/jaeger/go.sum; requirements/lock-go.sh makes it.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Final

from tocsin.network import HOST
from tocsin.sandbox import go
from tocsin.sandbox.process import Child, Launch, await_ready, on_free_ports, started
from tocsin.sandbox.web import answers
from tocsin.terminal import Progress

NAME: Final = "Jaeger"
VERSION: Final = "1.76.0"
READY_WITHIN_S: Final = 60.0
TRACES_MAX: Final = 100_000
"""Traces kept; beyond it the oldest go."""

PROGRAM: Final = go.Program(
    NAME,
    VERSION,
    "github.com/jaegertracing/jaeger/cmd/jaeger",
    files("tocsin.sandbox") / "data" / "jaeger",
    "Jaeger is built from its Go module, and there is no `go` on PATH: install Go 1.24.6 or newer (https://go.dev/dl) and run it again, or "
    "leave --traces away.",
)


@dataclass(frozen=True, slots=True)
class Jaeger:
    """A running server."""

    query_url: str
    """Base address of its query API."""
    otlp_http_url: str
    """Base address to which spans go by HTTP."""
    otlp_grpc_url: str
    """Where spans go by gRPC."""
    child: Child = field(repr=False)

    def stop(self) -> None:
        """Ends it; its traces are gone."""
        self.child.stop()


def is_built(cache: Path) -> bool:
    """Whether the cache holds the binary."""
    return PROGRAM.path(cache).exists()


def binary(cache: Path, progress: Progress, interrupted: threading.Event) -> Path:
    """The binary, as go.binary gives it."""
    return go.binary(PROGRAM, cache, progress, interrupted)


def start(program: Path, folder: Path, *, interrupted: threading.Event | None = None) -> Jaeger:
    """A server that answers, with its configuration below `folder`. It lives no longer than the calling thread.

    Raises PartDidNotStart, and Interrupted when `interrupted` is set before.
    """
    interrupted = interrupted or threading.Event()
    return on_free_ports(5, lambda ports: _start(program, folder, ports, interrupted))


def _start(program: Path, folder: Path, ports: tuple[int, ...], interrupted: threading.Event) -> Jaeger:
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "jaeger.yaml"
    configuration.write_text(_configuration(ports), "utf-8")
    query, _, health, http, grpc = ports
    argv = (str(program), "--config", str(configuration))
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8"}
    with started(Launch(NAME, argv, folder, folder / "log.txt", environment)) as child:
        await_ready(child, lambda: answers(f"http://{HOST}:{health}/status"), within_s=READY_WITHIN_S, interrupted=interrupted)
        return Jaeger(f"http://{HOST}:{query}", f"http://{HOST}:{http}", f"http://{HOST}:{grpc}", child)


def _configuration(ports: tuple[int, ...]) -> str:
    """An OpenTelemetry collector's configuration with Jaeger's parts: OTLP in, memory, the query API out."""
    query, query_grpc, health, http, grpc = (f"{HOST}:{port}" for port in ports)
    return f"""
service:
  extensions: [jaeger_storage, jaeger_query, healthcheckv2]
  pipelines:
    traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}
  telemetry:
    metrics: {{level: none}}
extensions:
  healthcheckv2: {{use_v2: true, http: {{endpoint: "{health}"}}}}
  jaeger_query:
    storage: {{traces: memory}}
    http: {{endpoint: "{query}"}}
    grpc: {{endpoint: "{query_grpc}"}}
  jaeger_storage:
    backends:
      memory: {{memory: {{max_traces: {TRACES_MAX}}}}}
receivers:
  otlp:
    protocols:
      http: {{endpoint: "{http}"}}
      grpc: {{endpoint: "{grpc}"}}
exporters:
  jaeger_storage_exporter: {{trace_storage: memory}}
"""
