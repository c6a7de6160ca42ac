"""Flags on the bus become scores of the model's own, each with what was said of its picture, and doubt is no label."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.errors import ConfigurationError
from tocsin.learning.flagged import own_score, rows, sha256_of_rows
from tocsin.learning.labels_bus import OfMedia, labels
from tocsin.learning.labels_csv import JUDGEMENT_UNKNOWN, pseudonym
from tocsin.learning.monthly.rows import rows_of
from tocsin.learning.types import Scored
from tocsin.learning.watch.performance import latest
from tocsin.model_card import ModelCard
from tocsin.report.flag import Flag
from tocsin.report.said import rounded
from tocsin.review.types import Act
from tocsin.risk.calibration import here
from tocsin.risk.judge import band_of

from tests.support.flags import HOUR, NOW, flag
from tests.support.reviewing import DECIDED
from tests.support.site_files import at_site
from tests.unit.learning.test_labels_bus import CARD, MEANING, MELANOMA, NAEVUS, act, outcome

LOCAL = at_site(CARD)


def judged(number: int, score: float, card: ModelCard = CARD, **changes: Any) -> Flag:
    """The flag of a picture of that score, as this card's report has it."""
    probability = here(score, card)
    band = band_of(probability, card.operating_point)
    return flag(number, band.code, flagged=band.flagged, probability=rounded(probability), **changes)


def told(*flags: Flag, found: list[OfMedia] | None = None, card: ModelCard = CARD, seen: tuple[str, ...] = ()) -> list[Scored]:
    return rows(latest(flags, card, NOW), found or [], seen, card)


@given(st.floats(0, 1), st.sampled_from([CARD, LOCAL, at_site(CARD, limits=(0.05, 0.0500001))]))
def test_a_number_turned_back_is_in_the_band_in_which_it_was_judged(score: float, card: ModelCard) -> None:
    said = judged(1, score, card)
    own = own_score(said, card)
    assert own is not None
    assert 0 <= own <= 1
    assert band_of(here(own, card), card.operating_point).code == said.band
    assert here(own, card) == pytest.approx(here(score, card), abs=1.1e-6)


def test_a_calibrated_number_is_turned_back_to_the_models_own_score() -> None:
    [row] = told(judged(1, 0.4, LOCAL), card=LOCAL)
    assert here(0.4, LOCAL) < 0.2  # what the flag says
    assert row.score == pytest.approx(0.4, abs=1e-4)


def test_a_flag_that_others_judged_is_not_taken_for_one_of_this_site_file() -> None:
    with pytest.raises(ConfigurationError, match="others judged it"):
        told(judged(1, 0.02), card=LOCAL)  # by the card alone it is flagged, and 0.02 is below the site's threshold


def test_a_picture_of_which_nobody_spoke_has_a_score_and_no_label() -> None:
    assert told(judged(1, 0.4)) == [Scored("Media/m1", 0.4, patient=pseudonym("Patient/p1"))]


def test_pathology_and_verdicts_are_labels_of_their_own_kind() -> None:
    found = labels([outcome(1, MELANOMA), outcome(2, NAEVUS)], [act(Act.OVERRIDE, 3)], [], MEANING)
    flags = [judged(number, 0.4) for number in (1, 2, 3)]
    assert [(each.malignant, each.label_kind, each.labelled_on) for each in told(*flags, found=found)] == [
        (True, "pathology", date(2026, 3, 12)),
        (False, "pathology", date(2026, 3, 12)),
        (False, "verdict", DECIDED.date()),
    ]


def test_a_picture_that_could_not_be_judged_keeps_its_label_and_says_why() -> None:
    [row] = told(flag(1, None), found=labels([outcome(1, MELANOMA)], [], [], MEANING))
    assert (row.score, row.refusal, row.malignant) == (None, "too-dark", True)


def test_of_several_flags_the_last_holds_and_what_was_withdrawn_or_gave_way_does_not() -> None:
    first, again = judged(1, 0.4), judged(1, 0.4, status="final", at=NOW + HOUR)
    older = judged(2, 0.3, media="Media/m2")
    gone = older.model_copy(update={"status": "entered-in-error", "flagged": False})
    newer = judged(3, 0.6, media="Media/m2", subject="Patient/p2")
    withdrawn = judged(4, 0.9, status="entered-in-error")
    found = told(first, again, again, older, newer, gone, withdrawn)
    assert [(each.picture, each.score) for each in found] == [("Media/m1", 0.4), ("Media/m2", 0.6)]


def test_a_label_without_a_judgement_by_this_model_is_told_and_counts_for_nothing() -> None:
    found = labels([outcome(1, MELANOMA), outcome(2, MELANOMA)], [], [], MEANING)
    other = judged(1, 0.4, model={"name": "sklesion", "version": "9"})
    before = judged(2, 0.4, at=NOW - timedelta(days=1))
    assert told(other, before, found=found, seen=("Media/m2",)) == [Scored("Media/m1", None, refusal=JUDGEMENT_UNKNOWN)]


def test_a_label_of_another_patient_or_a_verdict_on_another_report_is_none() -> None:
    elsewhere = labels([outcome(1, MELANOMA, subject="Patient/other")], [], [], MEANING)
    older = labels([], [act(Act.OVERRIDE, 1, report="DiagnosticReport/older")], [], MEANING)
    for found in (elsewhere, older):
        [row] = told(judged(1, 0.4), found=found)
        assert (row.malignant, row.patient) == (None, pseudonym("Patient/p1"))
        assert list(rows_of(latest([judged(1, 0.4)], CARD, NOW), found)) == [row]  # a month's report counts them alike


def test_another_flag_or_label_is_another_file() -> None:
    found = labels([outcome(1, MELANOMA)], [], [], MEANING)
    files = [told(judged(1, 0.4)), told(judged(1, 0.5)), told(judged(1, 0.4), found=found), told(judged(1, 0.4), judged(2, 0.4))]
    assert len({sha256_of_rows(each) for each in files}) == 4
