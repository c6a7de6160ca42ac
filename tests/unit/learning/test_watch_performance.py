"""Misses and overrides: who counts, since when, and alarms that name the group."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any

import numpy as np
import pytest
from tocsin.learning.labels_bus import meanings
from tocsin.learning.watch.performance import Case, Misses, begun, classes_of, latest, looks, misses, overrides
from tocsin.learning.watch.types import ALL, ANY, Look
from tocsin.report.flag import Flag
from tocsin.review.outcomes import Outcome
from tocsin.review.types import Act, State

from tests.learning.watching import first_miss_alarm
from tests.support.flags import flag
from tests.support.reviewing import NOW
from tests.unit.learning.test_labels_bus import CARD, MELANOMA, NAEVUS, SCC, SNOMED, act, outcome

START = datetime(2026, 1, 1, tzinfo=UTC)
MEANING = meanings(CARD, {f"{SNOMED}|{SCC}": True})
CLASSES = classes_of(CARD)
BELOW = "below-threshold"


def missed(outcomes: list[Outcome], *flags: Flag) -> Misses:
    return misses(outcomes, latest(flags, CARD, START), MEANING, CLASSES)


def cases(*failed: tuple[str, bool]) -> list[Case]:
    return [Case(NOW, group, wrong) for group, wrong in failed]


def state(found: list[Look], group: str) -> str:
    [only] = [each for each in found if each.group == group]
    return only.state


def test_a_cancer_below_the_threshold_is_a_miss_of_its_class_and_a_flagged_one_is_none() -> None:
    found = missed([outcome(1, MELANOMA), outcome(2, SCC, at=NOW + timedelta(days=1))], flag(1, BELOW), flag(2, "high"))
    assert found == Misses((Case(NOW, "mel", True, "Media/m1"), Case(NOW + timedelta(days=1), "other", False, "Media/m2")), 0, 0)


def test_benign_findings_and_findings_that_nobody_knows_are_no_cancers() -> None:
    assert missed([outcome(1, NAEVUS), outcome(2, "123456")], flag(1, BELOW), flag(2, BELOW)) == Misses((), 0, 0)


def test_a_cancer_on_a_picture_that_was_not_assessable_or_has_no_flag_any_more_is_told_and_is_no_miss() -> None:
    assert missed([outcome(1, MELANOMA), outcome(2, MELANOMA)], flag(1, None)) == Misses((), 1, 1)


@pytest.mark.parametrize("changes", [{"status": "entered-in-error"}, {"model": {"name": "sklesion", "version": "9"}}])
def test_a_flag_that_was_withdrawn_or_is_of_another_version_does_not_count(changes: dict[str, Any]) -> None:
    assert missed([outcome(1, MELANOMA)], flag(1, BELOW), flag(1, BELOW, **changes)) == Misses((), 1, 0)


def test_what_was_judged_before_the_beginning_does_not_count() -> None:
    assert latest([flag(1, BELOW, at=START - timedelta(seconds=1))], CARD, START) == {}


def test_of_a_patients_cancers_the_first_counts() -> None:
    second = outcome(2, MELANOMA, subject="Patient/p1", at=NOW + timedelta(days=9))
    assert missed([second, outcome(1, MELANOMA)], flag(1, "high"), flag(2, BELOW)).cases == (Case(NOW, "mel", False, "Media/m1"),)


def test_the_last_answer_to_a_report_counts_by_its_band_and_a_withdrawal_does_not() -> None:
    flags = latest([flag(1, "high"), flag(2, BELOW), flag(3, None), flag(4, "high")], CARD, START)
    said = [act(Act.ACCEPT, 1), act(Act.CORRECT, 2), act(Act.OVERRIDE, 3), act(Act.WITHDRAW, 4), act(Act.OVERRIDE, 5)]
    assert [(each.group, each.failed) for each in overrides(said, flags)] == [("high", False), (BELOW, True), ("not-assessable", True)]


def test_an_act_that_was_taken_back_or_never_was_in_the_record_is_no_answer() -> None:
    first = act(Act.OVERRIDE, 1)
    said = [first, act(Act.UNDO, 1, undoes=first.verdict.id), act(Act.OVERRIDE, 2, State.OVERTAKEN)]
    assert overrides(said, latest([flag(1), flag(2)], CARD, START)) == ()


def test_counting_begins_anew_with_a_promotion_and_after_each_epoch() -> None:
    promoted = datetime(2026, 2, 1, tzinfo=UTC)
    assert begun(promoted + timedelta(days=99), (None, promoted, START), 100) == promoted
    assert begun(promoted + timedelta(days=250), (promoted, None), 100) == promoted + timedelta(days=200)
    assert begun(START, (promoted,), 100) == promoted


def test_no_alarm_before_there_could_be_one_and_the_group_that_fails_is_named() -> None:
    assert state(looks("misses", cases(*repeat(("mel", True), 1)), ["mel", "bcc"], 0.05, 0.05), ANY) == "too-few"
    found = looks("misses", cases(*[("mel", True), ("bcc", False)] * 9), ["mel", "bcc", "other"], 0.05, 0.05)
    assert {each.group: each.state for each in found} == {ANY: "alarm", ALL: "alarm", "mel": "alarm", "bcc": "quiet", "other": "too-few"}


def test_an_alarm_stays_until_counting_begins_anew() -> None:
    found = looks("misses", cases(*[("mel", True)] * 6, *[("mel", False)] * 500), ["mel"], 0.05, 0.05)
    assert (state(found, ANY), state(found, "mel")) == ("alarm", "alarm")


def test_misses_seldom_alarm_falsely_and_soon_when_they_are_too_many() -> None:
    chance = np.random.default_rng(11)
    assert sum(first_miss_alarm(chance, 0.05, 150) is not None for _ in range(30)) <= 3
    found = [first_miss_alarm(chance, 0.3, 100) or 999 for _ in range(15)]
    assert np.median(found) <= 25
