"""A real Zipkin for tests: its slim server, which keeps traces in memory, and spans into it by its own API."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import orjson
from tocsin.network import HOST
from tocsin.sandbox.artifacts import Jar, cache_folder, fetch_jars
from tocsin.sandbox.java import java
from tocsin.sandbox.process import Child, await_ready, on_free_ports, started
from tocsin.sandbox.web import answers
from tocsin.terminal import Silent
from tocsin.traces.types import Span

from tests.fakes.traces import zipkin_span

NAME: Final = "Zipkin"
JAR: Final = Jar(
    part="zipkin",
    group="io.zipkin",
    artifact="zipkin-server",
    version="3.5.1",
    classifier="slim",
    size=83_835_971,
    sha256="7956e7f2c64b7073e1362b81e697fceb5fe61e121ad3cb48d545461026964b0f",
)
MAIN: Final = "org.springframework.boot.loader.launch.JarLauncher"
FLAGS: Final = ("-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
READY_WITHIN_S: Final = 300.0
"""It takes 5 s of CPU to start; another process may have most of it."""
WITHIN_S: Final = 60


@dataclass(frozen=True, slots=True)
class Zipkin:
    """A running server."""

    query_url: str
    """Base address of its API, which takes spans too."""
    child: Child = field(repr=False)

    def stop(self) -> None:
        """Ends it at once, since it keeps nothing: an end in good order takes it seconds."""
        self.child.kill()


def start(folder: Path) -> Zipkin:
    """A server that answers; its jar is fetched where the cache lacks it. It lives no longer than the calling thread."""
    [jar] = fetch_jars([JAR], NAME, cache_folder(os.environ), Silent(), interrupted=threading.Event())
    return on_free_ports(1, lambda ports: _start(jar, folder, ports[0]))


def _start(jar: Path, folder: Path, port: int) -> Zipkin:
    where = {"port": port, "ip": HOST, "protocols[0]": "http"}
    options = ("--zipkin.ui.enabled=false", *(f"--armeria.ports[0].{name}={value}" for name, value in where.items()))
    with started(java(NAME, [jar], folder, FLAGS, (MAIN, *options))) as child:
        url = f"http://{HOST}:{port}"
        await_ready(child, lambda: answers(f"{url}/health"), within_s=READY_WITHIN_S, interrupted=threading.Event())
        return Zipkin(url, child)


def send_zipkin_spans(base_url: str, spans: Sequence[Span]) -> None:
    """Return once Zipkin has taken the spans, by POST /api/v2/spans: as OpenTelemetry's collector writes them, with its tags of links."""
    parts = urlsplit(base_url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=WITHIN_S)
    try:
        body = orjson.dumps([zipkin_span(each) for each in spans])
        connection.request("POST", "/api/v2/spans", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 202, answer.read()
        answer.read()
    finally:
        connection.close()
