"""Documents have the same doors as the pages: a role that opens no report prints none, and who is to look first does so first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from flask.testing import FlaskClient
from tocsin.bootstrap.page import looks_first
from tocsin.clock import utc_now
from tocsin.paper.desk import Wish
from tocsin.paper.types import Document
from tocsin.serve.app import make_app
from tocsin.serve.paper import blueprint
from tocsin.serve.types import Role, Session
from tocsin.settings import PageSettings, ServeSettings, Settings

from tests.fakes.looks import DictLooks
from tests.fakes.sessions import FixedSessions, a_session
from tests.support.papers import document, kinds


@dataclass
class Press:
    """Prints the same report for everybody, and remembers for whom."""

    wished: list[Wish] = field(default_factory=list)

    def document(self, _record: object, wish: Wish) -> Document:
        self.wished.append(wish)
        return document(kinds()["high"]())


def visit(press: Any, session: Session | None, *, looks_first: bool = False) -> FlaskClient:
    room = blueprint(lambda _session: press, press, "A4", lambda _session, _report: looks_first)
    return make_app([room], FixedSessions(session), ServeSettings()).test_client()


@pytest.mark.parametrize("form", ["pdf", "txt"])
@pytest.mark.parametrize(("roles", "status"), [({Role.OPERATOR}, 403), (set(), 403), ({Role.READER}, 200), ({Role.LEAD}, 200)])
def test_each_role_has_its_door(roles: set[Role], status: int, form: str) -> None:
    press = Press()
    answer = visit(press, a_session(roles=frozenset(roles))).get(f"/reports/r1.{form}")
    assert (answer.status_code, len(press.wished)) == (status, status == 200)


def test_without_a_session_the_log_in_is_offered_for_the_same_report() -> None:
    press = Press()
    answer = visit(press, None).get("/reports/r1.pdf")
    assert (answer.status_code, 'href="/launch?report=r1"' in answer.text, press.wished) == (401, True, [])


@pytest.mark.parametrize("form", ["pdf", "txt"])
def test_who_is_to_look_at_the_picture_first_is_led_to_it(form: str) -> None:
    press = Press()
    answer = visit(press, a_session(), looks_first=True).get(f"/reports/r1.{form}")
    assert (answer.status_code, answer.headers["Location"], press.wished) == (303, "/reports/r1", [])


@pytest.mark.parametrize("looks_first", [True, False])
@pytest.mark.parametrize("ident", ["a b", "x" * 65, "%0d%0aSet-Cookie:x"])
def test_what_is_no_id_is_not_there(ident: str, looks_first: bool) -> None:
    press = Press()
    assert (visit(press, a_session(), looks_first=looks_first).get(f"/reports/{ident}.pdf").status_code, press.wished) == (404, [])


def test_the_roles_that_look_first_do_so_until_the_result_was_before_their_eyes() -> None:
    session, looks, settings = a_session(), DictLooks(), Settings(page=PageSettings(first_look_roles=("reader",)))
    assert looks_first(settings, looks)(session, "DiagnosticReport/r1")
    assert not looks_first(Settings(), looks)(session, "DiagnosticReport/r1")
    assert not looks_first(settings, looks)(a_session(roles=frozenset({Role.LEAD})), "DiagnosticReport/r1")
    looks.opened(session.reader, "DiagnosticReport/r1", utc_now())
    assert not looks_first(settings, looks)(session, "DiagnosticReport/r1")
