"""The benchmark's FHIR server counts everything and remembers little."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.benchmarks.counts import Counts, Tally
from tests.benchmarks.fhir_stub import COUNTS, REPORTS_KEPT, TALLY, Site

MARK: Final = '{"url":"urn:tocsin:mark","extension":[{"url":"code","valueCode":"below"}]}'


def bundle(media: str, report: str) -> bytes:
    return f'{{"entry":[{{"fullUrl":"DiagnosticReport/{report}","media":"Media/{media}","extension":{MARK}}}]}}'.encode()


def answered(site: Site, path: str) -> Any:
    return json.loads(site.answer(b"GET", path.encode(), b"").partition(b"\r\n\r\n")[2])


@pytest.fixture
def site() -> Site:
    return Site([b"a picture"])


def test_what_was_read_and_written_is_counted_by_media(site: Site) -> None:
    for number in (0, 1, 1):
        site.answer(b"GET", b"/fhir/Media/run-%d" % number, b"")
    site.answer(b"POST", b"/fhir", bundle("run-1", "r1"))
    assert answered(site, COUNTS) == {"read": {"run-0": 1, "run-1": 2}, "written": {"run-1": 1}}
    assert answered(site, f"{TALLY}run") == {"read": {"events": 2, "once": 1}, "written": {"events": 1, "once": 1}}


def test_a_report_is_found_by_its_picture_until_so_many_later_ones_were_written_that_its_event_has_long_ended(site: Site) -> None:
    def found(media: str) -> int:
        return int(answered(site, f"/fhir/DiagnosticReport?media=Media/{media}&_count=1")["total"])

    for number in range(REPORTS_KEPT):
        site.answer(b"POST", b"/fhir", bundle(f"run-{number}", f"r{number}"))
    assert found("run-0") == 1
    site.answer(b"POST", b"/fhir", bundle(f"run-{REPORTS_KEPT}", "next"))
    assert (found("run-0"), found(f"run-{REPORTS_KEPT}")) == (0, 1)
    assert b" 404 " in site.answer(b"GET", b"/fhir/DiagnosticReport/r0", b"")


def test_an_event_that_was_skipped_is_no_event() -> None:
    counts = Counts()
    for each in ("a-0", "a-3", "a-3", "b-1"):
        counts.add(each)
    assert counts.tally("a") == Tally(2, 1)
    assert counts.tally("nobody") == Tally(0, 0)
    assert counts.by_id() == {"a-0": 1, "a-3": 2, "b-1": 1}
