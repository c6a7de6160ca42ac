"""`tocsin rehearse` on the real parts: the whole way, and nothing left of it."""

from __future__ import annotations

import json
from typing import Any

from tocsin.cli.commands import app
from tocsin.report.types import IN_ERROR
from typer.testing import CliRunner

from tests.support.house import CANARY, House
from tests.support.waiting import eventually


def rehearsed(hospital: House, *words: str, code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["rehearse", *words, "--json"], env={**hospital.variables, "NO_COLOR": "1"})
    assert done.exit_code == code, done.output
    assert CANARY not in done.output
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    return found


def test_the_whole_way_is_shown_taken_back_and_no_gap_and_the_next_event_gets_its_report(quick_hospital: House) -> None:
    record, bus = quick_hospital.record, quick_hospital.bus
    subject = record.patient("p-rehearsal")
    media = record.media("rehearsal", subject, status="in-progress")
    on_it = ("--media", media, "--subject", subject)
    assert rehearsed(quick_hospital, *on_it, "--within", "1", code=1)["ending"] == "silent"
    with quick_hospital.consuming():
        eventually(lambda: [each["status"] for each in record.reports_on(media)] == ["preliminary"], within_s=60, what="the late report")
        seen = [rehearsed(quick_hospital, *on_it, "--within", "60") for _ in range(2)]
        for each in seen:
            assert list(each["times"]) == ["published", "reported", "flagged", "taken-back"]
            assert list(each["times"].values()) == sorted(each["times"].values())
        [report] = record.reports_on(media)
        assert [each["ending"] for each in seen] == ["taken-back"] * 2
        assert {each["report"] for each in seen} == {f"DiagnosticReport/{report['id']}"}
        assert len({each["trace_id"] for each in seen}) == 2
        assert report["status"] == IN_ERROR
        [last] = {each.id: each for each in bus.flags()}.values()
        assert (last.status, last.flagged, last.event_source) == (IN_ERROR, False, "urn:tocsin:rehearsal")
        bus.announce(media, subject)
        eventually(lambda: bus.flags()[-1].event_source != "urn:tocsin:rehearsal", within_s=60, what="the flag in earnest")
    [report] = record.reports_on(media)
    assert report["status"] == "preliminary"
    assert rehearsed(quick_hospital, *on_it, code=1) == {}
    assert rehearsed(quick_hospital, "--media", media, "--withdraw")["reports"] == []
    assert [each["id"] for each in record.reports_on(media)] == [report["id"]]
