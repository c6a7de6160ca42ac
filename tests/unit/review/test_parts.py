"""An undo gives back exactly those parts that the act had moved, as they were; what a clinician judged for themselves stays theirs."""

from __future__ import annotations

from typing import Any

import pytest
from tocsin.fhir.canonical import VERDICT
from tocsin.fhir.datatypes import Json, reference_to
from tocsin.fhir.reference import RELATIVE
from tocsin.report.types import IN_ERROR, PRELIMINARY
from tocsin.review.acted import PART, acted
from tocsin.review.parts import moved_by
from tocsin.review.resources import Read, provenance_id, written
from tocsin.review.types import Act

from tests.support.records import report
from tests.support.reviewing import NOW, house, verdict

ACTS = [Act.ACCEPT, Act.OVERRIDE, Act.CORRECT, Act.NOT_ASSESSABLE, Act.WITHDRAW]
OWN = ["final", "amended", IN_ERROR]
"""What a clinician may have made of a part for itself."""


class Chart:
    """One report and its parts in memory, as transactions leave them."""

    def __init__(self) -> None:
        made = report("t1")
        self.reference = made.reference
        self.held: dict[str, Json] = {reference_to(each["resource"]): each["resource"] for each in made.bundle["entry"]}
        self.parts = [each for each in self.held if each.startswith(("Observation/", "RiskAssessment/"))]
        self.one = self.parts[0]
        self.provenances_kept = True

    def do(self, act: Act, **changes: Any) -> str:
        """Write the act; return its id."""
        read, about = self.held[self.reference], {"report": self.reference}
        last = acted(read)
        undoes = {"undoes": last.verdict} if act is Act.UNDO and last is not None else {}
        decided = verdict(act, **(about | undoes | changes))
        parts = [self.held[each] for each in self.parts]
        moved = {} if last is None else last.moved or moved_by(self.provenance(last.verdict), parts, RELATIVE)
        self.held |= {
            reference_to(each["resource"]): each["resource"]
            for each in written(decided, Read(read, parts, RELATIVE, moved), house("urn:tocsin:test"), NOW)["entry"]
        }
        return decided.id

    def provenance(self, verdict: str) -> Json:
        return self.held[f"Provenance/{provenance_id(self.reference, verdict)}"] if self.provenances_kept else {}

    def put(self, status: str) -> None:
        """A clinician judges one part for itself, in another program."""
        self.held[self.one] = self.held[self.one] | {"status": status}

    def statuses(self) -> list[str]:
        """The report's, then its parts'."""
        return [self.held[each]["status"] for each in (self.reference, *self.parts)]


@pytest.fixture
def chart() -> Chart:
    return Chart()


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("own", OWN)
def test_a_part_that_a_clinician_had_judged_is_after_an_undo_what_they_made_of_it(chart: Chart, act: Act, own: str) -> None:
    chart.put(own)
    before = {each: chart.held[each] for each in (chart.reference, *chart.parts)}
    chart.do(act)
    assert chart.held[chart.one]["status"] == (IN_ERROR if act is Act.WITHDRAW else own)
    chart.do(Act.UNDO)
    assert {each: chart.held[each]["status"] for each in before} == {each: held["status"] for each, held in before.items()}
    assert [chart.held[each].get("extension") for each in before] == [held.get("extension") for held in before.values()]


@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize("second", ACTS)
@pytest.mark.parametrize("first", ACTS[:-1])
def test_of_two_acts_the_undo_of_the_second_gives_back_what_was_before_the_first(chart: Chart, first: Act, second: Act, own: str) -> None:
    chart.put(own)
    before = chart.statuses()
    chart.do(first)
    chart.do(second)
    assert chart.held[chart.one]["status"] == (IN_ERROR if second is Act.WITHDRAW else own)
    chart.do(Act.UNDO)
    assert chart.statuses() == before


@pytest.mark.parametrize("own", ["amended", IN_ERROR])
def test_a_part_that_a_clinician_judged_after_the_act_is_left_alone_by_its_undo(chart: Chart, own: str) -> None:
    chart.do(Act.ACCEPT)
    chart.put(own)
    chart.do(Act.UNDO)
    assert chart.statuses() == [PRELIMINARY, own, *[PRELIMINARY] * (len(chart.parts) - 1)]


def test_a_part_judged_between_two_acts_is_given_back_as_it_was_judged(chart: Chart) -> None:
    chart.do(Act.ACCEPT)
    chart.put("amended")
    chart.do(Act.CORRECT)
    chart.do(Act.WITHDRAW)
    chart.do(Act.UNDO)
    assert chart.statuses() == [PRELIMINARY, "amended", *[PRELIMINARY] * (len(chart.parts) - 1)]


def forgets(chart: Chart) -> None:
    """The act that stands says no parts, as older versions wrote it."""
    read = chart.held[chart.reference]
    [said] = [each for each in read["extension"] if each["url"] == VERDICT]
    bare = said | {"extension": [each for each in said["extension"] if each["url"] != PART]}
    chart.held[chart.reference] = read | {"extension": [*(each for each in read["extension"] if each is not said), bare]}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("own", OWN)
def test_the_undo_of_an_act_that_an_older_version_wrote_goes_by_its_provenance(chart: Chart, act: Act, own: str) -> None:
    chart.put(own)
    before = chart.statuses()
    chart.do(act)
    forgets(chart)
    if act is Act.WITHDRAW and own != IN_ERROR:  # they kept it so
        chart.held[chart.one] |= {"extension": [{"url": VERDICT, "valueCode": own}]}
    chart.do(Act.UNDO)
    assert chart.statuses() == before
    assert not [each for each in chart.held[chart.one].get("extension", []) if each["url"] == VERDICT]


def test_without_a_word_of_what_an_act_moved_its_undo_leaves_the_parts_alone(chart: Chart) -> None:
    chart.do(Act.ACCEPT)
    forgets(chart)
    chart.provenances_kept = False
    chart.do(Act.UNDO)
    assert chart.statuses() == [PRELIMINARY, *["final"] * len(chart.parts)]


def test_a_part_that_another_program_spoilt_in_the_act_is_left_alone(chart: Chart) -> None:
    chart.do(Act.ACCEPT)
    [said] = [each for each in chart.held[chart.reference]["extension"] if each["url"] == VERDICT]
    first = next(each for each in said["extension"] if each["url"] == PART)
    first["extension"] = [each for each in first["extension"] if each["url"] != "was"]
    chart.do(Act.UNDO)
    assert sorted(chart.statuses()) == sorted(["final", *[PRELIMINARY] * len(chart.parts)])
