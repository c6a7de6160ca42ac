"""What stands in a FHIR answer, read datatype by datatype."""

from __future__ import annotations

from typing import Any

import pytest
from tocsin.fhir.datatypes import fhir_id, is_resource, reference_to, state_of, version_of


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
