"""A picture is taken for a patient's only where Media, Patient and study are the event's own and lead to that patient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from tocsin.errors import Refused
from tocsin.event.types import ImagingEvent
from tocsin.fhir.datatypes import Json, an_object, objects, reference_to
from tocsin.fhir.reference import ServiceBase
from tocsin.image.identity import check_media, check_patient, check_study

from tests.builders import event_json
from tests.property.test_datatypes import around

BASE = "https://fhir.example.org/r4"
SERVER = ServiceBase((BASE,))
EVENT = ImagingEvent.model_validate(event_json(study="ImagingStudy/s1"))
WORDS = ["Media", "Patient", "ImagingStudy", "m1", "p1", "p2", "s1", "Patient/p1", "Patient/p2", f"{BASE}/Patient/p1/_history/2", "#p1"]
NAMES = ["resourceType", "id", "subject", "reference", "status", "active", "link", "type", "identifier"]

leaves = st.sampled_from([*WORDS, "completed", "entered-in-error", "replaced-by", "Device", "https://elsewhere.example.org/Patient/p1"])
values = around(leaves, st.sampled_from(NAMES))
subjects = st.fixed_dictionaries({"reference": leaves}, optional={"type": values, "identifier": values}) | values
links = st.lists(st.fixed_dictionaries({"type": leaves}), max_size=2) | values


def resources(kind: str, id_: str) -> st.SearchStrategy[Json]:
    """The right one more often than not, about whomever."""
    optional = {"subject": subjects, "status": leaves | values, "active": st.booleans() | values, "link": links}
    return st.fixed_dictionaries({"resourceType": st.just(kind) | leaves, "id": st.just(id_) | leaves}, optional=optional)


def passes(check: Callable[[], None]) -> bool:
    try:
        check()
    except Refused:
        return False
    return True


def leads_to_the_patient(subject: Any) -> bool:
    return an_object(subject).get("reference") in (EVENT.subject, f"{BASE}/{EVENT.subject}/_history/2")


@given(resources("Media", "m1"))
@example({"resourceType": "Media", "id": "m1", "subject": {"reference": "Patient/p1"}, "status": "completed"})
def test_a_media_passes_only_where_it_is_the_events_and_of_its_patient(media: Json) -> None:
    right = reference_to(media) == EVENT.media and leads_to_the_patient(media.get("subject")) and media.get("status") != "entered-in-error"
    assert passes(lambda: check_media(media, EVENT, SERVER)) == right


@given(resources("ImagingStudy", "s1"))
@example({"resourceType": "ImagingStudy", "id": "s1", "subject": {"reference": "Patient/p1"}})
def test_a_study_passes_only_where_it_is_the_events_and_of_its_patient(study: Json) -> None:
    right = reference_to(study) == EVENT.study and leads_to_the_patient(study.get("subject"))
    assert passes(lambda: check_study(study, EVENT, SERVER)) == right


@given(resources("Patient", "p1"))
@example({"resourceType": "Patient", "id": "p1"})
def test_a_patient_passes_only_where_it_is_the_events_and_its_record_stands(patient: Json) -> None:
    if passes(lambda: check_patient(patient, EVENT)):
        assert reference_to(patient) == EVENT.subject
        assert patient.get("active") is not False
        assert not any(each.get("type") == "replaced-by" for each in objects(patient.get("link")))


def test_no_study_passes_for_an_event_that_names_none() -> None:
    event = EVENT.model_copy(update={"study": None})
    study = {"resourceType": "ImagingStudy", "id": "s1", "subject": {"reference": EVENT.subject}}
    assert not passes(lambda: check_study(study, event, SERVER))
