"""The mark on a report, as FHIR, and reports as they stand.

The score stands in the RiskAssessment for readers (FHIR R4) and in the mark for Tocsin: a flag is then built from one resource, which is
written whole or not at all, and never from two that may be out of step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final, TypeVar

from tocsin.fhir.canonical import BANDS, MARK, OBSTACLES, SUPERSEDED_BY
from tocsin.report.bundle import version_of
from tocsin.report.identity import part_id
from tocsin.report.model import Json, Mark, Report, Standing

T = TypeVar("T")

ELEMENTS: Final = "status,subject,media,issued,result,conclusionCode,extension,meta"
"""What of a DiagnosticReport has to be read to know how it stands."""


def extension(mark: Mark) -> Json:
    """The mark as an extension of the DiagnosticReport."""
    parts: list[Json] = [
        {"url": "content-sha256", "valueString": mark.content_sha256},
        {"url": "as-of", "valueInstant": mark.as_of.isoformat(timespec="milliseconds")},
        {"url": "fetched", "valueInstant": mark.fetched.isoformat(timespec="milliseconds")},
        {"url": "grounds", "valueString": mark.grounds},
        {"url": "model-version", "valueString": mark.model_version},
        {"url": "code", "valueCode": mark.code},
        {"url": "flagged", "valueBoolean": mark.flagged},
    ]
    if mark.score is not None:
        parts.append({"url": "score", "valueDecimal": mark.score})
    return {"url": MARK, "extension": parts}


def standing_of(report: Json) -> Standing:
    """A DiagnosticReport of Tocsin's as the server handed it out: whole, or its `ELEMENTS`."""
    superseded_by = _only(report, SUPERSEDED_BY).get("valueReference", {}).get("reference")
    return Standing(
        reference=f"DiagnosticReport/{report['id']}",
        subject=local(report.get("subject")),
        media=next((local(each.get("link")) for each in report.get("media") or []), ""),
        status=str(report.get("status")),
        code=_code(report),
        issued=_known(lambda: datetime.fromisoformat(report["issued"])),
        mark=_known(lambda: _mark({part["url"]: part for part in _only(report, MARK)["extension"]})),
        parts=tuple(_parts(report)),
        superseded_by=None if superseded_by is None else local({"reference": superseded_by}),
        version=version_of(report),
    )


def as_written(report: Report) -> Standing:
    """The report as it stands once its bundle has been taken."""
    return standing_of(report.bundle["entry"][0]["resource"])


def local(reference: Json | None) -> str:
    """Type/<id>, also where the server answers with a whole address."""
    return "/".join(str((reference or {}).get("reference", "")).split("/")[-2:])


def _only(report: Json, url: str) -> Json:
    return next((each for each in report.get("extension") or [] if each.get("url") == url), {})


def _mark(parts: Mapping[str, Json]) -> Mark:
    return Mark(
        content_sha256=parts["content-sha256"]["valueString"],
        as_of=datetime.fromisoformat(parts["as-of"]["valueInstant"]),
        fetched=datetime.fromisoformat(parts["fetched"]["valueInstant"]),
        grounds=parts["grounds"]["valueString"],
        model_version=parts["model-version"]["valueString"],
        code=parts["code"]["valueCode"],
        score=float(parts["score"]["valueDecimal"]) if "score" in parts else None,
        flagged=parts["flagged"]["valueBoolean"],
    )


def _known(read: Callable[[], T]) -> T | None:
    """None for what another program left out or changed beyond reading: the report is then not taken for one that can be recognised."""
    try:
        return read()
    except (KeyError, TypeError, ValueError):
        return None


def _parts(report: Json) -> Iterator[str]:
    yield from (local(each) for each in report.get("result") or [])
    if _conclusion(report).get("system") == BANDS:
        yield f"RiskAssessment/{part_id(report['id'], 'risk')}"


def _code(report: Json) -> str:
    conclusion = _conclusion(report)
    return str(conclusion.get("code", "")) if conclusion.get("system") in (BANDS, OBSTACLES) else ""


def _conclusion(report: Json) -> Json:
    concepts = report.get("conclusionCode") or [{}]
    coding: Json = (concepts[0].get("coding") or [{}])[0]
    return coding
