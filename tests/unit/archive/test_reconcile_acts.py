"""A clinician's act changes a report's status, and reconciliation has the flag told again where the bus says otherwise."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from tests.support.reconciling import SETTINGS, TOPICS, House, ago


def signed_and_its_flag_says_preliminary(house: House) -> None:
    house.report(house.image(), status="final", changed=ago(2000))
    house.flag("Media/m1")


def withdrawn_and_its_flag_still_calls(house: House) -> None:
    house.report(house.image(), calls=False, status="entered-in-error", changed=ago(2000))
    house.flag("Media/m1")


def taken_back_and_its_flag_says_final(house: House) -> None:
    house.report(house.image(), status="preliminary", changed=ago(2000))
    house.flag("Media/m1")
    house.flag("Media/m1", ago(2500), status="final")


@pytest.mark.parametrize(
    "state", [signed_and_its_flag_says_preliminary, withdrawn_and_its_flag_still_calls, taken_back_and_its_flag_says_final]
)
def test_a_report_whose_flag_says_another_status_is_a_gap_and_its_picture_announced(state: Callable[[House], None]) -> None:
    house = House()
    state(house)
    found = house.reconcile()
    assert (found.reports_without_flag, found.found, found.announced) == (("DiagnosticReport/on-m1",), 1, 1)
    [event] = house.bus.records(TOPICS.topic_backfill)
    assert orjson.loads(event.value or b"")["media"] == "Media/m1"


@pytest.mark.parametrize("status", ["final", "amended", "entered-in-error"])
def test_an_act_days_after_the_report_was_told_is_a_gap_once(status: str) -> None:
    house = House()
    media = house.image(updated=ago(300_000))
    house.report(media, ago(299_000), calls=status == "final", status=status, changed=ago(2000))
    house.flag(media, ago(298_900))
    found = house.reconcile()
    assert (found.reports_without_flag, found.announced) == (("DiagnosticReport/on-m1",), 1)
    assert house.reconcile(ago(-600)).announced == 0


def touched_days_after_it_was_told_and_nobody_acted(house: House) -> None:
    house.report(house.image(updated=ago(300_000)), ago(299_000), status="preliminary", changed=ago(2000))


def acted_on_days_after_it_was_composed_and_told(house: House) -> None:
    house.report(house.image(updated=ago(300_000)), ago(299_000), status="final", changed=ago(2000))
    house.flag("Media/m1", ago(1990), status="final")


def told(house: House) -> None:
    house.report(house.image(), status="final", changed=ago(2000))
    house.flag("Media/m1")
    house.flag("Media/m1", ago(1990), status="final")


def told_in_another_order(house: House) -> None:
    house.report(house.image(), status="final", changed=ago(2000))
    house.flag("Media/m1", ago(1990), status="final")
    house.flag("Media/m1")


def signed_a_moment_ago(house: House) -> None:
    house.report(house.image(), status="final", changed=ago(SETTINGS.grace_s - 1))
    house.flag("Media/m1")


def told_a_moment_ago_of_an_act_after_the_report_was_read(house: House) -> None:
    house.report(house.image(), status="preliminary", changed=ago(3500))
    house.flag("Media/m1", ago(1), status="final")


def in_another_programs_words(house: House) -> None:
    house.report(house.image(), calls=False, status=None, changed=ago(2000))
    house.flag("Media/m1")


def withdrawn_before_anybody_was_told(house: House) -> None:
    house.report(house.image(), calls=False, status="entered-in-error", changed=ago(2000))


@pytest.mark.parametrize(
    "state",
    [
        touched_days_after_it_was_told_and_nobody_acted,
        acted_on_days_after_it_was_composed_and_told,
        told,
        told_in_another_order,
        signed_a_moment_ago,
        told_a_moment_ago_of_an_act_after_the_report_was_read,
        in_another_programs_words,
        withdrawn_before_anybody_was_told,
    ],
)
def test_an_act_that_the_bus_knows_or_may_know_in_a_moment_is_no_gap(state: Callable[[House], None]) -> None:
    house = House()
    state(house)
    assert house.reconcile().found == 0
