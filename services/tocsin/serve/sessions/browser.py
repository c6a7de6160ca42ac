"""The sessions of browsers: one cookie, which names a session and is its key."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from flask import request
from werkzeug.wrappers import Response

from tocsin.serve.doors import forget_session
from tocsin.serve.limits import Limit, refuse_beyond
from tocsin.serve.sessions.sealed import name_of, new_secret
from tocsin.serve.sessions.shelf import Shelf
from tocsin.serve.sessions.written import read, written
from tocsin.serve.types import Session
from tocsin.settings import ServeSettings

HOST_ONLY: Final = "__Host-"
"""A name that begins so is taken by browsers from this very host alone, for all its paths, and over TLS alone (RFC 6265bis, 4.1.3.2)."""
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
"""What `new_secret` makes."""


class Cookie:
    """A cookie that no script reads, that goes to this host alone, and that browsers keep in an EHR's frame too.

    SameSite=None lets it come along in a frame of another site, and Partitioned (CHIPS) has browsers that refuse such cookies keep it
    apart for each EHR. What SameSite would guard against is guarded by the token in every form (serve/doors.py).
    """

    def __init__(self, name: str, public_url: str) -> None:
        self._name = f"{HOST_ONLY}{name}" if urlsplit(public_url).scheme == "https" else name

    def secret(self) -> str | None:
        """The secret that this request brings; None where it brings none of the form that Tocsin gives."""
        found = request.cookies.get(self._name, "")
        return found if _SECRET.fullmatch(found) else None

    def give(self, response: Response, secret: str, keep_s: int) -> None:
        """Have the browser bring the secret from now on."""
        response.set_cookie(self._name, secret, max_age=keep_s, path="/", secure=True, httponly=True, samesite="None", partitioned=True)

    def take_back(self, response: Response) -> None:
        """Have the browser forget it."""
        response.delete_cookie(self._name, path="/", secure=True, httponly=True, samesite="None", partitioned=True)


class BrowserSessions:
    """Adapter of Sessions, and what begins and ends them. Safe for threads."""

    def __init__(self, shelf: Shelf, settings: ServeSettings, now: Callable[[], datetime]) -> None:
        self._shelf = shelf
        self._cookie = Cookie("tocsin", settings.public_url)
        self._settings = settings
        self._now = now
        self._limit = Limit(settings.requests_per_minute_max)

    def current(self) -> Session | None:
        """See Sessions.current. It lives on by being asked for. Raises Unavailable(redis), and TooOften."""
        secret = self._cookie.secret()
        content = None if secret is None else self._shelf.get(secret)
        session = None if secret is None or content is None else read(content, name_of(secret))
        if secret is None or session is None or session.until <= (now := self._now()):
            return None
        refuse_beyond(self._limit, session.key)
        self._shelf.keep(secret, self._left_s(session, now))
        return session

    def begin(self, session: Session, response: Response) -> None:
        """Give the browser of this request this session, under a secret that nobody has seen before, and end the one that it had.

        `key` and `csrf` are made here; `until` is brought forward where the settings ask for it. Raises Unavailable(redis).
        """
        self._end()
        secret, now = new_secret(), self._now()
        until = min(session.until, now + timedelta(seconds=self._settings.session_max_s))
        begun = replace(session, key=name_of(secret), csrf=new_secret(), until=until)
        self._shelf.put(secret, written(begun), self._left_s(begun, now))
        self._cookie.give(response, secret, self._whole_s(begun, now))
        forget_session()

    def end(self, response: Response) -> None:
        """End the session of this request, if there is one, here and in the browser. Raises Unavailable(redis)."""
        self._end()
        self._cookie.take_back(response)
        forget_session()

    def _end(self) -> None:
        if (before := self._cookie.secret()) is not None:
            self._shelf.take(before)

    def _left_s(self, session: Session, now: datetime) -> int:
        """For how long the session is kept from now on if nobody asks for it again."""
        return min(self._settings.session_idle_s, self._whole_s(session, now))

    @staticmethod
    def _whole_s(session: Session, now: datetime) -> int:
        return max(1, int((session.until - now).total_seconds()))
