"""Writes the mark on a report as FHIR, and reads reports that stand in the record.

The score stands in the RiskAssessment for readers (FHIR R4) and in the mark for Tocsin: a flag is then built from one resource, which is
written whole or not at all, and never from two that may be out of step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from tocsin.event.types import EVENT_ID, EVENT_ID_CHARACTERS_MAX
from tocsin.fhir.canonical import BANDS, MARK, OBSTACLES, REHEARSED, SUPERSEDED_BY
from tocsin.fhir.datatypes import Coding, Json, an_object, as_instant, coding, instant, objects, text, version_of
from tocsin.fhir.reference import RELATIVE, ServiceBase
from tocsin.report.resources.identity import part_id
from tocsin.report.types import CODE, CODE_CHARACTERS_MAX, IN_ERROR, PRELIMINARY, STATUSES, TRACE_ID, Mark, Report, StoredReport

ELEMENTS: Final = "status,subject,media,issued,result,conclusionCode,extension,meta"
"""The elements of a DiagnosticReport that make a StoredReport."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,63}")
_SAID: Final = re.compile(r"\S(?:.*\S)?")
"""Some text without a line end."""
_CODE: Final = re.compile(rf"(?=.{{1,{CODE_CHARACTERS_MAX}}}$){CODE}")
_EVENT_ID: Final = re.compile(rf"(?=.{{1,{EVENT_ID_CHARACTERS_MAX}}}$){EVENT_ID}")
_TRACE_ID: Final = re.compile(TRACE_ID)
_SITE_FILE: Final = re.compile(rf"(?=.{{1,{2 * CODE_CHARACTERS_MAX}}}$){CODE}/[1-9][0-9]*")


def extension(mark: Mark) -> Json:
    """The mark as an extension of the DiagnosticReport."""
    parts: list[Json] = [
        {"url": "content-sha256", "valueString": mark.content_sha256},
        {"url": "as-of", "valueInstant": as_instant(mark.as_of)},
        {"url": "fetched", "valueInstant": as_instant(mark.fetched)},
        {"url": "grounds", "valueString": mark.grounds},
        {"url": "model-version", "valueString": mark.model_version},
        {"url": "code", "valueCode": mark.code},
        {"url": "flagged", "valueBoolean": mark.flagged},
        {"url": "edition", "valueInteger": mark.edition},
        {"url": "judging", "valueInteger": mark.judging},
    ]
    if mark.facts is not None:
        parts.append({"url": "facts", "valueString": mark.facts})
    if mark.score is not None:
        parts.append({"url": "score", "valueDecimal": mark.score})
    if mark.rehearsal is not None:
        parts.append({"url": "rehearsal", "valueString": mark.rehearsal})
    if mark.trace_id is not None:
        parts.append({"url": "trace-id", "valueString": mark.trace_id})
    if mark.site_file is not None:
        parts.append({"url": "site-file", "valueString": mark.site_file})
    return {"url": MARK, "extension": parts}


def stored_report(report: Json, base: ServiceBase = RELATIVE) -> StoredReport:
    """Read a DiagnosticReport from the server at `base`, whole or its `ELEMENTS`, as far as it can be read.

    A reference counts where it names a resource of this server, in whichever form. A clinician's program may have changed anything.
    """
    media = (base.local(each.get("link")) for each in objects(report.get("media")))
    status, said = text(report.get("status")), _extensions(report)
    return StoredReport(
        reference=f"DiagnosticReport/{report['id']}",
        subject=_of("Patient", base.local(report.get("subject"))),
        media=next((each for each in media if _of("Media", each)), ""),
        status=status if status in STATUSES else "unknown",
        code=_code(report),
        issued=instant(report.get("issued")),
        mark=_mark(_extensions(said(MARK))),
        parts=tuple(_parts(report, base)),
        superseded_by=_of("DiagnosticReport", base.local(said(SUPERSEDED_BY).get("valueReference"))) or None,
        rehearsed=status == IN_ERROR and said(REHEARSED).get("valueBoolean") is True,
        version=version_of(report),
    )


def as_written(report: Report) -> StoredReport:
    """The report as it stands once its bundle has been taken: what `stored_report` would read in it."""
    resource = report.bundle["entry"][0]["resource"]
    return StoredReport(
        reference=report.reference,
        subject=report.subject,
        media=report.media,
        status=PRELIMINARY,
        code=report.mark.code,
        issued=instant(resource["issued"]),
        mark=report.mark,
        parts=tuple(_parts(resource, RELATIVE)),
    )


def _of(kind: str, local: str) -> str:
    return local if local.startswith(f"{kind}/") else ""


def _extensions(element: Json) -> Callable[[str], Json]:
    """The element's extension by its url, of several with one url the first; an empty object where there is none."""
    found = {text(each.get("url")): each for each in reversed(objects(element.get("extension")))}
    return lambda url: found.get(url, {})


def _mark(said: Callable[[str], Json]) -> Mark | None:
    """The mark; None where another program left it out or changed it beyond reading, so that Tocsin does not recognise the report by it."""
    try:
        mark = Mark(
            content_sha256=_matching(said("content-sha256").get("valueString"), _SHA256),
            as_of=_moment(said("as-of").get("valueInstant")),
            fetched=_moment(said("fetched").get("valueInstant")),
            grounds=_matching(said("grounds").get("valueString"), _SAID),
            model_version=_matching(said("model-version").get("valueString"), _VERSION),
            code=_matching(said("code").get("valueCode"), _CODE),
            score=_score(said("score")),
            flagged=_boolean(said("flagged").get("valueBoolean")),
            rehearsal=_matching(said("rehearsal").get("valueString"), _EVENT_ID) if said("rehearsal") else None,
            trace_id=_if_sound(said("trace-id").get("valueString"), _TRACE_ID),
            site_file=_if_sound(said("site-file").get("valueString"), _SITE_FILE),
            **_judged_by(said),
        )
    except ValueError:
        return None
    return mark if mark.score is not None or not mark.flagged else None


def _judged_by(said: Callable[[str], Json]) -> dict[str, Any]:
    """The mark's edition, judging and facts; empty where it states none of them, as before decision 0015.

    Raises ValueError where it states only some of them.
    """
    edition, judging, facts = map(said, ("edition", "judging", "facts"))
    if not (edition or judging or facts):
        return {}
    return {
        "edition": _count(edition.get("valueInteger")),
        "judging": _count(judging.get("valueInteger")),
        "facts": _matching(facts.get("valueString"), _SHA256),
    }


def _if_sound(value: object, pattern: re.Pattern[str]) -> str | None:
    """The text; None where it is absent or spoilt, for parts on which nothing rests that the report says."""
    return text(value) if pattern.fullmatch(text(value)) else None


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError
    return value


def _matching(value: object, pattern: re.Pattern[str]) -> str:
    found = text(value)
    if pattern.fullmatch(found) is None:
        raise ValueError
    return found


def _moment(value: object) -> datetime:
    when = instant(value)
    if when is None:
        raise ValueError
    return when


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _score(element: Json) -> float | None:
    """The score, a probability of 0..1; None where there is no such element. Raises ValueError where it holds something else."""
    if not element:
        return None
    value = element.get("valueDecimal")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError
    return float(value)


def _parts(report: Json, base: ServiceBase) -> Iterator[str]:
    yield from filter(None, (base.local(each) for each in objects(report.get("result"))))
    conclusion = _conclusion(report)
    if conclusion is not None and conclusion.system == BANDS:
        yield f"RiskAssessment/{part_id(report['id'], 'risk')}"


def _code(report: Json) -> str:
    conclusion = _conclusion(report)
    return conclusion.code if conclusion is not None and conclusion.system in (BANDS, OBSTACLES) else ""


def _conclusion(report: Json) -> Coding | None:
    """The first coding of the first conclusion, whatever follows it."""
    concepts = report.get("conclusionCode")
    stated = an_object(concepts[0]).get("coding") if isinstance(concepts, list) and concepts else None
    return coding(stated[0]) if isinstance(stated, list) and stated else None
