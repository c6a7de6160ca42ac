"""A FHIR server over real HTTP that gives each token what that token may read, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from tests.support.web import serving

Json = dict[str, Any]


@dataclass
class Readable:
    """The server, and whom it gives what."""

    base_url: str
    resources: dict[str, Json] = field(default_factory=dict)
    """Reference -> resource."""
    may_read: dict[str, set[str]] = field(default_factory=dict)
    """Token -> the references that it opens; a token that is not here is refused."""
    asked: list[str] = field(default_factory=list)
    """Path and query of each request."""
    page_max: int | None = None
    """Most resources of one answer to a search; None: all of them."""
    status: int = 200
    """Of every answer, where it is another."""
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Type -> the status and the OperationOutcome's code that each search of it is answered with."""

    def put(self, *resources: Json, token: str = "canary-token") -> None:
        """Add these, and let this token read them."""
        for each in resources:
            reference = f"{each['resourceType']}/{each['id']}"
            self.resources[reference] = each
            self.may_read.setdefault(token, set()).add(reference)


@contextmanager
def readable() -> Iterator[Readable]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.asked.append(self.path)
            parts = urlsplit(self.path)
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if server.status != 200:
                self._say(server.status, _outcome("transient"))
            elif token not in server.may_read:
                self._say(401, _outcome("login"))
            else:
                self._found(parts.path.removeprefix("/fhir/"), parse_qs(parts.query), server.may_read[token])

        def _found(self, path: str, query: dict[str, list[str]], opened: set[str]) -> None:
            if "_id" not in query:
                found = server.resources.get(path) if path in opened else None
                self._say(200, found) if found else self._say(404, _outcome("not-found"))
                return
            if path in server.refused:
                status, code = server.refused[path]
                self._say(status, _outcome(code))
                return
            references = [f"{path}/{each}" for each in query["_id"][0].split(",")]
            entries = [{"resource": server.resources[each]} for each in references if each in opened]
            page = entries[: server.page_max]
            link = [{"relation": "next", "url": f"{server.base_url}?page=2"}] if len(page) < len(entries) else []
            self._say(200, {"resourceType": "Bundle", "type": "searchset", "entry": page, "link": link})

        def _say(self, status: int, content: Json) -> None:
            body = orjson.dumps(content)
            self.send_response(status)
            self.send_header("Content-Type", "application/fhir+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Requests are remembered, not printed."""

    with serving(Handler) as origin:
        server = Readable(f"{origin}/fhir")
        yield server


def _outcome(code: str) -> Json:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}
