"""Whatever a FHIR server answers to the report stage and to reconciliation ends in an ending or a wait, and touches no other patient's."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tocsin.archive.fhir import FhirArchive
from tocsin.archive.types import Query
from tocsin.errors import Deferred, Refused, Stop
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import reference_to
from tocsin.fhir.http import HeadedAnswer
from tocsin.fhir.reference import ServiceBase
from tocsin.report.flag import flag_of
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.device import card_document, device
from tocsin.report.store.fhir import FhirReports
from tocsin.report.store.transaction import TransactionWriter
from tocsin.report.types import Report
from tocsin.settings import BackfillSettings, FhirSettings

from tests.builders import card
from tests.support.one_by_one import OneByOne
from tests.support.records import GROUNDS, NOW, dark, event_of, own_picture, replaced, report

Json = dict[str, Any]

BASE = "http://fhir.example.org/r4"
SOURCE = "urn:tocsin:test:x"
ISSUER = Issuer(card(), SOURCE)
OLDER, NEWER, AGAIN = report("x"), replaced("x"), report("x", judged=dark)
SUBJECT, MEDIA = OLDER.subject, OLDER.media
SUBJECTS = st.sampled_from(["Patient/of-somebody-else", "https://elsewhere.example.org/r4/Patient/p1-x", "#p1-x", "Group/p1-x"])

_FHIR_WORDS = st.sampled_from(
    (
        " x preliminary final entered-in-error Patient/p1-x Patient/of-somebody-else #contained urn:tocsin:mark Media/m1-x ../.. "
        "0001-01-01T00:00:00+14:00 9999-12-31T23:59:60Z 2026 2026-03-01 2026-03-01T10:00:00 201 412 Observation/.. Bundle OperationOutcome "
        f"{BASE}/Patient/p1-x/_history/7 https://elsewhere.example.org/Patient/p1-x"
    ).split(" ")
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _FHIR_WORDS | st.text(max_size=8)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FHIR_WORDS, inner, max_size=3), max_leaves=6)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "etag": st.sampled_from(['W/"3"', '"x', "", "W/", "7"]),
    },
)
WAITS = st.sampled_from([None, 7.0])
REDIRECTS = st.sampled_from([f"{BASE}/", "//", "http://[", ""])
STATUSES = st.sampled_from([200, 201, 204, 301, 307, 400, 401, 403, 404, 409, 410, 412, 422, 428, 429, 500, 501, 503, 599])
RAW = st.sampled_from(
    [b"", b"<html>", b"[]", b"5", b"[" * 2000, b'{"a":' * 1200, b"\xef\xbb\xbf{}", b'{"entry": 5, "link": {}, "meta": []}']
)


def _stored(resource: Json, version: str = "3") -> Json:
    meta = {"versionId": version, "lastUpdated": "2026-03-01T10:00:00Z"}
    return copy.deepcopy(resource) | {"meta": meta}


def _resources(*reports: Report) -> Iterator[Json]:
    for each in reports:
        yield from (_stored(entry["resource"]) for entry in each.bundle["entry"])


STANDS = {reference_to(each): each for each in (*_resources(OLDER, NEWER), _stored(card_document(ISSUER.card, SOURCE)))}
STANDS |= {reference_to(each): each for each in [_stored(device(ISSUER.card, SOURCE))]}


def _in_order(method: str, path: str, body: bytes | None) -> Json:
    """What a sound server answers, as a start for what may be wrong with it."""
    kind, _, query = path.partition("?")
    if method == "POST":
        entries = [{"response": {"status": "201 Created", "etag": 'W/"1"'}} for _ in orjson.loads(body or b"{}").get("entry", [])]
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
    if "/" in kind:
        return STANDS.get(
            kind, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found", "expression": ["Media.id"]}]}
        )
    found = [each for each in STANDS.values() if each["resourceType"] == kind]
    media = _stored({"resourceType": "Media", "id": "m1-x", "status": "completed", "subject": {"reference": SUBJECT}})
    entries = [{"resource": each} for each in (*found, *([media] if kind == "Media" else []))]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries} | ({"link": []} if query else {})


class Drawn(OneByOne):
    """A FHIR server whose answers are drawn; remembers what was written to it."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        super().__init__(connect_timeout_s=1, request_timeout_s=1)
        self._draw = draw
        self.written: list[Json] = []
        self._left = 60
        self._every = draw(st.sampled_from([0, 1, 3, 6, 12]))
        """Every so many answers, on average, one that is not sound; 0: none."""

    def exchange_with_headers(
        self, method: str, url: str, *, neighbour: str, headers: Mapping[str, str], body: bytes | None = None, body_bytes_max: int
    ) -> HeadedAnswer:
        """See Http.exchange_with_headers."""
        path = url.removeprefix(BASE).removeprefix("/")
        if method == "PUT":
            self.written.append(orjson.loads(body or b""))
        if method == "POST":
            self.written += [entry["resource"] for entry in orjson.loads(body or b"")["entry"]]
        self._left -= 1
        if self._left < 0:  # else a server that leads from page to page would be asked as long as it is allowed to
            return HeadedAnswer(503, "", b"", headers={})
        return self._answer(copy.deepcopy(_in_order(method, path, body)))

    exchange = exchange_with_headers

    def _answer(self, sound: Json) -> HeadedAnswer:
        status = 404 if sound["resourceType"] == "OperationOutcome" else 200
        if not self._every or self._draw(st.integers(0, self._every)):
            return HeadedAnswer(status, "", orjson.dumps(sound), headers={})
        trouble = self._draw(st.sampled_from(["spoilt", "spoilt", "spoilt", "subject", "status", "raw", "all"]))
        if trouble in ("subject", "all"):
            sound = _of_somebody_else(sound, self._draw(SUBJECTS))
        if trouble in ("spoilt", "all"):
            for _ in range(self._draw(st.integers(1, 4))):
                sound = self._spoilt(sound)
        if trouble in ("status", "all"):
            status = self._draw(STATUSES)
        body = self._draw(RAW) if trouble == "raw" else json.dumps(sound).encode()
        return HeadedAnswer(status, "", body, self._draw(WAITS), self._draw(REDIRECTS), headers=self._draw(HEADERS))

    def _spoilt(self, value: Any) -> Any:
        """With one node, anywhere, gone, doubled or replaced by whatever."""
        if isinstance(value, dict) and value and self._draw(st.booleans() | st.just(True)):
            name = self._draw(st.sampled_from(sorted(value)))
            how = self._draw(st.sampled_from(["deeper", "deeper", "deeper", "gone", "deep"]))
            if how == "gone":
                return {each: kept for each, kept in value.items() if each != name}
            return value | {name: _nested(150) if how == "deep" else self._spoilt(value[name])}
        if isinstance(value, list) and value and self._draw(st.booleans() | st.just(True)):
            at = self._draw(st.integers(0, len(value) - 1))
            if self._draw(st.integers(0, 5)) == 0:
                return [*value, value[at]]
            return [*value[:at], self._spoilt(value[at]), *value[at + 1 :]]
        return self._draw(VALUES)


def _of_somebody_else(content: Json, subject: str) -> Json:
    """With another subject in the resource, or in all that a Bundle holds."""
    for each in (content, *(entry.get("resource", {}) for entry in content.get("entry", []))):
        if "subject" in each:
            each["subject"] = {"reference": subject}
    return content


def _nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"extension": [value]}
    return value


def _writes_are_of_this_patient(server: Drawn) -> None:
    base = ServiceBase((BASE,))
    for resource in server.written:
        if resource["resourceType"] not in ("Device", "DocumentReference", "Provenance"):
            assert base.local(resource.get("subject")) == SUBJECT
        if resource["resourceType"] == "DiagnosticReport":
            assert reference_to(resource) in {each.reference for each in (OLDER, NEWER, AGAIN)}


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.booleans())
def test_whatever_a_server_answers_a_report_ends_or_waits_and_no_other_patients_is_touched(data: st.DataObject, known: bool) -> None:
    server = Drawn(data.draw)
    fhir = FhirClient(FhirSettings(base_url=BASE), server)
    reports = FhirReports(fhir, ISSUER, TransactionWriter(fhir, ISSUER), validate_every=0, registration_wait_s=1.0)
    with suppress(Refused, Deferred, Stop):
        found = reports.find(own_picture("x"), GROUNDS).standing if known else None
        standing = found or reports.write(AGAIN)
        for each in reports.supersede_older(standing, NOW):
            latest = reports.refresh(each)
            assert latest.subject == SUBJECT
            if latest.mark is not None and latest.verbatim:
                assert flag_of(event_of(SUBJECT, MEDIA), latest, latest.mark, ISSUER, NOW).subject == SUBJECT
    _writes_are_of_this_patient(server)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_a_server_answers_reconciliation_ends_or_waits(data: st.DataObject) -> None:
    fhir = FhirClient(FhirSettings(base_url=BASE), Drawn(data.draw))
    archive = FhirArchive(fhir, SOURCE, BackfillSettings(settle_s=0), lambda: NOW)
    since = NOW - timedelta(days=1)
    query = Query(modality=data.draw(st.sampled_from([(), ("DMS",), ("DMS", "absent")])))
    asked: list[Callable[[], object]] = [
        lambda: archive.count(query),
        lambda: archive.media(query, None, 3),
        lambda: list(archive.changed(query, since, NOW + timedelta(days=1))),
        lambda: archive.named([MEDIA]),
        lambda: list(archive.summaries(since, NOW)),
        lambda: archive.reports_on([MEDIA]),
        lambda: archive.existing([OLDER.reference]),
    ]
    for each in asked:
        with suppress(Refused, Deferred, Stop):
            each()
