"""What every answer tells the browser: load from here alone, be framed by the EHR alone, keep nothing, tell nobody where you came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from tocsin.serve.types import Session
from tocsin.settings import ServeSettings

STATIC: Final = "static"
"""The last word of the endpoint of files that are the same for everybody."""
STATIC_KEEP_S: Final = 3600
HSTS_S: Final = 31_536_000
ENDED: Final = "/ended"
"""The page that stands in the place of a page whose session ended by idleness."""
ENDED_LATER_S: Final = 5
"""Seconds after a session's idle end at which the browser asks for ENDED: nothing of a patient stays on a screen that nobody attends."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors {ancestors}"
)
_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def install(app: Flask, settings: ServeSettings) -> None:
    """Have every answer of the app, errors too, carry these headers."""
    app.after_request(_adding(settings))


def _adding(settings: ServeSettings) -> Callable[[Response], Response]:
    secure = urlsplit(settings.public_url).scheme == "https"

    def add(response: Response) -> Response:
        ancestors = _ancestors(settings)
        for name, value in _ALWAYS.items():
            response.headers.setdefault(name, value)
        response.headers["Content-Security-Policy"] = _POLICY.format(ancestors=ancestors)
        if ancestors == "'none'":
            response.headers["X-Frame-Options"] = "DENY"  # it has no word for a list of origins
        if secure:
            response.headers["Strict-Transport-Security"] = f"max-age={HSTS_S}"
        if (request.endpoint or "").rpartition(".")[2] == STATIC and response.status_code < 400:
            response.headers["Cache-Control"] = f"public, max-age={STATIC_KEEP_S}"
            return response
        response.headers["Cache-Control"] = "no-store"
        if response.mimetype == "text/html" and _known_session():
            response.headers["Refresh"] = f"{settings.session_idle_s + ENDED_LATER_S}; url={ENDED}"
        return response

    return add


def _ancestors(settings: ServeSettings) -> str:
    """Who may frame the answer: the pages of the session's EHR, and without a session, where nothing of a patient stands, of any EHR."""
    session = _known_session()
    issuers = settings.issuers.values() if session is None else filter(None, [settings.issuers.get(session.issuer)])
    return source_list({origin for each in issuers for origin in each.frame_origins})


def source_list(origins: Iterable[str]) -> str:
    """The origins as CSP lists them; 'none' where there are none."""
    return " ".join(sorted(origins)) or "'none'"


def _known_session() -> Session | None:
    """The session that was looked up for this request; nothing is asked for the headers' sake."""
    found: Session | None = g.get("tocsin_session")
    return found
