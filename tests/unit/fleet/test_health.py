"""One health page tells of a whole fleet."""

from __future__ import annotations

from typing import Any

import orjson
from tocsin.fleet.health import SILENT_S, Look, pages

GOOD = orjson.dumps({"live": True, "ready": True, "not_live_because": [], "not_ready_because": [], "oldest": None})
AWAY = orjson.dumps({"live": True, "ready": False, "not_live_because": [], "not_ready_because": ["fhir: HTTP 503"]})
STUCK = orjson.dumps({"live": False, "ready": True, "not_live_because": ["stuck"], "not_ready_because": []})


class Members:
    """Two members, and the clock."""

    def __init__(self) -> None:
        self.say: list[bytes | None] = [GOOD, GOOD]
        self.now = 0.0
        self.look = Look(lambda: self.say, lambda: self.now)

    def told(self, path: str, *say: bytes | None) -> tuple[bool, dict[str, Any]]:
        if say:
            self.say = list(say)
            self.look.take()
        page = pages(lambda: self.look.members)[path]()
        return page.good, dict(page.body)


def test_a_fleet_is_ready_where_each_member_is() -> None:
    good, body = Members().told("/ready", GOOD, GOOD)
    assert good
    assert [each["ready"] for each in body["processes"]] == [True, True]


def test_a_fleet_that_was_not_asked_yet_is_live_and_not_ready() -> None:
    members = Members()
    assert (members.told("/live")[0], members.told("/ready")[0]) == (True, False)


def test_the_page_says_which_member_is_not_ready_and_why() -> None:
    good, body = Members().told("/ready", GOOD, AWAY)
    assert not good
    assert body["not_ready_because"] == ["process 1: fhir: HTTP 503"]


def test_a_member_that_a_restart_would_help_is_seen_from_outside() -> None:
    good, body = Members().told("/live", STUCK, GOOD)
    assert not good
    assert body["not_live_because"] == ["process 0: stuck"]


def test_a_member_that_starts_makes_the_fleet_unready_and_no_more() -> None:
    members = Members()
    assert members.told("/ready", GOOD, None)[1]["not_ready_because"] == ["process 1: it does not answer yet"]
    members.now = 10 * SILENT_S
    assert members.told("/live")[0]


def test_a_member_that_fell_silent_is_not_live_after_a_while() -> None:
    members = Members()
    members.told("/live", GOOD, GOOD)
    members.now = SILENT_S / 2
    assert members.told("/live", GOOD, None)[0]
    members.now = SILENT_S * 1.5
    good, body = members.told("/live", GOOD, None)
    assert not good
    assert body["not_live_because"] == ["process 1: no answer for 90 s, longer than 60 s"]


def test_what_is_no_health_page_is_no_answer() -> None:
    assert Members().told("/ready", GOOD, b"<html>")[1]["not_ready_because"] == ["process 1: it does not answer yet"]
