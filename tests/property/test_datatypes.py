"""Whatever JSON stands where FHIR has a datatype is read as that datatype or as nothing, and never ends in a defect."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from hypothesis import example, given
from hypothesis import strategies as st
from tocsin.archive.search import search_parameters
from tocsin.fhir.datatypes import (
    FHIR_ID,
    an_object,
    as_instant,
    base64_binary,
    coding_of,
    codings,
    date_time,
    fhir_id,
    instant,
    objects,
    reference_to,
    state_of,
    text,
    to_the_millisecond,
    token,
    version_of,
)
from tocsin.fhir.reference import RELATIVE, ServiceBase
from tocsin.image.kind import PLAIN_IMAGE, kind_of
from tocsin.image.taken import ages, birth, taken
from tocsin.report.resources.concept import copied

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=12)
names = st.text(max_size=6)


def around(inner: st.SearchStrategy[Any], named: st.SearchStrategy[str] = names) -> st.SearchStrategy[Any]:
    """Any JSON value whose leaves are these, among others."""
    return st.recursive(inner | scalars, lambda each: st.lists(each, max_size=3) | st.dictionaries(named, each, max_size=4), max_leaves=8)


json = around(scalars)


@given(json)
def test_a_json_value_of_another_shape_is_read_as_nothing(value: Any) -> None:
    assert an_object(value) == (value if isinstance(value, dict) else {})
    assert text(value) == (value if isinstance(value, str) else "")
    assert all(isinstance(each, dict) and each in value for each in objects(value))
    assert isinstance(value, list) or objects(value) == []


statement = around(st.sampled_from(["Media", "modality"]), st.sampled_from(["rest", "resource", "type", "searchParam", "name"]))


@given(statement)
def test_a_servers_search_parameters_are_names_whatever_its_statement_holds(value: Any) -> None:
    assert all(isinstance(each, str) and each for each in search_parameters(an_object(value), "Media"))


ids = st.sampled_from(["m1", "..", ".", "a b", "A" * 64, "A" * 65]) | st.from_regex(FHIR_ID, fullmatch=True)
resource = around(ids, st.sampled_from(["resourceType", "id", "meta", "versionId", "lastUpdated"]))


@given(ids | json)
def test_an_id_can_stand_in_an_address_or_is_none(value: Any) -> None:
    found = fhir_id(value)
    assert found is None or (found == value and quote(found, safe="") == found and found not in (".", ".."))


@given(resource)
def test_a_resource_is_named_by_its_type_and_id_alone_and_its_state_by_a_text(value: Any) -> None:
    content = an_object(value)
    name, version, state = reference_to(content), version_of(content), state_of(content)
    assert name == "" or name == f"{content['resourceType']}/{content['id']}"
    assert version is None or (version != "" and state == version)
    assert state is None or state != ""


BASE = "https://fhir.example.org/r4"
parts = [
    "Patient/p1",
    "Patient/..",
    "/",
    "_history/2",
    "_history/..",
    f"{BASE}/",
    "https://elsewhere.example.org/",
    "#",
    "urn:uuid:",
    "?x=1",
]
references = st.lists(st.sampled_from(parts) | st.text(max_size=3), min_size=1, max_size=4).map("".join)


@given(references | json)
def test_a_reference_names_one_resource_of_this_server_or_none(value: Any) -> None:
    found = ServiceBase((BASE,)).reference(value)
    if found is None:
        return
    assert fhir_id(found.id) == found.id
    assert RELATIVE.reference(str(found)) == found
    assert value.endswith(str(found))
    assert value.removesuffix(str(found)).rstrip("/") in ("", BASE)


@given(around(references, st.sampled_from(["reference", "type"])))
def test_an_element_of_type_reference_leads_to_a_resource_or_to_nothing(value: Any) -> None:
    local = ServiceBase((BASE,)).local(value)
    assert local == "" or RELATIVE.reference(local) is not None


codes = st.sampled_from(["DMS", "a b", " a", "", "http://snomed.info/sct", "urn:oid:2.16.840.1.113883.6.96"])
concept = around(codes, st.sampled_from(["coding", "system", "code", "text", "display", "version"]))


@given(concept)
def test_a_concept_holds_codings_of_codes_as_r4_has_them_and_what_is_copied_of_it_is_among_them(value: Any) -> None:
    found = codings(value)
    assert all(each.code == each.code.strip() != "" for each in found)
    assert all(each.system is None or each.system for each in found)
    assert all(coding_of(token(each)) == each for each in found if "|" not in each.code)
    assert set(codings(copied(value))) <= set(found)
    assert kind_of({"modality": value}).stated or not set(found) - {PLAIN_IMAGE}


R4_INSTANT = (
    r"2[0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,9})?"
    r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
)
"""FHIR R4, datatypes.html#instant, of the years 2000 to 2999 and of days that every month has."""
r4_instants = st.from_regex(R4_INSTANT, fullmatch=True)
edges = st.sampled_from(["9999-12-31T23:59:60Z", "0001-01-01T00:00:00+14:00", "2026-03-01", "2026-W09-7T10:00Z", "20260301T100000Z"])


@given(r4_instants)
def test_every_instant_as_r4_has_it_is_read(value: str) -> None:
    found = instant(value)
    assert found is not None
    assert instant(as_instant(found)) == to_the_millisecond(found)


@given(r4_instants | edges | st.datetimes(timezones=st.timezones() | st.none()).map(datetime.isoformat) | json)
def test_a_moment_is_aware_and_a_years_time_around_it_can_be_reckoned(value: Any) -> None:
    found = instant(value)
    if found is not None:
        assert found.utcoffset() is not None
        assert found - timedelta(days=365) < found.astimezone(UTC) < found + timedelta(days=365)


r4_dates = st.from_regex(r"[12][0-9]{3}(-(0[1-9]|1[0-2])(-(0[1-9]|1[0-9]|2[0-8]))?)?", fullmatch=True)
dates = r4_dates | r4_instants | edges | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9:Z+-]{0,9})?", fullmatch=True)


@given(r4_dates | r4_instants)
def test_every_date_as_r4_has_it_is_read_and_repeated_as_it_is_stated(value: str) -> None:
    found = date_time(value)
    assert found is not None
    assert found.text == value


@given(dates | json)
def test_a_date_is_at_least_a_day_and_at_most_a_year_and_is_never_more_exact_than_it_was_stated(value: Any) -> None:
    found = date_time(value)
    if found is not None:
        assert 0 <= (found.last - found.first).days <= 365
        assert value.strip().startswith(found.text)
        assert date_time(found.text) == found


period = st.fixed_dictionaries({}, optional={"start": dates | json, "end": dates | json})
media = st.fixed_dictionaries({}, optional={"createdDateTime": dates | json, "createdPeriod": period | json})


@given(media, dates | json, r4_instants.map(instant), st.none() | r4_instants.map(instant))
def test_whatever_dates_a_record_holds_an_age_is_some_years_or_unknown(
    media: Any, birth_date: Any, stored: datetime, announced: datetime | None
) -> None:
    when = taken(media, announced=announced, stored=stored)
    years = ages(birth(birth_date), when.days)
    assert years is None or 0 <= years[0] <= years[1] <= 125
    assert all(date_time(each) is not None for each in _texts(dict(when.effective)))


def _texts(value: Any) -> list[str]:
    return [text for each in value.values() for text in _texts(each)] if isinstance(value, dict) else [value]


@given(st.binary(max_size=20).map(lambda content: base64.b64encode(content).decode()) | st.text("YQ=+/- \n", max_size=12) | json)
@example("QQQQ=")
@example("QQQQ====")
def test_base64_is_three_bytes_for_each_four_characters_or_nothing(value: Any) -> None:
    found = base64_binary(value)
    if found is not None:
        written = "".join(value.split())
        assert len(found) == len(written) // 4 * 3 - written.count("=")
        assert base64_binary(base64.b64encode(found).decode()) == found
