"""Which rows a reader may see, by their own token: reports, patients and pictures of the rows on screen, in searches side by side.

A row is shown where the record gives this reader its report and its patient, and both agree with the flag about whose it is. How many rows
are passed over is told to nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from tocsin.errors import FHIR, Unavailable
from tocsin.fhir.client import FhirClient, is_absent, is_hidden, json_of
from tocsin.fhir.datatypes import DateTime, Json, date_time, objects, reference_to, text
from tocsin.fhir.exchanges import Exchanges
from tocsin.fhir.http import Answer
from tocsin.fhir.reference import ServiceBase
from tocsin.fhir.search import goes_on, resources_of
from tocsin.image.types import WITHDRAWN_MEDIA
from tocsin.report.flag import WITHDRAWN
from tocsin.report.lesion import Lesion, lesion_at
from tocsin.review.view import in_use, name_in_use
from tocsin.review.worklist import Place, Row, Wanted, Worklist

_REPORT: Final = "status,subject"
_PATIENT: Final = "name,birthDate,identifier"
_PICTURE: Final = "subject,status,bodySite"
"""The elements that are asked for; whatever else a resource holds stays where it is."""


class SignedOut(Exception):
    """The record takes the reader's token no longer."""


class NotSearched(Exception):
    """The record lets this reader search none of these, which says nothing on whether there are any."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whose report it is; empty where the record does not say."""

    name: str
    born: date | None
    identifier: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A row with what its reader may see of it."""

    row: Row
    person: Person
    status: str
    """FHIR diagnostic-report-status as the record has it now."""
    lesion: Lesion | None = None
    """Where the lesion is; None where this reader is not given the picture, or it was withdrawn."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The rows of one page."""

    rows: Sequence[Shown]
    after: Place | None
    """Where the next page goes on; None: there is none that the reader may see."""


def rows_for(fhir: FhirClient, worklist: Worklist, wanted: Wanted, after: Place | None, rows: int, looked_at_max: int) -> Seen:
    """The next rows that this reader may see, from behind `after`: `rows` of them, or fewer where `looked_at_max` were looked at.

    Raises SignedOut; NotSearched where the record refuses to search reports or patients at all, since a list without them would say that
    nothing waits; and Unavailable(fhir) where it does not answer.
    """
    found, at, looked = list[Shown](), after, 0
    while looked < looked_at_max:
        batch = worklist.page(wanted, at, rows + 1)
        if not batch:
            return Seen(found, None)
        for shown in _readable(fhir, batch):
            if len(found) == rows:
                return Seen(found, worklist.place(found[-1].row))
            found.append(shown)
        at, looked = worklist.place(batch[-1]), looked + len(batch)
    return Seen(found, at)


def _readable(fhir: FhirClient, rows: Sequence[Row]) -> Iterable[Shown]:
    reports_read, patients_read, pictures_read = fhir.together(
        _search(fhir, "DiagnosticReport", [row.report for row in rows], _REPORT),
        _search(fhir, "Patient", sorted({row.subject for row in rows}), _PATIENT),
        _search(fhir, "Media", sorted({row.media for row in rows}), _PICTURE),
    )
    reports, patients, pictures = reports_read(), patients_read(), _if_searched(pictures_read)
    for row in rows:
        report, patient = reports.get(row.report), patients.get(row.subject)
        if report is None or patient is None or fhir.service_base.local(report.get("subject")) != row.subject:
            continue
        status = text(report.get("status"))
        if status in WITHDRAWN and not row.withdrawn and row.unread:
            continue  # it was withdrawn just now, and the list is told of it soon
        yield Shown(row, person(patient), status, _lesion(pictures.get(row.media), row, fhir.service_base))


def _if_searched(read: Callable[[], dict[str, Json]]) -> dict[str, Json]:
    """What was found; nothing where the reader may search none: a row does without."""
    try:
        return read()
    except NotSearched:
        return {}


def _lesion(media: Json | None, row: Row, base: ServiceBase) -> Lesion | None:
    """Where the lesion is by the row's own picture, which is its patient's."""
    if media is None or text(media.get("status")) in WITHDRAWN_MEDIA or base.local(media.get("subject")) != row.subject:
        return None
    return lesion_at(media.get("bodySite"))


def _search(fhir: FhirClient, kind: str, references: Sequence[str], elements: str) -> Exchanges[dict[str, Json]]:
    """Those of the resources that this reader may read. A server that gives fewer at a time is asked for the others: none is a row less."""
    found, wanted = dict[str, Json](), list(references)
    while wanted:
        ids = ",".join(each.partition("/")[2] for each in wanted)
        bundle = _bundle((yield from fhir.getting(f"{kind}?_id={ids}&_elements={elements}&_count={len(wanted)}")), kind)
        come = {reference_to(each): each for each in resources_of(bundle, kind)}
        found |= come
        left = [each for each in wanted if each not in come]
        wanted = left if len(left) < len(wanted) and goes_on(bundle) else []
    return found


def _bundle(answer: Answer, kind: str) -> Json:
    if answer.status == 200:
        return json_of(answer, kind)
    if answer.status == 401:
        raise SignedOut
    if is_hidden(answer) or is_absent(answer):
        raise NotSearched(kind)
    raise Unavailable(FHIR, f"HTTP {answer.status} to the search of {kind}", retry_after_s=answer.retry_after_s)


def person(patient: Json) -> Person:
    """What the list says of a patient."""
    born = date_time(patient.get("birthDate"))
    return Person(_name(patient), _day(born), _identifier(patient))


def _name(patient: Json) -> str:
    best = name_in_use(patient)
    if text(best.get("text")):
        return text(best.get("text"))
    given = best.get("given")
    parts = [text(best.get("family")), " ".join(map(text, given)) if isinstance(given, list) else ""]
    return ", ".join(filter(None, parts))


def _identifier(patient: Json) -> str:
    """The medical record number where one is typed so (v2-0203 MR)."""
    for each in in_use(patient.get("identifier")):
        kind = each.get("type")
        codes = {text(coding.get("code")) for coding in objects(kind.get("coding"))} if isinstance(kind, dict) else set()
        if "MR" in codes:
            return text(each.get("value"))
    return ""


def _day(born: DateTime | None) -> date | None:
    return born.first if born is not None and born.first == born.last else None
