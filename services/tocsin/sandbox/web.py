"""Asks a part on this machine over HTTP whether it answers."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

ANSWER_WITHIN_S = 3.0


def answers(url: str) -> bool:
    """Whether GET `url` answers 200 now; no proxy is used."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
