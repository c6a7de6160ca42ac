"""The page meets sessions as the whole server does: looked up once, and told where they cannot be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import pytest
from flask import Response
from flask.testing import FlaskClient
from tocsin.bootstrap.serve import app
from tocsin.errors import Unavailable
from tocsin.serve.app import make_app
from tocsin.serve.doors import OfRequest
from tocsin.serve.limits import TooOften
from tocsin.serve.page.blueprint import blueprint
from tocsin.serve.page.ports import Rules
from tocsin.serve.sessions.sealed import new_secret
from tocsin.serve.types import Session
from tocsin.settings import RedisSettings, ServeSettings, Settings

from tests.fakes.page import SOURCE, clinic, reader
from tests.support.pictures import encoded, textured

PICTURE = encoded(textured(64, 48))


@dataclass
class Shelves:
    """Sessions as they come, one after the other."""

    come: Iterable[Session | Exception]
    asked: int = field(default=0)

    def current(self) -> Session | None:
        """See Sessions.current."""
        self.asked += 1
        for found in self.come:
            if isinstance(found, Exception):
                raise found
            return found
        return None


def visit(sessions: Shelves) -> tuple[FlaskClient, str]:
    made = clinic(PICTURE)
    ports = replace(made.ports(), sessions=OfRequest())
    whole = make_app([blueprint(ports, Rules(SOURCE, ZoneInfo("Europe/Berlin")))], sessions, ServeSettings())
    return whole.test_client(), made.path


def test_a_session_is_looked_up_once_for_a_page() -> None:
    sessions = Shelves([reader()])
    browser, path = visit(sessions)
    assert (browser.get(path).status_code, sessions.asked) == (200, 1)


@pytest.mark.parametrize("more", ["", "/picture"])
def test_where_sessions_cannot_be_looked_up_the_page_says_so_and_no_record_is_blamed(more: str) -> None:
    browser, path = visit(Shelves([Unavailable("redis", "ConnectionError")]))
    answer = browser.get(path + more)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (503, "no-store")
    assert "The hospital" not in answer.text
    if not more:
        assert (answer.headers["Retry-After"], "(redis)" in answer.text) == ("10", True)


def test_a_reader_who_asks_too_often_is_told_so() -> None:
    browser, path = visit(Shelves([TooOften()]))
    assert browser.get(path).status_code == 429


def test_each_page_of_the_whole_server_names_redis_where_that_is_away() -> None:
    whole = app(Settings(redis=RedisSettings(url="redis://127.0.0.1:9/0")))
    browser = FlaskClient(whole, Response)
    browser.set_cookie("tocsin", new_secret(), domain="localhost")
    for path in ("/reports/r1", "/reports", "/reports/r1.pdf", "/worklist", "/"):
        answer = browser.get(path)
        guarded = "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert (answer.status_code, "(redis)" in answer.text, guarded) == (503, True, True), path
