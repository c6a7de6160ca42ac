"""A reverse proxy on a free port that passes requests on, or answers as a test wants a troubled server to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.support.web import Reply, serving

Trouble = Callable[[str, str], Reply | None]
"""Method and path -> what to answer; None leaves the server's answer as it is."""

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host"}


@dataclass
class Proxy:
    """Stands before one server."""

    origin: str
    trouble: Trouble = field(default=lambda _method, _path: None)
    """Instead of asking the server."""
    afterwards: Trouble = field(default=lambda _method, _path: None)
    """Instead of what the server answered, after it did what it was asked."""


@contextmanager
def proxy(server: str) -> Iterator[Proxy]:
    """Serve until the block ends; `server` is scheme://host:port."""
    host = urlsplit(server).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply = standing.trouble(self.command, self.path)
            if reply is None:
                answer = self._ask(body)
                reply = standing.afterwards(self.command, self.path) or answer
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def _ask(self, body: bytes) -> Reply:
            connection = HTTPConnection(host, timeout=30)
            try:
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
                return Reply(answer.status, answer.read(), kept)
            finally:
                connection.close()

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - http.server finds its methods by these names

        def log_message(self, *_arguments: object) -> None:
            """Says nothing."""

    with serving(Handler) as origin:
        standing = Proxy(origin)
        yield standing
