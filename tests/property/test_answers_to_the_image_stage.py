"""Whatever a FHIR server or a picture's origin answers, an event ends as refused or waits: nothing else comes of an answer."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tocsin.errors import Deferred, Refused, Stop
from tocsin.event.types import ImagingEvent
from tocsin.fhir.client import FhirClient
from tocsin.fhir.http import Answer
from tocsin.image.fhir import FhirPictures
from tocsin.image.types import Picture
from tocsin.settings import FhirSettings, ImageSettings

from tests.builders import event_json
from tests.support.one_by_one import OneByOne

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT = ImagingEvent.model_validate(event_json(study="ImagingStudy/s1"))
STORE = "https://pacs.example.org"

DATA = base64.b64encode(b"a picture").decode()
HASH = base64.b64encode(hashlib.sha1(b"a picture", usedforsecurity=False).digest()).decode()
SUBJECT = {"reference": "Patient/p1"}
CONCEPT = {"coding": [{"system": "http://snomed.info/sct", "code": "22943007"}], "text": "x"}
MOVED = {"extension": [{"url": "http://hapifhir.io/fhir/StructureDefinition/externalized-binary-id", "valueString": "x"}]}
WHOLE: dict[str, dict[str, Any]] = {
    "Media": {
        "resourceType": "Media",
        "id": "m1",
        "meta": {"versionId": "1", "lastUpdated": "2026-03-01T08:31:00Z"},
        "status": "completed",
        "type": CONCEPT,
        "modality": CONCEPT,
        "bodySite": CONCEPT,
        "subject": SUBJECT,
        "createdDateTime": "2026-03-01T09:30:00+01:00",
        "content": {"contentType": "image/jpeg", "data": DATA, "size": 9, "hash": HASH, "url": "Binary/b", "_data": MOVED},
    },
    "Patient": {
        "resourceType": "Patient",
        "id": "p1",
        "active": True,
        "gender": "female",
        "birthDate": "1970-06-01",
        "link": [{"type": "seealso", "other": SUBJECT}],
    },
    "ImagingStudy": {"resourceType": "ImagingStudy", "id": "s1", "subject": SUBJECT},
    "Binary": {"resourceType": "Binary", "id": "b", "meta": {"versionId": "1"}, "contentType": "image/jpeg", "data": DATA, "_data": MOVED},
    "OperationOutcome": {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x", "expression": ["Media"]}]},
}

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8)
urls = st.sampled_from(["Binary/b", "Binary/b/_history/1", f"{STORE}/a.jpg", "http://[", "#b", "Media/m1", "", "Binary/..", "x:y"])
json = st.recursive(
    scalars | urls, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=6
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Each place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, each in inner for path in paths(each, (*at, key)))]


def changed(value: Any, path: tuple[Any, ...], to: Any) -> Any:
    """With another value, or nothing (an Ellipsis), in one place."""
    if not path:
        return None if to is ... else to
    if isinstance(value, list):
        return [changed(each, path[1:], to) if at == path[0] else each for at, each in enumerate(value)]
    rest = {key: changed(each, path[1:], to) if key == path[0] else each for key, each in value.items()}
    if len(path) == 1 and to is ...:
        del rest[path[0]]
    return rest


@st.composite
def resources(draw: st.DrawFn) -> bytes:
    """A resource that is right but for a few places."""
    content: Any = WHOLE[draw(st.sampled_from(sorted(WHOLE)))]
    for _ in range(draw(st.integers(0, 3))):
        if isinstance(content, dict | list):
            content = changed(content, draw(st.sampled_from(paths(content))), draw(json | st.just(...)))
    return orjson.dumps(content)


DEEP = b'{"a":' * 2000 + b"1" + b"}" * 2000
bodies = resources() | json.map(orjson.dumps) | st.binary(max_size=40) | st.sampled_from([b"", b"null", b"[]", DEEP, b"\xef\xbb\xbf{}"])
statuses = st.sampled_from(
    [200, 200, 200, 200, 201, 204, 206, 300, 301, 302, 304, 308, 400, 401, 403, 404, 406, 409, 410, 412, 418, 422, 429]
)
waits = st.none() | st.floats(1, 21_600)
types = st.sampled_from(["application/fhir+json", "APPLICATION/JSON;x=y", "image/jpeg", ";", ""]) | st.text(max_size=9)
answers = st.builds(Answer, statuses | st.integers(100, 999), types, bodies, waits, urls | st.text(max_size=12))
usual = st.sampled_from(sorted(WHOLE)).map(lambda kind: Answer(200, "application/fhir+json", orjson.dumps(WHOLE[kind])))


class Drawn(OneByOne):
    """Answers each request for a resource of one type with the same drawn answer; others as a good server would."""

    def __init__(self, drawn: Mapping[str, Answer]) -> None:
        super().__init__(connect_timeout_s=1, request_timeout_s=1)
        self._drawn = drawn

    def exchange(
        self, method: str, url: str, *, neighbour: str, headers: Mapping[str, str], body: bytes | None = None, body_bytes_max: int
    ) -> Answer:
        kind = next((each for each in ("Media/m1/$", "Media", "Patient", "ImagingStudy", "Binary") if f"/{each}" in url), "elsewhere")
        good = Answer(200, "application/fhir+json", orjson.dumps(WHOLE.get(kind, {})))
        return self._drawn.get(kind, good)


kinds = st.sampled_from(["Media", "Media/m1/$", "Patient", "ImagingStudy", "Binary", "elsewhere"])


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(kinds, answers | usual, min_size=1, max_size=4))
def test_every_answer_to_the_image_stage_is_a_picture_or_a_reason(drawn: dict[str, Answer]) -> None:
    fetched = fetch(drawn)
    if fetched is None:
        return
    assert (fetched.media, fetched.subject) == (EVENT.media, EVENT.subject)
    assert all(isinstance(coding.code, str) and isinstance(coding.system, str | None) for coding in fetched.modality)
    assert isinstance(fetched.facts.sex, str | None)
    assert all(isinstance(code, str) for code in fetched.facts.body_site_codes)


def fetch(drawn: Mapping[str, Answer]) -> Picture | None:
    """The picture; None where the event is refused or waits."""
    http = Drawn(drawn)
    settings = ImageSettings(url_origins_allowed=(STORE,))
    with suppress(Refused, Deferred, Stop):
        return FhirPictures(FhirClient(FhirSettings(base_url="https://fhir.example.org/r4"), http), http, settings, lambda: NOON).fetch(
            EVENT
        )
    return None


def test_the_answers_that_are_drawn_from_make_a_picture() -> None:
    assert fetch({}) is not None
    assert fetch(_leading_to("Binary")) is not None


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["Media", "Patient", "ImagingStudy", "Binary"]), st.data())
@example("Patient", None)
def test_a_wrong_type_in_any_place_of_a_resource_is_no_defect(kind: str, data: st.DataObject | None) -> None:
    """link: "x", coding: 5, meta: [] and so on, in a resource that is right but for that."""
    content = WHOLE[kind]
    if kind != "Media":
        content = content | {"_data": None}
    where, what = ((), {}) if data is None else (data.draw(st.sampled_from(paths(content)[1:] or [()])), data.draw(json))
    body = orjson.dumps(changed(content, where, what))
    fetch({kind: Answer(200, "application/fhir+json", body), **_leading_to(kind)})


def _leading_to(kind: str) -> dict[str, Answer]:
    """A Media without data of its own, where the Binary is to be read."""
    if kind != "Binary":
        return {}
    media = WHOLE["Media"] | {"content": {"url": "Binary/b"}}
    return {"Media": Answer(200, "application/fhir+json", orjson.dumps(media))}
