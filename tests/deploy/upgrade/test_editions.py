"""What deploy/operations.md says of updates and roll-backs is what a run holds the probes to, and anything else is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.deploy.upgrade.probes import Standing
from tests.deploy.upgrade.run import editions

FIRST = Standing("r1", "1", 1, "raised", 1, "raised")
UPDATED = Standing("r1", "2", 2, "below-threshold", 2, "below-threshold")
BACK = replace(UPDATED, flags=3)
HIGHER = Standing("r1", "3", 3, "raised", 4, "raised")


def told(*rounds: Standing) -> Sequence[str]:
    return list(editions([[each] for each in rounds]))


def test_a_report_that_goes_with_the_higher_number_alone_is_as_it_should_be() -> None:
    assert told(FIRST, UPDATED, BACK, HIGHER) == []


def test_a_report_that_a_roll_back_writes_over_is_told() -> None:
    assert len(told(FIRST, UPDATED, replace(HIGHER, flags=3, edition=1), HIGHER)) == 1


def test_a_flag_that_a_roll_back_does_not_tell_again_is_told() -> None:
    assert len(told(FIRST, UPDATED, UPDATED, HIGHER)) == 1


def test_a_second_report_and_a_flag_of_another_band_are_told() -> None:
    assert len(told(FIRST, replace(UPDATED, report="r2"), replace(BACK, report="r2"), replace(HIGHER, flagged_as="below-threshold"))) == 2
