"""Whether a reference names a resource of the server that is spoken to, and which."""

from __future__ import annotations

import pytest
from tocsin.fhir.datatypes import Reference
from tocsin.fhir.reference import RELATIVE, ServiceBase

BASE = ServiceBase(("https://fhir.example.org/r4", "http://10.0.0.7:8080/fhir"))
PATIENT = Reference("Patient", "p-1")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Patient/p-1", PATIENT),
        ("Patient/p-1/_history/3", Reference("Patient", "p-1", "3")),
        ("https://fhir.example.org/r4/Patient/p-1", PATIENT),
        ("https://fhir.example.org/r4/Patient/p-1/_history/3", Reference("Patient", "p-1", "3")),
        ("HTTPS://FHIR.example.ORG:443/r4/Patient/p-1", PATIENT),
        ("https://fhir.example.org/r4//Patient/p-1", PATIENT),
        ("http://10.0.0.7:8080/fhir/Patient/p-1", PATIENT),
        ("https://fhir.example.org/R4/Patient/p-1", None),
        ("https://fhir.example.org/Patient/p-1", None),
        ("https://fhir.example.org:8443/r4/Patient/p-1", None),
        ("http://fhir.example.org/r4/Patient/p-1", None),
        ("https://other.example.org/r4/Patient/p-1", None),
        ("https://fhir.example.org@other.example.org/r4/Patient/p-1", None),
        ("https://user@fhir.example.org/r4/Patient/p-1", None),
        ("https://fhir.example.org/r4/x/../Patient/p-1", None),
        ("https://fhir.example.org:x/r4/Patient/p-1", None),
        ("#p-1", None),
        ("Patient/p-1#contained", None),
        ("Patient/p-1/_history", None),
        ("Patient/p-1/", None),
        ("/Patient/p-1", None),
        ("Patient/..", None),
        ("Patient/.", None),
        ("Patient/p-1/_history/..", None),
        ("Patient/p-1\n", None),
        ("Patient?identifier=1", None),
        ("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", None),
        ("p-1", None),
        ("", None),
        (None, None),
        (5, None),
        (["Patient/p-1"], None),
    ],
)
def test_a_reference_names_the_same_resource_in_whichever_form_and_another_servers_never(text: object, named: Reference | None) -> None:
    assert BASE.reference(text) == named
    assert BASE.local({"reference": text}) == ("" if named is None else "Patient/p-1")


@pytest.mark.parametrize("element", [None, "Patient/p-1", {}, {"identifier": {"value": "1"}}, [{"reference": "Patient/p-1"}]])
def test_an_element_without_a_literal_reference_names_nothing(element: object) -> None:
    assert BASE.local(element) == ""


def test_what_was_not_read_from_a_server_names_its_resources_relatively() -> None:
    assert RELATIVE.reference("Patient/p-1") == PATIENT
    assert RELATIVE.reference("https://fhir.example.org/r4/Patient/p-1") is None


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://fhir.example.org/r4/Media?a=1", "Media?a=1"),
        ("https://fhir.example.org/r4?_getpages=1", None),
        ("https://fhir.example.org/r4/?_getpages=1", "?_getpages=1"),
        ("http://10.0.0.7:8080/fhir/pages/7", "pages/7"),
        ("https://other.example.org/r4/Media?a=1", None),
        ("Media?a=1", None),
    ],
)
def test_an_address_below_the_base_is_told_with_its_path(url: str, path: str | None) -> None:
    assert BASE.path_below(url) == path


@pytest.mark.parametrize("text", ["Patient/p-1", "Patient/p-1/_history/3"])
def test_a_reference_is_written_as_it_was_read(text: str) -> None:
    assert str(RELATIVE.reference(text)) == text
