"""How old a patient was at the picture is known as exactly as the record's dates say it, and never better."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.image.taken import Days, ages, birth, taken

LIVE = datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=1)))
STORED = datetime(2026, 3, 2, tzinfo=UTC)


def days(first: str | None, last: str | None) -> Days:
    return Days(date.fromisoformat(first) if first else None, date.fromisoformat(last) if last else None)


@pytest.mark.parametrize(
    ("stated", "first", "last", "said"),
    [
        ("2019-05-02", "2019-05-02", "2019-05-02", "2019-05-02"),
        ("2019-05", "2019-05-01", "2019-05-31", "2019-05"),
        ("2019-12", "2019-12-01", "2019-12-31", "2019-12"),
        ("2019", "2019-01-01", "2019-12-31", "2019"),
        ("2019-05-02T23:30:00.125+02:00", "2019-05-02", "2019-05-02", "2019-05-02T23:30:00.125+02:00"),
        ("2016-12-31T23:59:60Z", "2016-12-31", "2016-12-31", "2016-12-31T23:59:60Z"),
        ("2019-05-02T10:00:00", "2019-05-02", "2019-05-02", "2019-05-02"),
        ("2019-05-02 10:00", "2019-05-02", "2019-05-02", "2019-05-02"),
        ("2019-05-02T10:00Z", "2019-05-02", "2019-05-02", "2019-05-02"),
        ("2019-05-02T24:00:00Z", "2019-05-02", "2019-05-02", "2019-05-02"),
    ],
)
def test_a_date_is_taken_as_exactly_as_it_is_stated_and_reported_so(stated: str, first: str, last: str, said: str) -> None:
    found = taken({"createdDateTime": stated}, announced=LIVE, stored=STORED)
    assert (found.days, found.effective, found.by_the_media) == (days(first, last), {"DateTime": said}, True)


@pytest.mark.parametrize(
    ("period", "first", "last", "said"),
    [
        ({"start": "2019-05", "end": "2019-06-02"}, "2019-05-01", "2019-06-02", {"start": "2019-05", "end": "2019-06-02"}),
        ({"start": "2019-05", "end": "2019-05-02"}, "2019-05-01", "2019-05-02", {"start": "2019-05", "end": "2019-05"}),
        ({"start": "2019-05-02", "end": "2019-05-02T10:00:00Z"}, "2019-05-02", "2019-05-02", {"start": "2019-05-02", "end": "2019-05-02"}),
        (
            {"start": "2019-05-02T23:00:00-10:00", "end": "2019-05-03T01:00:00+10:00"},
            "2019-05-02",
            "2019-05-03",
            {"start": "2019-05-02", "end": "2019-05-03"},
        ),
        (
            {"start": "2016-12-31T23:59:60Z", "end": "2017-01-01T00:00:00Z"},
            "2016-12-31",
            "2017-01-01",
            {"start": "2016-12-31T23:59:60Z", "end": "2017-01-01T00:00:00Z"},
        ),
        ({"start": "2019-05-02T10:00:00Z"}, "2019-05-02", "2026-03-03", {"start": "2019-05-02T10:00:00Z"}),
        ({"end": "2019", "extension": [{"url": "x"}]}, None, "2019-12-31", {"end": "2019"}),
        ({"start": "2019-05-02", "end": "nonsense"}, "2019-05-02", "2026-03-03", {"start": "2019-05-02"}),
    ],
    ids=["both", "differently exact", "day and hour", "hours against", "leap second", "start", "end", "half readable"],
)
def test_a_period_is_taken_from_its_earliest_day_to_its_latest(period: Any, first: str | None, last: str, said: Any) -> None:
    found = taken({"createdPeriod": period}, announced=LIVE, stored=STORED)
    assert (found.days, found.effective) == (days(first, last), {"Period": said})


@pytest.mark.parametrize(
    "media",
    [
        {"createdDateTime": "02.05.2019"},
        {"createdDateTime": "2019-02-30"},
        {"createdDateTime": "2019T10:00:00Z"},
        {"createdDateTime": 2019},
        {
            "_createdDateTime": {
                "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
            }
        },
        {"createdPeriod": {}},
        {"createdPeriod": {"start": "2019-05", "end": "2018"}},
        {"createdPeriod": "2019"},
    ],
    ids=["other order", "no such day", "time without a day", "number", "said to be unknown", "empty", "backwards", "no period"],
)
def test_what_is_stated_and_cannot_be_read_is_not_replaced_by_the_events_time(media: dict[str, Any]) -> None:
    found = taken(media, announced=LIVE, stored=STORED)
    assert (found.days, found.effective, found.by_the_media) == (days(None, "2026-03-03"), {}, True)


def test_a_live_events_time_counts_where_the_media_states_none() -> None:
    found = taken({}, announced=LIVE, stored=STORED)
    assert (found.days, found.effective, found.by_the_media) == (days("2026-03-01", "2026-03-01"), {"DateTime": LIVE.isoformat()}, False)


def test_where_nobody_says_when_it_is_known_only_that_it_was_before_it_was_stored() -> None:
    assert taken({}, announced=None, stored=STORED).days == days(None, "2026-03-03")


@pytest.mark.parametrize(
    ("born", "when", "years"),
    [
        ("2008-03-01", "2026-03-01", (18, 18)),
        ("2008-03-02", "2026-03-01", (17, 17)),
        ("2008", "2026-03-01", (17, 18)),
        ("2008-03", "2026-03-01", (17, 18)),
        ("2005-06-01", "2019", (13, 14)),
        ("2005-06-01", "2019-06", (14, 14)),
        ("1970", "2019", (48, 49)),
        ("2008-02-29", "2026-02-28", (17, 17)),
        ("2019-05-01", "2019", (0, 0)),
        ("2010-01-01", "2000", (0, 125)),
        ("1850-01-01", "2019", (0, 125)),
        (None, "2019", None),
        ("nonsense", "2019", (0, 125)),
        ("01.06.2005", "2019", (0, 125)),
        ("2005-06-01T00:00:00Z", "2019-07", (14, 14)),
    ],
)
def test_ages_are_those_the_dates_leave_open(born: str | None, when: str, years: tuple[int, int] | None) -> None:
    assert ages(birth(born), taken({"createdDateTime": when}, announced=None, stored=STORED).days) == years


PARTS = [4, 7, 10]


@given(
    born=st.dates(date(1930, 1, 1), date(2020, 1, 1)),
    later=st.integers(0, 30_000),
    born_part=st.sampled_from(PARTS),
    taken_part=st.sampled_from(PARTS),
)
def test_the_true_age_is_always_among_them(born: date, later: int, born_part: int, taken_part: int) -> None:
    day = born + timedelta(days=later)
    true = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    found = ages(
        birth(born.isoformat()[:born_part]), taken({"createdDateTime": day.isoformat()[:taken_part]}, announced=None, stored=STORED).days
    )
    assert found is not None
    assert found[0] <= true <= found[1]
    assert found[1] - found[0] <= 2
