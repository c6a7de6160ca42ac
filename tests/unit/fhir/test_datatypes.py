"""What stands in a FHIR answer, read datatype by datatype."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from tocsin.fhir.datatypes import (
    Coding,
    DateTime,
    as_instant,
    base64_binary,
    coding,
    coding_of,
    codings,
    date_time,
    fhir_id,
    instant,
    is_resource,
    reference_to,
    state_of,
    to_the_millisecond,
    token,
    version_of,
)


@pytest.mark.parametrize("value", ["1", "p-1", "a.b", ".a", "...", "A" * 64])
def test_an_id_as_r4_has_it_names_a_resource(value: str) -> None:
    assert fhir_id(value) == value
    assert reference_to({"resourceType": "Media", "id": value}) == f"Media/{value}"
    assert is_resource({"resourceType": "Media", "id": value}, "Media")


@pytest.mark.parametrize("value", ["", ".", "..", "a b", "p_1", "p-1\n", "A" * 65, "a/b", "\u0661", 1, True, None, ["p-1"], {"id": "p-1"}])
def test_what_is_no_id_or_leads_upwards_in_an_address_names_no_resource(value: Any) -> None:
    assert fhir_id(value) is None
    assert reference_to({"resourceType": "Media", "id": value}) == ""
    assert not is_resource({"resourceType": "Media", "id": value}, "Media")


@pytest.mark.parametrize("kind", ["", None, 5, ["Media"]])
def test_a_resource_without_a_type_is_not_named(kind: Any) -> None:
    assert reference_to({"resourceType": kind, "id": "m1"}) == ""


@pytest.mark.parametrize(
    ("meta", "version", "state"),
    [
        ({"versionId": "7", "lastUpdated": "2026-03-01T08:31:00Z"}, "7", "7"),
        ({"versionId": 7}, "7", "7"),
        ({"versionId": 0}, "0", "0"),
        ({"versionId": "", "lastUpdated": "2026-03-01T08:31:00Z"}, None, "2026-03-01T08:31:00Z"),
        ({"versionId": True, "lastUpdated": "2026-03-01T08:31:00Z"}, None, "2026-03-01T08:31:00Z"),
        ({"versionId": {"value": "7"}, "lastUpdated": "2026-03-01T08:31:00Z"}, None, "2026-03-01T08:31:00Z"),
        ({"lastUpdated": 5}, None, None),
        ({}, None, None),
        ([{"versionId": "7"}], None, None),
        ("7", None, None),
        (None, None, None),
    ],
)
def test_a_state_is_told_by_its_version_or_else_by_its_time_of_update(meta: Any, version: str | None, state: str | None) -> None:
    assert (version_of({"meta": meta}), state_of({"meta": meta})) == (version, state)


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        ({"system": "urn:x", "code": "a", "display": "A"}, Coding("urn:x", "a")),
        ({"code": "a b"}, Coding(None, "a b")),
        ({"system": None, "code": "a"}, Coding(None, "a")),
        ({"system": "", "code": "a"}, None),
        ({"system": 5, "code": "a"}, None),
        ({"system": "urn:x", "code": ""}, None),
        ({"system": "urn:x", "code": " a"}, None),
        ({"system": "urn:x", "code": "a\n"}, None),
        ({"system": "urn:x", "code": "a  b"}, None),
        ({"system": "urn:x", "code": 5}, None),
        ({"system": "urn:x"}, None),
        (["a"], None),
        ("a", None),
        (None, None),
    ],
)
def test_a_coding_counts_where_its_code_and_the_system_it_states_can_be_read(stated: Any, found: Coding | None) -> None:
    assert coding(stated) == found
    assert codings({"coding": [stated]}) == (() if found is None else (found,))


def test_the_codings_of_a_concept_are_told_by_their_systems_own_address() -> None:
    concept = {"coding": [{"system": "URN:OID:2.16.840.1.113883.6.96", "code": "1"}, {"display": "x"}, {"code": "2"}], "text": "x"}
    assert codings(concept) == (Coding("http://snomed.info/sct", "1"), Coding(None, "2"))


@pytest.mark.parametrize("said", ["http://snomed.info/sct|1", "|1", "urn:x|1"])
def test_a_token_of_a_search_names_one_coding(said: str) -> None:
    assert token(coding_of(said)) == said


def test_a_token_without_a_bar_is_of_no_system() -> None:
    assert coding_of("DMS") == coding_of("|DMS") == Coding(None, "DMS")


@pytest.mark.parametrize(
    ("stated", "moment"),
    [
        ("2026-03-01T09:31:00+01:00", datetime(2026, 3, 1, 8, 31, tzinfo=UTC)),
        ("2026-03-01T08:31:00.123456789Z", datetime(2026, 3, 1, 8, 31, 0, 123456, UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60.500Z", datetime(2017, 1, 1, microsecond=500000, tzinfo=UTC)),
        ("2026-03-01T08:31Z", datetime(2026, 3, 1, 8, 31, tzinfo=UTC)),
        ("0002-01-01T00:00:00+14:00", datetime(2, 1, 1, tzinfo=timezone(timedelta(hours=14)))),
        ("9998-12-31T23:59:59Z", datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("9998-12-31T23:59:60Z", None),
        ("9999-12-31T23:59:60Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("0000-01-01T00:00:00Z", None),
        ("2026-03-01T08:31:00", None),
        ("2026-03-01", None),
        ("2026", None),
        ("2026-02-29T08:31:00Z", None),
        ("2026-03-01T24:00:00Z", None),
        ("soon", None),
        ("\ud800", None),
        ("", None),
        (1772354400, None),
        (None, None),
        (["2026-03-01T08:31:00Z"], None),
    ],
)
def test_a_moment_is_read_where_one_is_named_and_a_year_can_be_reckoned_from_it(stated: Any, moment: datetime | None) -> None:
    assert instant(stated) == moment


def test_an_instant_is_written_to_the_millisecond_and_read_back() -> None:
    when = datetime(2026, 3, 1, 8, 31, 0, 123999, UTC)
    assert as_instant(when) == "2026-03-01T08:31:00.123+00:00"
    assert instant(as_instant(when)) == to_the_millisecond(when) == when.replace(microsecond=123000)


@pytest.mark.parametrize(
    ("stated", "first", "last", "said"),
    [
        ("2019-05-02", (2019, 5, 2), (2019, 5, 2), "2019-05-02"),
        ("2020-02", (2020, 2, 1), (2020, 2, 29), "2020-02"),
        ("2019", (2019, 1, 1), (2019, 12, 31), "2019"),
        ("9999", (9999, 1, 1), (9999, 12, 31), "9999"),
        (" 2019 ", (2019, 1, 1), (2019, 12, 31), "2019"),
        ("2019-05-02T23:59:60Z", (2019, 5, 2), (2019, 5, 2), "2019-05-02T23:59:60Z"),
        ("2019-05-02T10:00Z", (2019, 5, 2), (2019, 5, 2), "2019-05-02"),
    ],
)
def test_a_date_is_read_as_exactly_as_it_is_stated(stated: str, first: tuple[int, int, int], last: tuple[int, int, int], said: str) -> None:
    assert date_time(stated) == DateTime(date(*first), date(*last), said)


@pytest.mark.parametrize(
    "stated", ["0000", "2019-13", "2019-02-29", "2019-5-2", "2019-05T10:00:00Z", "19", "\u0662\u0660\u0661\u0669", "", 2019, None]
)
def test_what_names_no_day_is_no_date(stated: Any) -> None:
    assert date_time(stated) is None


@pytest.mark.parametrize(("stated", "found"), [("YQ==", b"a"), (" Y\r\nQ= =\t", b"a"), ("", b"")])
def test_base64_is_read_whatever_white_space_it_holds(stated: str, found: bytes) -> None:
    assert base64_binary(stated) == found


@pytest.mark.parametrize("stated", ["YQ", "YQ=", "Y-==", "YQ==YQ==", "\u0661\u0661==", 5, True, None, ["YQ=="]])
def test_damaged_base64_is_nothing(stated: Any) -> None:
    assert base64_binary(stated) is None
