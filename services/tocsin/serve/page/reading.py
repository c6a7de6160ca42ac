"""Reads one report and all that the page shows with it, by the reader's own token: two rounds, each side by side.

The first round settles whose report it is; only then is anything else asked for. Where the patient's pictures stand on several pages, those
after the first follow one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

from tocsin.errors import FHIR, Deferred, FhirRejected, Unavailable
from tocsin.fhir.canonical import REPORT_IDENTIFIER
from tocsin.fhir.client import FhirClient, is_absent, is_hidden, json_of
from tocsin.fhir.datatypes import Json, an_object, fhir_id, instant, objects, reference_to
from tocsin.fhir.exchanges import Exchanges
from tocsin.fhir.http import Answer
from tocsin.fhir.reference import ServiceBase
from tocsin.fhir.search import goes_on, next_page, resources_of
from tocsin.report.resources.mark import stored_report
from tocsin.report.types import PRELIMINARY
from tocsin.review.shown import Sources
from tocsin.review.view import check_one_patient
from tocsin.serve.types import Session

RESULTS_MAX: Final = 24
"""The most Observations of one report that are read."""
PEOPLE_MAX: Final = 8
"""The most Practitioners whose names are read."""
PICTURES_MAX: Final = 60
"""The most pictures of one patient that are asked for on one page of a search."""
HISTORY_MAX: Final = 60
"""The most acts on one report that are read, the newest: the last one is what stands."""
REPORTS_MAX: Final = 100
"""The most reports of one patient that are listed."""
PAGES_MAX: Final = 5
"""The most pages of one search that are looked through, for reports or for earlier pictures."""

T = TypeVar("T")
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_ABSENT: Final = frozenset({404, 410})


class NotHere(Exception):
    """There is no such resource, or the reader may not read it: which of the two is not said."""


class OfAnotherPatient(Exception):
    """The report is certainly another patient's than the chart's, and the launch did not lead to it."""


class SignedOut(Exception):
    """The FHIR server takes the reader's token no longer."""


def read_report(fhir: FhirClient, session: Session, id_: str, *, looks_first: bool = False) -> Sources:
    """The report and what belongs to it; `looks_first`: the reader is to see the picture before the result of a report that is unread.

    Raises NotHere, SignedOut, OfAnotherPatient, IdentityUnsafe where it is not all one patient's, and Deferred where the report, the
    picture that is to be seen first, or the patient whom the banner is to name is not to be had now.
    """
    reference = f"DiagnosticReport/{known_id(id_)}"
    base = fhir.service_base
    report_read, history_read = fhir.together(_resource(fhir, reference), _history(fhir, reference))
    report = report_read()
    subject = _subject_of(report, session, base)
    history = _acts(_if_any(history_read), reference, base)
    stored = stored_report(report, base)
    media = stored.media
    results = [each for each in stored.parts if each.startswith("Observation/")][:RESULTS_MAX]
    people = sorted(_people(history or (), base.local))[:PEOPLE_MAX]
    reads = fhir.together(
        *(_resource(fhir, each) for each in (media or "Media/-", subject)),
        _pictures(fhir, subject),
        *(_resource(fhir, each) for each in (*results, *people)),
    )
    media_read, patient_read, pictures_read, *others = reads
    pictures, whole = _earlier(fhir, _if_any(pictures_read), subject)
    sources = Sources(
        report=report,
        media=_if_any(media_read, awaited=looks_first and stored.status == PRELIMINARY) if media else None,
        patient=_if_any(patient_read, awaited=session.banner),
        pictures=pictures,
        pictures_whole=whole,
        results=[found for found in map(_if_any, others[: len(results)]) if found is not None],
        history=history,
        people={name: found for name, read in zip(people, others[len(results) :], strict=True) if (found := _if_any(read)) is not None},
    )
    check_one_patient(report, sources.media, subject, base)
    return sources


def read_picture_of(fhir: FhirClient, session: Session, id_: str, media_id: str | None) -> tuple[Json, Json]:
    """A report, and the Media that it judged, or another one of its patient's where `media_id` names that. Raises as `read_report`."""
    reference, base = f"DiagnosticReport/{known_id(id_)}", fhir.service_base
    if media_id is None:
        report = alone_of(fhir, _resource(fhir, reference))
        subject = _subject_of(report, session, base)
        media = alone_of(fhir, _resource(fhir, stored_report(report, base).media or "Media/-"))
        check_one_patient(report, media, subject, base)
        return report, media
    report_read, media_read = fhir.together(_resource(fhir, reference), _resource(fhir, f"Media/{known_id(media_id)}"))
    report = report_read()
    subject, media = _subject_of(report, session, base), media_read()
    if base.local(media.get("subject")) != subject:
        raise NotHere
    return report, media


def _subject_of(report: Json, session: Session, base: ServiceBase) -> str:
    """The Patient/<id> of a report that may be shown in the reader's chart. Raises OfAnotherPatient, and IdentityUnsafe where the report
    names no certain patient, or the launch named this report and the chart of another.
    """
    subject = check_one_patient(report, None, None, base)
    if session.patient not in (None, subject) and session.report != reference_to(report):
        raise OfAnotherPatient
    return check_one_patient(report, None, session.patient, base)


@dataclass(frozen=True, slots=True)
class Listed:
    """The reports of one patient."""

    reports: list[Json]
    """Newest first."""
    pictures: dict[str, Json]
    """Those pictures of the patient that the reader may read, by reference."""
    patient: Json | None
    """None where the reader may not read it."""
    whole: bool
    """Whether all were looked through, and there are no more reports than these."""


def read_reports(fhir: FhirClient, session: Session, patient: str) -> Listed:
    """Tocsin's reports on pictures of a patient, whatever else the record holds of theirs. Raises as `read_report`."""
    path = f"DiagnosticReport?subject={patient}&identifier={REPORT_IDENTIFIER}%7C&_sort=-issued&_count={REPORTS_MAX}"
    found, pictures_read, patient_read = fhir.together(
        _search(fhir, path), _pictures(fhir, patient, most=REPORTS_MAX), _resource(fhir, patient)
    )
    base = fhir.service_base
    reports, whole = _own_reports(fhir, found(), patient)
    pictures = _found(_if_any(pictures_read), "Media") or []
    own = {reference_to(each): each for each in pictures if base.local(each.get("subject")) == patient}
    reports.sort(key=lambda each: instant(each.get("issued")) or _NEVER, reverse=True)
    return Listed(reports[:REPORTS_MAX], own, _if_any(patient_read, awaited=session.banner), whole and len(reports) <= REPORTS_MAX)


def _own_reports(fhir: FhirClient, page: Json, patient: str) -> tuple[list[Json], bool]:
    """Tocsin's reports on the patient from this page of a search on, and whether the search was looked through to its end.

    A server that knows no search by identifier has them among all others: few or none may be on its first page.
    """
    return _looked_through(fhir, page, "DiagnosticReport", patient, _is_own, REPORTS_MAX)


def _earlier(fhir: FhirClient, page: Json | None, patient: str) -> tuple[list[Json] | None, bool]:
    """The patient's pictures from this page of a search on, and whether these are all; None where there is no page."""
    if page is None:
        return None, False
    return _looked_through(fhir, page, "Media", patient, lambda _media: True, PICTURES_MAX * PAGES_MAX)


def _looked_through(
    fhir: FhirClient, page: Json, kind: str, patient: str, wanted: Callable[[Json], bool], most: int
) -> tuple[list[Json], bool]:
    """The patient's resources that are wanted from this page of a search for `kind` on, and whether that was looked through to its end.

    No page is asked for once there are `most`, nor more than PAGES_MAX.
    """
    base, found = fhir.service_base, dict[str, Json]()
    for number in range(1, PAGES_MAX + 1):
        own = (each for each in resources_of(page, kind) if base.local(each.get("subject")) == patient)
        found |= {reference_to(each): each for each in own if wanted(each)}
        if not goes_on(page):
            return list(found.values()), True
        following = None if number == PAGES_MAX or len(found) >= most else _if_any(partial(_page_after, fhir, page, kind))
        if following is None:
            break
        page = following
    return list(found.values()), False


def _page_after(fhir: FhirClient, page: Json, kind: str) -> Json | None:
    path = next_page(fhir, page, kind)
    return None if path is None else alone_of(fhir, _search(fhir, path))


def _is_own(report: Json) -> bool:
    """Whether an installation of Tocsin wrote the report: a server may know no search by identifier, and answer with all."""
    return any(each.get("system") == REPORT_IDENTIFIER for each in objects(report.get("identifier")))


def known_id(id_: str) -> str:
    """The id. Raises NotHere where no resource can have it."""
    found = fhir_id(id_)
    if found is None:
        raise NotHere
    return found


def alone_of(fhir: FhirClient, way: Exchanges[T]) -> T:
    """What one way leads to."""
    return fhir.together(way)[0]()


def _resource(fhir: FhirClient, reference: str) -> Exchanges[Json]:
    answer = yield from fhir.getting(reference)
    found = _said(answer, reference)
    if reference_to(found) != reference:
        raise NotHere
    return found


def _search(fhir: FhirClient, path: str) -> Exchanges[Json]:
    answer = yield from fhir.getting(path)
    return _said(answer, path.partition("?")[0])


def _history(fhir: FhirClient, reference: str) -> Exchanges[Json]:
    answer = yield from fhir.searching(f"Provenance?target={reference}&_sort=-recorded&_count={HISTORY_MAX}")
    return _said(answer, "Provenance")


def _acts(bundle: Json | None, reference: str, base: ServiceBase) -> list[Json] | None:
    """The Provenances of the report among those that were found; None where they are not known.

    A server may pass over `target` and find those of other reports. Where these are not all, the report's own may be among the rest.
    """
    found = _found(bundle, "Provenance")
    if bundle is None or found is None:
        return None
    own = [each for each in found if any(base.local(target) == reference for target in objects(each.get("target")))]
    return None if len(own) < len(found) and goes_on(bundle) else own


def _pictures(fhir: FhirClient, subject: str, most: int = PICTURES_MAX) -> Exchanges[Json]:
    return _search(fhir, f"Media?subject={subject}&_sort=-created&_count={most}&_elements={_PICTURE}")


def _found(bundle: Json | None, kind: str) -> list[Json] | None:
    return None if bundle is None else resources_of(bundle, kind)


_PICTURE: Final = "subject,status,identifier,bodySite,created"
"""The elements by which an earlier picture is known; its bytes stay where they are."""


def _said(answer: Answer, reference: str) -> Json:
    """The resource or Bundle in an answer, told apart by what a reader can do about it."""
    if answer.status == 200:
        return json_of(answer, reference)
    if answer.status == 401:
        raise SignedOut
    if is_hidden(answer) or is_absent(answer):
        raise NotHere
    if 400 <= answer.status < 500 and answer.status not in (*_ABSENT, 408, 409, 423, 425, 429):
        raise FhirRejected(f"HTTP {answer.status}", reference=reference)
    raise Unavailable(FHIR, f"HTTP {answer.status} to the read of {reference}", retry_after_s=answer.retry_after_s)


def _if_any(read: Callable[[], T], *, awaited: bool = False) -> T | None:
    """What was read; None where the page does without: the reader may not read it, or the server does not give it now.

    What is `awaited` is not done without for the moment's sake: raises Deferred.
    """
    try:
        return read()
    except (NotHere, FhirRejected):
        return None
    except Deferred:
        if awaited:
            raise
        return None


def _people(history: Iterable[Json], local: Callable[[Json], str]) -> set[str]:
    agents = (agent for each in history for agent in objects(each.get("agent")))
    return {found for found in map(partial(_who, local), agents) if found.startswith("Practitioner/")}


def _who(local: Callable[[Json], str], agent: Json) -> str:
    return local(an_object(agent.get("who")))
