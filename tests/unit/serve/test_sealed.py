"""What is kept is read by whoever brings its secret, and by nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from tocsin.serve.sessions.browser import BrowserSessions, Cookie
from tocsin.serve.sessions.sealed import Unsealable, name_of, new_secret, seal, unseal
from tocsin.serve.sessions.written import read, written
from tocsin.serve.types import Role, Session
from tocsin.settings import ServeSettings

from tests.fakes.sessions import DictShelf, a_session
from tests.support.web_visitor import parsed

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def test_it_is_read_with_its_secret_for_its_purpose() -> None:
    secret = new_secret()
    assert unseal(seal(b"token", secret, "session"), secret, "session") == b"token"


def test_with_another_secret_for_another_purpose_or_changed_it_is_not_read() -> None:
    secret = new_secret()
    sealed = seal(b"token", secret, "session")
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for text, key, purpose in [
        (sealed, new_secret(), "session"),
        (sealed, secret, "launch"),
        (changed, secret, "session"),
        (b"", secret, "session"),
    ]:
        with pytest.raises(Unsealable):
            unseal(text, key, purpose)


def test_no_two_are_sealed_alike_and_the_name_does_not_hold_the_secret() -> None:
    secret = new_secret()
    assert seal(b"x", secret, "session") != seal(b"x", secret, "session")
    assert secret not in name_of(secret)
    assert len(new_secret()) == 43


def test_a_session_is_read_as_it_was_written() -> None:
    session = a_session(roles=frozenset({Role.READER, Role.LEAD}), report="DiagnosticReport/r1", banner=False, language="de")
    assert read(written(session), session.key) == session


@pytest.mark.parametrize("content", [b'{"version": 2}', b'{"version": 1}', b"{}"])
def test_what_another_version_wrote_is_no_session(content: bytes) -> None:
    assert read(content, "k") is None


def begun(sessions: BrowserSessions, session: Session) -> str:
    with Flask("x").test_request_context():
        response = Flask("x").make_response("")
        sessions.begin(session, response)
        return parsed(response.headers["Set-Cookie"])["value"]


def test_a_session_ends_by_idleness_by_its_age_and_with_its_token() -> None:
    shelf, now = DictShelf(), [NOW]
    sessions = BrowserSessions(shelf, ServeSettings(session_idle_s=900, session_max_s=7200), lambda: now[0])
    for token_s, whole_s in [(3600, 3600), (36_000, 7200)]:
        secret = begun(sessions, a_session(until=NOW + timedelta(seconds=token_s)))
        assert shelf.kept_s[secret] == 900
        with Flask("x").test_request_context(headers={"Cookie": f"tocsin={secret}"}):
            now[0] = NOW + timedelta(seconds=whole_s - 60)
            assert sessions.current() is not None
            assert shelf.kept_s[secret] == 60
            now[0] = NOW + timedelta(seconds=whole_s)
            assert sessions.current() is None
        now[0] = NOW


def test_over_https_the_cookie_is_of_this_host_alone() -> None:
    with Flask("x").test_request_context():
        response = Flask("x").make_response("")
        Cookie("tocsin", "https://tocsin.example.org").give(response, "s", 60)
    found = parsed(response.headers["Set-Cookie"])
    assert found["name"] == "__Host-tocsin"
    assert (found["secure"], found["httponly"], found["samesite"], found["path"], "domain" in found) == ("yes", "yes", "None", "/", False)
    assert "partitioned" in found


@pytest.mark.parametrize("value", ["", "short", "x" * 44, "x" * 42 + "=", "x" * 42 + "\u00e9"])
def test_a_cookie_that_tocsin_never_gave_asks_redis_for_nothing(value: str) -> None:
    shelf = DictShelf()
    sessions = BrowserSessions(shelf, ServeSettings(), lambda: NOW)
    with Flask("x").test_request_context(headers={"Cookie": f"tocsin={value}"}):
        assert sessions.current() is None
    assert shelf.asked == 0
