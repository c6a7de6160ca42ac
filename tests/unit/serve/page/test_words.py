"""The page speaks English and German, whole, and gives times in the site's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from tocsin.image.taken import Days
from tocsin.report.words import Wording
from tocsin.serve.page.ports import Phrases
from tocsin.serve.page.words import Words

from tests.builders import card
from tests.fakes.page import clinic, reader
from tests.support.pictures import encoded, textured

PICTURE = encoded(textured(64, 48))


def words(language: str) -> Words:
    """The words of one language in Berlin."""
    return Words(Wording(card(), language), ZoneInfo("Europe/Berlin"), Phrases(limits_for=lambda _card, _known: []))


def test_a_german_page_is_german() -> None:
    made = clinic(PICTURE)
    made.sessions.now = reader(language="de")
    page = made.app().test_client().get(made.path).get_data(as_text=True)
    assert '<html lang="de">' in page
    assert "Ihr Urteil" in page
    assert "Malignitätsscore 0,170" in page
    assert "Your verdict" not in page


def test_without_a_session_the_browsers_language_is_spoken() -> None:
    made = clinic(PICTURE)
    made.sessions.now = None
    page = made.app().test_client().get(made.path, headers={"Accept-Language": "de-AT,de;q=0.9"}).get_data(as_text=True)
    assert '<html lang="de">' in page


def test_a_language_that_is_not_spoken_is_answered_in_english() -> None:
    made = clinic(PICTURE)
    made.sessions.now = reader(language="fr")
    assert '<html lang="en">' in made.app().test_client().get(made.path).get_data(as_text=True)


def test_times_are_the_sites() -> None:
    assert words("de").moment(datetime(2026, 7, 1, 22, 30, tzinfo=UTC)) == "2. Juli 2026, 00:30 MESZ"
    assert words("en").moment(None) == "at an unknown time"


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (Days(date(2026, 3, 1), date(2026, 3, 1)), "March 1, 2026"),
        (Days(date(2024, 1, 1), date(2024, 12, 31)), "2024"),
        (Days(date(2024, 5, 1), date(2024, 5, 31)), "between May 1, 2024 and May 31, 2024"),
        (Days(None, date(2024, 5, 31)), "on an unknown day"),
        (None, "on an unknown day"),
    ],
)
def test_days_are_said_as_exactly_as_they_are_stated(days: Days | None, said: str) -> None:
    assert words("en").days(days) == said
