"""A CDS Hooks service that listens, and callers of another make (node/cds_client.mjs)."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson
from flask import Flask
from tocsin.bootstrap import cds
from tocsin.kafka.ports import EventSink
from tocsin.settings import Settings
from waitress.server import create_server

from tests.support.node import HERE, peers
from tests.support.stored import ISSUER
from tests.support.tls import Authority
from tests.support.web import serving

Json = dict[str, Any]
STOP_WITHIN_S: Final = 5.0


@contextmanager
def listening(settings: Settings, sink: EventSink) -> Iterator[str]:
    """The service as it is composed, on a free port, until the block ends; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = Flask("tocsin")
        app.register_blueprint(cds.routes(settings, ISSUER, sink, origin, f"{origin}/launch"))
        server = create_server(app, sockets=[listener], threads=8)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            yield origin
        finally:
            server.task_dispatcher.shutdown(timeout=STOP_WITHIN_S)
            server.close()
            thread.join(STOP_WITHIN_S)


@contextmanager
def key_sets(authority: Authority, sets: Mapping[str, bytes]) -> Iterator[str]:
    """Serve key sets by their paths over TLS, by a certificate of this authority, until the block ends; gives the origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = sets.get(self.path, b"")
            self.send_response(200 if content else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: object) -> None:
            """Says nothing."""

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue())
    with serving(Handler, context) as origin:
        yield origin


@dataclass(frozen=True)
class Callers:
    """Callers in three shapes: the sandbox's, Epic's and Oracle's."""

    sets: Mapping[str, Json]
    """Shape -> its public key set."""
    process: subprocess.Popen[str]

    def call(self, *calls: Json) -> list[tuple[int, Json]]:
        """What each call was answered: {"shape", "method", "url", "body", "claims", "header"}."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(orjson.dumps({"calls": calls}).decode() + "\n")
        self.process.stdin.flush()
        return [(each["status"], each["said"]) for each in json.loads(self.process.stdout.readline())]


@contextmanager
def callers() -> Iterator[Callers]:
    """The callers while the block lasts."""
    with TemporaryDirectory(dir=peers()) as folder:  # ES modules are looked for beside the script, and above it
        script = shutil.copy(HERE / "cds_client.mjs", Path(folder))
        running = subprocess.Popen(["node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert running.stdout is not None
        try:
            yield Callers(json.loads(running.stdout.readline()), running)
        finally:
            running.terminate()
            running.communicate(timeout=STOP_WITHIN_S)


def shapes(origin: str, keys: str, sandbox_file: Path, fhir: str | None = None) -> Sequence[tuple[str, str, Json, Json, Json]]:
    """Shape, iss, what the settings agree on, the claims and the header of its tokens; `keys` is where key sets are served."""
    typed = f"{origin}/typed-by-the-site"
    epic = {"jku": [f"{keys}/epic"], "algorithms": ["RS384"], "subject": "client-1", "audiences": [typed]}
    oracle = {"jku": [f"{keys}/oracle", f"{keys}/more"], "tenants": ["t1"]}
    served: Json = {} if fhir is None else {"fhir_base_url": fhir}
    return [
        (
            "sandbox",
            "https://sandbox.example.org",
            {"jwks_file": str(sandbox_file)} | served,
            {},
            {"jku": "https://sandbox.example.org/keys"},
        ),
        ("epic", "https://epic.example.org/FHIR/R4", epic | served, {"sub": "client-1", "aud": typed}, {"jku": f"{keys}/epic"}),
        ("oracle", "https://cds-hooks.example.org", oracle | served, {"tenant": "t1"}, {"jku": f"{keys}/oracle"}),
    ]
