"""What stands between a client and a real server: it takes requests, may change them, asks the server, may change its answer."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from typing import Final

from tests.support.web import Reply, serving

ANSWER_WITHIN_S: Final = 60.0

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host", "accept-encoding"}


class ConnectionCut(Exception):
    """The client is to see its connection end."""


@dataclass(frozen=True)
class Request:
    """One request as it is passed on."""

    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """Empty where it was not sent; names are read in any case."""
        return next((value for each, value in self.headers.items() if each.lower() == name.lower()), "")


Ask = Callable[[Request], Reply]
"""Answers a request. Raises ConnectionCut where there is to be no answer."""


def server_at(host: str) -> Ask:
    """Asks the server at host:port."""

    def ask(request: Request) -> Reply:
        connection = HTTPConnection(host, timeout=ANSWER_WITHIN_S)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        try:
            connection.request(request.method, request.path, request.body or None, headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
            return Reply(answer.status, answer.read(), kept)
        except (OSError, HTTPException):
            raise ConnectionCut from None
        finally:
            connection.close()

    return ask


@contextmanager
def relay(answer: Ask, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[str]:
    """Serves what `answer` says on this port, or a free one, until the block ends, over TLS where told how; gives scheme://host:port.

    A Content-Length among its headers is sent as it is; where that is not the body's, the connection ends afterwards.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # a wire was cut between two requests
                super().handle()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                self._reply(answer(Request(self.command, self.path, dict(self.headers.items()), body)))
            except (ConnectionCut, OSError):
                self.close_connection = True

        def _reply(self, reply: Reply) -> None:
            headers = {"Content-Length": str(len(reply.body)), **reply.headers}
            self.send_response(reply.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)
            self.close_connection = self.close_connection or headers["Content-Length"] != str(len(reply.body))

        do_GET = do_POST = do_PUT = do_DELETE = do_CONNECT = _answer  # noqa: N815 - http.server finds its methods by these names

        def log_message(self, *_arguments: object) -> None:
            """Says nothing."""

    with serving(Handler, tls, port) as origin:
        yield origin
