"""Starts a FHIR R4 server on 127.0.0.1: HAPI over H2, which validates every write and delivers rest-hook subscriptions.

It knows R4's own code systems and refuses codes that these lack; codes of SNOMED CT, LOINC and local systems pass with a warning.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tocsin.network import HOST
from tocsin.sandbox.java import data, java
from tocsin.sandbox.process import Child, await_ready, on_free_ports, started
from tocsin.sandbox.web import answers

NAME = "The FHIR server"
READY_WITHIN_S = 240.0
FLAGS = ("-Xmx900m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # the second compiler would take 40 % of the start, and more memory
IN_MEMORY = "jdbc:h2:mem:tocsin;DB_CLOSE_DELAY=-1"


@dataclass(frozen=True, slots=True)
class Fhir:
    """A running FHIR server."""

    base_url: str
    port: int
    """The server's port. `start` makes the same server again from it and the same folder and database."""
    folder: Path
    child: Child = field(repr=False)

    def stop(self) -> None:
        """End the server in good order."""
        self.child.stop()

    def kill(self) -> None:
        """End the server as a power cut would."""
        self.child.kill()


def start(
    jars: Sequence[Path],
    folder: Path,
    *,
    interrupted: threading.Event | None = None,
    port: int | None = None,
    database: Path | None = None,
    versioned_references: Sequence[str] = (),
    ready_within_s: float = READY_WITHIN_S,
) -> Fhir:
    """Start a FHIR server, and return it once it answers; its records end with it, unless `database` names a file for them.

    With a `database`, an acknowledged write outlives a kill: H2 by itself would hold the last half second back (WRITE_DELAY).
    `versioned_references` names elements (DiagnosticReport.subject) in which the server keeps each reference with its target's version.

    The server lives no longer than the calling thread. Raises PartDidNotStart, and Interrupted when `interrupted` is set before.
    """
    interrupted = interrupted or threading.Event()
    records = IN_MEMORY if database is None else f"jdbc:h2:file:{database.resolve()};WRITE_DELAY=0"
    options = (records, *versioned_references)
    if port is not None:
        return _start(jars, folder, port, options, interrupted, ready_within_s)
    return on_free_ports(1, lambda free: _start(jars, folder, free[0], options, interrupted, ready_within_s))


def _start(
    jars: Sequence[Path], folder: Path, port: int, options: Sequence[str], interrupted: threading.Event, ready_within_s: float
) -> Fhir:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("fhir-server.groovy", "fhir-logback.xml"):
        (folder / name).write_text(data(name), "utf-8")
    flags = (*FLAGS, f"-Dlogback.configurationFile={folder / 'fhir-logback.xml'}")
    arguments = ("groovy.ui.GroovyMain", str(folder / "fhir-server.groovy"), str(port), *options)
    base_url = f"http://{HOST}:{port}/fhir"
    with started(java(NAME, jars, folder, flags, arguments)) as child:
        await_ready(child, lambda: answers(f"{base_url}/metadata"), within_s=ready_within_s, interrupted=interrupted)
        return Fhir(base_url, port, folder, child)
