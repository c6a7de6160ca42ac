"""Where a reader is led: by their role before all else, and never by what an address says."""

from __future__ import annotations

from typing import Any

import pytest
from tocsin.serve.app import make_app
from tocsin.serve.smart.launch import Launching, blueprint
from tocsin.serve.types import Role
from tocsin.settings import ServeSettings

from tests.fakes.sessions import FixedSessions, a_session


@pytest.mark.parametrize(
    ("about", "leads_to"),
    [
        ({}, "/reports"),
        ({"report": "DiagnosticReport/r1"}, "/reports/r1"),
        ({"patient": None}, "/worklist"),
        ({"roles": frozenset({Role.OPERATOR}), "patient": None}, "/worklist/numbers"),
        ({"roles": frozenset({Role.OPERATOR})}, "/worklist/numbers"),
        ({"roles": frozenset({Role.OPERATOR}), "report": "DiagnosticReport/r1"}, "/worklist/numbers"),
        ({"roles": frozenset({Role.OPERATOR, Role.READER}), "report": "DiagnosticReport/r1"}, "/reports/r1"),
    ],
)
def test_each_is_led_to_what_their_role_opens(about: dict[str, Any], leads_to: str) -> None:
    settings, nobody = ServeSettings(), None
    launching: Any = Launching(settings, *[nobody] * 6)  # type: ignore[arg-type] # none of it is asked
    app = make_app([blueprint(launching)], FixedSessions(a_session(**about)), settings)
    answer = app.test_client().get("/")
    assert (answer.status_code, answer.headers["Location"]) == (303, leads_to)


@pytest.mark.parametrize("path", ["//reports", "//evil.example/reports", "/reports//r1"])
def test_an_address_with_a_slash_too_many_is_led_nowhere(path: str) -> None:
    settings, nobody = ServeSettings(), None
    launching: Any = Launching(settings, *[nobody] * 6)  # type: ignore[arg-type] # none of it is asked
    app = make_app([blueprint(launching)], FixedSessions(a_session()), settings)
    answer = app.test_client().get("/", environ_overrides={"PATH_INFO": path})
    assert (answer.status_code, "Location" in answer.headers) == (404, False)
