"""A reverse proxy on a free port that passes requests on, or answers as a test wants a troubled server to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.support.relay import Request, relay, server_at
from tests.support.web import Reply

Trouble = Callable[[str, str], Reply | None]
"""Method and path -> what to answer; None leaves the server's answer as it is."""


@dataclass
class Proxy:
    """Stands before one server."""

    origin: str = ""
    base_url: str = ""
    """The address that it was given for the server, as it is through the proxy."""
    trouble: Trouble = field(default=lambda _method, _path: None)
    """Instead of asking the server."""
    afterwards: Trouble = field(default=lambda _method, _path: None)
    """Instead of what the server answered, after it did what it was asked."""


@contextmanager
def proxy(server: str) -> Iterator[Proxy]:
    """Serve until the block ends; `server` is scheme://host:port or an address below it."""
    parts, standing = urlsplit(server), Proxy()
    ask = server_at(parts.netloc)

    def answer(request: Request) -> Reply:
        instead = standing.trouble(request.method, request.path)
        if instead is not None:
            return instead
        reply = ask(request)
        return standing.afterwards(request.method, request.path) or reply

    with relay(answer) as origin:
        standing.origin, standing.base_url = origin, origin + parts.path
        yield standing
